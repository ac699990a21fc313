"""Elementwise operations."""

from __future__ import annotations

import math

import facula

from ..._capture import Value
from .._builder import mappings, maps

# ---------------------------------------------------------------- one operand, one operator
_SAME = {"abs": "Abs", "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh", "ceil": "Ceil",
         "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "neg": "Neg", "reciprocal": "Reciprocal",
         "round": "Round", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh",
         "relu": "Relu", "nn.functional.relu": "Relu", "nn.functional.hardswish": "HardSwish", "nn.functional.mish": "Mish", "positive": "Identity", "alias": "Identity",
         "contiguous": "Identity", "clone": "Identity", "isnan": "IsNaN", "logical_not": "Not", "_conj_physical": "Identity"}
_FLOATING = {"acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp", "log", "reciprocal", "sigmoid", "sin", "sinh", "sqrt",
             "tan", "tanh"}


def _same(name, op):
    def emit(b, x, *_):
        if name == "logical_not" and b.dtype(x) != facula.bool:
            return b.emit("Equal", x, b.scalar(0, b.dtype(x)))
        if name in _FLOATING and not b.dtype(x).is_floating_point:
            return b.emit(op, b.cast(x, facula.float32))
        if name in ("ceil", "floor", "round") and not b.dtype(x).is_floating_point:
            return b(x)
        return b.emit(op, x)

    return emit


for _name, _op in _SAME.items():
    mappings[_name] = _same(_name, _op)


def floating(b, x):
    """(name, dtype) of x as a floating tensor."""
    dtype = b.dtype(x)
    return (b(x), dtype) if dtype.is_floating_point else (b.cast(x, facula.float32), facula.float32)


def _formula(*names):
    """An operation of one operand given by operators: the function gets (builder, name, a maker of constants, *rest)."""
    def add(function):
        def emit(b, x, *rest):
            name, dtype = floating(b, x)
            return function(b, name, lambda c: b.scalar(c, dtype), *rest)

        maps(*names)(emit)
        return function

    return add


_formula("rsqrt")(lambda b, x, c: b.emit("Reciprocal", b.emit("Sqrt", x)))
_formula("expm1")(lambda b, x, c: b.emit("Sub", b.emit("Exp", x), c(1)))
_formula("log1p")(lambda b, x, c: b.emit("Log", b.emit("Add", x, c(1))))
_formula("log2")(lambda b, x, c: b.emit("Mul", b.emit("Log", x), c(1 / math.log(2))))
_formula("log10")(lambda b, x, c: b.emit("Mul", b.emit("Log", x), c(1 / math.log(10))))
_formula("exp2")(lambda b, x, c: b.emit("Pow", c(2.0), x))
_formula("erfc")(lambda b, x, c: b.emit("Sub", c(1), b.emit("Erf", x)))
_formula("trunc")(lambda b, x, c: b.emit("Mul", b.emit("Sign", x), b.emit("Floor", b.emit("Abs", x))))
_formula("nn.functional.silu")(lambda b, x, c: b.emit("Mul", x, b.emit("Sigmoid", x)))
_formula("nn.functional.relu6")(lambda b, x, c: b.emit("Clip", x, c(0.0), c(6.0)))
_formula("nn.functional.hardsigmoid")(lambda b, x, c: b.emit("HardSigmoid", x, alpha=1 / 6, beta=0.5))
_formula("nn.functional.logsigmoid")(lambda b, x, c: b.emit("Neg", b.emit("Softplus", b.emit("Neg", x))))
_formula("nn.functional._hardtanh")(lambda b, x, c, low=-1.0, high=1.0: b.emit("Clip", x, c(low), c(high)))
_formula("nn.functional.leaky_relu")(lambda b, x, c, slope=0.01: b.emit("LeakyRelu", x, alpha=float(slope)))
_formula("nn.functional.celu")(lambda b, x, c, alpha=1.0: b.emit("Celu", x, alpha=float(alpha)))
_formula("nn.functional.hardshrink")(lambda b, x, c, lambd=0.5: b.emit("Shrink", x, lambd=float(lambd), bias=0.0))
_formula("nn.functional._softshrink")(lambda b, x, c, lambd: b.emit("Shrink", x, lambd=float(lambd), bias=float(lambd)))
_formula("nn.functional._gelu_erf")(lambda b, x, c: b.emit(
    "Mul", b.emit("Mul", x, c(0.5)), b.emit("Add", b.emit("Erf", b.emit("Mul", x, c(1 / math.sqrt(2)))), c(1.0))))


