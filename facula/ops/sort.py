"""Sorting, selection and what counts distinct elements."""

from __future__ import annotations

import facula

from ._table import composite, op
from .reduce import _at_index, _extreme_gradient


def _scatter_back(grads, input, others, dim):
    if grads[0] is None:
        return None
    if input.dim() == 0:
        return grads[0].reshape(())
    return facula.zeros(input.shape, dtype=grads[0].dtype, device=grads[0].device).scatter(dim, others[1], grads[0])


_SCATTER = {"input": lambda grads, input, others, dim: _scatter_back(grads, input, others, dim)}
op("_sort(Tensor input, int dim, bool descending) -> (values, indices)", kernel="sort.sort", method=False, node="SortBackward0", vjp=_SCATTER)
op("topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (values, indices)", kernel="sort.topk", vjp=_SCATTER)
op("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (values, indices)", kernel="sort.kthvalue", vjp={"input": _at_index})
op("mode(Tensor input, int dim=-1, bool keepdim=False) -> (values, indices)", kernel="sort.mode", vjp={"input": _at_index})
for _name in ("median", "nanmedian"):
    op(f"_{_name}(Tensor input, int dim, bool keepdim=False) -> (values, indices)", kernel=f"sort.{_name}", method=False,
       node=f"{_name.title()}Backward1", vjp={"input": _at_index})


    op(f"_{_name}_all(Tensor input)", method=False, node=f"{_name.title()}Backward0",
       compute=(lambda n: lambda input: getattr(facula, "_" + n)(input.reshape(-1), 0)[0])(_name),
       vjp={"input": lambda grad, input, result: _middle_back(grad, input, result)})


def _middle_back(grad, input, result):
    same = (input == result) | (facula.isnan(input) & facula.isnan(result))
    return same * (grad / same.sum())


def _pair(name, pair):
    from .._return_types import named_result

    return named_result(name, ["values", "indices"])(tuple(pair))


@composite("sort")
def sort(input, dim=-1, descending=False, stable=False):
    """The elements along `dim` in order, and where they came from; equal ones keep their order."""
    if isinstance(dim, bool):
        dim, descending = -1, dim
    return _pair("sort", facula._sort(input, dim, bool(descending)))


@composite("argsort")
def argsort(input, dim=-1, descending=False, stable=False):
    """Where the sorted elements come from."""
    return facula._sort(input.detach(), dim, bool(descending))[1]


@composite("msort")
def msort(input):
    """The elements in order along the first dimension."""
    return facula._sort(input, 0, False)[0]


def _median(name):
    def function(input, dim=None, keepdim=False):
        kernel = getattr(facula, "_" + name)
        if dim is not None:
            return _pair(name, kernel(input, dim, keepdim))
        if input.numel() == 0:
            if input.dtype.is_floating_point:
                return facula.full((), float("nan"), dtype=input.dtype)
            return facula.full((), facula.iinfo(input.dtype).min, dtype=input.dtype)
        return getattr(facula, f"_{name}_all")(input)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The middle element (the lower of two)" + (", NaN left out." if name == "nanmedian" else ".")
    composite(name)(function)


_median("median")
_median("nanmedian")

op("_unique_rows(Tensor input, bool consecutive) -> (_, _, _)", kernel="sort.unique_rows", method=False, differentiable=False)


def _distinct(input, consecutive, return_inverse, return_counts, dim):
    moved = input.reshape(-1) if dim is None else input.movedim(dim, 0)
    n = moved.shape[0]
    rows = moved.reshape(n, -1) if moved.numel() else moved.reshape(n, 0)
    if dim is not None and moved.numel() == 0 and n:
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    places, inverse, counts = facula._unique_rows(rows.detach(), consecutive)
    out = moved.index_select(0, places)
    if dim is None:
        inverse = inverse.reshape(input.shape)
    else:
        out = out.movedim(0, dim)
    if not (return_inverse or return_counts):
        return out
    return (out, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


@composite("unique")
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements (or slices along `dim`), in order."""
    return _distinct(input, False, return_inverse, return_counts, dim)


@composite("unique_consecutive")
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Runs of equal elements made one."""
    return _distinct(input, True, return_inverse, return_counts, dim)


op("_searchsorted(Tensor sorted_sequence, Tensor values, bool right, bool out_int32)", kernel="sort.searchsorted", method=False, differentiable=False)


@composite("searchsorted", method=False)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each value would go in a sorted sequence."""
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    if not isinstance(input, facula.Tensor):
        input = facula.tensor(input, dtype=sorted_sequence.dtype, device=sorted_sequence.device)
    if sorted_sequence.dtype != input.dtype:
        raise RuntimeError("torch.searchsorted(): boundary tensor and input value tensor should have same dtype, but got "
                           f"boundary tensor's dtype {_scalar_name(sorted_sequence)} and input value tensor's dtype {_scalar_name(input)}")
    if sorted_sequence.dim() == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension")
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {list(sorted_sequence.shape)} "
                               f"and got sorter tensor {list(sorter.shape)}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    elif sorted_sequence.dim() > 1 and sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value "
                           f"tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and input value tensor {list(input.shape)}")
    return facula._searchsorted(sorted_sequence.detach(), input.detach(), right or side == "right", out_int32)


def _scalar_name(x):
    names = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte",
             "float16": "Half", "bfloat16": "BFloat16", "bool": "Bool"}
    return names.get(str(x.dtype).rpartition(".")[2], str(x.dtype))


@composite("bucketize", method=False)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """Which bucket between the boundaries each value falls into."""
    if boundaries.dim() != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.dim()})")
    if not isinstance(input, facula.Tensor):
        input = facula.tensor(input, device=boundaries.device)
    return facula._searchsorted(boundaries.detach(), input.detach(), right, out_int32)
