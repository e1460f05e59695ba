"""Sessions come and go in one process without growth. TANDEM_SESSIONS says how many (CI: 50; by hand 1000)."""
import gc
import os
import subprocess
import sys
import unittest

import tandem
from support import DATA, MODEL

COUNT = int(os.environ.get("TANDEM_SESSIONS", 50))


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held():
    gc.collect()
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def model_session(close):
    model = tandem.Model.open(MODEL, context_length=64, threads=1)
    model.logits([1, 2, 3])
    if close:
        model.close()


def training_session(close):
    tune = tandem.FineTune(MODEL, DATA, dataset_samples=2, max_steps=1, context_length=128, gpus="cpu,cpu", threads=2)
    next(tune)
    if close:
        tune.close()


class Sessions(unittest.TestCase):
    def test_no_growth(self):
        for session in (model_session, training_session):
            for i in range(10):
                session(i % 2)
            before, memory = held(), resident()
            for i in range(COUNT):
                session(i % 2)
            self.assertEqual(held(), before)
            grown = resident() - memory
            print(f"{session.__name__}: {COUNT} sessions, {grown / 1024:.0f} KiB more resident")
            self.assertLess(grown, 8 << 20)  # the allocator's own swing; a session has more than that

    def test_an_exit_with_open_sessions(self):
        code = (f"import tandem; m = tandem.Model.open({str(MODEL)!r}); m.logits([1, 2]); "
                f"t = tandem.FineTune({str(MODEL)!r}, {str(DATA)!r}, max_steps=2); next(t); print('end')")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "end\n", ""))

    def test_a_child_of_fork_is_told(self):
        model = tandem.Model.open(MODEL)
        child = os.fork()
        if child == 0:
            try:
                model.logits([1, 2])
            except tandem.Error as e:
                os._exit(0 if "fork" in str(e) else 2)
            os._exit(1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_import_is_light(self):
        code = "import sys, tandem; print([m for m in ('numpy', 'torch', 'json') if m in sys.modules])"
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        self.assertEqual(out, "[]\n")
