"""Layers without parameters: each is a function with its settings kept as attributes.

A class is given by the function's name, its settings with their defaults, and how it prints.
"""

from __future__ import annotations

import inspect

import facula

from .module import Module


def _layer(name, function, signature, shown=None, doc="", call=None):
    """A module class whose forward calls nn.functional.<function> with its settings.

    signature: "a, b=1" of __init__. shown: names printed (all by default, `inplace` only when True).
    """
    scope: dict = {}
    exec(f"def f({signature}): pass", scope)  # our own literal tables
    parameters = inspect.signature(scope["f"]).parameters
    names = list(parameters)

    def __init__(self, *args, **kwargs):
        Module.__init__(self)
        try:
            bound = inspect.Signature(parameters.values()).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}.__init__() {error}") from None
        bound.apply_defaults()
        self.__dict__.update(bound.arguments)

    def forward(self, *inputs):
        return getattr(facula.nn.functional, function)(*inputs, **{n: getattr(self, n) for n in names})

    def extra_repr(self):
        keep = names if shown is None else shown
        parts = [f"{n}={getattr(self, n)}" for n in keep if n != "inplace" or getattr(self, n)]
        return ", ".join(parts)

    body = {"__init__": __init__, "forward": call or forward, "extra_repr": extra_repr, "__doc__": doc, "__module__": "torch.nn.modules.simple",
            "__constants__": names}
    return type(name, (Module,), body)


def _positional(*names):
    """Prints some settings bare, the way PyTorch does for these layers."""

    def extra_repr(self):
        return ", ".join([str(getattr(self, names[0])), *(f"{n}={getattr(self, n)}" for n in names[1:])])

    return extra_repr


ReLU = _layer("ReLU", "relu", "inplace=False", doc="max(0, x).")
ReLU6 = _layer("ReLU6", "relu6", "inplace=False", doc="min(max(0, x), 6).")
SiLU = _layer("SiLU", "silu", "inplace=False", doc="x sigmoid(x).")
Mish = _layer("Mish", "mish", "inplace=False", doc="x tanh(softplus(x)).")
ELU = _layer("ELU", "elu", "alpha=1.0, inplace=False", doc="x above 0, alpha (exp(x) - 1) below.")
SELU = _layer("SELU", "selu", "inplace=False", doc="Scaled ELU.")
CELU = _layer("CELU", "celu", "alpha=1.0, inplace=False", doc="Continuously differentiable ELU.")
GELU = _layer("GELU", "gelu", "approximate='none'", doc="x times the normal distribution function of x.")
GELU.extra_repr = lambda self: f"approximate={self.approximate!r}"
Sigmoid = _layer("Sigmoid", "sigmoid", "", doc="1 / (1 + exp(-x)).")
Tanh = _layer("Tanh", "tanh", "", doc="Hyperbolic tangent.")
LogSigmoid = _layer("LogSigmoid", "logsigmoid", "", doc="log(sigmoid(x)).")
Softsign = _layer("Softsign", "softsign", "", doc="x / (1 + |x|).")
Tanhshrink = _layer("Tanhshrink", "tanhshrink", "", doc="x - tanh(x).")
Hardsigmoid = _layer("Hardsigmoid", "hardsigmoid", "inplace=False", doc="Piecewise linear sigmoid.")
Hardswish = _layer("Hardswish", "hardswish", "inplace=False", doc="x hardsigmoid(x).")
Softplus = _layer("Softplus", "softplus", "beta=1.0, threshold=20.0", doc="log(1 + exp(beta x)) / beta.")
Softshrink = _layer("Softshrink", "softshrink", "lambd=0.5", doc="Towards 0 by lambd.")
Softshrink.extra_repr = lambda self: str(self.lambd)
Hardshrink = _layer("Hardshrink", "hardshrink", "lambd=0.5", doc="0 within lambd.")
Hardshrink.extra_repr = lambda self: str(self.lambd)
LeakyReLU = _layer("LeakyReLU", "leaky_relu", "negative_slope=0.01, inplace=False", doc="x above 0, slope x below.")
Threshold = _layer("Threshold", "threshold", "threshold, value, inplace=False", doc="value where x is not above the threshold.")
GLU = _layer("GLU", "glu", "dim=-1", doc="One half times sigmoid of the other.")
Softmax = _layer("Softmax", "softmax", "dim=None", doc="exp scaled to sum 1.")
Softmin = _layer("Softmin", "softmin", "dim=None", doc="Softmax of the negated input.")
LogSoftmax = _layer("LogSoftmax", "log_softmax", "dim=None", doc="Logarithm of softmax.")
Hardtanh = _layer("Hardtanh", "hardtanh", "min_val=-1.0, max_val=1.0, inplace=False", doc="x kept within limits.")
PixelShuffle = _layer("PixelShuffle", "pixel_shuffle", "upscale_factor", doc="Channels to space.")
PixelUnshuffle = _layer("PixelUnshuffle", "pixel_unshuffle", "downscale_factor", doc="Space to channels.")
ChannelShuffle = _layer("ChannelShuffle", "channel_shuffle", "groups", doc="Interleaves groups of channels.")
CosineSimilarity = _layer("CosineSimilarity", "cosine_similarity", "dim=1, eps=1e-8", (), "Cosine of the angle.")
PairwiseDistance = _layer("PairwiseDistance", "pairwise_distance", "p=2.0, eps=1e-6, keepdim=False", (), "p-norm of the difference.")
LocalResponseNorm = _layer("LocalResponseNorm", "local_response_norm", "size, alpha=1e-4, beta=0.75, k=1.0", doc="Normalises over channels.")
LocalResponseNorm.extra_repr = _positional("size", "alpha", "beta", "k")


