"""Convolutions; the number of dimensions is a value, the public classes name it."""

from __future__ import annotations

import math

import facula

from .. import init
from ..parameter import Parameter
from .module import Module
from .utils import _ntuple, _reverse_repeat_tuple


class _ConvNd(Module):
    """Convolves over `spatial_dims` dimensions.

    Args:
        in_channels, out_channels: Size of dimension 1 before and after.
        kernel_size, stride, padding, dilation: A number or one per dimension; padding also 'same' or 'valid'.
        groups: Channels are connected within this many groups.
        bias: Whether to add a learned number per output channel.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
    """

    spatial_dims = 0
    transposed = False

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros", device=None,
                 dtype=None):
        super().__init__()
        self._setup(in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode, device, dtype)

    def _setup(self, in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias, padding_mode, device, dtype):
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
        modes = ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"padding_mode must be one of {set(modes)}, but got padding_mode='{padding_mode}'")
        sizes = _ntuple(self.spatial_dims)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = sizes(kernel_size), sizes(stride), sizes(dilation)
        self.padding = padding if isinstance(padding, str) else sizes(padding)
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        self.output_padding, self.groups, self.padding_mode = sizes(output_padding), groups, padding_mode
        if isinstance(self.padding, str):
            reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)] if padding == "same" else [0] * self.spatial_dims
            self._reversed_padding_repeated_twice = [n for r in reversed(reach) for n in (r // 2, r - r // 2)]
        else:
            self._reversed_padding_repeated_twice = list(_reverse_repeat_tuple(self.padding, 2))
        first = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(facula.empty((*first, *self.kernel_size), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(facula.empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _conv_forward(self, input, weight, bias):
        function = getattr(facula.nn.functional, f"conv{self.spatial_dims}d")
        padding = self.padding
        if self.padding_mode != "zeros":
            input = facula.nn.functional.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self.spatial_dims
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)

    def extra_repr(self):
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.kernel_size):
            s += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            s += f", dilation={self.dilation}"
        if any(self.output_padding):
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        return s + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _ConvTransposeNd(_ConvNd):
    """The gradient of a convolution as a layer; output_padding adds to one side of the output."""

    transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1,
                 padding_mode="zeros", device=None, dtype=None):
        Module.__init__(self)
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self._setup(in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias, padding_mode, device, dtype)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        function = getattr(facula.nn.functional, f"conv_transpose{self.spatial_dims}d")
        return function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input, output_size):
        n = self.spatial_dims
        wanted = tuple(output_size)[-n:]
        extra = []
        for d in range(n):
            low = (input.size(d - n) - 1) * self.stride[d] - 2 * self.padding[d] + self.dilation[d] * (self.kernel_size[d] - 1) + 1
            if not low <= wanted[d] <= low + self.stride[d] - 1:
                raise ValueError(f"requested an output size of {list(wanted)}, but valid sizes in dimension {d} range from {low} to "
                                 f"{low + self.stride[d] - 1} (for an input of {list(input.shape[2:])})")
            extra.append(wanted[d] - low)
        return tuple(extra)


class Conv1d(_ConvNd):
    """Convolves sequences; see `_ConvNd`."""

    spatial_dims = 1


class Conv2d(_ConvNd):
    """Convolves images; see `_ConvNd`."""

    spatial_dims = 2


class Conv3d(_ConvNd):
    """Convolves volumes; see `_ConvNd`."""

    spatial_dims = 3


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of sequences; see `_ConvTransposeNd`."""

    spatial_dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images; see `_ConvTransposeNd`."""

    spatial_dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes; see `_ConvTransposeNd`."""

    spatial_dims = 3