@_formula("nn.functional._gelu_tanh")
def _gelu_tanh(b, x, c):
    cube = b.emit("Mul", b.emit("Mul", b.emit("Mul", x, x), x), c(0.044715))
    inner = b.emit("Tanh", b.emit("Mul", b.emit("Add", x, cube), c(math.sqrt(2 / math.pi))))
    return b.emit("Mul", b.emit("Mul", x, c(0.5)), b.emit("Add", inner, c(1.0)))


@_formula("nn.functional._elu")
def _elu(b, x, c, alpha, scale, input_scale):
    positive = b.emit("Mul", b.emit("Relu", x), c(scale))
    low = b.emit("Min", x, c(0.0))
    low = low if input_scale == 1 else b.emit("Mul", low, c(input_scale))
    negative = b.emit("Mul", b.emit("Sub", b.emit("Exp", low), c(1.0)), c(alpha * scale))
    return b.emit("Add", positive, negative)


@_formula("nn.functional.softplus")
def _softplus(b, x, c, beta=1, threshold=20):
    scaled = x if beta == 1 else b.emit("Mul", x, c(beta))
    soft = b.emit("Softplus", scaled)
    soft = soft if beta == 1 else b.emit("Mul", soft, c(1 / beta))
    return b.emit("Where", b.emit("Greater", scaled, c(threshold)), x, soft)


@_formula("nn.functional.threshold")
def _threshold(b, x, c, threshold, value):
    return b.emit("Where", b.emit("Greater", x, c(threshold)), x, c(value))


@maps("square")
def _square(b, x):
    return b.emit("Mul", x, x)


@maps("nn.functional._prelu")
def _prelu(b, x, weight):
    return b.emit("PRelu", x, b.cast(weight, b.dtype(x)))


@maps("sgn")
def _sgn(b, x):
    return b.emit("Sign", x)


@maps("signbit")
def _signbit(b, x):
    return b.emit("Less", x if not b.dtype(x).is_floating_point else b.emit("Where", b.emit("Equal", x, b.scalar(0, b.dtype(x))), b.emit(
        "Reciprocal", x), x), b.scalar(0, b.dtype(x)))  # 1 / -0 is negative


@maps("angle")
def _angle(b, x):
    name, dtype = floating(b, x)
    return b.emit("Where", b.emit("Less", name, b.scalar(0, dtype)), b.scalar(math.pi, dtype), b.emit("Mul", name, b.scalar(0, dtype)))


# ---------------------------------------------------------------- two operands
def operands(b, *items):
    """The names of operands, tensors or numbers, as their common dtype; and that dtype."""
    tensors = [x.tensor if isinstance(x, Value) and x.tensor is not None else x.integer if isinstance(x, Value) else x for x in items]
    dtype = facula.result_type(tensors[0], tensors[1])
    for t in tensors[2:]:
        dtype = facula.promote_types(dtype, facula.result_type(t, tensors[0]))
    return [_operand(b, x, dtype) for x in items], dtype


def _operand(b, x, dtype):
    if isinstance(x, Value) and x.tensor is not None:
        return b.cast(x, dtype)
    if isinstance(x, Value):  # a size
        known = b.known(x)
        if known is not None:
            return b.scalar(known, dtype)
        flat = b.emit("Squeeze", x, b.constant([0]))
        return flat if dtype == facula.int64 else b.emit("Cast", flat, to=_code(dtype))
    return b.scalar(x, dtype)


def _code(dtype):
    from .._builder import dtype_code

    return dtype_code(dtype)


def _binary(op, *names, floats=False, as_dtype=None):
    def emit(b, x, y, *, alpha=1):
        (x, y), dtype = operands(b, x, y)
        if floats and not dtype.is_floating_point or as_dtype:
            target = as_dtype or facula.float32
            x, y = (b.emit("Cast", v, to=_code(target)) for v in (x, y))
        return b.emit(op, x, y)

    maps(*names)(emit)


_binary("Mul", "mul")
_binary("Div", "div", "true_divide", floats=True)
_binary("Max", "maximum", "fmax")
_binary("Min", "minimum", "fmin")
_binary("Equal", "eq")
_binary("Less", "lt")
_binary("LessOrEqual", "le")
_binary("Greater", "gt")
_binary("GreaterOrEqual", "ge")
_binary("And", "logical_and", as_dtype=facula.bool)
_binary("Or", "logical_or", as_dtype=facula.bool)
_binary("Xor", "logical_xor", as_dtype=facula.bool)


