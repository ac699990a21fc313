"""Samples into batches."""

from __future__ import annotations

import collections.abc
import copy
import math
import operator
import re
import sys

import facula

default_collate_err_msg_format = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
np_str_obj_array_pattern = re.compile(r"[SaUO]")


def _is_numpy(obj):
    return type(obj).__module__ == "numpy"


def default_convert(data):
    """NumPy arrays in nested data become tensors; everything else stays."""
    if isinstance(data, facula.Tensor):
        return data
    if _is_numpy(data):
        if getattr(data, "ndim", 0) == 0 or np_str_obj_array_pattern.search(data.dtype.str) is None:
            return data if np_str_obj_array_pattern.search(data.dtype.str) else facula.as_tensor(data)
        return data
    return _mapped(data, default_convert)


def _mapped(data, function):
    if isinstance(data, collections.abc.Mapping):
        return _rebuilt(data, {k: function(v) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(function, data))
    if isinstance(data, tuple):
        return [function(v) for v in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _rebuilt(data, [function(v) for v in data])
    return data


def _rebuilt(like, content):
    """The content in a container of the same type, where that type lets itself be made so."""
    if type(like) in (dict, list):
        return content
    try:
        if isinstance(content, dict) and isinstance(like, collections.abc.MutableMapping):
            made = copy.copy(like)
            made.update(content)
            return made
        return type(like)(content)
    except TypeError:
        return content


def place_for(shape, dtype):
    """Where a worker puts a batch of some size: memory that the loader's process maps. None for small ones, and in other processes."""
    if facula.utils.data.get_worker_info() is None:
        return None
    from facula.multiprocessing.reductions import empty_shared

    from .channel import INLINE

    return empty_shared(shape, dtype) if math.prod(shape) * dtype.itemsize > INLINE else None


def collate_tensor_fn(batch, *, collate_fn_map=None):
    first = batch[0]
    place = place_for((len(batch), *first.shape), first.dtype)
    if place is None or any(t.requires_grad or t.dtype != first.dtype or t.shape != first.shape for t in batch):
        return facula.stack(batch, 0)
    return facula.stack(batch, 0, out=place)


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    if np_str_obj_array_pattern.search(batch[0].dtype.str) is not None:
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([facula.as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    import numpy as np

    return facula.as_tensor(np.asarray(batch))


def collate_float_fn(batch, *, collate_fn_map=None):
    return facula.tensor(batch, dtype=facula.float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    return facula.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    return batch


default_collate_fn_map = {facula.Tensor: collate_tensor_fn, float: collate_float_fn, int: collate_int_fn, str: collate_str_fn,
                          bytes: collate_str_fn}


def _numpy_function(sample, collate_fn_map):
    """What collates NumPy's types under a map that has ours for tensors: keys for them would import NumPy."""
    numpy = sys.modules.get("numpy")
    if numpy is None or collate_fn_map.get(facula.Tensor) is not collate_tensor_fn:
        return None
    if isinstance(sample, numpy.ndarray):
        return collate_numpy_array_fn
    return collate_numpy_scalar_fn if isinstance(sample, (numpy.bool_, numpy.number, numpy.object_)) else None


def collate(batch, *, collate_fn_map=None):
    """Batches samples by the functions that a map gives for their types.

    Args:
        batch: Samples of the same structure.
        collate_fn_map: From a type, or tuple of types, to a function (batch, *, collate_fn_map).

    Raises:
        TypeError: No function fits a sample.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        for types, function in collate_fn_map.items():
            if isinstance(first, types):
                return function(batch, collate_fn_map=collate_fn_map)
        if (function := _numpy_function(first, collate_fn_map)) is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    again = lambda samples: collate(samples, collate_fn_map=collate_fn_map)  # noqa: E731
    if isinstance(first, collections.abc.Mapping):
        return _rebuilt(first, {key: again(list(map(operator.itemgetter(key), batch))) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(again(samples) for samples in zip(*batch)))
    if isinstance(first, collections.abc.Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [again(samples) for samples in zip(*batch)]
        return columns if isinstance(first, tuple) else _rebuilt(first, columns)
    raise TypeError(default_collate_err_msg_format.format(kind))


def default_collate(batch):
    """Stacks a batch of samples: tensors and arrays into tensors, numbers into tensors, containers field by field.

    Example:
        >>> default_collate([(1, 2.0), (3, 4.0)])
        [tensor([1, 3]), tensor([2., 4.], dtype=facula.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
