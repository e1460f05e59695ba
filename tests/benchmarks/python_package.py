"""What Python costs: a step through the package against the command line's, a DLPack round trip with numpy, the import.

usage: python_package.py TANDEM MODEL DATA.jsonl [STEPS [ROUNDS]]    with an interpreter that has tandem and numpy
TANDEM: the program of the same build. Both do the same run in turn; their losses must be equal bit for bit.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import timeit

import numpy as np

import tandem

program, model, data = sys.argv[1:4]
steps, rounds = (int(a) for a in (sys.argv[4:] + ["6", "3"][len(sys.argv) - 4:]))
settings = dict(gpus="cpu,cpu", context_length=512, lora_rank=16, lora_alpha=32, truncate=True, max_steps=steps)


def by_command_line():
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--{name.replace('_', '-')}={str(value).lower()}" for name, value in settings.items()]
        subprocess.run([program, "train", "--model", model, "--dataset", data, "--output-dir", f"{folder}/run", *flags],
                       check=True, capture_output=True)
        return [json.loads(line) for line in pathlib.Path(folder, "run", "metrics.jsonl").read_text().splitlines()]


def by_python():
    metrics = []
    with tandem.FineTune(model, data, answers=False, **settings) as tune:
        tune.start()
        begin = time.perf_counter()
        for m in tune:
            end = time.perf_counter()
            metrics.append({**m, "seconds": end - begin, "step_itself": m["seconds"]})
            begin = end
    return metrics


line, python, outside = [], [], []
for i in range(rounds):
    pair = [by_command_line(), by_python()] if i % 2 else [by_python(), by_command_line()][::-1]
    if [m["loss"] for m in pair[0]] != [m["loss"] for m in pair[1]]:
        sys.exit("the losses differ")
    line += [m["seconds"] for m in pair[0][1:]]  # the first warms up
    python += [m["seconds"] for m in pair[1][1:]]
    outside += [m["seconds"] - m["step_itself"] for m in pair[1][1:]]
a, b = statistics.median(line), statistics.median(python)
print(f"step: command line {a:.4f} s, Python {b:.4f} s ({100 * (b / a - 1):+.2f} %), medians of {len(line)}; "
      f"outside the step {1e6 * statistics.median(outside):.0f} us")

x = np.zeros((64, 64), np.float32)
trips = timeit.repeat(lambda: np.from_dlpack(tandem.from_dlpack(x)), number=20000, repeat=7)
print(f"DLPack round trip with numpy: {1e6 * min(trips) / 20000:.2f} us at best, "
      f"{1e6 * statistics.median(trips) / 20000:.2f} in the median")

code = "import time; t = time.perf_counter(); import tandem; print(time.perf_counter() - t)"
imports = [float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
           for _ in range(11)]
print(f"import: {statistics.median(imports):.3f} s in the median, {max(imports):.3f} at most")
