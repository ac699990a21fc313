"""Shapes, in terms of the views and joins that have kernels."""

import math

import facula

from .._table import composite


def _tensors(args):
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], (tuple, list)) else args


def _wrap(dim, ndim):
    low, high = -max(ndim, 1), max(ndim, 1) - 1
    if not low <= dim <= high:
        raise IndexError(f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})")
    return dim % max(ndim, 1)


# ---------------------------------------------------------------- sizes
@composite("reshape_as", function=False)
def reshape_as(input, other):
    """Reshapes to the shape of `other`."""
    return input.reshape(other.shape)


@composite("view_as", function=False)
def view_as(input, other):
    """Views with the shape of `other`."""
    return input.view(other.shape)


@composite("expand_as", function=False)
def expand_as(input, other):
    """Expands to the shape of `other`."""
    return input.expand(other.shape)


@composite("broadcast_tensors", method=False)
def broadcast_tensors(*tensors):
    """Expands all tensors to their common shape."""
    tensors = _tensors(tensors)
    shape = facula.broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t if t.shape == shape else t.expand(shape) for t in tensors)


@composite("unflatten")
def unflatten(input, dim, sizes):
    """Splits one dimension into several."""
    dim = _wrap(dim, input.dim())
    sizes = list(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n, known = input.shape[dim], math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if known != n if -1 not in sizes else not known or n % known:
        raise RuntimeError(f"unflatten: Provided sizes {sizes} don't multiply up to the size of dim {dim} ({n}) in the input tensor")
    return input.view(*input.shape[:dim], *(n // known if s == -1 else s for s in sizes), *input.shape[dim + 1:])


@composite("ravel")
def ravel(input):
    """All elements in one dimension."""
    return input.contiguous().view(-1)


_GROW = {
    1: lambda t: t.reshape(1),
    2: lambda t: t.reshape(1, 1) if t.dim() == 0 else t.unsqueeze(0),
    3: lambda t: t.reshape(1, 1, 1) if t.dim() == 0 else t.unsqueeze(0).unsqueeze(-1) if t.dim() == 1 else t.unsqueeze(-1),
}


def atleast(n, tensor):
    """The tensor with at least n dimensions."""
    return tensor if tensor.dim() >= n else _GROW[n](tensor)


def _atleast_form(n):
    def form(*tensors):
        if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
            return atleast(n, tensors[0])
        return tuple(atleast(n, t) for t in _tensors(tensors))

    form.__name__ = f"atleast_{n}d"
    form.__doc__ = f"Views with at least {n} dimensions."
    composite(form.__name__, method=False)(form)


for _n in _GROW:
    _atleast_form(_n)


# ---------------------------------------------------------------- order of dimensions
@composite("adjoint")
def adjoint(input):
    """The conjugate of the matrix transpose."""
    if input.dim() == 1 or input.dim() == 0:
        raise RuntimeError("tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor."
                           if input.dim() else "tensor.adjoint() is only supported on matrices or batches of matrices. Got 0-D tensor.")
    swapped = input.transpose(-2, -1)
    return swapped.conj() if input.is_complex() else swapped


def _matrix_only(input, name):
    if input.dim() < 2:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {input.dim()}-D tensor.")


def _T(self):  # noqa: N802
    return self.permute(tuple(range(self.dim() - 1, -1, -1)))


def _mT(self):  # noqa: N802
    _matrix_only(self, "mT")
    return self.transpose(-2, -1)


def _H(self):  # noqa: N802
    if self.dim() not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.dim()}-D tensor. For batches of "
                           "matrices, consider using tensor.mH")
    swapped = self.t()
    return swapped.conj() if self.is_complex() else swapped


def _mH(self):  # noqa: N802
    _matrix_only(self, "mH")
    return adjoint(self)


# ---------------------------------------------------------------- complex parts
@composite("real", method=False)
def real(input):
    """The real parts, as a view."""
    return facula.view_as_real(input).select(-1, 0) if input.is_complex() else input


@composite("imag", method=False)
def imag(input):
    """The imaginary parts, as a view."""
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return facula.view_as_real(input).select(-1, 1)


def _attach_properties():
    from ..._native import core

    for name, getter in (("T", _T), ("mT", _mT), ("H", _H), ("mH", _mH)):
        core.attach(name, property(getter))
    for name, getter in (("real", real), ("imag", imag)):
        core.attach(name, property(getter, lambda self, value, getter=getter: getter(self).copy_(value) and None))


_attach_properties()


# ---------------------------------------------------------------- splitting
def _split_args(indices_or_sections, sections, indices):
    for given in (indices_or_sections, sections, indices):
        if given is not None:
            return given
    raise TypeError("tensor_split(): missing the argument 'indices_or_sections'")


@composite("tensor_split")
def tensor_split(input, indices_or_sections=None, dim=0, *, sections=None, indices=None, tensor_indices_or_sections=None):
    """Splits into sections as even as can be, or at indices."""
    how = _split_args(indices_or_sections if indices_or_sections is not None else tensor_indices_or_sections, sections, indices)
    if input.dim() == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    if isinstance(how, facula.Tensor):
        if how.dtype != facula.int64:
            raise RuntimeError(f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {_dtype_name(how)}")
        if how.device.type != "cpu":
            raise RuntimeError(f"tensor_split expected tensor_indices_or_sections to be on cpu, but it's on {how.device}")
        if how.dim() > 1:
            raise RuntimeError(f"tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional "
                               f"tensor, but got a tensor with {how.dim()} dims")
        how = how.tolist()
    dim = _wrap(dim, input.dim())
    n = input.shape[dim]
    if isinstance(how, int):
        if how <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {how}")
        small, longer = divmod(n, how)
        ends = [i * small + min(i, longer) for i in range(1, how)]
    else:
        ends = list(how)
    starts = [0, *ends]
    return tuple(facula._slice(input, dim, a, b) for a, b in zip(starts, [*ends, None]))


def _dtype_name(t):
    return {"float32": "Float", "float64": "Double", "int32": "Int"}.get(str(t.dtype).rpartition(".")[2], str(t.dtype))


def _axis_split(name, least, dim_of):
    def split(input, indices_or_sections=None, *, indices=None, sections=None):
        how = _split_args(indices_or_sections, sections, indices)
        if input.dim() < least:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension{'s' if least > 1 else ''}, "
                               f"but got a tensor with {input.dim()} dimensions!")
        dim = dim_of(input)
        if isinstance(how, int) and (how == 0 or input.shape[dim] % how):
            raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                               f"{input.shape[dim]} is not divisible by the split_size {how}!")
        return tensor_split(input, how, dim)

    split.__name__ = name
    split.__doc__ = "Splits along one axis into equal sections, or at indices."
    composite(name)(split)


