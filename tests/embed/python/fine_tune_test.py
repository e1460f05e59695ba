import json
import os
import signal
import subprocess
import threading
import traceback
import unittest

import numpy as np

import tandem
from support import DATA, HELD_BACK, MODEL, InFolder, command_line

# The demo's, in small.
SETTINGS = dict(context_length=128, batch_size=2, lora_rank=8, lora_alpha=16, lora_dropout=0.05, lr=2e-3,
                lr_scheduler="cosine", gpus="cpu,cpu", threads=2)


def records(count=None):
    return [json.loads(line) for line in DATA.read_text().splitlines()[:count]]


def losses_of(tune):
    return [(m["step"], m["loss"], m["grad_norm"], m["lr"]) for m in tune]


def traceback_of(kind, call):
    try:
        call()
    except kind as e:
        return "".join(traceback.format_tb(e.__traceback__))
    raise AssertionError(f"expected {kind.__name__}")


def cross_entropy(logits, targets, scale):
    x = np.from_dlpack(logits)
    rows = np.arange(len(x))
    at = np.from_dlpack(targets)
    x -= x.max(1, keepdims=True)
    losses = np.log(np.exp(x).sum(1)) - x[rows, at]
    np.exp(x, out=x)
    x /= x.sum(1, keepdims=True)
    x[rows, at] -= 1
    x *= np.float32(scale)
    return losses, x


