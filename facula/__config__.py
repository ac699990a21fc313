"""What the build is made of."""

from __future__ import annotations

import os

import facula

from ._callbacks import lapack_path
from ._native import level


def show():
    """A few lines about the build."""
    return f"Facula built with:\n  - Core's instruction set: {level}\n  - Tensors: CPU only\n  - LAPACK: {lapack_path() or 'its own kernels'}\n"


def parallel_info():
    """A few lines about threads."""
    return f"Threads of an operation: {facula.get_num_threads()}\nThreads between operations: {facula.get_num_interop_threads()}\nProcessors: {os.cpu_count()}\n"