_axis_split("hsplit", 1, lambda x: 0 if x.dim() == 1 else 1)
_axis_split("vsplit", 2, lambda x: 0)
_axis_split("dsplit", 3, lambda x: 2)


@composite("unsafe_split")
def unsafe_split(input, split_size, dim=0):
    """Like split."""
    return input.split(split_size, dim)


@composite("unsafe_chunk")
def unsafe_chunk(input, chunks, dim=0):
    """Like chunk."""
    return input.chunk(chunks, dim)


@composite("unsafe_split_with_sizes")
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """Like split_with_sizes."""
    return input.split_with_sizes(split_sizes, dim)


# ---------------------------------------------------------------- copies of views
def _copies(result):
    if isinstance(result, (tuple, list)):
        return tuple(_copies(r) for r in result)
    return result.clone(memory_format=facula.contiguous_format)


def _copy_form(name):
    def copying(input, *args, **kwargs):
        if name == "narrow" and args and isinstance(args[0], int) and args[0] >= max(input.dim(), 1):
            raise RuntimeError(f"narrow_copy(): dim {args[0]} is out of range for a tensor of {input.dim()} dimensions")
        if name == "slice" or name == "alias":
            return _copies(getattr(facula, "_slice" if name == "slice" else "alias")(input, *args, **kwargs))
        return _copies(getattr(input if not name.startswith("view_as") else _Functional(input), name)(*args, **kwargs))

    copying.__name__ = name + "_copy"
    copying.__doc__ = f"Like {name}, but copies."
    composite(name + "_copy", method=name == "narrow")(copying)


class _Functional:
    def __init__(self, input):
        self._input = input

    def __getattr__(self, name):
        return lambda *args, **kwargs: getattr(facula, name)(self._input, *args, **kwargs)


for _name in ("view transpose t permute squeeze unsqueeze expand select slice split split_with_sizes unbind diagonal unfold as_strided "
              "alias view_as_real view_as_complex narrow detach").split():
    _copy_form(_name)