def _logic(boolean, integral, name):
    @maps(name)
    def emit(b, x, y):
        (x, y), dtype = operands(b, x, y)
        return b.emit(boolean if dtype == facula.bool else integral, x, y)


_logic("And", "BitwiseAnd", "bitwise_and")
_logic("Or", "BitwiseOr", "bitwise_or")
_logic("Xor", "BitwiseXor", "bitwise_xor")


@maps("_bitwise_not")
def _not(b, x):
    return b.emit("Not" if b.dtype(x) == facula.bool else "BitwiseNot", x)


def _sum(op):
    def emit(b, x, y, alpha=1):
        (x, y), dtype = operands(b, x, y)
        if dtype == facula.bool:
            return b.emit("Or", x, y)
        if alpha != 1:
            y = b.emit("Mul", y, b.scalar(alpha, dtype))
        return b.emit(op, x, y)

    return emit


maps("add")(_sum("Add"))
maps("sub")(_sum("Sub"))


@maps("rsub")
def _rsub(b, x, y, alpha=1):
    (x, y), dtype = operands(b, x, y)
    return b.emit("Sub", y, x if alpha == 1 else b.emit("Mul", x, b.scalar(alpha, dtype)))


@maps("ne")
def _ne(b, x, y):
    (x, y), _ = operands(b, x, y)
    return b.emit("Not", b.emit("Equal", x, y))


@maps("pow")
def _pow(b, x, y):
    if isinstance(y, (int, float)) and y == 2:
        return b.emit("Mul", x, x)
    (x, y), _ = operands(b, x, y)
    return b.emit("Pow", x, y)


@maps("floor_divide", "_div_floor")
def _floor_divide(b, x, y):
    (x, y), dtype = operands(b, x, y)
    if dtype.is_floating_point:
        return b.emit("Floor", b.emit("Div", x, y))
    return b.emit("Div", b.emit("Sub", x, b.emit("Mod", x, y)), y)


@maps("_div_trunc")
def _div_trunc(b, x, y):
    (x, y), dtype = operands(b, x, y)
    quotient = b.emit("Div", x, y)
    if not dtype.is_floating_point:
        return quotient
    return b.emit("Mul", b.emit("Sign", quotient), b.emit("Floor", b.emit("Abs", quotient)))


@maps("remainder")
def _remainder(b, x, y):
    (x, y), dtype = operands(b, x, y)
    if dtype.is_floating_point:
        rest = b.emit("Mod", x, y, fmod=1)
        return b.emit("Where", b.emit("Less", b.emit("Mul", rest, y), b.scalar(0, dtype)), b.emit("Add", rest, y), rest)
    return b.emit("Mod", x, y)


@maps("fmod")
def _fmod(b, x, y):
    (x, y), _ = operands(b, x, y)
    return b.emit("Mod", x, y, fmod=1)


@maps("_where")
def _where(b, condition, x, y):
    (x, y), _ = operands(b, x, y)
    return b.emit("Where", condition, x, y)


@maps("clamp")
def _clamp(b, x, low=None, high=None):
    given = [v for v in (low, high) if v is not None]
    names, dtype = operands(b, x, *given)
    names = iter(names)
    out = next(names)
    out = b.emit("Max", out, next(names)) if low is not None else out
    return b.emit("Min", out, next(names)) if high is not None else out


maps("clamp_min")(lambda b, x, low: _clamp(b, x, low, None))
maps("clamp_max")(lambda b, x, high: _clamp(b, x, None, high))


@maps("lerp")
def _lerp(b, x, end, weight):
    (x, end, weight), _ = operands(b, x, end, weight)
    return b.emit("Add", x, b.emit("Mul", weight, b.emit("Sub", end, x)))


@maps("addcmul")
def _addcmul(b, x, t1, t2, value=1):
    (x, t1, t2), dtype = operands(b, x, t1, t2)
    product = b.emit("Mul", t1, t2)
    return b.emit("Add", x, product if value == 1 else b.emit("Mul", product, b.scalar(value, dtype)))


