"""Indexing, in terms of the reads and writes that have kernels."""

import facula

from ... import _capture
from ..._levels import BATCHED
from .._table import composite
from .shape import _wrap


@composite("where", method=False)
def where(condition, input=None, other=None, *, self=None):
    """Elements of `input` where the condition holds, else of `other`; with one argument the positions that are true."""
    input = self if input is None else input
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype != facula.bool:
        if condition.dtype != facula.uint8:
            raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {_type_name(condition)}")
        condition = condition.to(facula.bool)
    return facula._where(condition, input, other)


def _type_name(x):
    from ..._indexing import _scalar_name

    return _scalar_name(x)


def _where_method(self, condition, other):
    return where(condition, self, other)


@composite("nonzero")
def nonzero(input, *, as_tuple=False):
    """Positions of the elements that are not zero."""
    if not as_tuple:
        return facula._nonzero(input)
    if input.dim() == 0:
        input = input.unsqueeze(0)
    return facula._nonzero(input).unbind(1)


@composite("argwhere")
def argwhere(input):
    """Positions of the elements that are not zero, a row each."""
    return facula._nonzero(input)


@composite("nonzero_static")
def nonzero_static(input, *, size, fill_value=-1):
    """The first `size` positions that are not zero, filled up with `fill_value`."""
    found = facula._nonzero(input)[:size]
    return facula.constant_pad_nd(found, [0, 0, 0, size - found.shape[0]], fill_value)


@composite("take_along_dim")
def take_along_dim(input, indices, dim=None):
    """Elements of `input` at `indices` along `dim`, both broadcast over the other dimensions."""
    if indices.dtype not in (facula.int64, facula.int32):
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {_type_name(indices)}")
    if dim is None:
        return input.reshape(-1).gather(0, facula.where(indices < 0, indices + input.numel(), indices).reshape(-1))
    if input.dim() != indices.dim():
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
                           f"{input.dim()} dimensions for input, and {indices.dim()} dimensions for indices")
    dim = _wrap(dim, input.dim())
    indices = facula.where(indices < 0, indices + input.shape[dim], indices)
    n, m = list(input.shape), list(indices.shape)
    n[dim] = m[dim] = 1
    shape = list(facula.broadcast_shapes(n, m))
    return input.expand([*shape[:dim], input.shape[dim], *shape[dim + 1:]]).gather(
        dim, indices.expand([*shape[:dim], indices.shape[dim], *shape[dim + 1:]]))


@composite("nn.functional.one_hot")
def one_hot(tensor, num_classes=-1):
    """A row of zeros with a one at the class, for each class index."""
    if tensor.dtype != facula.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return facula.empty(*tensor.shape, num_classes, dtype=facula.int64)
    if tensor._flags & BATCHED and num_classes > 0:  # no one example's values can be looked at
        return (tensor.unsqueeze(-1) == facula.arange(num_classes)).to(facula.int64)
    with _capture.paused():
        smallest, largest = tensor.min(), tensor.max()
        if smallest < 0:
            raise RuntimeError("Class values must be non-negative.")
        if num_classes == -1:
            num_classes = int(largest) + 1
        elif num_classes < 1:
            raise RuntimeError("num_classes should be positive")
        elif largest >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    return facula.zeros(*tensor.shape, num_classes, dtype=facula.int64).scatter_(-1, tensor.unsqueeze(-1), 1)


@composite("unravel_index", method=False)
def unravel_index(indices, shape):
    """Coordinates, one tensor per dimension, of flat indices."""
    if indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype == facula.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    indices = indices.to(facula.int64)
    found, step = [], 1
    for n in reversed(sizes):
        found.append((indices // step) % n if n else indices)
        step *= max(n, 1)
    return tuple(reversed(found))


# ---------------------------------------------------------------- embeddings
def _normalize_rows(weight, indices, max_norm, norm_type):
    """Rows in use that are longer than max_norm are scaled, in place and without history."""
    with facula.no_grad():
        rows = indices.reshape(-1)  # repeated ones are written the same value
        used = weight.index_select(0, rows)
        norms = used.norm(norm_type, 1, keepdim=True)
        weight.index_copy_(0, rows, facula.where(norms > max_norm, used * (max_norm / (norms + 1e-7)), used))


@composite("embedding_renorm_", function=True, method=False)
def embedding_renorm_(input, indices, max_norm, norm_type):
    """Scales rows in use that are longer than max_norm."""
    _normalize_rows(input, indices, max_norm, norm_type)
    return input


@composite("nn.functional.embedding")
def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` at the given indices; the gradient skips `padding_idx`."""
    if padding_idx is not None:
        n = weight.shape[0]
        if padding_idx > 0:
            assert padding_idx < n, "Padding_idx must be within num_embeddings"
        elif padding_idx < 0:
            assert padding_idx >= -n, "Padding_idx must be within num_embeddings"
            padding_idx += n
    else:
        padding_idx = -1
    if max_norm is not None:
        input = input.contiguous()
        _normalize_rows(weight, input, max_norm, norm_type)
    return facula.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _bags(input, offsets, include_last_offset):
    """(flat indices, bag of each, number of bags)."""
    starts = offsets.tolist()
    if include_last_offset:
        if not starts:
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        starts = starts[:-1]
    if starts and starts[0] != 0:
        raise ValueError(f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {starts[0]}")
    if starts and starts[-1] > input.shape[0]:
        raise ValueError(f"offsets[-1] can not be greater than input's length {input.shape[0]}, but got offsets[-1] of {starts[-1]}")
    ends = [*starts[1:], input.shape[0]] if starts else []
    lengths = facula.tensor([b - a for a, b in zip(starts, ends)], dtype=facula.int64)
    return facula.arange(len(starts)).repeat_interleave(lengths), len(starts)


@composite("nn.functional.embedding_bag")
def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean", sparse=False,
                  per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """Sums, means or maxima of bags of embedding rows."""
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have "
                         f"the same shape as the input ({tuple(input.shape)})")
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                             f"sequences. However, found offsets of type {type(offsets)}")
        bag_of = facula.arange(input.shape[0]).repeat_interleave(input.shape[1])
        count = input.shape[0]
        input = input.reshape(-1)
        per_sample_weights = per_sample_weights.reshape(-1) if per_sample_weights is not None else None
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        bag_of, count = _bags(input, offsets, include_last_offset)
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        _normalize_rows(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
                                  f"mode='sum' (got mode='{mode}'). Please open a feature request on GitHub.")
    if padding_idx is not None:
        padding_idx = padding_idx + weight.shape[0] if padding_idx < 0 else padding_idx
        keep = facula._nonzero(input != padding_idx).reshape(-1)
        input, bag_of = input.index_select(0, keep), bag_of.index_select(0, keep)
        per_sample_weights = per_sample_weights.index_select(0, keep) if per_sample_weights is not None else None
    rows = facula.embedding(weight, input, -1, scale_grad_by_freq, sparse)
    return _pool(rows, bag_of, count, mode, per_sample_weights)


def _pool(rows, bag_of, count, mode, per_sample_weights):
    empty = rows.new_zeros((count, rows.shape[1]))
    if mode == "max":
        return empty.index_reduce(0, bag_of, rows, "amax", include_self=False)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    total = empty.index_add(0, bag_of, rows)
    if mode == "sum":
        return total
    n = facula.zeros(count, dtype=facula.int64).index_add(0, bag_of, facula.ones_like(bag_of))
    n = n.masked_fill(n == 0, 1)
    return total / n.unsqueeze(1).to(total.dtype)


def _attach_methods():
    from ..._native import core

    core.attach("where", _where_method)


_attach_methods()
