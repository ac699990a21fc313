"""Datasets on their way to worker processes that do not inherit memory: NumPy arrays are mapped, not copied into each."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import sys
from multiprocessing import reduction

from facula._native import core

from .channel import INLINE


class Parcel:
    """An object whose large arrays all processes that unpack it find in the same memory.

    What one of them writes into an array stays its own, as with copies: the pages are copied on writing.
    """

    def __init__(self, content):
        self.content, self.shared = content, {}

    def __reduce__(self):
        file = io.BytesIO()
        _Pickler(file, self.shared).dump(self.content)
        return pickle.loads, (file.getvalue(),)


class _Pickler(reduction.ForkingPickler):
    def __init__(self, file, shared):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared = shared

    def reducer_override(self, obj):
        numpy = sys.modules.get("numpy")
        return self.reduce_array(obj) if numpy is not None and type(obj) is numpy.ndarray else NotImplemented

    def reduce_array(self, array):
        if array.nbytes <= INLINE or array.dtype.hasobject or not (array.flags.c_contiguous or array.flags.f_contiguous):
            return NotImplemented
        if id(array) not in self.shared:
            memory = core.empty_shared(array.nbytes)
            order = "C" if array.flags.c_contiguous else "F"
            memory.numpy().view(array.dtype).reshape(array.shape, order=order)[...] = array
            self.shared[id(array)] = memory, array, order  # the array too: its id must stay its own
        memory, _, order = self.shared[id(array)]
        fd, nbytes = core.shared_file(memory)
        return _array, (reduction.DupFd(fd), nbytes, array.dtype, array.shape, order)


def _array(handle, nbytes, dtype, shape, order):
    import numpy as np

    fd = handle.detach()
    try:
        memory = mmap.mmap(fd, nbytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(fd)
    return np.frombuffer(memory, dtype).reshape(shape, order=order)
