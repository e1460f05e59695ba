"""What the tests share: the demo's files, a folder for one test, and bfloat16, which numpy does not have."""
import ctypes
import os
import pathlib
import tempfile
import unittest

import numpy as np

DEMO = pathlib.Path(__file__).parents[3] / "tools" / "demo"
MODEL = DEMO / "model"
DATA = DEMO / "data.jsonl"
HELD_BACK = DEMO / "held_back.jsonl"

_api = ctypes.pythonapi
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

# Bytes from the struct's begin to dtype.code (DLPack 1.1): device and ndim come before it in DLTensor.
_CODE_AT = {b"dltensor": 8 + 8 + 4, b"dltensor_versioned": 8 + 8 + 8 + 8 + 8 + 8 + 4}


class Retyped:
    """An array of 16 bits whose capsules call its numbers by another of DLPack's type codes."""

    BFLOAT, UINT = 4, 1

    def __init__(self, array, code):
        self.array, self.code = array, code

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **arguments):
        capsule = self.array.__dlpack__(**arguments)
        name = _api.PyCapsule_GetName(capsule)
        at = _api.PyCapsule_GetPointer(capsule, name)
        ctypes.c_uint8.from_address(at + _CODE_AT[name]).value = self.code
        return capsule


def to_bfloat16(x):
    """float32 to an array that is bfloat16 to consumers, rounded to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return Retyped(((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16), Retyped.BFLOAT)


def from_bfloat16(t):
    bits = np.from_dlpack(Retyped(t, Retyped.UINT)).astype(np.uint32) << 16
    return bits.view(np.float32)


def command_line():
    """The program of the same build."""
    return pathlib.Path(os.environ["BUILD_FOLDER"]).resolve() / "tandem"


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
