"""Convolutions, plain, transposed and lazy."""

from __future__ import annotations

import math

import facula

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module
from .utils import _ntuple, _reverse_repeat_tuple

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
           "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d"]


class _ConvNd(Module):
    """What all convolutions share: weights (out, in / groups, *kernel), or (in, out / groups, *kernel) if transposed."""

    __constants__ = ["stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels", "out_channels", "kernel_size"]
    spatial_dims = 0

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, transposed, output_padding, groups, bias,
                 padding_mode, device=None, dtype=None):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError("padding_mode must be one of {'circular', 'reflect', 'replicate', 'zeros'}, but got "
                             f"padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.transposed, self.output_padding, self.groups, self.padding_mode = transposed, output_padding, groups, padding_mode
        if isinstance(padding, str):
            self._reversed_padding_repeated_twice = [0, 0] * len(kernel_size)
            if padding == "same":
                for d, k, i in zip(dilation, kernel_size, range(len(kernel_size) - 1, -1, -1)):
                    total = d * (k - 1)
                    self._reversed_padding_repeated_twice[2 * i] = total // 2
                    self._reversed_padding_repeated_twice[2 * i + 1] = total - total // 2
        else:
            self._reversed_padding_repeated_twice = _reverse_repeat_tuple(padding, 2)
        shape = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(facula.empty((*shape, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(facula.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self):
        n = len(self.kernel_size)
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Conv(_ConvNd):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros",
                 device=None, dtype=None):
        n = _ntuple(self.spatial_dims)
        super().__init__(in_channels, out_channels, n(kernel_size), n(stride), padding if isinstance(padding, str) else n(padding),
                         n(dilation), False, n(0), groups, bias, padding_mode, device, dtype)

    def _conv_forward(self, input, weight, bias):
        conv = getattr(F, f"conv{self.spatial_dims}d")
        if self.padding_mode != "zeros":
            return conv(F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), weight, bias, self.stride,
                        (0,) * self.spatial_dims, self.dilation, self.groups)
        return conv(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def forward(self, input):
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolves a batch of sequences.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        kernel_size: Width of the kernel: a number, or one for each dimension.
        stride: Step between the kernel's places, as kernel_size.
        padding: Added at both ends, as kernel_size; or "valid" for none, or "same" to keep the size (stride 1 only).
        dilation: Step between the elements under the kernel.
        groups: Parts of the channels that do not see one another; divides both counts of channels.
        bias: Whether to add a bias.
        padding_mode: What stands in the padding: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.

    Returns:
        A tensor (N, out_channels, L) of an input (N, in_channels, L); N may be left out.

    Raises:
        ValueError: Channels that groups do not divide, or an unknown padding.

    Example:
        >>> facula.nn.Conv1d(3, 8, 3, padding=1, stride=2)(facula.rand(2, 3, 8)).shape
        facula.Size([2, 8, 4])
    """

    spatial_dims = 1


class Conv2d(_Conv):
    """Convolves a batch of images.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        kernel_size: Width of the kernel: a number, or one for each dimension.
        stride: Step between the kernel's places, as kernel_size.
        padding: Added at both ends, as kernel_size; or "valid" for none, or "same" to keep the size (stride 1 only).
        dilation: Step between the elements under the kernel.
        groups: Parts of the channels that do not see one another; divides both counts of channels.
        bias: Whether to add a bias.
        padding_mode: What stands in the padding: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.

    Returns:
        A tensor (N, out_channels, H, W) of an input (N, in_channels, H, W); N may be left out.

    Raises:
        ValueError: Channels that groups do not divide, or an unknown padding.

    Example:
        >>> facula.nn.Conv2d(3, 8, 3, padding=1, stride=2)(facula.rand(2, 3, 8, 8)).shape
        facula.Size([2, 8, 4, 4])
    """

    spatial_dims = 2


class Conv3d(_Conv):
    """Convolves a batch of volumes.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        kernel_size: Width of the kernel: a number, or one for each dimension.
        stride: Step between the kernel's places, as kernel_size.
        padding: Added at both ends, as kernel_size; or "valid" for none, or "same" to keep the size (stride 1 only).
        dilation: Step between the elements under the kernel.
        groups: Parts of the channels that do not see one another; divides both counts of channels.
        bias: Whether to add a bias.
        padding_mode: What stands in the padding: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.

    Returns:
        A tensor (N, out_channels, D, H, W) of an input (N, in_channels, D, H, W); N may be left out.

    Raises:
        ValueError: Channels that groups do not divide, or an unknown padding.

    Example:
        >>> facula.nn.Conv3d(3, 8, 3, padding=1, stride=2)(facula.rand(2, 3, 8, 8, 8)).shape
        facula.Size([2, 8, 4, 4, 4])
    """

    spatial_dims = 3


class _ConvTransposeNd(_ConvNd):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1,
                 padding_mode="zeros", device=None, dtype=None):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        n = _ntuple(self.spatial_dims)
        super().__init__(in_channels, out_channels, n(kernel_size), n(stride), n(padding), n(dilation), True, n(output_padding), groups,
                         bias, padding_mode, device, dtype)

    def _output_padding(self, input, output_size, stride, padding, kernel_size, num_spatial_dims, dilation=None):
        """The padding that gives `output_size`."""
        if output_size is None:
            return _ntuple(num_spatial_dims)(self.output_padding)
        other_dims = input.dim() - num_spatial_dims
        if len(output_size) == num_spatial_dims + other_dims:
            output_size = output_size[other_dims:]
        if len(output_size) != num_spatial_dims:
            raise ValueError(f"ConvTranspose{num_spatial_dims}D: for {input.dim()}D input, output_size must have {num_spatial_dims} or "
                             f"{input.dim()} elements (got {len(output_size)})")
        low = [(input.size(d + other_dims) - 1) * stride[d] - 2 * padding[d] + (dilation[d] if dilation is not None else 1) *
               (kernel_size[d] - 1) + 1 for d in range(num_spatial_dims)]
        high = [m + stride[d] - 1 for d, m in enumerate(low)]
        for size, a, b in zip(output_size, low, high):
            if size < a or size > b:
                raise ValueError(f"requested an output size of {output_size}, but valid sizes range from {low} to {high} (for an input of "
                                 f"{input.size()[2:]})")
        return [size - a for size, a in zip(output_size, low)]

    def forward(self, input, output_size=None):
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for {type(self).__name__}")
        padding = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, self.spatial_dims, self.dilation)
        return getattr(F, f"conv_transpose{self.spatial_dims}d")(input, self.weight, self.bias, self.stride, self.padding, padding,
                                                                 self.groups, self.dilation)


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`."""

    spatial_dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`."""

    spatial_dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`."""

    spatial_dims = 3


class _LazyConvXdMixin(LazyModuleMixin):
    """A convolution that learns its in_channels from the first input."""

    def _set_up(self, out_channels, bias, device, dtype):
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input, *args, **kwargs):
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        a, b = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        self.weight.materialize((a, b // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input):
        n = self.spatial_dims
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input of size: "
                               f"{input.shape}")
        return input.shape[-n - 1]

    def _get_num_spatial_dims(self):
        return self.spatial_dims


class _LazyConv(_LazyConvXdMixin):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros", device=None,
                 dtype=None):
        # The true groups are set afterwards: 0 channels go with any.
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._set_up(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(self, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1,
                 padding_mode="zeros", device=None, dtype=None):
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype)
        self._set_up(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A lazy `Conv1d`."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A lazy `Conv2d`."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A lazy `Conv3d`."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A lazy `ConvTranspose1d`."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A lazy `ConvTranspose2d`."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A lazy `ConvTranspose3d`."""

    cls_to_become = ConvTranspose3d
