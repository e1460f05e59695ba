import threading
import unittest

import numpy as np

import tandem
from support import from_bfloat16, to_bfloat16


def weight(out=24, width=40, seed=1):
    return np.random.default_rng(seed).normal(0, 0.05, (out, width)).astype(np.float32)


def by_hand(w):
    """The weight that the parts stand for, as bitsandbytes decodes them."""
    parts = {name: np.from_dlpack(t) for name, t in w.parts.items()}
    n = w.shape[0] * w.shape[1]
    codes = np.stack([parts["codes"] >> 4, parts["codes"] & 15], 1).reshape(-1)[:n]
    absmax = parts["absmax"]
    if w.double_quant:
        scale = np.repeat(parts["nested_absmax"], 256)[: len(absmax)]
        absmax = parts["nested_quant_map"][absmax] * scale + parts["nested_offset"]
    return (parts["quant_map"][codes] * np.repeat(absmax, 64)[:n]).reshape(w.shape)


class Quantize(unittest.TestCase):
    def test_parts_are_the_weight(self):
        for quant_type in ("nf4", "fp4"):
            for double_quant in (True, False):
                w = tandem.quantize(weight(33, 35), quant_type, double_quant=double_quant)
                self.assertEqual((w.shape, w.quant_type, w.double_quant), ((33, 35), quant_type, double_quant))
                dense = np.from_dlpack(w.dequantize())
                np.testing.assert_array_equal(dense, by_hand(w))
                # Half the widest step between codes (fp4: 1/3), and what the absmax' own 8 bits add.
                self.assertLess(np.abs(dense - weight(33, 35)).max(), 0.2 * np.abs(weight(33, 35)).max())
                self.assertTrue(all(t.read_only for t in w.parts.values()))

    def test_hqq(self):
        for n_bits in (8, 4, 3, 2, 1):
            w = tandem.quantize(weight(33, 35), "hqq", n_bits=n_bits, group_size=32)
            self.assertEqual((w.quant_type, w.n_bits, w.group_size, w.double_quant), ("hqq", n_bits, 32, False))
            parts = {name: np.from_dlpack(t) for name, t in w.parts.items()}
            bits = np.unpackbits(parts["codes"])[: 33 * 35 * n_bits].reshape(-1, n_bits)
            codes = bits @ (1 << np.arange(n_bits)[::-1])
            scale, zero = (np.repeat(parts[p].astype(np.float32), 32)[: 33 * 35] for p in ("scale", "zero"))
            dense = np.from_dlpack(w.dequantize())
            np.testing.assert_array_equal(dense, ((codes.astype(np.float32) - zero) * scale).reshape(33, 35))
            x = np.random.default_rng(2).normal(size=(5, 35)).astype(np.float32)
            np.testing.assert_allclose(np.from_dlpack(w.matmul(x)), x @ dense.T.astype(np.float64), atol=40 * 2**-24)
            self.assertEqual(w.nbytes, (4 if n_bits == 8 else 3) * 1024)  # each part begins at a multiple of 1024

    def test_products_are_those_of_the_dequantized_weight(self):
        w = tandem.quantize(weight(), "nf4")
        dense = np.from_dlpack(w.dequantize()).astype(np.float64)
        rng = np.random.default_rng(2)
        for shape in ((5,), (1,), (2, 3), ()):
            x = rng.normal(size=(*shape, 40)).astype(np.float32)
            dy = rng.normal(size=(*shape, 24)).astype(np.float32)
            # Sums of up to 40 products in float32.
            np.testing.assert_allclose(np.from_dlpack(w.matmul(x)), x @ dense.T, rtol=0, atol=40 * 2**-24)
            np.testing.assert_allclose(np.from_dlpack(w.input_gradient(dy)), dy @ dense, rtol=0, atol=40 * 2**-24)

    def test_bfloat16(self):
        w = tandem.quantize(to_bfloat16(weight()), "nf4")
        x = np.random.default_rng(3).normal(size=(7, 40)).astype(np.float32)
        y = w.matmul(to_bfloat16(x))
        self.assertEqual((y.dtype, y.shape, w.dequantize("bfloat16").dtype), ("bfloat16", (7, 24), "bfloat16"))
        dense, rounded = from_bfloat16(w.dequantize("bfloat16")), from_bfloat16(to_bfloat16(x))
        np.testing.assert_allclose(from_bfloat16(y), rounded.astype(np.float64) @ dense.T, rtol=2**-8, atol=1e-5)
        dx = w.input_gradient(to_bfloat16(np.ones((7, 24), np.float32)))
        np.testing.assert_allclose(from_bfloat16(dx), np.tile(dense.astype(np.float64).sum(0), (7, 1)), rtol=2**-8,
                                   atol=1e-5)

    def test_what_is_wrong_is_said(self):
        w = tandem.quantize(weight(), "nf4")
        for call, expected in ((lambda: tandem.quantize(weight(), "int8"), "nf4, fp4 or hqq, got int8"),
                               (lambda: tandem.quantize(weight(), "nf4", n_bits=3), "n_bits 4 with nf4, got 3"),
                               (lambda: tandem.quantize(weight(), "hqq", double_quant=True), "no double_quant"),
                               (lambda: tandem.quantize(weight()[0]), r"\[out, in\]"),
                               (lambda: tandem.quantize(weight().astype(np.float64)), "float64"),
                               (lambda: tandem.quantize(weight()[:0]), r"\[0, 40\]"),
                               (lambda: w.matmul(np.ones((2, 41), np.float32)), r"\[.., 40\].*\[2, 41\]"),
                               (lambda: w.matmul(np.ones((2, 40))), "float64"),
                               (lambda: w.input_gradient(np.ones((2, 40), np.float32)), r"\[.., 24\]"),
                               (lambda: w.dequantize("float16"), "float16")):
            with self.assertRaisesRegex(tandem.InputError, expected):
                call()
        with self.assertRaises(tandem.Error):
            tandem.quantize(np.full((2, 64), np.nan, np.float32))
        with self.assertRaisesRegex(tandem.Error, "8, 4, 3, 2 or 1 bits, got 5"):
            tandem.quantize(weight(), "hqq", n_bits=5)

    def test_threads_take_turns(self):
        w = tandem.quantize(weight(), "nf4")
        x = np.random.default_rng(4).normal(size=(64, 40)).astype(np.float32)
        expected = np.from_dlpack(w.matmul(x)).copy()
        wrong = []

        def work():
            for _ in range(50):
                if not np.array_equal(np.from_dlpack(w.matmul(x)), expected):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
