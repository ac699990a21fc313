"""Layer, group, RMS and local response normalisation."""

from __future__ import annotations

import numbers

import facula

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

__all__ = ["LocalResponseNorm", "CrossMapLRN2d", "LayerNorm", "GroupNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """Divides by the energy of neighbouring channels.

    Args:
        size: How many channels count as neighbours.
        alpha: Factor of their mean square.
        beta: Power of the divisor.
        k: Added to the divisor before the power.

    Returns:
        A tensor of the input's shape (N, C, ...).

    Example:
        >>> facula.nn.LocalResponseNorm(2)(facula.rand(1, 4, 3, 3)).shape
        facula.Size([1, 4, 3, 3])
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """Local response normalisation of images; the sum covers only channels that exist."""

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__(size, alpha, beta, k)


class LayerNorm(Module):
    """Shifts and scales the trailing dimensions to mean 0 and variance 1; source: Ba, Kiros and Hinton, arXiv 1607.06450.

    Args:
        normalized_shape: Sizes of the trailing dimensions, or the size of the last.
        eps: Added to the variance, against division by 0.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        elementwise_affine: Whether to learn a scale and a shift for each element.
        bias: Whether there is a shift, if elementwise_affine.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: The input does not end in normalized_shape.

    Example:
        >>> y = facula.nn.LayerNorm(4)(facula.rand(2, 4))
        >>> y.mean(-1).abs().max().item() < 1e-5
        True
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if elementwise_affine:
            self.weight = Parameter(facula.empty(self.normalized_shape, device=device, dtype=dtype))
            if bias:
                self.bias = Parameter(facula.empty(self.normalized_shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return text + f", bias={self.bias is not None}"


class GroupNorm(Module):
    """Normalises groups of channels; source: Wu and He, arXiv 1803.08494.

    Args:
        num_groups: Groups; divides num_channels.
        num_channels: C, the channels.
        eps: Added to the variance, against division by 0.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        affine: Whether to learn a scale and a shift for each channel.
        bias: Whether there is a shift, if affine.

    Returns:
        A tensor of the input's shape (N, C, ...).

    Raises:
        ValueError: num_groups does not divide num_channels.

    Example:
        >>> facula.nn.GroupNorm(2, 6)(facula.rand(4, 6, 8, 8)).shape
        facula.Size([4, 6, 8, 8])
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True):
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = Parameter(facula.empty(num_channels, device=device, dtype=dtype))
            if bias:
                self.bias = Parameter(facula.empty(num_channels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class RMSNorm(Module):
    """Divides the trailing dimensions by their root mean square; source: Zhang and Sennrich, arXiv 1910.07467.

    Args:
        normalized_shape: Sizes of the trailing dimensions, or the size of the last.
        eps: Added to the mean square; None for the dtype's own.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        elementwise_affine: Whether to learn a scale for each element.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: The input does not end in normalized_shape.

    Example:
        >>> y = facula.nn.RMSNorm(4)(facula.rand(2, 4))
        >>> bool((y.square().mean(-1) - 1).abs().max() < 1e-3)
        True
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        if elementwise_affine:
            self.weight = Parameter(facula.empty(self.normalized_shape, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self):
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x):
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
