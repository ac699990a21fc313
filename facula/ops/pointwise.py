"""Elementwise arithmetic, comparison, logic and elementary functions, as formulas."""

from ._formula import f
from ._table import pointwise

REAL = "fd"
FLOATING = "fdcz"
ORDERED = "fdi"

_WHOLE_ALPHA = ("float number", "For integral input tensors, argument alpha must not be a floating point number.")
_NO_BOOLS = (("two bools", "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."),
             ("any bool", "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
                          "use the `~` or `logical_not()` operator instead."))


def _no_bool(kernel):
    return (("bool", kernel),)


# ---------------------------------------------------------------- arithmetic
# Without alpha there is one operand less to feed: the common call has an overload of its own.
pointwise("add(Tensor input, Tensor|Scalar other)", lambda input, other: input + other, inplace=True,
          vjp={"input": lambda grad: grad, "other": lambda grad: grad})
pointwise("add(Tensor input, Tensor|Scalar other, *, Scalar alpha)",
          lambda input, other, alpha: f.muladd(alpha, other, input), refuses=(_WHOLE_ALPHA,), inplace=True,
          vjp={"input": lambda grad: grad, "other": lambda grad, alpha: grad * f.conj(alpha)})
pointwise("sub(Tensor input, Tensor|Scalar other)", lambda input, other: input - other, refuses=_NO_BOOLS, inplace=True, aliases=("subtract",),
          vjp={"input": lambda grad: grad, "other": lambda grad: -grad})
pointwise("sub(Tensor input, Tensor|Scalar other, *, Scalar alpha)",
          lambda input, other, alpha: f.muladd(-alpha, other, input), refuses=(*_NO_BOOLS, _WHOLE_ALPHA), inplace=True, aliases=("subtract",),
          vjp={"input": lambda grad: grad, "other": lambda grad, alpha: -grad * f.conj(alpha)})
pointwise("rsub(Tensor input, Tensor|Scalar other, *, Scalar alpha=1)",
          lambda input, other, alpha: f.muladd(-alpha, input, other), refuses=(*_NO_BOOLS, _WHOLE_ALPHA), node=("RsubBackward1", "RsubBackward0"),
          vjp={"input": lambda grad, alpha: -grad * f.conj(alpha), "other": lambda grad: grad})
pointwise("mul(Tensor input, Tensor|Scalar other)", lambda input, other: input * other, inplace=True, aliases=("multiply",),
          vjp={"input": lambda grad, other: grad * f.conj(other), "other": lambda grad, input: grad * f.conj(input)})
for _name, _alias in (("true_divide", ()), ("div", ("divide",))):  # elementwise.py has div's rounding modes
    pointwise(f"{_name}(Tensor input, Tensor|Scalar other)", lambda input, other: input / other, dtype="floating", types=FLOATING,
              inplace=True, aliases=_alias, node="DivBackward0",
              vjp={"input": lambda grad, other: grad / f.conj(other),
                   "other": lambda grad, input, other: -grad * f.conj((input / other) / other)})
for _name, _formula in (("trunc", lambda input, other: f.trunc_divide(input, other)), ("floor", lambda input, other: f.floor_divide(input, other))):
    pointwise(f"_div_{_name}(Tensor input, Tensor|Scalar other)", _formula, types=ORDERED, inplace=True, node="DivBackward2",
              vjp_types=REAL, vjp={"input": lambda grad: grad * 0, "other": lambda grad: grad * 0})
pointwise("floor_divide(Tensor input, Tensor|Scalar other)", lambda input, other: f.floor_divide(input, other),
          types=ORDERED, refuses=_no_bool("div_floor_cpu"), inplace=True)
pointwise("remainder(Tensor input, Tensor|Scalar other)", lambda input, other: f.remainder(input, other), types=ORDERED,
          refuses=_no_bool("remainder_cpu"), inplace=True, vjp_types=REAL, node=("RemainderBackward0", "RemainderBackward1"),
          vjp={"input": lambda grad: grad, "other": lambda grad, input, other: -grad * f.floor(input / other)})
