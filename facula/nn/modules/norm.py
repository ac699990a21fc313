"""Normalisation layers."""

from __future__ import annotations

import numbers

import facula

from .. import init
from ..parameter import Parameter
from .module import Module


class _Norm(Module):
    """Per-channel scale and shift, and running statistics."""

    _version = 2
    ndims: tuple = ()
    default_affine, default_track = True, True

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=None, track_running_stats=None, device=None, dtype=None):
        super().__init__()
        affine = self.default_affine if affine is None else affine
        track = self.default_track if track_running_stats is None else track_running_stats
        self.num_features, self.eps, self.momentum, self.affine, self.track_running_stats = num_features, eps, momentum, affine, track
        kind = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(facula.empty(num_features, **kind)) if affine else None)
        self.register_parameter("bias", Parameter(facula.empty(num_features, **kind)) if affine else None)
        self.register_buffer("running_mean", facula.zeros(num_features, **kind) if track else None)
        self.register_buffer("running_var", facula.ones(num_features, **kind) if track else None)
        self.register_buffer("num_batches_tracked", facula.tensor(0, dtype=facula.int64, device=device) if track else None)
        self.reset_parameters()

    def reset_running_stats(self):
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def _check_input_dim(self, input):
        if input.dim() not in self.ndims:
            raise ValueError(f"expected {' or '.join(f'{n}D' for n in self.ndims)} input (got {input.dim()}D input)")

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"track_running_stats={self.track_running_stats}")


class _BatchNorm(_Norm):
    """Normalises channels over the batch; source: arXiv 1502.03167."""

    def forward(self, input):
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        batch = self.training or self.running_mean is None and self.running_var is None
        keep = not self.training or self.track_running_stats
        return facula.nn.functional.batch_norm(input, self.running_mean if keep else None, self.running_var if keep else None, self.weight, self.bias,
                                               batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of vectors or sequences."""

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images."""

    ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes."""

    ndims = (5,)


class _InstanceNorm(_Norm):
    """Normalises the channels of each sample; source: arXiv 1607.08022."""

    default_affine = default_track = False

    def forward(self, input):
        self._check_input_dim(input)
        unbatched = input.dim() == self.ndims[0]
        x = input.unsqueeze(0) if unbatched else input
        if x.shape[1] != self.num_features and self.affine:
            raise ValueError(f"expected input's size at dim=1 to match num_features ({self.num_features}), but got: {x.shape[1]}.")
        out = facula.nn.functional.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                                                 self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum, self.eps)
        return out.squeeze(0) if unbatched else out


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of sequences."""

    ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images."""

    ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes."""

    ndims = (4, 5)


class LayerNorm(Module):
    """Normalises the trailing dimensions; source: arXiv 1607.06450."""

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        kind = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(facula.empty(self.normalized_shape, **kind)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(facula.empty(self.normalized_shape, **kind)) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input):
        return facula.nn.functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


class RMSNorm(Module):
    """Scales the trailing dimensions to mean square 1; source: arXiv 1910.07467."""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, numbers.Integral) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", Parameter(facula.ones(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None)

    def reset_parameters(self):
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, input):
        return facula.nn.functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalises groups of channels; source: arXiv 1803.08494."""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        kind = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(facula.empty(num_channels, **kind)) if affine else None)
        self.register_parameter("bias", Parameter(facula.empty(num_channels, **kind)) if affine else None)
        self.reset_parameters()

    def reset_parameters(self):
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, input):
        return facula.nn.functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
