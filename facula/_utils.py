"""How tensors come back from pickles, and exceptions from other threads and processes."""

from __future__ import annotations

import math
import sys
import traceback
from collections import OrderedDict
from contextlib import contextmanager

import facula

from . import _tensor
from ._layouts import is_other, parts
from ._native import core

_LIMIT = 1 << 62
deferred = None  # while a legacy file is read a list of functions, called once the storages have their data


def _extent(sizes, strides, offset):
    """One past the last element that a view touches; 0 for an empty one."""
    if any(n < 0 for n in sizes) or any(s < 0 for s in strides) or offset < 0:
        raise RuntimeError(f"corrupt tensor: size {tuple(sizes)}, stride {tuple(strides)}, storage offset {offset}")
    if 0 in sizes:
        return 0
    if math.prod(sizes) > _LIMIT:
        raise RuntimeError(f"corrupt tensor: size {tuple(sizes)}")
    return offset + 1 + sum((n - 1) * s for n, s in zip(sizes, strides))


def _view(storage, dtype, offset, size, stride):
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"corrupt tensor: size {size} and stride {stride} differ in length")
    needed = _extent(size, stride, offset) * dtype.itemsize
    if needed > storage.nbytes() or needed > _LIMIT:
        raise RuntimeError(f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
                           f"{dtype.itemsize} requiring a storage size of {needed} are out of bounds for storage of size "
                           f"{storage.nbytes()}")
    return storage._bytes._as_dtype(dtype, size, stride, offset)


def _rebuild_tensor(storage, storage_offset, size, stride):
    return _view(storage, storage.dtype, storage_offset, size, stride)


def _resolved(tensor, metadata):
    tensor = tensor.conj() if metadata.get("conj") else tensor
    return -tensor if metadata.get("neg") else tensor


def _resolve_later(tensor, metadata):
    made = facula.empty_like(tensor)
    deferred.append(lambda: made.data.copy_(_resolved(tensor, metadata)))
    return made


@contextmanager
def data_comes_later():
    """Inside, tensors are made before their storages have data: what reads the data waits for the end."""
    global deferred
    deferred, before = [], deferred
    try:
        yield
        with facula.no_grad():
            for task in deferred:
                task()
    finally:
        deferred = before


def _finish(tensor, requires_grad, backward_hooks, metadata=None):
    """The rest of a tensor's state; `metadata` says whether PyTorch had put off conjugating or negating it, which we do at once."""
    if metadata:
        if not isinstance(metadata, dict) or not set(metadata) <= {"conj", "neg"}:
            raise RuntimeError(f"corrupt tensor: metadata {metadata!r:.100}")
        tensor = _resolve_later(tensor, metadata) if deferred is not None else _resolved(tensor, metadata)
    if requires_grad:
        tensor.requires_grad_()
    if backward_hooks:
        tensor._backward_hooks = backward_hooks
    return tensor


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    return _finish(_rebuild_tensor(storage, storage_offset, size, stride), requires_grad, backward_hooks, metadata)


def _rebuild_tensor_v3(storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    return _finish(_view(storage, dtype, storage_offset, size, stride), requires_grad, backward_hooks, metadata)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    return facula.empty_strided(size, stride, dtype=dtype, device="meta").requires_grad_(requires_grad)


def _rebuild_sparse_tensor(layout, data):
    """A sparse tensor of its parts, its size and, for coordinates, whether they are coalesced; the parts are checked."""
    if layout == core.sparse_coo:
        indices, values, size, *known = data
        checked = lambda: facula.sparse_coo_tensor(indices, values, size, is_coalesced=known[0] if known else None)  # noqa: E731
        as_it_is = lambda: facula._coo(indices, values, tuple(size), bool(known and known[0]))  # noqa: E731
    else:
        compressed, plain, values, size = data
        checked = lambda: facula.sparse_compressed_tensor(compressed, plain, values, size, layout=layout)  # noqa: E731
        as_it_is = lambda: facula._compressed(compressed, plain, values, tuple(size), str(layout).rpartition(".")[2])  # noqa: E731
    if deferred is None:
        return checked()
    deferred.append(checked)
    return as_it_is()


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return _finish(facula.nn.Parameter(data, requires_grad), False, backward_hooks)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _set_obj_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad):
    return facula.from_numpy(data).to(dtype=dtype, device=device).requires_grad_(requires_grad)


rebuilders = (_rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter, _rebuild_parameter_with_state,
              _rebuild_sparse_tensor, _rebuild_meta_tensor_no_storage)


def _set_obj_state(obj, state):
    slots = None
    if isinstance(state, tuple):
        if len(state) != 2:
            raise RuntimeError(f"Invalid serialized state: {state}")
        state, slots = state
    if state:
        obj.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
    return obj


def _rebuild_from_type_v2(func, new_type, args, state):
    """A tensor of a subclass, with its attributes."""
    made = func(*args)
    if type(made) is not new_type:
        made = made.as_subclass(new_type)
    own = getattr(new_type, "__setstate__", facula.Tensor.__dict__.get("__setstate__"))
    if own is not facula.Tensor.__dict__.get("__setstate__"):
        made.__setstate__(state)
        return made
    return _set_obj_state(made, state)


def _reduce_tensor(self):
    """The function and arguments that rebuild a tensor from its storage."""
    from .storage import TypedStorage, UntypedStorage

    hooks = OrderedDict()
    if is_other(self):
        own = parts(self)
        data = (own.indices, own.values, self.shape, own.coalesced) if self.is_sparse else (own.compressed, own.plain, own.values, self.shape)
        return _rebuild_sparse_tensor, (self.layout, data)
    if self.device.type == "meta":
        return _rebuild_meta_tensor_no_storage, (self.dtype, tuple(self.size()), self.stride(), self.requires_grad)
    place = (self.storage_offset(), tuple(self.size()), self.stride(), self.requires_grad, hooks)
    if str(self.dtype).rpartition(".")[2] in ("uint16", "uint32", "uint64", "complex32"):
        return _rebuild_tensor_v3, (UntypedStorage._over(self), *place, self.dtype)
    return _rebuild_tensor_v2, (TypedStorage._over(self, self.dtype), *place)


def _attributes(self):
    return dict(getattr(self, "__dict__", None) or {})


def _tensor_reduce_ex(self, proto):
    rebuild, args = _reduce_tensor(self)
    state = _attributes(self)
    if type(self) is facula.Tensor and not state:
        return rebuild, args
    return _rebuild_from_type_v2, (rebuild, type(self), args, state)


def _parameter_reduce_ex(self, proto):
    state = _attributes(self)
    hooks = OrderedDict()
    if not state:
        return _rebuild_parameter, (self.data, self.requires_grad, hooks)
    return _rebuild_parameter_with_state, (self.data, self.requires_grad, hooks, state)


core.attach("__reduce_ex__", _tensor_reduce_ex)
# PyTorch's files name this function in that module.
_rebuild_from_type_v2.__module__ = "facula._tensor"
_tensor._rebuild_from_type_v2 = _rebuild_from_type_v2


# ---------------------------------------------------------------- exceptions

class KeyErrorMessage(str):
    """A text whose repr shows its line breaks, since KeyError prints the repr."""

    __slots__ = ()

    def __repr__(self):
        return self


class ExceptionWrapper:
    """An exception with its traceback as text, to be raised again in another thread or process."""

    def __init__(self, exc_info=None, where="in background"):
        exc_info = exc_info or sys.exc_info()
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self):
        """Raises the exception, its text naming where it came from."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = KeyErrorMessage(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:  # constructors that want other arguments
            raise RuntimeError(text) from None
        raise error
