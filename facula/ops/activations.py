"""Activation functions of nn.functional, with their `inplace` argument."""

from __future__ import annotations

import facula

from ._table import composite


def _activation(name, function, settings="", method=None, top=False):
    """Wraps function(input, *settings) as nn.functional.<name>(input, *settings, inplace=False)."""
    scope = {"compute": function}
    names = [s.split("=")[0].strip() for s in settings.split(",") if s.strip()]
    given = ", ".join(names)
    exec(f"def {name}(input, {settings + ', ' if settings else ''}inplace=False):\n"
         f"    out = compute(input{', ' + given if given else ''})\n"
         "    return input.copy_(out) if inplace else out\n", scope)  # our own literal tables
    made = scope[name]
    composite(f"nn.functional.{name}")(made)
    composite(f"nn.functional.{name}_")(_in_place(made, name))
    if top:
        composite(name, method=False)(made)
        composite(name + "_", method=False)(_in_place(made, name))


def _in_place(function, name):
    def call(input, *args, **kwargs):
        return input.copy_(function(input, *args, **kwargs))

    call.__name__ = call.__qualname__ = name + "_"
    return call


def _selu(x):
    return 1.0507009873554805 * facula.where(x > 0, x, 1.6732632423543772 * facula.expm1(x.clamp_max(0)))


def _celu(x, alpha):
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return facula.where(x > 0, x, alpha * facula.expm1(x.clamp_max(0) / alpha))


_activation("relu", lambda x: facula.relu(x))
_activation("relu6", lambda x: facula.clamp(x, 0, 6))
_activation("hardtanh", lambda x, low, high: facula.clamp(x, low, high), "min_val=-1.0, max_val=1.0")
_activation("hardsigmoid", lambda x: facula.clamp(x + 3, 0, 6) / 6)
_activation("hardswish", lambda x: x * facula.clamp(x + 3, 0, 6) / 6)
_activation("selu", _selu, top=True)
_activation("celu", _celu, "alpha=1.0", top=True)
_activation("elu", lambda x, alpha: facula.nn.functional._elu(x, alpha), "alpha=1.0")
_activation("leaky_relu", lambda x, slope: facula.nn.functional._leaky_relu(x, slope), "negative_slope=0.01")
_activation("silu", lambda x: facula.nn.functional._silu(x))
_activation("mish", lambda x: x * facula.tanh(facula.nn.functional.softplus(x)))
_activation("threshold", lambda x, threshold, value: facula.where(x > threshold, x, facula.full_like(x, value)), "threshold, value", top=True)


@composite("nn.functional.gelu")
def gelu(input, *, approximate="none"):
    """x times the normal distribution function of x, exact or by tanh; source: arXiv 1606.08415."""
    if approximate == "none":
        return facula.nn.functional._gelu_erf(input)
    if approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    return 0.5 * input * (1 + facula.tanh(0.7978845608028654 * (input + 0.044715 * input * input * input)))


@composite("nn.functional.logsigmoid")
def logsigmoid(input):
    """log(sigmoid(x)), without overflow."""
    return facula.clamp_max(input, 0) - facula.log1p(facula.exp(-facula.abs(input)))


@composite("nn.functional.softsign")
def softsign(input):
    """x / (1 + |x|)."""
    return input / (facula.abs(input) + 1)


@composite("nn.functional.tanhshrink")
def tanhshrink(input):
    """x - tanh(x)."""
    return input - facula.tanh(input)


@composite("nn.functional.hardshrink")
def hardshrink(input, lambd=0.5):
    """0 where |x| <= lambd."""
    return facula.where((input >= -lambd) & (input <= lambd), facula.zeros_like(input), input)


composite("hardshrink")(hardshrink)


@composite("nn.functional.softshrink")
def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return facula.where(input > lambd, input - lambd, facula.where(input < -lambd, input + lambd, input * 0))


@composite("nn.functional.glu")
def glu(input, dim=-1):
    """The first half times sigmoid of the second."""
    if input.dim() == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim % input.dim()} is size {input.shape[dim]}")
    a, b = input.chunk(2, dim)
    return a * facula.sigmoid(b)


@composite("nn.functional.prelu")
def prelu(input, weight):
    """x above 0, weight times x below; one weight, or one per channel."""
    if weight.numel() != 1:
        if input.dim() == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.dim() > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel size = {channels}.")
        weight = weight.reshape([1, -1] + [1] * (input.dim() - 2))
    elif input.dim() == 0:
        weight = weight.reshape(())
    return facula.where(input > 0, input, weight * input)


composite("prelu")(prelu)


@composite("nn.functional.rrelu")
def rrelu(input, lower=0.125, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with a random slope in training."""
    if training:
        slope = facula.empty_like(input).uniform_(lower, upper)
        out = facula.where(input > 0, input, input * slope)
    else:
        out = facula.nn.functional._leaky_relu(input, (lower + upper) / 2)
    return input.copy_(out) if inplace else out


for _name in ("sigmoid", "tanh"):
    composite(f"nn.functional.{_name}")((lambda n: lambda input: getattr(facula, n)(input))(_name))


@composite("nn.functional.gumbel_softmax")
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of a relaxed categorical distribution."""
    noise = -facula.empty_like(logits, memory_format=facula.contiguous_format).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return facula.zeros_like(logits).scatter(dim, index, 1.0) - soft.detach() + soft


