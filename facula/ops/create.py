"""New tensors: constants, sequences, and tensors like others."""

from __future__ import annotations

import facula

from .._native import core
from ._table import composite, op

op("_new(int[] size, dtype? dtype=None, device? device=None, Scalar? fill=None)", kernel="create.new", method=False)
op("_new_like(Tensor input, dtype? dtype=None, device? device=None, memory_format? memory_format=None, Scalar? fill=None)",
   kernel="create.new_like", method=False, differentiable=False)
op("_new_strided(int[] size, int[] stride, dtype? dtype=None, device? device=None)", kernel="create.new_strided", method=False)
op("_arange(Scalar start, Scalar end, Scalar step, dtype? dtype=None, device? device=None)", kernel="create.arange", method=False)
op("_linspace(Scalar start, Scalar end, int steps, dtype? dtype=None, device? device=None)", kernel="create.linspace", method=False)
op("_eye(int n, int m, dtype? dtype=None, device? device=None)", kernel="create.eye", method=False)


def _sizes(size):
    if len(size) == 1 and not isinstance(size[0], int):
        only = size[0]
        if isinstance(only, (tuple, list)):
            return tuple(only) if all(type(n) is int for n in only) else tuple(int(n) if hasattr(n, "__index__") else n for n in only)
    return size


def _finish(out, requires_grad):
    if requires_grad and not (out.is_floating_point() or out.is_complex()):
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return out.requires_grad_() if requires_grad else out


def _maker(name, fill, doc):
    """zeros, ones, empty: sizes as one sequence or as separate integers."""

    def make(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None, names=None,
             **kwargs):
        if not size:
            size = (kwargs.pop("size"),) if "size" in kwargs else ()
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        size = _sizes(size)
        if layout not in (None, core.strided):
            return facula.sparse._make.empty(size, dtype, requires_grad, layout)
        if out is not None:
            out.resize_(size)
            return out if fill is None else out.fill_(fill)
        made = facula._new(size, dtype or core.get_default_dtype(), device, fill)
        if memory_format is not None and memory_format != core.contiguous_format:
            made = facula._to_copy(made, made.dtype, None, memory_format)
        return _finish(made, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    op(f"{name}(int[] size, *, dtype? dtype=None, device? device=None)", kernel=f"create.{name}", method=False, doc=doc)
    composite(name, method=False)(make)  # for everything else


_maker("zeros", 0, "A tensor of zeros of the given size.")
_maker("ones", 1, "A tensor of ones of the given size.")
_maker("empty", None, "A tensor of the given size, its memory as it comes.")


@composite("full", method=False)
def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None):
    """A tensor of the given size with the same value everywhere."""
    if isinstance(fill_value, facula.Tensor):
        dtype = dtype or fill_value.dtype
        fill_value = fill_value.item()
    size = (size,) if isinstance(size, int) else tuple(size)
    if out is not None:
        out.resize_(size)
        return out.fill_(fill_value)
    return _finish(facula._new(size, dtype, device, fill_value), requires_grad)


def _like(name, fill, doc):
    def make(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False):
        return _finish(facula._new_like(input, dtype, device, memory_format, fill), requires_grad)

    make.__name__ = make.__qualname__ = name + "_like"
    make.__doc__ = f"{doc} of the size and dtype of `input`."
    composite(name + "_like", method=False)(make)

    def new(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False, **kwargs):
        size = size or (kwargs["size"],)
        return _finish(facula._new(_sizes(size), dtype or self.dtype, device or self.device, fill), requires_grad)

    new.__name__ = new.__qualname__ = "new_" + name
    new.__doc__ = f"{doc} of the given size, with this tensor's dtype and device."
    composite("new_" + name, function=False)(new)


_like("zeros", 0, "Zeros")
_like("ones", 1, "Ones")
_like("empty", None, "Uninitialised memory")


@composite("full_like", method=False)
def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False):
    """The same value everywhere, of the size and dtype of `input`."""
    if isinstance(fill_value, facula.Tensor):
        fill_value = fill_value.item()
    return _finish(facula._new_like(input, dtype, device, memory_format, fill_value), requires_grad)


@composite("new_full", function=False)
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """The same value everywhere, with this tensor's dtype and device."""
    size = (size,) if isinstance(size, int) else tuple(size)
    return _finish(facula._new(size, dtype or self.dtype, device or self.device, fill_value), requires_grad)


