"""Reductions, sorting, cumulative operations."""

from __future__ import annotations

import math

import facula

from .._builder import dtype_code, maps
from .pointwise import floating


def _axes(b, x, dim):
    if dim is None or isinstance(dim, (list, tuple)) and not dim:
        return None
    dims = dim if isinstance(dim, (list, tuple)) else [dim]
    return b.constant([b.axis(x, d) for d in dims]) if b.rank(x) else None


def reduced(b, op, x, dim, keepdim, name=None):
    """A reduction; `name` stands for x where it was converted."""
    axes = _axes(b, x, dim)
    # ArgMax aside, the axes are an input since opset 18 (ReduceSum: 13).
    return b.emit(op, name or x, axes, keepdims=int(bool(keepdim)))


def _simple(op, *names):
    def emit(b, x, *rest):
        if rest and isinstance(rest[0], (facula.dtype, type(None))) and len(rest) < 3:  # over all dimensions: (dtype)
            dim, keepdim, dtype = None, False, rest[0]
        else:
            dim, keepdim, dtype = (*rest, *(None, False, None)[len(rest):])
        name = b(x)
        have = b.dtype(x)
        if dtype is None and op in ("ReduceSum", "ReduceProd") and not have.is_floating_point:
            dtype = facula.int64
        if dtype is not None:
            name = b.cast(x, dtype)
        if op == "ReduceProd" and have == facula.bool:
            name = b.emit("Cast", name, to=7)
        return reduced(b, op, x, dim, keepdim, name)

    maps(*names)(emit)


_simple("ReduceSum", "sum")
_simple("ReduceMean", "mean")
_simple("ReduceProd", "prod")


@maps("_finite_norm")
def _finite_norm(b, x, p, dim, keepdim):
    if p in (1.0, 2.0):
        return reduced(b, f"ReduceL{int(p)}", x, dim, keepdim)
    dtype = b.dtype(x)
    if p == 0.0:
        nonzero = b.emit("Cast", b.emit("Not", b.emit("Equal", x, b.scalar(0, dtype))), to=dtype_code(dtype))
        return reduced(b, "ReduceSum", x, dim, keepdim, nonzero)
    powers = reduced(b, "ReduceSum", x, dim, keepdim, b.emit("Pow", b.emit("Abs", x), b.scalar(p, dtype)))
    return b.emit("Pow", powers, b.scalar(1 / p, dtype))


@maps("amax")
def _amax(b, x, dim=(), keepdim=False):
    return reduced(b, "ReduceMax", x, dim, keepdim)


@maps("amin")
def _amin(b, x, dim=(), keepdim=False):
    return reduced(b, "ReduceMin", x, dim, keepdim)


@maps("logsumexp")
def _logsumexp(b, x, dim, keepdim=False):
    return reduced(b, "ReduceLogSumExp", x, dim, keepdim)


def _arg(op):
    def emit(b, x, dim=None, keepdim=False):
        if b.dtype(x) == facula.bool:
            x_name = b.cast(x, facula.int32)
        else:
            x_name = b(x)
        if dim is None:
            out = b.emit(op, b.emit("Reshape", x_name, [-1]), axis=0, keepdims=0)
            return out if not keepdim else b.emit("Reshape", out, [1] * b.rank(x))
        return b.emit(op, x_name, axis=b.axis(x, dim), keepdims=int(bool(keepdim)))

    return emit


maps("argmax")(_arg("ArgMax"))
maps("argmin")(_arg("ArgMin"))


def _extreme(reduce_op, arg_op, binary):
    from ..._capture import Value
    from .pointwise import operands

    def emit(b, x, *rest):
        if not rest:
            return b.emit(reduce_op, x, keepdims=0)
        if isinstance(rest[0], Value) and rest[0].tensor is not None:
            names, _ = operands(b, x, rest[0])
            return b.emit(binary, *names)
        dim, keepdim = (*rest, False)[:2]
        return reduced(b, reduce_op, x, dim, keepdim), b.emit(arg_op, x, axis=b.axis(x, dim), keepdims=int(bool(keepdim)))

    return emit


maps("max")(_extreme("ReduceMax", "ArgMax", "Max"))
maps("min")(_extreme("ReduceMin", "ArgMin", "Min"))


def _logical(op):
    def emit(b, x, dim=None, keepdim=False):
        flags = b.emit("Cast", b.cast(x, facula.bool), to=dtype_code(facula.int32))
        return b.emit("Cast", reduced(b, op, x, dim, keepdim, flags), to=dtype_code(facula.bool))

    return emit


maps("any")(_logical("ReduceMax"))
maps("all")(_logical("ReduceMin"))