class Softmax2d(Module):
    """Softmax over channels."""

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return facula.nn.functional.softmax(input, -3)


def _dropout(name, function):
    def call(self, input):
        return getattr(facula.nn.functional, function)(input, self.p, self.training, self.inplace)

    kind = _layer(name, function, "p=0.5, inplace=False", doc="Zeros at random in training.", call=call)
    kind.extra_repr = lambda self: f"p={self.p}, inplace={self.inplace}"
    start = kind.__init__

    def __init__(self, p=0.5, inplace=False):
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        start(self, p, inplace)

    kind.__init__ = __init__
    return kind


Dropout, Dropout1d, Dropout2d, Dropout3d = (_dropout(f"Dropout{d}", f"dropout{d}") for d in ("", "1d", "2d", "3d"))
AlphaDropout, FeatureAlphaDropout = _dropout("AlphaDropout", "alpha_dropout"), _dropout("FeatureAlphaDropout", "feature_alpha_dropout")


# ---------------------------------------------------------------- pooling

def _pooling():
    made = {}
    for n in (1, 2, 3):
        def max_repr(self):
            return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"

        def avg_repr(self):
            return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

        def with_stride(kind):
            start = kind.__init__

            def __init__(self, *args, **kwargs):
                start(self, *args, **kwargs)
                if self.stride is None:
                    self.stride = self.kernel_size
                if n == 1 and kind.__name__ == "AvgPool1d":
                    self.kernel_size, self.stride, self.padding = ((v,) if isinstance(v, int) else tuple(v)
                                                                   for v in (self.kernel_size, self.stride, self.padding))

            kind.__init__ = __init__
            return kind

        m = _layer(f"MaxPool{n}d", f"max_pool{n}d", "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False",
                   doc="The largest element of each window.")
        m.extra_repr = max_repr
        a = _layer(f"AvgPool{n}d", f"avg_pool{n}d", "kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"
                   + (", divisor_override=None" if n > 1 else ""), doc="The mean of each window.")
        a.extra_repr = avg_repr
        made[f"MaxPool{n}d"], made[f"AvgPool{n}d"] = with_stride(m), with_stride(a)
        for kind, extra in (("Max", ", return_indices=False"), ("Avg", "")):
            p = _layer(f"Adaptive{kind}Pool{n}d", f"adaptive_{kind.lower()}_pool{n}d", "output_size" + extra, doc="Pools to a given size.")
            p.extra_repr = lambda self: f"output_size={self.output_size}"
            made[p.__name__] = p
    return made


globals().update(_pooling())


# ---------------------------------------------------------------- padding

def _padding():
    from .utils import _ntuple

    made = {}
    for mode, label in (("constant", "Constant"), ("constant", "Zero"), ("reflect", "Reflection"), ("replicate", "Replication"), ("circular", "Circular")):
        for n in (1, 2, 3):
            def build(mode=mode, label=label, n=n):
                def __init__(self, padding, value=0.0):
                    Module.__init__(self)
                    self.padding = _ntuple(2 * n)(padding)
                    if label in ("Constant", "Zero"):
                        self.value = value

                def forward(self, input):
                    return facula.nn.functional.pad(input, self.padding, mode, self.value if mode == "constant" else None)

                def extra_repr(self):
                    return f"padding={self.padding}, value={self.value}" if label == "Constant" else f"{self.padding}"

                name = f"{label}Pad{n}d"
                return type(name, (Module,), {"__init__": __init__, "forward": forward, "extra_repr": extra_repr, "__module__": "torch.nn.modules.padding",
                                              "__doc__": f"Pads ({label.lower()})."})

            made[f"{label}Pad{n}d"] = build()
    return made


globals().update(_padding())


class PReLU(Module):
    """x above 0, a learned slope times x below."""

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        from ..parameter import Parameter

        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(facula.full((num_parameters,), init, device=device, dtype=dtype or facula.get_default_dtype()))

    def forward(self, input):
        return facula.nn.functional.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"
