"""x[index] and x[index] = value for what the core's fast path leaves: tensors, lists, arrays, bools, assignment."""

from __future__ import annotations

import warnings

import facula

from ._native import core

Tensor = core.Tensor
_TOO_MANY = "too many indices for tensor of dimension {}"


def _is_integer(i):
    return isinstance(i, int) or (hasattr(i, "__index__") and not isinstance(i, Tensor) and not _is_array(i))


def _is_array(i):
    return hasattr(i, "__array__") and not isinstance(i, Tensor) and getattr(i, "ndim", 0) > 0


def _as_index(i, device):
    """A tensor index of a sequence or array."""
    if isinstance(i, range):
        i = list(i)
    if isinstance(i, (list, tuple)):
        if any(isinstance(k, Tensor) for k in _leaves(i)):
            return _stacked(i)
        t = facula.tensor(i)
        return t.to(facula.int64) if t.numel() == 0 else t
    return facula.as_tensor(i)


def _leaves(x):
    for i in x:
        if isinstance(i, (list, tuple)):
            yield from _leaves(i)
        else:
            yield i


def _stacked(x):
    return facula.stack([_stacked(i) if isinstance(i, (list, tuple)) else i if isinstance(i, Tensor) else facula.tensor(i) for i in x])


def _normalized(index):
    """The index as a tuple of items."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32 and any(
            isinstance(i, (list, tuple, range, slice, Tensor)) or i is None or i is Ellipsis for i in index):
        warnings.warn("Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; "
                      "use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index",
                      UserWarning, stacklevel=6)
        return tuple(index)
    return (index,)


def _consumed(item):
    """How many dimensions an item takes."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor):
        return item.dim() if item.dtype in (facula.bool, facula.uint8) else 1
    return 1


def _slice_part(v, n, otherwise):
    if v is None:
        return otherwise
    return int(v) if not isinstance(v, int) else v


def _prepare(index):
    items = []
    for i in _normalized(index):
        if i is None or i is Ellipsis or isinstance(i, (bool, slice)) or isinstance(i, Tensor):
            items.append(i)
        elif isinstance(i, (list, tuple, range)) or _is_array(i):
            items.append(_as_index(i, None))
        elif type(i).__module__ == "numpy" and type(i).__name__ in ("bool_", "bool"):
            items.append(bool(i))
        elif hasattr(i, "__array__") and getattr(i, "ndim", None) == 0 and not hasattr(i, "__index__"):
            items.append(_as_index(i, None))
        elif _is_integer(i):
            items.append(i.__index__())
        elif isinstance(i, str):
            raise TypeError("new(): invalid data type 'str'")
        else:
            raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                             f"(got {type(i).__name__})")
    return items


def _resolve(x, index):
    """(the view that the basic items make, index tensors by dimension of that view or None)."""
    items = _prepare(index)
    if sum(i is Ellipsis for i in items) > 1:
        first = next(k for k, i in enumerate(items) if i is Ellipsis)
        items = [i for k, i in enumerate(items) if k == first or i is not Ellipsis]
    used = sum(_consumed(i) for i in items)
    if used > x.dim():
        if x.dim() == 0 and any(isinstance(i, int) and not isinstance(i, bool) for i in items):
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                             "convert a 0-dim tensor to a number")
        raise IndexError(_TOO_MANY.format(x.dim()))
    view, dim, original = x, 0, 0
    tensors: list = []

    covered = 0  # dimensions that `tensors` stands for so far; a mask stands for several

    def place(t, count):
        nonlocal covered
        tensors.extend([None] * (dim - covered))
        tensors.append(t)
        covered = dim + count
        return count

    for i in items:
        if i is Ellipsis:
            skip = x.dim() - used
            dim += skip
            original += skip
        elif i is None:
            view = view.unsqueeze(dim)
            dim += 1
        elif isinstance(i, bool):
            view = view.unsqueeze(dim)
            dim += place(facula.tensor([0] if i else [], dtype=facula.int64), 1)
        elif isinstance(i, int):
            n = view.shape[dim]
            if not -n <= i < n:
                raise IndexError(f"index {i} is out of bounds for dimension {original} with size {n}")
            view = view.select(dim, i)
            original += 1
        elif isinstance(i, slice):
            step = _slice_part(i.step, 0, 1)
            if step <= 0:
                raise ValueError("step must be greater than zero")
            n = view.shape[dim]
            start, stop = _slice_part(i.start, n, 0), _slice_part(i.stop, n, n)
            if not (start == 0 and stop >= n and step == 1):
                view = facula._slice(view, dim, start, stop, step)
            dim += 1
            original += 1
        elif i.dim() == 0 and i.dtype not in (facula.bool, facula.uint8) and not i.dtype.is_floating_point and not i.dtype.is_complex \
                and not _special(i):
            n, k = view.shape[dim], int(i.item())
            if not -n <= k < n:
                raise IndexError(f"index {k} is out of bounds for dimension {original} with size {n}")
            view = view.select(dim, k)
            original += 1
        elif i.dim() == 0 and i.dtype in (facula.bool, facula.uint8):
            view = view.unsqueeze(dim)
            place(facula.tensor([0] if bool(i) else [], dtype=facula.int64), 1)
            dim += 1
        else:
            count = _consumed(i)
            if count > 1 or i.dtype in (facula.bool, facula.uint8):
                _check_mask(i, view, dim, original)
                place(i, count)
                dim += count
                original += count
            else:
                place(i, 1)
                dim += 1
                original += 1
    return view, tensors