def _moments(b, x, dim, correction, keepdim):
    """(variance, mean) with the dimensions kept or not."""
    name, dtype = floating(b, x)
    mean = reduced(b, "ReduceMean", x, dim, True, name)
    square = b.emit("Mul", *(2 * [b.emit("Sub", name, mean)]))
    dims = range(b.rank(x)) if dim is None or dim in ([], ()) else [b.axis(x, d) for d in (dim if isinstance(dim, (list, tuple)) else [dim])]
    total = reduced(b, "ReduceSum", x, dim, keepdim, square)
    count = b.emit("Cast", _product(b, [b.size(x, d) for d in dims]), to=dtype_code(dtype))
    divisor = b.emit("Sub", count, b.scalar(1 if correction is None else correction, dtype))
    return b.emit("Div", total, divisor), mean if keepdim else reduced(b, "ReduceMean", x, dim, False, name)


def _product(b, sizes):
    out = sizes[0] if sizes else b.constant([1])
    for s in sizes[1:]:
        out = b.emit("Mul", out, s)
    return b.emit("Squeeze", out, [0])


maps("_var")(lambda b, x, dim=None, correction=1, keepdim=False: _moments(b, x, dim, correction, keepdim)[0])
maps("_std")(lambda b, x, dim=None, correction=1, keepdim=False: b.emit("Sqrt", _moments(b, x, dim, correction, keepdim)[0]))
maps("_var_mean")(lambda b, x, dim=None, correction=1, keepdim=False: _moments(b, x, dim, correction, keepdim))


@maps("_std_mean")
def _std_mean(b, x, dim=None, correction=1, keepdim=False):
    variance, mean = _moments(b, x, dim, correction, keepdim)
    return b.emit("Sqrt", variance), mean


@maps("cumsum")
def _cumsum(b, x, dim, dtype=None):
    dtype = dtype or (b.dtype(x) if b.dtype(x).is_floating_point else facula.int64)
    return b.emit("CumSum", b.cast(x, dtype), b.scalar(b.axis(x, dim), facula.int64))


@maps("topk")
def _topk(b, x, k, dim=-1, largest=True, sorted=True):
    return b.emit("TopK", x, [k], axis=b.axis(x, dim), largest=int(largest), sorted=int(sorted), outputs=2)


@maps("_sort")
def _sort(b, x, dim, descending):
    return b.emit("TopK", x, b.size(x, dim), axis=b.axis(x, dim), largest=int(descending), sorted=1, outputs=2)


def _kth(b, x, k, dim, keepdim):
    if not b.rank(x):
        return b.emit("Identity", x), b.scalar(0, facula.int64)
    axis = b.axis(x, dim)
    both = b.emit("TopK", x, [k], axis=axis, largest=0, sorted=1, outputs=2)
    last = b.constant([k - 1]) if keepdim else b.scalar(k - 1, facula.int64)
    return tuple(b.emit("Gather", v, last, axis=axis) for v in both)


maps("kthvalue")(lambda b, x, k, dim=-1, keepdim=False: _kth(b, x, k, dim, keepdim))
maps("_median")(lambda b, x, dim, keepdim=False: _kth(b, x, (x.shape[dim] + 1) // 2 if b.rank(x) else 1, dim, keepdim))


@maps("logcumsumexp")
def _logcumsumexp(b, x, dim):
    top = b.emit("ReduceMax", x, [b.axis(x, dim)], keepdims=1)
    total = b.emit("CumSum", b.emit("Exp", b.emit("Sub", x, top)), b.scalar(b.axis(x, dim), facula.int64))
    return b.emit("Add", b.emit("Log", total), top)


@maps("_cdist")
def _cdist(b, x, y, p):
    gap = b.emit("Sub", b.emit("Unsqueeze", x, [b.rank(x) - 1]), b.emit("Unsqueeze", y, [b.rank(y) - 2]))
    if p in (1, 2):
        return b.emit(f"ReduceL{int(p)}", gap, [-1], keepdims=0)
    gap = b.emit("Abs", gap)
    if p == math.inf:
        return b.emit("ReduceMax", gap, [-1], keepdims=0)
    if p == 0:
        return b.emit("ReduceSum", b.emit("Sign", gap), [-1], keepdims=0)
    total = b.emit("ReduceSum", b.emit("Pow", gap, b.scalar(p, b.dtype(x))), [-1], keepdims=0)
    return b.emit("Pow", total, b.scalar(1 / p, b.dtype(x)))


@maps("linalg.cross")
def _cross(b, x, y, dim=-1):
    axis = max(b.rank(x), b.rank(y)) + dim if dim < 0 else dim
    first, second = b.constant([1, 2, 0]), b.constant([2, 0, 1])
    parts = [b.emit("Mul", b.emit("Gather", x, i, axis=axis), b.emit("Gather", y, k, axis=axis)) for i, k in ((first, second), (second, first))]
    return b.emit("Sub", *parts)
