"""New tensors, copies, conversion."""

from __future__ import annotations

import facula

from ..._capture import Value
from .._builder import dtype_code, maps


def _filled(b, size, value, dtype):
    """A tensor of one number; sizes may be computed."""
    dtype = dtype or facula.get_default_dtype()
    if all(b.known(n) is not None for n in size):
        shape = [int(b.known(n)) for n in size]
        return b.emit("Expand", b.scalar(value, dtype), b.constant(shape)) if shape else b.emit("Identity", b.scalar(value, dtype))
    return b.emit("Expand", b.scalar(value, dtype), list(size))


@maps("zeros", "empty")
def _zeros(b, size, dtype=None, device=None):
    return _filled(b, size, 0, dtype)


@maps("ones")
def _ones(b, size, dtype=None, device=None):
    return _filled(b, size, 1, dtype)


@maps("_new")
def _new(b, size, dtype=None, device=None, fill=None):
    return _filled(b, size, 0 if fill is None else fill, dtype)


@maps("_new_strided")
def _new_strided(b, size, stride, dtype=None, device=None):
    return _filled(b, size, 0, dtype)


@maps("_new_like")
def _new_like(b, x, dtype=None, device=None, memory_format=None, fill=None):
    dtype = dtype or b.dtype(x)
    return b.emit("Expand", b.scalar(0 if fill is None else fill, dtype), b.emit("Shape", x))


@maps("_to_copy")
def _to_copy(b, x, dtype, *_):
    return b.emit("Cast", x, to=dtype_code(dtype)) if dtype != b.dtype(x) else b.emit("Identity", x)


@maps("copy_")
def _copy(b, x, source, *_):
    name = b.cast(source, b.dtype(x))
    return b.emit("Expand", name, b.emit("Shape", x)) if source.shape != x.shape else b.emit("Identity", name)


@maps("fill_")
def _fill(b, x, value):
    name = b.cast(value, b.dtype(x)) if isinstance(value, Value) else b.scalar(value, b.dtype(x))
    return b.emit("Expand", name, b.emit("Shape", x))


@maps("zero_")
def _zero(b, x):
    return _fill(b, x, 0)


@maps("_arange")
def _arange(b, start, end, step, dtype=None, device=None):
    given = (start, end, step)
    if dtype is None:
        dtype = facula.get_default_dtype() if any(isinstance(v, float) for v in given) else facula.int64
    if all(b.known(v) is not None for v in given):
        return b.constant(facula.arange(*(b.known(v) for v in given), dtype=dtype))
    parts = [b.emit("Squeeze", v, [0]) if isinstance(v, Value) else b.scalar(int(v), facula.int64) for v in given]
    out = b.emit("Range", *parts)
    return out if dtype == facula.int64 else b.emit("Cast", out, to=dtype_code(dtype))


@maps("_linspace")
def _linspace(b, start, end, steps, dtype=None, device=None):
    return b.constant(facula.linspace(start, end, b.plain(steps, "the number of steps")[0], dtype=dtype))


@maps("_eye")
def _eye(b, n, m, dtype=None, device=None):
    n, m = b.plain([n, m], "the size of an identity matrix")
    return b.constant(facula.eye(n, m, dtype=dtype))


# ---------------------------------------------------------------- random numbers (training mode)
maps("uniform_")(lambda b, x, low=0, high=1, generator=None: b.emit("RandomUniformLike", x, low=float(low), high=float(high)))
maps("normal_")(lambda b, x, mean=0, std=1, generator=None: b.emit("RandomNormalLike", x, mean=float(mean), scale=float(std)))


@maps("bernoulli_")
def _bernoulli(b, x, p=0.5, generator=None):
    p = b.cast(p, facula.float32) if isinstance(p, Value) else b.scalar(p, facula.float32)
    return b.emit("Bernoulli", b.emit("Expand", p, b.emit("Shape", x)), dtype=dtype_code(b.dtype(x)))
