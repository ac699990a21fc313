"""Reductions and cumulative sums."""

import facula

__all__ = ["all", "any", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std", "sum", "var"]


def _axes(x, axis):
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)


def _accumulator(x, dtype):
    """Sums of small integers are in the default integer; floating ones keep their data type."""
    if dtype is not None or x.is_floating_point() or x.is_complex():
        return dtype or x.dtype
    return facula.uint64 if x.dtype in (facula.uint16, facula.uint32, facula.uint64) else facula.int64 if x.dtype != facula.uint8 else facula.uint64


def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    """The sum over axes."""
    kind = _accumulator(x, dtype)
    wide = facula.int64 if kind == facula.uint64 else kind
    return (x.to(wide).sum(_axes(x, axis), keepdim=keepdims) if x.ndim and _axes(x, axis) else x.to(wide)).to(kind)


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """The product over axes."""
    kind = _accumulator(x, dtype)
    out = x.to(facula.int64 if kind == facula.uint64 else kind)
    for a in sorted((a % x.ndim for a in _axes(x, axis)), reverse=True):
        out = out.prod(a, keepdim=keepdims)
    return out.to(kind)


def _reduce(name):
    def function(x, /, *, axis=None, keepdims=False):
        axes = _axes(x, axis)
        return getattr(facula, name)(x, axes, keepdim=keepdims) if axes else x.clone()

    return function


max, min, mean = _reduce("amax"), _reduce("amin"), _reduce("mean")
max.__doc__, min.__doc__, mean.__doc__ = "The largest element over axes.", "The smallest element over axes.", "The mean over axes."


def _spread(name):
    def function(x, /, *, axis=None, correction=0.0, keepdims=False):
        axes = _axes(x, axis)
        return getattr(facula, name)(x, axes, correction=correction, keepdim=keepdims) if axes else facula.zeros_like(x)

    return function


std, var = _spread("std"), _spread("var")
std.__doc__ = "The standard deviation over axes: divides by n - correction."
var.__doc__ = "The variance over axes: divides by n - correction."


def _logical(name):
    def function(x, /, *, axis=None, keepdims=False):
        x = x.to(facula.bool)
        return getattr(facula, name)(x, _axes(x, axis), keepdim=keepdims) if x.ndim and _axes(x, axis) else x.clone()

    return function


all, any = _logical("all"), _logical("any")
all.__doc__, any.__doc__ = "Whether every element is true.", "Whether some element is true."


def _cumulative(name, start):
    def function(x, /, *, axis=None, dtype=None, include_initial=False):
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"cumulative_{name}(): an axis is needed for an array of {x.ndim} dimensions")
            axis = 0
        kind = _accumulator(x, dtype)
        out = getattr(facula, f"cum{name}")(x.to(facula.int64 if kind == facula.uint64 else kind), axis).to(kind)
        if not include_initial:
            return out
        shape = list(x.shape)
        shape[axis] = 1
        return facula.cat([facula.full(shape, start, dtype=kind), out], axis)

    return function


cumulative_sum, cumulative_prod = _cumulative("sum", 0), _cumulative("prod", 1)
cumulative_sum.__doc__, cumulative_prod.__doc__ = "Sums of the elements so far.", "Products of the elements so far."


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    """Differences of neighbours."""
    return facula.diff(x, n, axis, prepend, append)
