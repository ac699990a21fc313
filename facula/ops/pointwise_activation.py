"""Activation functions as formulas; activations.py adds their `inplace` argument and the names outside nn.functional."""

from ._formula import f
from ._table import pointwise

REAL = "fd"
ORDERED = "fdi"
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_TANH_SCALE, _TANH_CUBE = 0.7978845608028654, 0.044715


def activation(signature, formula, gradient, *, node=None, types=REAL, inplace=True, in_place_node=None):
    """An entry of nn.functional; `gradient` is the rule of its first argument, or all rules."""
    rules = gradient if isinstance(gradient, dict) else {"input": gradient}
    pointwise(f"nn.functional.{signature}", formula, types=types, vjp_types=REAL, inplace=inplace, node=node, in_place_node=in_place_node, vjp=rules)


def _relu(input):
    return f.where(input < 0, 0, input)


activation("relu(Tensor input)", _relu, lambda grad, result: f.where(result <= 0, 0, grad), types=ORDERED)
activation("_hardtanh(Tensor input, Scalar min_val, Scalar max_val)", lambda input, min_val, max_val: f.minimum(f.maximum(input, min_val), max_val),
           lambda grad, result, min_val, max_val: f.where((result <= min_val) | (result >= max_val), 0, grad), types=ORDERED,
           node="HardtanhBackward0")
activation("relu6(Tensor input)", lambda input: f.minimum(f.maximum(input, 0), 6),
           lambda grad, result: f.where((result <= 0) | (result >= 6), 0, grad), node="HardtanhBackward0", types=ORDERED)
activation("hardsigmoid(Tensor input)", lambda input: f.minimum(f.maximum(input + 3, 0), 6) / 6,
           lambda grad, input: f.where((input > -3) & (input < 3), grad / 6, 0))
activation("hardswish(Tensor input)", lambda input: input * f.minimum(f.maximum(input + 3, 0), 6) / 6,
           lambda grad, input: f.where(input <= -3, 0, f.where(input < 3, grad * (input / 3 + 0.5), grad)))
activation("threshold(Tensor input, Scalar threshold, Scalar value)", lambda input, threshold, value: f.where(input <= threshold, value, input),
           lambda grad, input, threshold: f.where(input <= threshold, 0, grad), types=ORDERED, in_place_node="ThresholdBackward1")
activation("hardshrink(Tensor input, Scalar lambd=0.5)", lambda input, lambd: f.where((input >= -lambd) & (input <= lambd), 0, input),
           lambda grad, input, lambd: f.where((input >= -lambd) & (input <= lambd), 0, grad))
activation("_softshrink(Tensor input, Scalar lambd)",
           lambda input, lambd: f.where(input > lambd, input - lambd, f.where(input < -lambd, input + lambd, input * 0)),
           lambda grad, input, lambd: f.where((input >= -lambd) & (input <= lambd), 0, grad), node="SoftshrinkBackward0")

# ---------------------------------------------------------------- exponential ones; the forms with `_result` serve in place


def _elu(input, alpha, scale, input_scale):
    return scale * f.where(input > 0, input, alpha * f.expm1(input * input_scale))


def _elu_slope(grad, input, alpha, scale, input_scale):
    return f.where(input <= 0, grad * (scale * input_scale * alpha) * f.exp(input * input_scale), grad * scale)


activation("_elu(Tensor input, Scalar alpha, Scalar scale, Scalar input_scale)", _elu, _elu_slope, node="EluBackward0",
           in_place_node="EluBackward1")
activation("celu(Tensor input, Scalar alpha=1.0)", lambda input, alpha: _elu(input, alpha, 1, 1 / alpha),
           lambda grad, input, alpha: _elu_slope(grad, input, alpha, 1, 1 / alpha), in_place_node="CeluBackward1")
activation("leaky_relu(Tensor input, Scalar negative_slope=0.01)", lambda input, negative_slope: f.where(input > 0, input, input * negative_slope),
           lambda grad, input, negative_slope: f.where(input > 0, grad, grad * negative_slope), in_place_node="LeakyReluBackward1")
activation("silu(Tensor input)", lambda input: input / (1 + f.exp(-input)), lambda grad, input: _silu_slope(grad, input, f.sigmoid(input)), types="fdcz")


def _silu_slope(grad, input, s):
    return grad * s * (1 + input * (1 - s))


def _mish_slope(grad, input):
    t, s = f.tanh(f.softplus(input)), f.sigmoid(input)
    return grad * (t + input * s * (1 - t * t))


activation("mish(Tensor input)", lambda input: input * f.tanh(f.softplus(input)), _mish_slope)
activation("logsigmoid(Tensor input)", lambda input: f.minimum(input, 0) - f.log1p(f.exp(-abs(input))), lambda grad, input: grad * (1 - f.sigmoid(input)),
           node="LogSigmoidBackward0", inplace=False)
activation("softplus(Tensor input, Scalar beta=1, Scalar threshold=20)",
           lambda input, beta, threshold: f.where(input * beta > threshold, input, f.log1p(f.exp(input * beta)) / beta),
           lambda grad, input, beta, threshold: f.where(input * beta > threshold, grad, grad * f.sigmoid(input * beta)), inplace=False)
activation("_gelu_erf(Tensor input)", lambda input: input * 0.5 * (1.0 + f.erf(input * 0.7071067811865476)),
           lambda grad, input: grad * (0.5 * (1.0 + f.erf(input * 0.7071067811865476)) + input * f.exp(input * input * -0.5) * 0.3989422804014327),
           node="GeluBackward0", inplace=False)


def _gelu_tanh(input):
    return 0.5 * input * (1 + f.tanh(_TANH_SCALE * (input + _TANH_CUBE * input * input * input)))


def _gelu_tanh_slope(grad, input):
    t = f.tanh(_TANH_SCALE * (input + _TANH_CUBE * input * input * input))
    return grad * (0.5 * (1 + t) + 0.5 * input * (1 - t * t) * _TANH_SCALE * (1 + 3 * _TANH_CUBE * input * input))


activation("_gelu_tanh(Tensor input)", _gelu_tanh, _gelu_tanh_slope, node="GeluBackward0", inplace=False)
activation("_glu(Tensor a, Tensor b)", lambda a, b: a * f.sigmoid(b),
           {"a": lambda grad, b: grad * f.sigmoid(b), "b": lambda grad, a, b: grad * a * f.sigmoid(b) * (1 - f.sigmoid(b))}, inplace=False)
activation("_prelu(Tensor input, Tensor weight)", lambda input, weight: f.where(input > 0, input, weight * input),
           {"input": lambda grad, input, weight: f.where(input > 0, grad, grad * weight),
            "weight": lambda grad, input: f.where(input > 0, grad * 0, grad * input)}, node="PreluKernelBackward0", inplace=False)
activation("_rrelu(Tensor input, Tensor|Scalar noise)", lambda input, noise: f.where(input > 0, input, input * noise),
           {"input": lambda grad, input, noise: f.where(input > 0, grad, grad * noise)}, node="RreluWithNoiseBackward0",
           in_place_node="RreluWithNoiseBackward1")
