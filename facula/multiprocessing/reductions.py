"""How tensors and storages travel between processes: as descriptors of shared memory."""

from __future__ import annotations

from multiprocessing import reduction

import facula

from .._native import core
from ..storage import TypedStorage, UntypedStorage, bytes_of, memory_of

__all__ = ["reduce_tensor", "reduce_storage", "init_reductions"]


def is_shared(tensor):
    """Whether other processes can map the tensor's memory."""
    return core.shared_file(tensor) is not None


def share(tensor):
    """Moves a tensor's memory, and its views', to where other processes can map it; returns the tensor."""
    core.share_memory(tensor)
    return tensor


def empty_shared(shape, dtype):
    """A new contiguous tensor in shared memory."""
    shape = tuple(shape)
    strides, count = [], 1
    for size in reversed(shape):
        strides.insert(0, count)
        count *= size
    return core.empty_shared(count * dtype.itemsize)._as_dtype(dtype, shape, tuple(strides), 0)


def _geometry(tensor):
    return tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


def _kind(tensor):
    return type(tensor) if isinstance(tensor, facula.nn.Parameter) else None, tensor.requires_grad


def _finish(tensor, kind, requires_grad):
    if kind is not None:
        return kind(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def _from_file(handle, nbytes, geometry, kind):
    """A tensor on the shared memory that a descriptor from another process names."""
    return _finish(core.map_shared(handle.detach(), nbytes, getattr(handle, "keep", True))._as_dtype(*geometry), *kind)


def _from_bytes(data, geometry, kind):
    memory = facula.empty(len(data), dtype=facula.uint8)
    if data:
        memory_of(memory)[:] = data
    return _finish(memory._as_dtype(*geometry), *kind)


def by_value(tensor):
    """Reduces a tensor to a copy of its bytes."""
    return _from_bytes, (bytes(memory_of(tensor)) if tensor._storage_nbytes() else b"", _geometry(tensor), _kind(tensor))


def by_file(tensor, handle=reduction.DupFd):
    """Reduces a tensor to its shared memory, to which it is moved."""
    fd, nbytes = core.shared_file(share(tensor))
    if fd < 0:  # came from a loader's worker, without its descriptor
        tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad)
        fd, nbytes = core.shared_file(share(tensor))
    return _from_file, (handle(fd), nbytes, _geometry(tensor), _kind(tensor))


def check_sendable(tensor):
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError("Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing "
                           "process boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing "
                           "(e.g., putting it on the queue).")


def reduce_tensor(tensor):
    """How a tensor goes through a queue or pipe: its memory is shared, not copied."""
    check_sendable(tensor)
    if tensor.device.type != "cpu" or tensor.layout != facula.strided:
        return tensor.__reduce_ex__(2)
    return by_file(tensor) if tensor._storage_nbytes() else by_value(tensor)


def _rebuild_storage(kind, data, dtype):
    return kind._over(data, dtype)


def reduce_storage(storage):
    return _rebuild_storage, (type(storage), bytes_of(storage._bytes), storage.dtype)


def init_reductions():
    """Teaches `multiprocessing`'s queues, pipes and processes to carry tensors."""
    for kind, how in ((facula.Tensor, reduce_tensor), (facula.nn.Parameter, reduce_tensor), (UntypedStorage, reduce_storage),
                      (TypedStorage, reduce_storage)):
        reduction.ForkingPickler.register(kind, how)
