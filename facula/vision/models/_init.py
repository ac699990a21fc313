"""How models initialise themselves: rules by kind of layer, applied in the order of the modules."""

from __future__ import annotations

from facula import nn

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)


def fan_out(weight):
    """He et al.'s normal distribution by fan-out."""
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def initialize(model, conv=fan_out, linear=None, norm=True, conv_bias=True):
    """Initialises all layers of a model.

    Args:
        model: The module.
        conv: Fills the weight of a convolution; None leaves it.
        linear: Fills the weight of a linear layer; None leaves it. Biases become 0.
        norm: Whether scales of normalisations become 1, and shifts 0.
        conv_bias: Whether biases of convolutions become 0.
    """
    for m in model.modules():
        if isinstance(m, _CONVS) and conv is not None:
            conv(m.weight)
            if conv_bias and m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, _NORMS) and norm:
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear) and linear is not None:
            linear(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def normal(std):
    return lambda weight: nn.init.normal_(weight, 0, std)


def truncated(std):
    return lambda weight: nn.init.trunc_normal_(weight, std=std)


def make_divisible(v, divisor, min_value=None):
    """The nearest multiple of `divisor` that is at least nine tenths of `v`."""
    new = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * v else new
