"""Elementwise operations made of the formulas in pointwise.py."""

from __future__ import annotations

import math

import facula

from .._levels import followed
from ._table import composite, op


def _floating(x):
    return x if x.dtype.is_floating_point or x.dtype.is_complex else x.to(facula.get_default_dtype())


def _both(a, b):
    """Two operands as tensors of the common floating dtype."""
    kind = facula.result_type(a, b)
    kind = kind if kind.is_floating_point or kind.is_complex else facula.get_default_dtype()
    like = next(t for t in (a, b) if isinstance(t, facula.Tensor))
    return tuple(t.to(kind) if isinstance(t, facula.Tensor) else facula.tensor(t, dtype=kind, device=like.device) for t in (a, b))


@composite("clamp", inplace=True)
def clamp(input, min=None, max=None):
    """Limits elements to [min, max]; each limit a number, a tensor or None."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, facula.Tensor) != isinstance(max, facula.Tensor) and min is not None and max is not None:
        raise TypeError("clamp(): argument 'min' and 'max' must both be numbers or both be tensors")
    return facula.clamp_max(input, max) if min is None else facula.clamp_min(facula.clamp_max(input, max), min)


@composite("__rdiv__", function=False)  # Python 2's name, which PyTorch keeps
@composite("__rtruediv__", function=False)
def __rtruediv__(self, other):
    return self.reciprocal() * other


@composite("__rpow__", function=False)
def __rpow__(self, other):
    return facula.pow(other, self)


@composite("bitwise_not", inplace=True)
def bitwise_not(input):
    """~input; logical for bool."""
    return facula.logical_not(input) if input.dtype == facula.bool else facula._bitwise_not(input)


@composite("isinf")
def isinf(input):
    """Whether elements are infinite."""
    if input.dtype.is_complex:
        return isinf(facula.real(input)) | isinf(facula.imag(input))
    return facula.abs(input) == math.inf if input.dtype.is_floating_point else facula.zeros_like(input, dtype=facula.bool)


@composite("isfinite")
def isfinite(input):
    """Whether elements are neither infinite nor NaN."""
    if input.dtype.is_complex:
        return isfinite(facula.real(input)) & isfinite(facula.imag(input))
    return facula.abs(input) < math.inf if input.dtype.is_floating_point else facula.ones_like(input, dtype=facula.bool)


composite("isposinf")(lambda input: input == math.inf if input.dtype.is_floating_point else facula.zeros_like(input, dtype=facula.bool))
composite("isneginf")(lambda input: input == -math.inf if input.dtype.is_floating_point else facula.zeros_like(input, dtype=facula.bool))
composite("isreal")(lambda input: facula.imag(input) == 0 if input.dtype.is_complex else facula.ones_like(input, dtype=facula.bool))


@composite("float_power")
def float_power(input, exponent):
    """input ** exponent in double precision."""
    if not isinstance(input, facula.Tensor) and not isinstance(exponent, facula.Tensor):
        raise TypeError(f"float_power() received an invalid combination of arguments - got ({type(input).__name__}, {type(exponent).__name__}), "
                        "but expected one of:\n * (Tensor input, Tensor exponent, *, Tensor out = None)\n"
                        " * (Number self, Tensor exponent, *, Tensor out = None)\n * (Tensor input, Number exponent, *, Tensor out = None)\n")
    wide = facula.complex128 if any(isinstance(t, complex) or isinstance(t, facula.Tensor) and t.dtype.is_complex for t in (input, exponent)) else facula.float64
    a, b = (t.to(wide) if isinstance(t, facula.Tensor) else facula.tensor(t, dtype=wide) for t in (input, exponent))
    return facula.pow(a, b)


@composite("float_power_", function=False)
def float_power_(self, exponent):
    out = float_power(self, exponent)
    if self.dtype != out.dtype:
        raise RuntimeError(f"the base given to float_power_ has dtype {self.dtype} but the operation's result requires dtype {out.dtype}")
    return self.copy_(out)


@composite("heaviside", inplace=True)
def heaviside(input, values):
    """0 below 0, 1 above, `values` at 0."""
    if input.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return facula._heaviside(input, values)


@composite("nan_to_num", inplace=True)
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """NaN and infinities replaced by finite numbers."""
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        return input.clone()
    if input.dtype.is_complex:
        return facula.complex(nan_to_num(facula.real(input), nan, posinf, neginf), nan_to_num(facula.imag(input), nan, posinf, neginf))
    limits = facula.finfo(input.dtype)
    return facula._nan_to_num(input, nan or 0.0, limits.max if posinf is None else posinf, limits.min if neginf is None else neginf)


def _need_tensors(name, **arguments):
    for position, (argument, value) in enumerate(arguments.items(), 1):
        if not isinstance(value, facula.Tensor):
            raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}")


@composite("ldexp", inplace=True)
def ldexp(input, other):
    """input * 2 ** other."""
    _need_tensors("ldexp", input=input, other=other)
    return facula._ldexp(input, other)


def _complex(real, imag):
    if real.dtype != imag.dtype:
        raise RuntimeError(f"Expected object of scalar type {_scalar_name(real)} but got scalar type {_scalar_name(imag)} for second argument")
    if not real.dtype.is_floating_point or real.dtype == facula.bfloat16:
        raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {_scalar_name(real)} and {_scalar_name(imag)}")
    return facula.view_as_complex(facula.stack(facula.broadcast_tensors(real, imag), -1))


op("complex(Tensor real, Tensor imag)", compute=_complex, method=False, strict_out=True, doc="Complex numbers of real and imaginary parts.",
   vjp={"real": lambda grad: grad.real, "imag": lambda grad: grad.imag})


def _scalar_name(x):
    return x.type().rpartition(".")[2].removesuffix("Tensor")


op("polar(Tensor abs, Tensor angle)", method=False, doc="Complex numbers of absolute values and angles.", vjp="retrace",
   compute=lambda abs, angle: facula.complex(abs * facula.cos(angle), abs * facula.sin(angle)))


@composite("frexp")
def frexp(input):
    """Mantissa in [0.5, 1) and exponent of each element."""
    from .._return_types import named_result

    if not input.dtype.is_floating_point:
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes but got {input.dtype}")
    x = input.detach().double()
    exponent = facula.where((x == 0) | ~facula.isfinite(x), facula.zeros_like(x), facula.floor(facula.log2(facula.where(x == 0, facula.ones_like(x), x.abs()))) + 1)
    fraction = x * facula.exp2(-exponent)
    high = fraction.abs() >= 1
    exponent, fraction = facula.where(high, exponent + 1, exponent), facula.where(high, fraction / 2, fraction)
    scale = facula.exp2(-exponent).to(input.dtype)
    return named_result("frexp", ["mantissa", "exponent"])((input * scale, exponent.to(facula.int32)))


@composite("div", inplace=True)
def div(input, other, *, rounding_mode=None):
    """input / other, rounded towards zero ('trunc') or down ('floor') if asked."""
    if rounding_mode is None:
        return facula.true_divide(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    if not isinstance(input, facula.Tensor) and isinstance(input, (int, float)):
        input = facula.tensor(input)
    return facula._div_trunc(input, other) if rounding_mode == "trunc" else facula._div_floor(input, other)


@composite("round", inplace=True)
def round_(input, *, decimals=0):
    """Rounds half to even, to the given number of decimals."""
    if decimals == 0:
        return facula.round(input)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"round_vml_cpu\" not implemented for '{_scalar_name(input)}'")
    return facula._round_decimals(input, 10.0 ** abs(decimals), decimals > 0)


composite("special.round")(round_)


@composite("fill", method=False)
def fill(input, value):
    """A tensor like `input`, filled."""
    return input.clone().fill_(value) if not (isinstance(value, facula.Tensor) and followed(value)) else input * 0 + value