@maps("addcdiv")
def _addcdiv(b, x, t1, t2, value=1):
    (x, t1, t2), dtype = operands(b, x, t1, t2)
    quotient = b.emit("Div", t1, t2)
    return b.emit("Add", x, quotient if value == 1 else b.emit("Mul", quotient, b.scalar(value, dtype)))


@maps("masked_fill")
def _masked_fill(b, x, mask, value):
    value = b.cast(value, b.dtype(x)) if isinstance(value, Value) else b.scalar(value, b.dtype(x))
    return b.emit("Where", b.cast(mask, facula.bool), value, x)


@maps("nn.functional._glu")
def _glu_pair(b, x, y):
    return b.emit("Mul", x, b.emit("Sigmoid", y))


@maps("_glu")
def _glu(b, x, dim):
    left, right = b.emit("Split", x, axis=b.axis(x, dim), num_outputs=2, outputs=2)
    return b.emit("Mul", left, b.emit("Sigmoid", right))


@maps("_nan_to_num")
def _nan_to_num(b, x, nan, posinf, neginf):
    dtype = b.dtype(x)
    out = b.emit("Where", b.emit("IsNaN", x), b.scalar(nan, dtype), x)
    out = b.emit("Where", b.emit("IsInf", x, detect_negative=0), b.scalar(posinf, dtype), out)
    return b.emit("Where", b.emit("IsInf", x, detect_positive=0), b.scalar(neginf, dtype), out)


# ---------------------------------------------------------------- functions of two operands that ONNX writes by others
def _floats(function):
    """Operands as one floating dtype; the function gets (builder, x, y, a maker of constants)."""
    def emit(b, x, y):
        (x, y), dtype = operands(b, x, y)
        if not dtype.is_floating_point:
            dtype, (x, y) = facula.float32, (b.emit("Cast", v, to=_code(facula.float32)) for v in (x, y))
        return function(b, x, y, lambda c: b.scalar(c, dtype))

    return emit


@maps("hypot")
@_floats
def _hypot(b, x, y, c):
    big = b.emit("Max", b.emit("Abs", x), b.emit("Abs", y))
    safe = b.emit("Where", b.emit("Equal", big, c(0.0)), c(1.0), big)
    x, y = b.emit("Div", x, safe), b.emit("Div", y, safe)
    return b.emit("Mul", big, b.emit("Sqrt", b.emit("Add", b.emit("Mul", x, x), b.emit("Mul", y, y))))


def _logaddexp(base):
    def emit(b, x, y, c):
        big, gap = b.emit("Max", x, y), b.emit("Neg", b.emit("Abs", b.emit("Sub", x, y)))
        scaled = gap if base == math.e else b.emit("Mul", gap, c(math.log(base)))
        rest = b.emit("Log", b.emit("Add", b.emit("Exp", scaled), c(1.0)))
        out = b.emit("Add", big, rest if base == math.e else b.emit("Mul", rest, c(1 / math.log(base))))
        return b.emit("Where", b.emit("Equal", x, y), b.emit("Add", big, c(math.log(2) / math.log(base))), out)  # also of two infinities

    return emit


maps("logaddexp")(_floats(_logaddexp(math.e)))
maps("logaddexp2")(_floats(_logaddexp(2)))


@maps("copysign")
@_floats
def _copysign(b, x, y, c):
    size = b.emit("Abs", x)
    sign = b.emit("Where", b.emit("Equal", y, c(0.0)), b.emit("Reciprocal", y), y)
    return b.emit("Where", b.emit("Less", sign, c(0.0)), b.emit("Neg", size), size)


@maps("atan2")
@_floats
def _atan2(b, y, x, c):
    """By the half-plane of x; 0 / 0 counts as 0."""
    zero, left = b.emit("Equal", x, c(0.0)), b.emit("Less", x, c(0.0))
    angle = b.emit("Atan", b.emit("Div", y, b.emit("Where", zero, c(1.0), x)))
    turn = b.emit("Where", b.emit("Less", y, c(0.0)), c(-math.pi), c(math.pi))
    angle = b.emit("Where", left, b.emit("Add", angle, turn), angle)
    return b.emit("Where", zero, b.emit("Mul", b.emit("Sign", y), c(math.pi / 2)), angle)


@maps("bitwise_left_shift")
def _shift_left(b, x, y):
    (x, y), dtype = operands(b, x, y)
    return b.emit("Mul", x, b.emit("Pow", b.scalar(2, dtype), y))
