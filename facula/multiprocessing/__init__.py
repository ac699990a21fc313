"""`multiprocessing` whose queues and pipes carry tensors in shared memory."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import weakref
from multiprocessing import *  # noqa: F403
from multiprocessing import reduction

import facula

from .._native import core
from ..storage import memory_of, tensor_on
from .spawn import ProcessContext, ProcessExitedException, ProcessRaisedException, SpawnContext, spawn, start_processes  # noqa: F401

INLINE = 1 << 15  # bytes up to which a batch is cheaper to send than to share
_regions = weakref.WeakValueDictionary()  # by address


class _Region:
    """Anonymous memory that a file descriptor names, mapped here; freed with the last process that maps it."""

    def __init__(self, nbytes, fd=None):
        self.nbytes = nbytes
        if fd is None:
            fd = os.memfd_create("facula")
            os.ftruncate(fd, nbytes)
        self.fd = fd
        self.map = mmap.mmap(fd, nbytes)

    def __del__(self):
        os.close(self.fd)


def _on_region(region):
    import ctypes

    held = (ctypes.c_char * region.nbytes).from_buffer(region.map)
    address = ctypes.addressof(held)
    _regions[address] = region
    return core.from_memory(address, region.nbytes, (region.nbytes,), (1,), core.uint8, (region, held))


def is_shared(tensor):
    """Whether other processes can map the tensor's memory."""
    return tensor._storage_ptr() in _regions


def share(tensor):
    """Moves a tensor's memory to where other processes can map it; returns the tensor."""
    if tensor.device.type != "cpu" or is_shared(tensor) or not tensor._storage_nbytes():
        return tensor
    place = _on_region(_Region(tensor._storage_nbytes()))
    memory_of(place)[:] = memory_of(tensor)
    moved = place._as_dtype(tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset())
    tensor._set_geometry(tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), moved)
    return tensor


def _map(handle, nbytes, dtype, shape, stride, offset, kind, requires_grad):
    fd = handle.detach()
    known = next((r for r in list(_regions.values()) if _same_file(r.fd, fd)), None)
    if known is not None:
        os.close(fd)
        address = next(a for a, r in list(_regions.items()) if r is known)
        base = core.from_memory(address, nbytes, (nbytes,), (1,), core.uint8, (known,))
    else:
        base = _on_region(_Region(nbytes, fd))
    return _finish(base._as_dtype(dtype, shape, stride, offset), kind, requires_grad)


def _same_file(a, b):
    a, b = os.fstat(a), os.fstat(b)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def _copy(data, dtype, shape, kind, requires_grad):
    made = facula.empty(shape, dtype=dtype)
    if data:
        memory_of(made)[:] = data
    return _finish(made, kind, requires_grad)


def _finish(tensor, kind, requires_grad):
    if kind == "parameter":
        return facula.nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def reduce_tensor(tensor):
    """How a tensor goes through a queue or pipe: its memory is shared, not copied."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError("Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing "
                           "process boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing "
                           "(e.g., putting it on the queue).")
    kind = "parameter" if isinstance(tensor, facula.nn.Parameter) else "tensor"
    if tensor.device.type == "meta" or tensor.layout != facula.strided:
        return tensor.__reduce_ex__(2)
    worker = facula.utils.data.get_worker_info() is not None
    if not tensor._storage_nbytes() or worker and tensor.nbytes <= INLINE and not is_shared(tensor):
        data = bytes(memory_of(tensor.detach().contiguous().clone())) if tensor.numel() else b""
        return _copy, (data, tensor.dtype, tuple(tensor.shape), kind, tensor.requires_grad)
    share(tensor)
    region = _regions[tensor._storage_ptr()]
    return _map, (reduction.DupFd(region.fd), region.nbytes, tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset(),
                  kind, tensor.requires_grad)


def init_reductions():
    reduction.ForkingPickler.register(facula.Tensor, reduce_tensor)
    reduction.ForkingPickler.register(facula.nn.Parameter, reduce_tensor)


init_reductions()


def get_all_sharing_strategies():
    return {"file_descriptor"}


def get_sharing_strategy():
    return "file_descriptor"


def set_sharing_strategy(new_strategy):
    if new_strategy not in ("file_descriptor", "file_system"):
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")


def __getattr__(name):
    return getattr(multiprocessing, name)
