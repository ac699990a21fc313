"""Activation functions of nn.functional: their `inplace` argument, and what is made of the formulas in pointwise_activation.py."""

from __future__ import annotations

import facula

from ._table import composite, op


def _in_place_argument(name, settings=""):
    """nn.functional.<name>(input, *settings, inplace=...): the calls that the plain entry of that name does not take."""
    names = [s.split("=")[0].strip() for s in settings.split(",") if s.strip()]
    given = "".join(f", {n}" for n in names)

    def check(input, *values):  # what the entry would refuse comes back here for ever
        if not isinstance(input, facula.Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        for position, (setting, value) in enumerate(zip(names, values), 2):
            if not isinstance(value, (int, float, complex, facula.Tensor)) and not hasattr(value, "__float__"):
                raise TypeError(f"{name}(): argument '{setting}' (position {position}) must be Number, not {type(value).__name__}")

    scope = {"facula": facula, "check": check}
    exec(f"def {name}(input{', ' + settings if settings else ''}, inplace=False):\n"
         f"    check(input{given})\n"
         f"    return getattr(facula.nn.functional, '{name}_' if inplace else '{name}')(input{given})\n", scope)  # literals of this file
    composite(f"nn.functional.{name}")(scope[name])


for _name, _settings in (("relu", ""), ("relu6", ""), ("hardsigmoid", ""), ("hardswish", ""), ("celu", "alpha=1.0"), ("silu", ""), ("mish", ""),
                         ("leaky_relu", "negative_slope=0.01"), ("threshold", "threshold, value")):
    _in_place_argument(_name, _settings)
for _name in ("celu", "threshold"):
    for _form in (_name, _name + "_"):
        composite(_form, method=False)((lambda n: lambda *args, **kwargs: getattr(facula.nn.functional, n)(*args, **kwargs))(_form))


@composite("nn.functional.hardtanh")
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """The input limited to [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return (facula.nn.functional._hardtanh_ if inplace else facula.nn.functional._hardtanh)(input, min_val, max_val)


composite("nn.functional.hardtanh_")(lambda input, min_val=-1.0, max_val=1.0: hardtanh(input, min_val, max_val, True))


def _elu_like(name, settings, constants):
    """elu and selu: one formula with other constants; torch has them with and without nn.functional."""
    def function(input, alpha=1.0, inplace=False):
        return (facula.nn.functional._elu_ if inplace else facula.nn.functional._elu)(input, *constants(alpha))

    def selu(input, inplace=False):
        return function(input, inplace=inplace)

    call = function if settings else selu
    call.__name__ = call.__qualname__ = name
    call.__doc__ = "x above 0, exponential below; sources: arXiv 1511.07289 (ELU), 1706.02515 (SELU)."
    composite(f"nn.functional.{name}")(call)

    def changed(input, alpha=1.0):
        return facula.nn.functional._elu_(input, *constants(alpha))

    composite(f"nn.functional.{name}_")(changed)
    return call, changed


_elu_like("elu", True, lambda alpha: (alpha, 1, 1))
for _name, _call in zip(("selu", "selu_"), _elu_like("selu", False, lambda _: (1.6732632423543772, 1.0507009873554805, 1)), strict=True):
    composite(_name, method=False)(_call)


@composite("nn.functional.gelu")
def gelu(input, *, approximate="none"):
    """x times the normal distribution function of x, exact or by tanh; source: arXiv 1606.08415."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return facula.nn.functional._gelu_erf(input) if approximate == "none" else facula.nn.functional._gelu_tanh(input)


@composite("nn.functional.softsign")
def softsign(input):
    """x / (1 + |x|)."""
    return input / (facula.abs(input) + 1)


@composite("nn.functional.tanhshrink")
def tanhshrink(input):
    """x - tanh(x)."""
    return input - facula.tanh(input)


composite("hardshrink")(lambda input, lambd=0.5: facula.nn.functional.hardshrink(input, lambd))


@composite("nn.functional.softshrink")
def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return facula.nn.functional._softshrink(input, lambd)


op("_glu(Tensor input, int dim)", method=False, node="GluBackward0", compute=lambda input, dim: facula.nn.functional._glu(*input.chunk(2, dim)), vjp="retrace")


@composite("nn.functional.glu")
def glu(input, dim=-1):
    """The first half times sigmoid of the second; source: arXiv 1612.08083."""
    if input.dim() == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim % input.dim()} is size {input.shape[dim]}")
    return facula._glu(input, dim)


@composite("nn.functional.prelu")
def prelu(input, weight):
    """x above 0, weight times x below; one weight, or one per channel; source: arXiv 1502.01852."""
    if weight.dim() > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.dim()}")
    if weight.numel() != 1:
        if input.dim() == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.dim() > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and channel size = {channels}.")
    shape = [1, -1] + [1] * (input.dim() - 2) if input.dim() > 1 else [weight.numel()] * input.dim()
    return facula.nn.functional._prelu(input, weight.reshape(shape))


composite("prelu")(prelu)


@composite("nn.functional.rrelu")
def rrelu(input, lower=0.125, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with a random slope in training; source: arXiv 1505.00853."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    noise = (lower + upper) / 2
    if training:  # only what is not positive draws a number
        low = input.detach() <= 0
        drawn = facula.empty(int(low.sum()), dtype=facula.float64).uniform_(lower, upper)
        noise = facula.ones_like(input, requires_grad=False).masked_scatter_(low, drawn.to(input.dtype))
    return (facula.nn.functional._rrelu_ if inplace else facula.nn.functional._rrelu)(input, noise)


composite("rrelu", method=False)(lambda input, lower=0.125, upper=1.0 / 3, training=False, generator=None: rrelu(input, lower, upper, training))
for _form in ("rrelu_", "nn.functional.rrelu_"):
    composite(_form, method=False)(lambda input, lower=0.125, upper=1.0 / 3, training=False: rrelu(input, lower, upper, training, True))
for _name in ("sigmoid", "tanh"):
    composite(f"nn.functional.{_name}")((lambda n: lambda input: getattr(facula, n)(input))(_name))


@composite("nn.functional.gumbel_softmax")
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of a relaxed categorical distribution; sources: arXiv 1611.00712, 1611.01144."""
    noise = -facula.empty_like(logits, memory_format=facula.contiguous_format).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return facula.zeros_like(logits).scatter(dim, index, 1.0) - soft.detach() + soft
