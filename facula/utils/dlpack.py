"""Memory handed from library to library. NumPy makes and reads the capsules; where it lacks a dtype, it is told of int16 instead."""

from __future__ import annotations

import ctypes

import facula
from facula._native import core

__all__ = ["from_dlpack", "to_dlpack"]


class _Holder:
    """Gives a bare capsule the two methods that readers ask for."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **kwargs):
        return self.capsule

    def __dlpack_device__(self):
        return 1, 0


_INT, _BFLOAT = 0, 4  # DLPack's codes of kinds of numbers


def _code(capsule):
    """The byte of a capsule that says the kind of its numbers: after the address, the device and the count of dimensions."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return ctypes.c_uint8.from_address(pointer(capsule, b"dltensor") + 20)


def to_dlpack(tensor):
    """A capsule with the tensor's memory."""
    return tensor.__dlpack__()


def from_dlpack(ext_tensor):
    """A tensor on the memory of an object with `__dlpack__`, or of a capsule."""
    import numpy as np

    capsule = ext_tensor.__dlpack__() if hasattr(ext_tensor, "__dlpack__") else ext_tensor
    if "dltensor_versioned" in repr(capsule):
        return facula._tensor._from_array(np.from_dlpack(ext_tensor))
    code = _code(capsule)
    brain = code.value == _BFLOAT
    if brain:
        code.value = _INT
    made = facula._tensor._from_array(np.from_dlpack(_Holder(capsule)))
    return made.view(facula.bfloat16) if brain else made


def _dlpack(self, **kwargs):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self.dtype != core.bfloat16:
        return self.numpy().__dlpack__()
    capsule = self.view(core.int16).numpy().__dlpack__()
    _code(capsule).value = _BFLOAT
    return capsule


core.attach("__dlpack__", _dlpack)
core.attach("__dlpack_device__", lambda self: (1, 0))