pointwise("fmod(Tensor input, Tensor|Scalar other)", lambda input, other: f.fmod(input, other), types=ORDERED,
          refuses=_no_bool("fmod_cpu"), inplace=True, vjp_types=REAL, node=("FmodBackward0", "FmodBackward1"),
          vjp={"input": lambda grad: grad, "other": lambda grad, input, other: -grad * f.trunc(input / other)})
pointwise("neg(Tensor input)", lambda input: -input, refuses=_no_bool("Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
          "use the `~` or `logical_not()` operator instead."), inplace=True, aliases=("negative",), vjp={"input": lambda grad: -grad})
pointwise("positive(Tensor input)", lambda input: input + 0, refuses=_no_bool("The `+` operator, on a bool tensor is not supported."),
          vjp={"input": lambda grad: grad})
pointwise("abs(Tensor input)", lambda input: abs(input), dtype="real", refuses=_no_bool("abs_cpu"), inplace=True, aliases=("absolute",),
          vjp={"input": lambda grad, input: grad * f.sgn(input)})
pointwise("sign(Tensor input)", lambda input: f.sign(input), types=ORDERED, inplace=True, vjp_types=REAL,
          vjp={"input": lambda grad: grad * 0})
pointwise("sgn(Tensor input)", lambda input: f.sgn(input), inplace=True, vjp_types=FLOATING,  # sgn / input is 1 / abs, also of complex numbers
          vjp={"input": lambda grad, input, result: f.where(input == 0, grad * 0, (grad - result * result * f.conj(grad)) * result / (2 * input))})
pointwise("reciprocal(Tensor input)", lambda input: 1.0 / input, dtype="floating", types=FLOATING, inplace=True,
          vjp={"input": lambda grad, result: -grad * f.conj(result * result)})
pointwise("pow(Tensor input, Tensor|Scalar exponent)", lambda input, exponent: f.pow(input, exponent), refuses=(("bool", "pow"), ("negative number", "Integers to negative integer powers are not allowed.")), inplace=True,
          vjp_types=FLOATING, node=("PowBackward0", "PowBackward1"),
          vjp={"input": lambda grad, input, exponent: f.where(exponent == 0, grad * 0, grad * f.conj(exponent * f.pow(input, exponent - 1))),
               "exponent": lambda grad, input, result: f.where(input == 0, grad * 0, grad * f.conj(result * f.log(input)))})
pointwise("pow(Scalar input, Tensor exponent)", lambda input, exponent: f.pow(input, exponent), promote=("input", "exponent"),
          vjp_types=FLOATING, node="PowBackward2",
          vjp={"exponent": lambda grad, input, result: f.where(input == 0, grad * 0, grad * f.conj(result * f.log(input)))})
pointwise("square(Tensor input)", lambda input: input * input, dtype="number", inplace=True, node="PowBackward0",
          vjp={"input": lambda grad, input: grad * f.conj(input) * 2})
pointwise("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)",
          lambda input, tensor1, tensor2, value: f.muladd(value * tensor1, tensor2, input), refuses=_no_bool("addcmul_cpu_out"), inplace=True,
          vjp={"input": lambda grad: grad, "tensor1": lambda grad, tensor2, value: grad * f.conj(tensor2 * value),
               "tensor2": lambda grad, tensor1, value: grad * f.conj(tensor1 * value)})
pointwise("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1)",
          lambda input, tensor1, tensor2, value: input + value * tensor1 / tensor2, dtype="floating", types=FLOATING, refuses=(("integral", "Integer division with addcdiv is no longer supported: use input + value * torch.trunc(tensor1 / tensor2) for whole "
          "quotients, or floating operands for a true division."),),
          inplace=True,
          vjp={"input": lambda grad: grad, "tensor1": lambda grad, tensor2, value: grad * f.conj(value / tensor2),
               "tensor2": lambda grad, tensor1, tensor2, value: -grad * f.conj(value * tensor1 / (tensor2 * tensor2))})
