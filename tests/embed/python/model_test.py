import json
import subprocess
import threading
import unittest

import numpy as np

import tandem
from support import MODEL, command_line


class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = tandem.Model.open(MODEL, threads=1)
        cls.ids = cls.model.tokenizer.encode("A mole eats earthworms, and lives under the ground.")

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def test_loss_is_that_of_the_logits(self):
        x = np.from_dlpack(self.model.logits(self.ids)).astype(np.float64)
        self.assertEqual(x.shape, (len(self.ids), self.model.vocab_size))
        log_probs = x - x.max(1, keepdims=True)
        log_probs -= np.log(np.exp(log_probs).sum(1, keepdims=True))
        losses = -log_probs[np.arange(len(self.ids) - 1), self.ids[1:]]
        # Logits in float32: each loss within a few of their last places.
        self.assertAlmostEqual(self.model.loss(self.ids), losses.mean(), delta=1e-5)
        labels = [-100] * 4 + self.ids[4:]
        self.assertAlmostEqual(self.model.loss(np.array(self.ids), labels), losses[3:].mean(), delta=1e-5)

    def test_ids_come_as_arrays_too(self):
        expected = np.from_dlpack(self.model.logits(self.ids))
        for dtype in (np.int32, np.int64):
            np.testing.assert_array_equal(np.from_dlpack(self.model.logits(np.array(self.ids, dtype))), expected)
        np.testing.assert_array_equal(np.from_dlpack(self.model.logits([np.int64(i) for i in self.ids])), expected)

    def test_ranks_and_a_longer_context_change_no_logits(self):
        expected = np.from_dlpack(self.model.logits(self.ids))
        with tandem.Model.open(MODEL, gpus="cpu,cpu", context_length=100) as two:
            np.testing.assert_array_equal(np.from_dlpack(two.logits(self.ids)), expected)

    def test_generation_follows_the_logits(self):
        prompt = self.ids[:5]
        new = list(self.model.generate(prompt, max_new_tokens=8, ignore_eos=True))
        self.assertEqual(len(new), 8)
        x = np.from_dlpack(self.model.logits(prompt + new))
        self.assertEqual(new, [int(i) for i in x[len(prompt) - 1 : -1].argmax(1)])

    def test_text_in_text_out_as_the_command_line(self):
        for options in ({}, {"temperature": 0.8, "seed": 7}):
            pieces = list(self.model.generate("The otter", max_new_tokens=20, **options))
            flags = [f"--{name}={value}" for name, value in options.items()]
            out = subprocess.run([command_line(), "generate", f"--model={MODEL}", "--precision=fp32", "--gpus=cpu",
                                  "--prompt=The otter", "--max-new-tokens=20", "--json", *flags], check=True,
                                 capture_output=True, text=True).stdout
            self.assertEqual("".join(pieces), json.loads(out.splitlines()[-1])["text"])
            self.assertGreater(len(pieces), 1)

    def test_a_character_of_several_ids_comes_whole(self):
        text = "🦦🦉"
        ids = self.model.tokenizer.encode(text, add_special_tokens=False)
        self.assertGreater(len(ids), 2)

        class Fixed:  # a session that writes these ids
            def __init__(self, session):
                self.session, self.left = session, list(ids)

            def next(self, _):
                return self.left.pop(0) if self.left else None

            def decode(self, *arguments):
                return self.session.decode(*arguments)

        pieces = list(tandem.Model(Fixed(self.model._session))._pieces(0))
        self.assertEqual("".join(pieces), text)
        self.assertNotIn("\ufffd", "".join(pieces))
        cut = Fixed(self.model._session)
        cut.left.pop()  # what never becomes whole is given at the end
        self.assertIn("\ufffd", "".join(tandem.Model(cut)._pieces(0)))

    def test_one_text_at_a_time(self):
        older = self.model.generate(self.ids[:5], ignore_eos=True)
        next(older)
        list(self.model.generate(self.ids[:3], max_new_tokens=2))
        with self.assertRaisesRegex(tandem.Error, "one at a time"):
            next(older)

    def test_other_calls_between_two_tokens_change_nothing(self):
        expected = list(self.model.generate(self.ids[:5], max_new_tokens=6, ignore_eos=True))
        new = []
        for i in self.model.generate(self.ids[:5], max_new_tokens=6, ignore_eos=True):
            new.append(i)
            self.model.logits(self.ids)
            self.model.loss(self.ids)
        self.assertEqual(new, expected)

    def test_tokenizer(self):
        t = self.model.tokenizer
        self.assertEqual(t.decode(t.encode("Größe 🦦")), "Größe 🦦")
        turns = [{"role": "user", "content": "What does a mole eat?"}]
        text = t.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        self.assertIn("What does a mole eat?", text)
        ids = t.apply_chat_template(turns, add_generation_prompt=True)
        self.assertEqual(t.decode(ids), text)
        self.assertNotEqual(t.decode(ids, skip_special_tokens=True), text)

    def test_four_bits_and_bf16(self):
        with tandem.Model.open(MODEL, precision="bf16", train_type="qlora", quant_type="nf4") as model:
            self.assertNotEqual(model.loss(self.ids), self.model.loss(self.ids))
            self.assertAlmostEqual(model.loss(self.ids), self.model.loss(self.ids), delta=0.5)

    def test_what_is_wrong_is_said(self):
        m = self.model
        for call, expected in ((lambda: m.logits([]), "1 to 512 ids, got 0"),
                               (lambda: m.logits([0] * 513), "raise context_length"),
                               (lambda: m.logits([5000]), "vocabulary"),
                               (lambda: m.logits([2**40]), "32 bits"),
                               (lambda: m.logits("text"), "encode it first"),
                               (lambda: m.loss([1, 2], [1]), "a label for each"),
                               (lambda: m.loss([1, 2], [-100, -100]), "supervised"),
                               (lambda: m.generate("x", temperature=-1), "temperature"),
                               (lambda: m.generate([1], max_new_tokens=0), "max_new_tokens"),
                               (lambda: tandem.Model.open("no/such/folder"), "no/such/folder"),
                               (lambda: tandem.Model.open(MODEL, precision="fp8"), "precision expected bf16.fp32"),
                               (lambda: tandem.Model.open(MODEL, batch_size=2), "batch_size expected 1"),
                               (lambda: tandem.Model.open(MODEL, context=2), "no setting context"),
                               (lambda: tandem.Model.open(MODEL, gpus="gpu"), "gpus expected")):
            with self.assertRaisesRegex(tandem.InputError, expected):
                call()
        with self.assertRaisesRegex(tandem.DoesNotFit, "host_memory|host memory"):
            tandem.Model.open(MODEL, host_memory="1MB")
        self.assertNotIn("--", str(tandem.Model.open.__doc__))

    def test_closed(self):
        model = tandem.Model.open(MODEL)
        model.close()
        model.close()
        with self.assertRaisesRegex(tandem.Error, "closed"):
            model.logits(self.ids)

    def test_the_gil_is_free_while_ranks_compute(self):
        counted = 0
        done = threading.Event()

        def count():
            nonlocal counted
            while not done.is_set():
                counted += 1

        thread = threading.Thread(target=count)
        thread.start()
        before = counted
        self.model.logits(self.ids * 25)
        during = counted - before
        done.set()
        thread.join()
        self.assertGreater(during, 100)
