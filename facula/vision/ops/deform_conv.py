"""Deformable convolution. Sources: Dai et al., arXiv 1703.06211, and with factors Zhu et al., arXiv 1811.11168."""

from __future__ import annotations

import math

import facula
from facula import nn
from facula.nn.modules.utils import _pair

__all__ = ["DeformConv2d", "deform_conv2d"]


def _check(input, offset, mask, weight, kernel, size):
    per_group = 2 * kernel[0] * kernel[1]
    if offset.shape[1] < per_group:
        raise RuntimeError("the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of 2 * weight.size[2] * "
                           f"weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, while 2 * weight.size[2] * weight.size[3]={per_group}")
    groups = offset.shape[1] // per_group
    wanted = [("offset", offset, groups * per_group)] + ([("mask", mask, groups * per_group // 2)] if mask is not None else [])
    for name, t, channels in wanted:
        if t.shape[1] != channels:
            raise RuntimeError(f"{name}.shape[1] is not valid: got: {t.shape[1]} expected: {channels}")
    if input.shape[1] % groups:
        raise RuntimeError(f"input channels must be divisible by the groups of offsets, got {input.shape[1]} channels and {groups} groups")
    for name, t, _ in wanted:
        if t.shape[0] != input.shape[0]:
            raise RuntimeError(f"invalid batch size of {name}")
        if tuple(t.shape[2:]) != size:
            raise RuntimeError(f"{name} output dims: ({t.shape[2]}, {t.shape[3]}) - computed output dims: ({size[0]}, {size[1]})")
    if min(size) <= 0:
        raise RuntimeError(f"Calculated output size too small - out_h: {size[0]} out_w: {size[1]}")


def deform_conv2d(input, offset, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), mask=None):
    """Convolution whose kernel is read at places moved by `offset`.

    Args:
        input: Shape (batch, channels, height, width).
        offset: (row, column) for every tap of the kernel, shape (batch, groups of offsets * 2 * kernel height * kernel width, *output).
        weight: Shape (out_channels, channels / groups, kernel height, kernel width).
        bias: Shape (out_channels,).
        mask: A factor for every tap, shape (batch, groups of offsets * kernel height * kernel width, *output).

    Returns:
        Shape (batch, out_channels, *output).
    """
    (stride, padding, dilation), kernel = map(_pair, (stride, padding, dilation)), tuple(weight.shape[-2:])
    batch, channels, *sides = input.shape
    if len(sides) != 2:
        raise ValueError(f"not enough values to unpack (expected 4, got {input.dim()})")
    size = tuple((n + 2 * p - (d * (k - 1) + 1)) // s + 1 for n, p, d, k, s in zip(sides, padding, dilation, kernel, stride))
    _check(input, offset, mask, weight, kernel, size)
    groups, out = channels // weight.shape[1], weight.shape[0]
    if groups * weight.shape[1] != channels:
        raise RuntimeError("Expected weight_c.size(1) * n_weight_grps == input_c.size(1) to be true, but got false.")
    columns = facula._deform_columns(input, offset, mask, kernel, stride, padding, dilation)
    columns = columns.reshape(batch, groups, weight.shape[1] * kernel[0] * kernel[1], size[0] * size[1])
    result = (weight.reshape(groups, out // groups, -1) @ columns).reshape(batch, out, *size)
    return result if bias is None else result + bias.reshape(1, out, 1, 1)


class DeformConv2d(nn.Module):
    """See `deform_conv2d`; the offsets come with every call."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value % groups:
                raise ValueError(f"{name} must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding, self.dilation = map(_pair, (kernel_size, stride, padding, dilation))
        self.weight = nn.Parameter(facula.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(facula.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input, offset, mask=None):
        return deform_conv2d(input, offset, self.weight, self.bias, stride=self.stride, padding=self.padding, dilation=self.dilation, mask=mask)

    def __repr__(self):
        parts = [f"{self.in_channels}", f"{self.out_channels}", f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        parts += [f"padding={self.padding}"] * (self.padding != (0, 0)) + [f"dilation={self.dilation}"] * (self.dilation != (1, 1))
        parts += [f"groups={self.groups}"] * (self.groups != 1) + ["bias=False"] * (self.bias is None)
        return f"{type(self).__name__}({', '.join(parts)})"