pointwise("lerp(Tensor input, Tensor end, Tensor|Scalar weight)", lambda input, end, weight: f.lerp(input, end, weight),
          promote=("input", "end"), types=FLOATING, refuses=(("integral", "lerp_kernel_scalar"),), inplace=True, node=("LerpBackward0", "LerpBackward1"),
          vjp={"input": lambda grad, weight: grad * (1 - f.conj(weight)), "end": lambda grad, weight: grad * f.conj(weight),
               "weight": lambda grad, input, end: grad * f.conj(end - input)})

# ---------------------------------------------------------------- comparison and logic
for _name, _alias, _types, _formula in (
    ("eq", (), "fdicz", lambda input, other: input == other), ("ne", ("not_equal",), "fdicz", lambda input, other: input != other),
    ("lt", ("less",), ORDERED, lambda input, other: input < other), ("le", ("less_equal",), ORDERED, lambda input, other: input <= other),
    ("gt", ("greater",), ORDERED, lambda input, other: input > other), ("ge", ("greater_equal",), ORDERED, lambda input, other: input >= other),
):
    pointwise(f"{_name}(Tensor input, Tensor|Scalar other)", _formula, dtype="boolean", types=_types, inplace=True, aliases=_alias)
pointwise("logical_and(Tensor input, Tensor other)", lambda input, other: f.truth(input) & f.truth(other), dtype="boolean", inplace=True)
pointwise("logical_or(Tensor input, Tensor other)", lambda input, other: f.truth(input) | f.truth(other), dtype="boolean", inplace=True)
pointwise("logical_xor(Tensor input, Tensor other)", lambda input, other: f.truth(input) != f.truth(other), dtype="boolean", inplace=True)
pointwise("logical_not(Tensor input)", lambda input: ~f.truth(input), dtype="boolean", inplace=True)
pointwise("isnan(Tensor input)", lambda input: f.isnan(input), dtype="boolean")
pointwise("signbit(Tensor input)", lambda input: f.signbit(input), dtype="boolean", types=ORDERED)
for _name, _alias in (("and", ()), ("or", ()), ("xor", ())):
    pointwise(f"bitwise_{_name}(Tensor input, Tensor|Scalar other)",
              (lambda n: lambda input, other: getattr(f, n)(input, other))(f"bitwise_{_name}"), dtype="integral", types="i", inplace=True)
pointwise("_bitwise_not(Tensor input)", lambda input: f.bitwise_not(input), dtype="integral", types="i")
pointwise("bitwise_left_shift(Tensor input, Tensor|Scalar other)", lambda input, other: f.lshift(input, other), dtype="integral",
          types="i", inplace=True, aliases=("__lshift__",))
pointwise("bitwise_right_shift(Tensor input, Tensor|Scalar other)", lambda input, other: f.rshift(input, other), dtype="integral",
          types="i", inplace=True, aliases=("__rshift__",))
pointwise("gcd(Tensor input, Tensor other)", lambda input, other: f.gcd(input, other), dtype="integral", types="i", refuses=_no_bool("gcd_cpu"), inplace=True)
pointwise("lcm(Tensor input, Tensor other)", lambda input, other: f.lcm(input, other), dtype="integral", types="i", refuses=_no_bool("lcm_cpu"), inplace=True)

# ---------------------------------------------------------------- choosing
pointwise("_where(Tensor condition, Tensor|Scalar input, Tensor|Scalar other)", lambda condition, input, other: f.where(condition, input, other),
          promote=("input", "other"), node="WhereBackward0",
          vjp={"input": lambda grad, condition: f.where(condition, grad, grad * 0),
               "other": lambda grad, condition: f.where(condition, grad * 0, grad)})
# Where two operands are equal, each gets half of the gradient.
pointwise("maximum(Tensor input, Tensor other)", lambda input, other: f.maximum(input, other), types=ORDERED, vjp_types=REAL,
          vjp={"input": lambda grad, input, other: f.where(input == other, grad * 0.5, f.where(input < other, grad * 0, grad)),
               "other": lambda grad, input, other: f.where(input == other, grad * 0.5, f.where(other < input, grad * 0, grad))})