@composite("new_tensor", function=False)
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """The data as a new tensor with this tensor's dtype and device."""
    made = data.detach().clone() if isinstance(data, facula.Tensor) else facula.tensor(data)
    return _finish(made.to(dtype=dtype or self.dtype, device=device or self.device), requires_grad)


@composite("new", function=False)
def new(self, *args, device=None):
    """The old constructor, with this tensor's dtype."""
    if not args:
        return facula.empty(0, dtype=self.dtype)
    if all(isinstance(a, int) for a in args) or isinstance(args[0], facula.Size):
        return facula.empty(*args, dtype=self.dtype)
    return facula.tensor(args[0], dtype=self.dtype)


@composite("new_empty_strided", function=False)
def new_empty_strided(self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    return _finish(facula._new_strided(size, stride, dtype or self.dtype, device or self.device), requires_grad)


@composite("empty_strided", method=False)
def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Uninitialised memory with the given strides."""
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {len(stride)} and {len(size)}")
    return _finish(facula._new_strided(size, stride, dtype or core.get_default_dtype(), device), requires_grad)


@composite("empty_permuted", method=False)
def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Uninitialised memory whose dimensions lie in memory in the given order."""
    size, order = tuple(size), tuple(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise RuntimeError("Number of dimensions in size does not match the length of the physical_layout" if len(order) != len(size)
                           else f"Dimension out of range or repeated in physical_layout {order}")
    strides, step = [0] * len(size), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(size[d], 1)
    return empty_strided(size, strides, dtype=dtype, device=device, requires_grad=requires_grad)


def _number(x):
    return x.item() if isinstance(x, facula.Tensor) else x


@composite("arange", method=False)
def arange(*args, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, start=None, end=None, step=None):
    """arange(end), arange(start, end), arange(start, end, step): evenly spaced values, the end left out."""
    args = [_number(a) for a in args]
    if len(args) == 1 and end is None:
        args = [0, args[0]] if start is None else args
    first = args[0] if args else start or 0
    last = args[1] if len(args) > 1 else end if end is not None else args[0]
    stride = args[2] if len(args) > 2 else 1 if step is None else step
    made = facula._arange(_number(first), _number(last), _number(stride), dtype or (out.dtype if out is not None else None), device)
    if out is not None:
        out.resize_(made.shape)
        return out.copy_(made)
    return _finish(made, requires_grad)


@composite("range", method=False)
def range_(start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Like arange, but with the end; of the default dtype."""
    count = int((end - start) / step) + 1
    return _finish((facula.arange(count, dtype=facula.float64) * step + start).to(dtype or core.get_default_dtype()), requires_grad)


@composite("linspace", method=False)
def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """`steps` evenly spaced values from start to end, both included."""
    for v in (start, end):
        if isinstance(v, facula.Tensor) and v.dim() != 0:
            raise RuntimeError("linspace only supports 0-dimensional start and end tensors, but got start with "
                               f"{getattr(start, 'ndim', 0)} dimension(s) and end with {getattr(end, 'ndim', 0)} dimension(s).")
    made = facula._linspace(_number(start), _number(end), steps, dtype or (out.dtype if out is not None else None), device)
    if out is not None:
        out.resize_(made.shape)
        return out.copy_(made)
    return _finish(made, requires_grad)


@composite("logspace", method=False)
def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """base ** linspace(start, end, steps)."""
    kind = dtype or core.get_default_dtype()
    wide = facula.float64 if not kind.is_complex else facula.complex128
    if not (kind.is_complex or kind.is_floating_point):
        start, end = int(start), int(end)
    exponents = facula.linspace(start, end, steps, dtype=wide, device=device)
    made = facula.full_like(exponents, base).pow(exponents).to(kind)
    return _finish(made, requires_grad) if out is None else out.resize_(made.shape).copy_(made)


@composite("eye", method=False)
def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """The identity matrix, n x m (m is n by default)."""
    made = facula._eye(n, n if m is None else m, dtype or (out.dtype if out is not None else None), device)
    if out is not None:
        out.resize_(made.shape)
        return out.copy_(made)
    return _finish(made, requires_grad)