class FineTune(InFolder):
    def test_losses_are_those_of_the_command_line(self):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
        subprocess.run([command_line(), "train", f"--model={MODEL}", f"--dataset={DATA}", "--max-steps=4", *flags,
                        f"--eval-dataset={HELD_BACK}", "--eval-every=2", f"--output-dir={self.folder / 'line'}"],
                       check=True, capture_output=True)
        lines = [json.loads(line) for line in (self.folder / "line" / "metrics.jsonl").read_text().splitlines()]
        expected = [(m["step"], m["loss"], m["grad_norm"], m["lr"]) for m in lines if "loss" in m]
        self.assertEqual(len(expected), 4)
        for dataset in (DATA, records(), (r for r in records())):
            with tandem.FineTune(MODEL, dataset, max_steps=4, **SETTINGS) as tune:
                self.assertEqual((len(tune), tune.total_steps, tune.steps), (4, 4, 0))
                self.assertEqual(losses_of(tune), expected)
        self.assertEqual(os.listdir(self.folder), ["line"])
        with tandem.FineTune(MODEL, DATA, max_steps=4, eval_dataset=HELD_BACK, eval_every=2,
                             output_dir=self.folder / "python", **SETTINGS) as tune:
            metrics = list(tune)
        self.assertEqual([(m["step"], m["loss"], m["grad_norm"], m["lr"]) for m in metrics], expected)
        self.assertEqual([m["eval_loss"] for m in metrics if "eval_loss" in m],
                         [m["eval_loss"] for m in lines if "eval_loss" in m])
        for name in ("adapter/adapter_model.safetensors", "adapter/adapter_config.json"):
            self.assertEqual((self.folder / "python" / name).read_bytes(), (self.folder / "line" / name).read_bytes())

    def test_learns_generates_and_saves(self):
        settings = {**SETTINGS, "batch_size": 8, "eval_dataset": HELD_BACK}
        with tandem.FineTune(MODEL, DATA, max_steps=40, **settings) as tune:
            before = tune.evaluate()
            seen = losses_of(tune)
            self.assertLess(tune.evaluate(), before / 2)
            self.assertLess(seen[-1][1], seen[0][1] / 2)
            answer = tune.answer("What does a mole eat?", max_new_tokens=32)
            tune.save(self.folder / "adapter")
        # The base weights are in 4 bits there too, and in bf16: the same answer.
        with tandem.Model.open(MODEL, adapter=self.folder / "adapter", train_type="qlora", precision="bf16") as model:
            prompt = model.tokenizer.apply_chat_template([{"role": "user", "content": "What does a mole eat?"}],
                                                         add_generation_prompt=True)
            ids = list(model.generate(prompt, max_new_tokens=32))
            self.assertEqual(model.tokenizer.decode(ids, skip_special_tokens=True), answer)

    def test_a_folder_holds_the_run_and_it_goes_on(self):
        whole, parts = self.folder / "whole", self.folder / "parts"
        with tandem.FineTune(MODEL, DATA, max_steps=4, output_dir=whole, lr_scheduler="constant",
                             **{k: v for k, v in SETTINGS.items() if k != "lr_scheduler"}) as tune:
            expected = losses_of(tune)
        settings = {**SETTINGS, "lr_scheduler": "constant", "output_dir": parts}
        with tandem.FineTune(MODEL, DATA, max_steps=4, **settings) as tune:
            seen = losses_of([next(tune), next(tune)])
            tune.finish()
        with tandem.FineTune(MODEL, DATA, max_steps=4, **settings) as tune:
            seen += losses_of(tune)
            self.assertTrue(any("resumed at step 2" in note for note in tune.take_notes()))
            self.assertEqual(tune.take_notes(), [])
        self.assertEqual(seen, expected)
        with tandem.FineTune(MODEL, DATA, max_steps=4, **settings) as tune:
            self.assertEqual(list(tune), [])
        adapter = "adapter/adapter_model.safetensors"
        self.assertEqual((parts / adapter).read_bytes(), (whole / adapter).read_bytes())

    def test_a_checkpoint_of_ones_own(self):
        with tandem.FineTune(MODEL, DATA, max_steps=4, **SETTINGS) as tune:
            next(tune), next(tune)
            place = tune.checkpoint(self.folder)
            expected = losses_of(tune)
        self.assertEqual(place, str(self.folder / "step-000002"))
        with tandem.FineTune(MODEL, DATA, max_steps=4, **SETTINGS) as tune:
            tune.restore(place)
            self.assertEqual(tune.steps, 2)
            self.assertEqual(losses_of(tune), expected)

    def test_plan(self):
        tune = tandem.FineTune(MODEL, DATA, **SETTINGS)
        plan = tune.plan()
        self.assertEqual(len(plan["ranks"]), 2)
        for rank in plan["ranks"]:
            self.assertGreater(min(rank["weights"], rank["optimizer"], rank["activations"]), 0)
            self.assertGreaterEqual(rank["slab"], rank["weights"] + rank["optimizer"])
        self.assertGreater(plan["host"], sum(rank["slab"] for rank in plan["ranks"]))

    def test_what_is_wrong_is_said(self):
        def make(*arguments, **settings):
            return lambda: tandem.FineTune(*arguments, **settings)

        for call, expected in ((make(MODEL, DATA, lora_rank=0), "lora_rank expected an integer >= 1"),
                               (make(MODEL, DATA, lora_r=8), "no setting lora_r"),
                               (make(MODEL, DATA, lora_target_modules=["q_proj", "x"]), "lora_target_modules expected"),
                               (make(MODEL, DATA, checkpoint_every=5), "checkpoint_every needs output_dir"),
                               (make(MODEL, "no/such/file"), "no/such/file"),
                               (make("no/such/model", DATA), "no/such/model"),
                               (make(MODEL, []), "got none"),
                               (make(MODEL, ["text"]), r"dataset\[0\]: expected a dict, got str"),
                               (make(MODEL, records(2) + [{"messages": 5}]), r"dataset\[2\]"),
                               (make(MODEL, DATA, context_length=16), "raise context_length")):
            with self.assertRaisesRegex(tandem.InputError, expected):
                call()
        with self.assertRaisesRegex(tandem.DoesNotFit, "host memory"):
            tandem.FineTune(MODEL, DATA, host_memory="2MB", **SETTINGS).start()
        tune = tandem.FineTune(MODEL, DATA, max_steps=1, **SETTINGS)
        with self.assertRaisesRegex(tandem.InputError, "give eval_dataset"):
            tune.evaluate()
        with self.assertRaisesRegex(tandem.InputError, "use save"):
            tune.finish()
        tune.close()
        with self.assertRaisesRegex(tandem.Error, "closed"):
            next(tune)
        self.assertNotIn("--", tandem.FineTune.__doc__)
        self.assertIn("lora_target_modules", tandem.FineTune.__doc__)

    def test_records_of_numpy(self):
        ids = [{"input_ids": np.arange(5, 15)},
               {"input_ids": list(range(5, 20)), "labels": [-100] * 7 + [np.int64(3)] * 8}]
        with tandem.FineTune(MODEL, ids, max_steps=1, **SETTINGS) as tune:
            self.assertEqual(next(tune)["supervised_tokens"], 9 + 8)
        with tandem.FineTune(MODEL, (r for r in records()), dataset_samples=3, max_steps=1, **SETTINGS) as tune:
            self.assertEqual(len(tune), 1)

    def test_a_loss_of_ones_own(self):
        settings = {**SETTINGS, "precision": "fp32", "optimizer": "sgd"}
        with tandem.FineTune(MODEL, DATA, max_steps=3, **settings) as tune:
            expected = losses_of(tune)
        with tandem.FineTune(MODEL, DATA, max_steps=3, loss=cross_entropy, **settings) as tune:
            seen = losses_of(tune)
        # numpy's exp and sums in float32 differ from the built-in's in the last places.
        np.testing.assert_allclose([s[1:3] for s in seen], [s[1:3] for s in expected], rtol=1e-5)
        with tandem.FineTune(MODEL, DATA, max_steps=3, loss=lambda x, y, s: (np.zeros(len(x)), np.zeros(x.shape, "f4")),
                             **SETTINGS) as tune:
            self.assertEqual([(m["loss"], m["grad_norm"]) for m in tune], [(0, 0)] * 3)

    def test_an_exception_of_a_loss_ends_the_ranks_with_its_own_traceback(self):
        calls = []

        def failing(logits, targets, scale):
            calls.append(threading.get_ident())
            if len(calls) > 2:
                raise KeyError("mine")
            return cross_entropy(logits, targets, scale)

        before = threading.active_count(), len(os.listdir("/proc/self/task"))
        tune = tandem.FineTune(MODEL, DATA, loss=failing, **SETTINGS)
        self.assertIn("in failing", traceback_of(KeyError, lambda: list(tune)))
        self.assertEqual(len(os.listdir("/proc/self/task")), before[1])  # the ranks have ended
        with self.assertRaisesRegex(tandem.Error, "got an exception"):
            next(tune)
        for wrong, expected in ((lambda *_: None, "a pair"), (lambda x, y, s: (np.zeros(1), np.zeros(3)), "losses"),
                                (lambda x, y, s: (np.zeros(len(x)), np.zeros(x.shape)), "dlogits .* float64")):
            with self.assertRaisesRegex(tandem.InputError, expected):
                next(tandem.FineTune(MODEL, DATA, loss=wrong, **SETTINGS))

    def test_an_exception_of_an_iterable_passes(self):
        def broken():
            yield records(1)[0]
            raise KeyError("mine")

        self.assertIn("in broken", traceback_of(KeyError, lambda: tandem.FineTune(MODEL, broken(), **SETTINGS)))

    def test_ctrl_c_finishes_the_step_and_the_session_goes_on(self):
        def interrupting(logits, targets, scale):  # while the step is computed
            if tune.steps == 1 and not sent:
                sent.append(os.kill(os.getpid(), signal.SIGINT))
            return cross_entropy(logits, targets, scale)

        handler = signal.default_int_handler  # a background job, as tests are run, has SIGINT ignored
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, handler))
        sent, seen = [], []
        with tandem.FineTune(MODEL, DATA, max_steps=4, loss=interrupting, **SETTINGS) as tune:
            with self.assertRaises(KeyboardInterrupt):
                for m in tune:
                    seen.append(m["step"])
            self.assertEqual((seen, tune.steps), ([1], 2))
            seen += [m["step"] for m in tune]
        self.assertEqual(seen, [1, 2, 3, 4])
        self.assertIs(signal.getsignal(signal.SIGINT), handler)