pointwise("minimum(Tensor input, Tensor other)", lambda input, other: f.minimum(input, other), types=ORDERED, vjp_types=REAL,
          vjp={"input": lambda grad, input, other: f.where(input == other, grad * 0.5, f.where(input > other, grad * 0, grad)),
               "other": lambda grad, input, other: f.where(input == other, grad * 0.5, f.where(other > input, grad * 0, grad))})
for _name in ("max", "min"):  # the two-operand overloads of max and min
    pointwise(f"{_name}(Tensor input, Tensor other)", (lambda n: lambda input, other: getattr(f, n)(input, other))(_name + "imum"),
              types=ORDERED, vjp_types=REAL, node=f"{_name.title()}imumBackward0",
              vjp={"input": lambda grad, input, other, result: f.where(input == other, grad * 0.5, f.where(input == result, grad, grad * 0)),
                   "other": lambda grad, input, other, result: f.where(input == other, grad * 0.5, f.where(other == result, grad, grad * 0))})
pointwise("fmax(Tensor input, Tensor other)", lambda input, other: f.fmax(input, other), types=ORDERED, vjp_types=REAL,
          vjp={"input": lambda grad, input, other: f.where((input >= other) | (other != other), grad, grad * 0),
               "other": lambda grad, input, other: f.where((input >= other) | (other != other), grad * 0, grad)})
pointwise("fmin(Tensor input, Tensor other)", lambda input, other: f.fmin(input, other), types=ORDERED, vjp_types=REAL,
          vjp={"input": lambda grad, input, other: f.where((input <= other) | (other != other), grad, grad * 0),
               "other": lambda grad, input, other: f.where((input <= other) | (other != other), grad * 0, grad)})
pointwise("clamp_min(Tensor input, Tensor|Scalar min)", lambda input, min: f.maximum(input, min), types=ORDERED, vjp_types=REAL,
          inplace=True, node=("ClampMinBackward0", "ClampMinBackward1"),
          vjp={"input": lambda grad, input, min: f.where(input >= min, grad, grad * 0),
               "min": lambda grad, input, min: f.where(input < min, grad, grad * 0)})
pointwise("clamp_max(Tensor input, Tensor|Scalar max)", lambda input, max: f.minimum(input, max), types=ORDERED, vjp_types=REAL,
          inplace=True, node=("ClampMaxBackward0", "ClampMaxBackward1"),
          vjp={"input": lambda grad, input, max: f.where(input <= max, grad, grad * 0),
               "max": lambda grad, input, max: f.where(input > max, grad, grad * 0)})
_CLAMP = {"types": ORDERED, "vjp_types": REAL, "inplace": True, "aliases": ("clip",), "node": ("ClampBackward1", "ClampBackward0")}
pointwise("clamp(Tensor input, Tensor|Scalar min, Tensor|Scalar max)", lambda input, min, max: f.minimum(f.maximum(input, min), max), **_CLAMP,
          vjp={"input": lambda grad, input, min, max: f.where((input >= min) & (input <= max), grad, grad * 0),
               "min": lambda grad, input, min, max: f.where((input < min) & (min < max), grad, grad * 0),
               "max": lambda grad, input, min, max: f.where((input > max) | (max < min), grad, grad * 0)})
pointwise("clamp(Tensor input, Tensor|Scalar min, any? max=None)", lambda input, min: f.maximum(input, min), **_CLAMP,
          vjp={"input": lambda grad, input, min: f.where(input >= min, grad, grad * 0),
               "min": lambda grad, input, min: f.where(input < min, grad, grad * 0)})
pointwise("clamp(Tensor input, any? min=None, *, Tensor|Scalar max)", lambda input, max: f.minimum(input, max), **_CLAMP,
          vjp={"input": lambda grad, input, max: f.where(input <= max, grad, grad * 0),
               "max": lambda grad, input, max: f.where(input > max, grad, grad * 0)})

# ---------------------------------------------------------------- rounding
for _name in ("floor", "ceil", "trunc"):
    pointwise(f"{_name}(Tensor input)", (lambda n: lambda input: getattr(f, n)(input))(_name), types=ORDERED, vjp_types=REAL,
              refuses=_no_bool(f"{_name}_vml_cpu"), inplace=True, aliases=("fix",) if _name == "trunc" else (), vjp={"input": lambda grad: grad * 0})
