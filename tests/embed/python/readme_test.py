import re
import shutil
import subprocess
import sys
import unittest

import tandem
from support import DEMO, InFolder


class Readme(InFolder):
    def test_what_it_shows_runs(self):
        text = (DEMO.parents[1] / "README.md").read_text()
        code, = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        shutil.copytree(DEMO, self.folder / "demo")
        done = subprocess.run([sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines[:20]], [str(i) for i in range(1, 21)])
        self.assertGreater(len(lines), 20)
        self.assertTrue((self.folder / "adapter" / "adapter_model.safetensors").exists())


class Help(unittest.TestCase):
    def test_everything_public_says_what_it_is(self):
        for name in tandem.__all__:
            thing = getattr(tandem, name)
            self.assertTrue(thing.__doc__, name)
            if isinstance(thing, type):
                for method, value in vars(thing).items():
                    if not method.startswith("_") and (callable(value) or isinstance(value, property)):
                        self.assertTrue(value.__doc__, f"{name}.{method}")
