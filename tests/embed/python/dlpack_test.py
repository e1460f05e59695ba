import gc
import sys
import unittest

import numpy as np

import tandem
from support import Retyped, from_bfloat16, to_bfloat16


class OldProducer:
    """Of before DLPack 1.0: it knows no max_version."""

    def __init__(self, array):
        self.array = array

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()


class Dlpack(unittest.TestCase):
    def test_both_directions_share_the_memory(self):
        for dtype in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16",
                      "uint8", "bool"):
            a = np.ones((2, 3, 4), dtype)
            t = tandem.from_dlpack(a)
            b = np.from_dlpack(t)
            self.assertEqual((t.shape, t.dtype, t.device, t.nbytes, len(t)), ((2, 3, 4), dtype, "cpu", a.nbytes, 2))
            self.assertEqual(t.__dlpack_device__(), (1, 0))
            self.assertEqual((b.ctypes.data, b.dtype, b.shape), (a.ctypes.data, a.dtype, a.shape))
            b[0, 0, 0] = 0
            self.assertEqual(a[0, 0, 0], 0)

    def test_shapes(self):
        for shape in ((), (0,), (3, 0), (1, 1, 1, 1), (2, 3, 4, 5)):
            a = np.zeros(shape, np.float32)
            self.assertEqual(np.from_dlpack(tandem.from_dlpack(a)).shape, shape)

    def test_bfloat16(self):
        x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
        rounded = to_bfloat16(x)
        t = tandem.from_dlpack(rounded)
        self.assertEqual((t.dtype, t.nbytes), ("bfloat16", 24))
        self.assertEqual(tandem.from_dlpack(t).dtype, "bfloat16")
        np.testing.assert_allclose(from_bfloat16(t), x, rtol=2**-8)
        self.assertEqual(np.from_dlpack(Retyped(t, Retyped.UINT)).ctypes.data, rounded.array.ctypes.data)

    def test_capsules_old_and_versioned(self):
        a = np.arange(6, dtype=np.float32)
        self.assertIn('"dltensor"', repr(a.__dlpack__()))
        for source in (a.__dlpack__(), a.__dlpack__(max_version=(1, 0)), OldProducer(a)):
            self.assertEqual(np.from_dlpack(tandem.from_dlpack(source)).ctypes.data, a.ctypes.data)
        t = tandem.from_dlpack(a)
        self.assertIn('"dltensor"', repr(t.__dlpack__()))
        self.assertIn('"dltensor"', repr(t.__dlpack__(max_version=(0, 8))))
        self.assertIn('"dltensor_versioned"', repr(t.__dlpack__(max_version=(1, 0))))
        taken = a.__dlpack__()
        tandem.from_dlpack(taken)
        with self.assertRaisesRegex(tandem.InputError, "nobody has taken"):
            tandem.from_dlpack(taken)

    def test_read_only_stays_so(self):
        a = np.ones(4, np.float32)
        a.flags.writeable = False
        t = tandem.from_dlpack(a)
        self.assertTrue(t.read_only)
        self.assertFalse(np.from_dlpack(t).flags.writeable)
        self.assertTrue(tandem.from_dlpack(t).read_only)
        with self.assertRaises(BufferError):
            t.__dlpack__()
        copy = np.from_dlpack(t, copy=True)
        self.assertTrue(copy.flags.writeable)
        self.assertNotEqual(copy.ctypes.data, a.ctypes.data)

    def test_what_a_consumer_asks_for(self):
        t = tandem.from_dlpack(np.ones(4, np.float32))
        self.assertIsNotNone(t.__dlpack__(dl_device=(1, 0), copy=False))
        with self.assertRaises(BufferError):
            t.__dlpack__(dl_device=(2, 0))
        with self.assertRaises(BufferError):
            t.__dlpack__(stream=1)

    def test_memory_lives_as_long_as_somebody_has_it(self):
        a = np.arange(1000, dtype=np.int64)
        before = sys.getrefcount(a)
        t = tandem.from_dlpack(a)
        unused = [t.__dlpack__(), t.__dlpack__(max_version=(1, 0))]
        view = np.from_dlpack(t)
        del t, unused
        gc.collect()
        self.assertGreater(sys.getrefcount(a), before)
        self.assertEqual(view.sum(), a.sum())
        del view
        gc.collect()
        self.assertEqual(sys.getrefcount(a), before)

    def test_what_does_not_fit_is_an_error(self):
        misaligned = np.ndarray((4,), np.float32, buffer=bytearray(32), offset=1)
        for x, expected in ((np.ones((4, 6), np.float32)[:, ::2], "contiguous"),
                            (np.ones((4, 6), np.float32).T, "contiguous"),
                            (np.ones((1, 1, 1, 1, 1), np.float32), "at most 4 dimensions"),
                            (np.ones(3, np.complex64), "numbers of a type that tandem has"),
                            ([1.0, 2.0], "__dlpack__"), (None, "__dlpack__")):
            with self.assertRaisesRegex(tandem.InputError, expected):
                tandem.from_dlpack(x)
        with self.assertRaisesRegex(tandem.InputError, "aligned"):
            tandem.from_dlpack(misaligned)

    def test_a_producers_own_exception_passes(self):
        class Broken:
            def __dlpack__(self, **_):
                raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            tandem.from_dlpack(Broken())

    def test_errors_are_one_family(self):
        self.assertTrue(issubclass(tandem.InputError, tandem.Error))
        self.assertTrue(issubclass(tandem.DoesNotFit, tandem.Error))
        self.assertTrue(issubclass(tandem.Error, RuntimeError))
        self.assertEqual(tandem.Error.__module__, "tandem")