pointwise("round(Tensor input)", lambda input: f.round(input), types=ORDERED, vjp_types=REAL, refuses=_no_bool("round_vml_cpu"), inplace=True, node="RoundBackward0", vjp={"input": lambda grad: grad * 0})
pointwise("_round_decimals(Tensor input, Scalar scale, Scalar fine)",
          lambda input, scale, fine: f.where(fine != 0, f.round(input * scale) / scale, f.round(input / scale) * scale),
          types=REAL, inplace=True, node="RoundBackward1", vjp={"input": lambda grad: grad * 0})
pointwise("frac(Tensor input)", lambda input: input - f.trunc(input), types=REAL, refuses=_no_bool("frac_cpu"), inplace=True, vjp={"input": lambda grad: grad})

# ---------------------------------------------------------------- elementary functions
_LN2, _LN10, _INF = 0.6931471805599453, 2.302585092994046, float("inf")


def _elementary(name, derivative, types=FLOATING, aliases=(), formula=None, node=None):
    """A function of one floating argument; `derivative` is its gradient rule."""
    pointwise(f"{name}(Tensor input)", formula or (lambda input: getattr(f, name)(input)), dtype="floating", types=types,
              inplace=True, aliases=aliases, node=node, vjp={"input": derivative})


_elementary("exp", lambda grad, result: grad * f.conj(result))
_elementary("exp2", lambda grad, result: grad * f.conj(result) * _LN2)
_elementary("expm1", lambda grad, result: grad * (f.conj(result) + 1))
_elementary("log", lambda grad, input: grad / f.conj(input))
_elementary("log2", lambda grad, input: grad / (f.conj(input) * _LN2))
_elementary("log10", lambda grad, input: grad / (f.conj(input) * _LN10))
_elementary("log1p", lambda grad, input: grad / (f.conj(input) + 1))
_elementary("sqrt", lambda grad, result: grad / (f.conj(result) * 2))
_elementary("rsqrt", lambda grad, result: grad * f.conj(result * result * result) * -0.5)
_elementary("sin", lambda grad, input: grad * f.conj(f.cos(input)))
_elementary("cos", lambda grad, input: -grad * f.conj(f.sin(input)))
_elementary("tan", lambda grad, result: grad * f.conj(result * result + 1))
_elementary("asin", lambda grad, input: grad * f.conj(f.rsqrt(1 - input * input)), aliases=("arcsin",))
_elementary("acos", lambda grad, input: -grad * f.conj(f.rsqrt(1 - input * input)), aliases=("arccos",))
_elementary("atan", lambda grad, input: grad / f.conj(input * input + 1), aliases=("arctan",))
_elementary("sinh", lambda grad, input: grad * f.conj(f.cosh(input)))
_elementary("cosh", lambda grad, input: grad * f.conj(f.sinh(input)))
_elementary("tanh", lambda grad, result: grad * f.conj(1 - result * result))
_elementary("asinh", lambda grad, input: grad * f.conj(f.rsqrt(input * input + 1)), aliases=("arcsinh",))
_elementary("acosh", lambda grad, input: grad * f.conj(f.rsqrt(input - 1) * f.rsqrt(input + 1)), aliases=("arccosh",))
_elementary("atanh", lambda grad, input: grad / f.conj(1 - input * input), aliases=("arctanh",))
_elementary("sigmoid", lambda grad, result: grad * f.conj((1 - result) * result))
_elementary("erf", lambda grad, input: grad * f.exp(-(input * input)) * 1.1283791670955126, types=REAL)
_elementary("erfc", lambda grad, input: grad * f.exp(-(input * input)) * -1.1283791670955126, types=REAL)
_elementary("erfinv", lambda grad, result: grad * f.exp(result * result) * 0.886226925452758, types=REAL)
pointwise("atan2(Tensor input, Tensor other)", lambda input, other: f.atan2(input, other), dtype="floating", types=REAL, inplace=True,
          aliases=("arctan2",),
          vjp={"input": lambda grad, input, other: grad * other / (input * input + other * other),
               "other": lambda grad, input, other: -grad * input / (input * input + other * other)})
