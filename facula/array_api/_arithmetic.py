"""Elementwise functions: PyTorch's, under the standard's names and with Python numbers on either side."""

import facula

_UNARY = {name: name for name in (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh", "exp", "expm1", "floor", "isfinite", "isinf", "isnan",
    "log", "log10", "log1p", "log2", "logical_not", "negative", "positive", "reciprocal", "real", "round", "signbit", "sin", "sinh", "sqrt", "square",
    "tan", "tanh", "trunc")} | {"bitwise_invert": "bitwise_not", "sign": "sgn"}
_BINARY = {name: name for name in (
    "add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "copysign", "divide", "floor_divide",
    "greater", "greater_equal", "hypot", "less", "less_equal", "logaddexp", "logical_and", "logical_or", "logical_xor", "maximum", "minimum",
    "multiply", "nextafter", "not_equal", "pow", "remainder", "subtract")} | {"equal": "eq"}
__all__ = [*_UNARY, *_BINARY, "clip", "imag", "where"]
_WHOLE = {"ceil", "floor", "round", "trunc"}  # nothing to do for integers


def _unary(name, torch_name):
    def function(x, /):
        if name in _WHOLE and not x.is_floating_point():
            return facula.complex(x.real.round(), x.imag.round()) if x.is_complex() else x.clone()
        return getattr(facula, torch_name)(x)

    function.__doc__ = f"Elementwise {name.replace('_', ' ')}."
    return function


def _number_like(x, other):
    """A Python number as an array of the other's data type, where its kind allows."""
    if isinstance(x, facula.Tensor):
        return x
    return facula.full((), x, dtype=other.dtype if facula.result_type(other, x) == other.dtype else None)


def _binary(name, torch_name):
    def function(x1, x2, /):
        return getattr(facula, torch_name)(_number_like(x1, x2), _number_like(x2, x1))

    function.__doc__ = f"Elementwise {name.replace('_', ' ')} of two arrays, or of an array and a Python number."
    return function


for _table, _make in ((_UNARY, _unary), (_BINARY, _binary)):
    for _name, _torch in _table.items():
        globals()[_name] = _make(_name, _torch)
        globals()[_name].__name__ = globals()[_name].__qualname__ = _name


def imag(x, /):
    """The imaginary part."""
    return x.imag if x.is_complex() else facula.zeros_like(x)


def clip(x, /, min=None, max=None):
    """Elements limited to [min, max], in the array's data type."""
    if min is None and max is None:
        return x.clone()
    low, high = (_number_like(limit, x).to(x.dtype) if limit is not None else None for limit in (min, max))
    out = x if low is None else facula.maximum(x, low)
    return out if high is None else facula.minimum(out, high)


def where(condition, x1, x2, /):
    """x1 where the condition holds, x2 elsewhere."""
    return facula.where(condition, _number_like(x1, x2), _number_like(x2, x1))
