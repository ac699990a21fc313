"""Reductions and normalisations that leave out masked elements (mask False)."""

from __future__ import annotations

import facula

from .._table import composite


def _prepare(input, mask, fill, dtype):
    """Input of the result's dtype with `fill` where masked out."""
    if dtype is not None:
        input = input.to(dtype)
    if mask is None:
        return input
    return input.masked_fill(~mask, fill)


def _dims(input, dim):
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return list(range(input.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _lowest(dtype, sign):
    """The value that never wins a search for the largest (sign -1) or smallest (sign 1)."""
    if dtype.is_floating_point or dtype.is_complex:
        return sign * float("inf")
    if dtype == facula.bool:
        return sign > 0
    return facula.iinfo(dtype).max if sign > 0 else facula.iinfo(dtype).min


def _widened(input, dtype):
    integral = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return facula.int64 if dtype is None and integral else dtype


def _count(input, mask, dim, keepdim):
    ones = facula.ones(input.shape, dtype=facula.int64, device=input.device)
    return _prepare(ones, mask, 0, None).sum(_dims(input, dim), keepdim)


@composite("masked.sum")
def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The sum of the elements that count."""
    return _prepare(input, mask, 0, _widened(input, dtype)).sum(_dims(input, dim), bool(keepdim))


@composite("masked.prod")
def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The product of the elements that count."""
    out = _prepare(input, mask, 1, _widened(input, dtype))
    for d in sorted({d % max(input.dim(), 1) for d in _dims(input, dim)}, reverse=True):
        out = out.prod(d, bool(keepdim))
    return out


@composite("masked.amax")
def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The largest of the elements that count."""
    return _prepare(input, mask, _lowest(dtype or input.dtype, -1), dtype).amax(_dims(input, dim), bool(keepdim))


@composite("masked.amin")
def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The smallest of the elements that count."""
    return _prepare(input, mask, _lowest(dtype or input.dtype, 1), dtype).amin(_dims(input, dim), bool(keepdim))


@composite("masked.argmax")
def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the largest of the elements that count stands."""
    return _prepare(input, mask, _lowest(dtype or input.dtype, -1), dtype).argmax(dim, bool(keepdim)).to(_widened(input, dtype) or input.dtype)


@composite("masked.argmin")
def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where the smallest of the elements that count stands."""
    return _prepare(input, mask, _lowest(dtype or input.dtype, 1), dtype).argmin(dim, bool(keepdim)).to(_widened(input, dtype) or input.dtype)


@composite("masked.mean")
def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean of the elements that count."""
    if input.dtype == facula.bool or (dtype or input.dtype) == facula.bool:
        dtype = facula.int64
    total = _prepare(input, mask, 0, dtype).sum(_dims(input, dim), bool(keepdim))
    if dtype is None and not (input.dtype.is_floating_point or input.dtype.is_complex):
        total = total.to(facula.float32)
    return total / _count(input, mask, dim, bool(keepdim))


@composite("masked.median")
def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The median of the elements that count."""
    if not (dtype or input.dtype).is_floating_point:
        raise ValueError(f"input must be of floating point dtype, got {dtype or input.dtype}")
    if mask is None:
        return _prepare(input, None, 0, dtype).median(dim, bool(keepdim)).values
    return _prepare(input, mask, float("nan"), dtype).nanmedian(dim, bool(keepdim)).values


@composite("masked.logsumexp")
def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """log(sum(exp)) of the elements that count."""
    kind = _widened(input, dtype) or input.dtype
    return facula.logsumexp(_prepare(input, mask, _lowest(kind, -1), kind), _dims(input, dim), bool(keepdim)).to(kind)


@composite("masked.logaddexp")
def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)) of the elements that count."""
    low = float("-inf")
    return facula.logaddexp(_prepare(input, input_mask, low, dtype), _prepare(other, other_mask, low, dtype))


@composite("masked.norm")
def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm of the elements that count."""
    fill = float("inf") if ord == float("-inf") else 0
    x = _prepare(input, mask, fill, dtype)
    return facula.linalg.vector_norm(x, 2.0 if ord is None else ord, _dims(input, dim), bool(keepdim))


def _spread(input, dim, unbiased, correction, keepdim, dtype, mask):
    correction = (1 if unbiased is None else int(unbiased)) if correction is None else correction
    if dtype is None and not (input.dtype.is_floating_point or input.dtype.is_complex):
        dtype = facula.float32
    x, dims = _prepare(input, mask, 0, dtype), _dims(input, dim)
    count = _count(input, mask, dim, True)
    gap = _prepare(x - x.sum(dims, True) / count, mask, 0, None)
    square = (gap * gap.conj()).real if x.dtype.is_complex else gap * gap
    left = _count(input, mask, dim, bool(keepdim)) - correction
    return (square.sum(dims, bool(keepdim)) / facula.where(left > 0, left, facula.zeros_like(left))).to(x.dtype)


@composite("masked.var")
def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance of the elements that count."""
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask)


@composite("masked.std")
def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The standard deviation of the elements that count."""
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask).sqrt()


@composite("masked.cumsum")
def cumsum(input, dim, *, dtype=None, mask=None):
    """The running sum, masked elements as 0."""
    return _prepare(input, mask, 0, _widened(input, dtype)).cumsum(dim)


@composite("masked.cumprod")
def cumprod(input, dim, *, dtype=None, mask=None):
    """The running product, masked elements as 1."""
    return _prepare(input, mask, 1, _widened(input, dtype)).cumprod(dim)


@composite("masked.softmax")
def softmax(input, dim, *, dtype=None, mask=None):
    """softmax over the elements that count."""
    return facula.softmax(_prepare(input, mask, _lowest(dtype or input.dtype, -1), dtype), dim)


@composite("masked.log_softmax")
def log_softmax(input, dim, *, dtype=None, mask=None):
    """log_softmax over the elements that count."""
    return facula.log_softmax(_prepare(input, mask, _lowest(dtype or input.dtype, -1), dtype), dim)


@composite("masked.softmin")
def softmin(input, dim, *, dtype=None, mask=None):
    """softmax of the negated input over the elements that count."""
    return facula.softmax(-_prepare(input, mask, _lowest(dtype or input.dtype, 1), dtype), dim)


@composite("masked.normalize")
def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """Vectors along `dim` scaled to norm 1, masked elements as 0."""
    x = _prepare(input, mask, 0, dtype)
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return x / facula.where(length > eps, length, facula.full_like(length, eps))