pointwise("hypot(Tensor input, Tensor other)", lambda input, other: f.hypot(input, other), types=REAL, inplace=True,
          vjp={"input": lambda grad, input, result: grad * input / result, "other": lambda grad, other, result: grad * other / result})
pointwise("copysign(Tensor input, Tensor|Scalar other)", lambda input, other: f.copysign(input, other), dtype="floating", types=REAL, inplace=True,
          node=("CopysignBackward1", "CopysignBackward0"),
          vjp={"input": lambda grad, input, result: f.where(input == 0, grad * 0, grad * (result / input)), "other": lambda grad: grad * 0})
pointwise("nextafter(Tensor input, Tensor other)", lambda input, other: f.nextafter(input, other), types=REAL, inplace=True,
          vjp={"input": lambda grad: grad, "other": lambda grad: grad * 0})
pointwise("angle(Tensor input)", lambda input: f.angle(input), dtype="floating_real", types=FLOATING,
          vjp={"input": lambda grad, input: f.angle_gradient(grad, input)})
pointwise("_conj_physical(Tensor input)", lambda input: f.conj(input), node="ConjBackward0", inplace=True, aliases=(), vjp={"input": lambda grad: f.conj(grad)})

# ---------------------------------------------------------------- activations
pointwise("relu(Tensor input)", lambda input: f.where(input > 0, input, f.where(input != input, input, 0)), types=ORDERED,
          refuses=_no_bool("Boolean inputs not supported for relu"), inplace=True, vjp_types=REAL, vjp={"input": lambda grad, result: f.where(result > 0, grad, grad * 0)})
# ---------------------------------------------------------------- conversions and sums of logarithms
for _name, _node, _factor in (("deg2rad", "Deg2RadBackward0", 0.017453292519943295), ("rad2deg", "Rad2DegBackward0", 57.29577951308232)):
    pointwise(f"{_name}(Tensor input)", (lambda c: lambda input: input * c)(_factor), dtype="floating", types=REAL, inplace=True,
              node=_node,
              vjp={"input": (lambda c: lambda grad: grad * c)(_factor)})
pointwise("logaddexp(Tensor input, Tensor other)", lambda input, other: f.logaddexp(input, other), types=FLOATING,
          refuses=(("integral", "logaddexp_cpu"),),
          vjp={"input": lambda grad, input, result: grad * f.conj(f.exp(input - result)),
               "other": lambda grad, other, result: grad * f.conj(f.exp(other - result))})
pointwise("logaddexp2(Tensor input, Tensor other)", lambda input, other: f.logaddexp(input * _LN2, other * _LN2) / _LN2, types=FLOATING,
          refuses=(("integral", "logaddexp2_cpu"),),
          vjp={"input": lambda grad, input, result: grad * f.conj(f.exp2(input - result)),
               "other": lambda grad, other, result: grad * f.conj(f.exp2(other - result))})
pointwise("_ldexp(Tensor input, Tensor other)", lambda input, other: input * f.exp2(other), dtype="floating", types=FLOATING, inplace=True,
          node="LdexpBackward0",
          vjp={"input": lambda grad, other: grad * f.conj(f.exp2(other)), "other": lambda grad, result: grad * f.conj(result) * _LN2})
pointwise("_heaviside(Tensor input, Tensor values)", lambda input, values: f.where(input == 0, values, f.where(input > 0, 1, 0)), types=ORDERED,
          inplace=True)
pointwise("_nan_to_num(Tensor input, Scalar nan, Scalar posinf, Scalar neginf)",
          lambda input, nan, posinf, neginf: f.where(input != input, nan, f.where(input == _INF, posinf, f.where(input == -_INF, neginf, input))),
          types=REAL, inplace=True, node="NanToNumBackward0",
          vjp={"input": lambda grad, input: f.where(abs(input) < _INF, grad, grad * 0)})