def _special(i):
    return i._flags & 4 if hasattr(i, "_flags") else False


def _check_mask(mask, view, dim, original):
    for d in range(mask.dim()):
        if mask.shape[d] != view.shape[dim + d]:
            raise IndexError(f"The shape of the mask {list(mask.shape)} at index {d} does not match the shape of the indexed "
                             f"tensor {list(view.shape)} at index {dim + d}")


def getitem(x, index):
    """What x[index] means."""
    if type(index) is Tensor and index.dtype == facula.int64 and index.dim() and x.dim():
        return facula._index(x, (index,))
    view, tensors = _resolve(x, index)
    if tensors:
        return facula._index(view, tensors)
    return facula.alias(view) if view is x else view


def _value(value, x):
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, complex)):
        return facula.full((), value, dtype=x.dtype, device=x.device) if not (isinstance(value, complex) and not x.is_complex()) \
            else facula.tensor(value)
    if hasattr(value, "__array__"):
        return facula.as_tensor(value)
    raise TypeError(f"can't assign a {type(value).__name__} to a {x.type() if hasattr(x, 'type') else 'tensor'}")


def setitem(x, index, value):
    """What x[index] = value means: an in-place copy into a view, or a write at computed places."""
    if type(index) is Tensor and index.dtype == facula.bool and index.dim() and isinstance(value, (bool, int, float)) \
            and index.shape == x.shape[:index.dim()]:
        x.masked_fill_(index if index.dim() == x.dim() else index.reshape(*index.shape, *[1] * (x.dim() - index.dim())), value)
        return
    view, tensors = _resolve(x, index)
    if not tensors:
        if isinstance(value, (bool, int, float)) and not isinstance(value, Tensor):
            view.fill_(value)
            return
        value = _value(value, x)
        while value.dim() > view.dim() and value.shape[0] == 1:
            value = value.squeeze(0)
        view.copy_(value)
        return
    value = _value(value, x)
    if value.dtype != x.dtype:
        if value.dim() == 0 or isinstance(value, Tensor) and value.numel() == 1:
            value = value.to(x.dtype)
        else:
            raise RuntimeError("Index put requires the source and destination dtypes match, got "
                               f"{_scalar_name(x)} for the destination and {_scalar_name(value)} for the source.")
    shape = _result_dims(view, tensors)
    while value.dim() > shape and value.shape[0] == 1:
        value = value.squeeze(0)
    facula._index_put_(view, tensors, value)


_NAMES = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int",
          "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}


def _scalar_name(x):
    kind = str(x.dtype).rpartition(".")[2]
    return _NAMES.get(kind, kind)


def _result_dims(view, tensors):
    taken = dims = 0
    for t in tensors:
        if t is not None:
            mask = t.dtype in (facula.bool, facula.uint8)
            taken += t.dim() if mask else 1
            dims = max(dims, 1 if mask else t.dim())
    return view.dim() - taken + dims
