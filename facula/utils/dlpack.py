"""Memory handed from library to library. NumPy makes the capsules."""

from __future__ import annotations

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


def to_dlpack(tensor):
    """A capsule with the tensor's memory."""
    return tensor.__dlpack__()


def from_dlpack(ext_tensor):
    """A tensor on the memory of an object with `__dlpack__`, or of a capsule."""
    import numpy as np

    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Holder(ext_tensor)
    return facula._tensor._from_array(np.from_dlpack(source))


def _dlpack(self, **kwargs):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self.numpy().__dlpack__()


core.attach("__dlpack__", _dlpack)
core.attach("__dlpack_device__", lambda self: (1, 0))
