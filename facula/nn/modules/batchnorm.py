"""Batch normalisation."""

from __future__ import annotations

import facula

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedBuffer, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = ["BatchNorm1d", "LazyBatchNorm1d", "BatchNorm2d", "LazyBatchNorm2d", "BatchNorm3d", "LazyBatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    """What batch and instance normalisation share: running statistics, scale and shift."""

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True):
        where = {"device": device, "dtype": dtype}
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = Parameter(facula.empty(num_features, **where))
            if bias:
                self.bias = Parameter(facula.empty(num_features, **where))
            else:
                self.register_parameter("bias", None)
        else:
            self.register_parameter("weight", None)
            self.register_parameter("bias", None)
        if track_running_stats:
            self.register_buffer("running_mean", facula.zeros(num_features, **where))
            self.register_buffer("running_var", facula.ones(num_features, **where))
            self.register_buffer("num_batches_tracked", facula.tensor(0, dtype=facula.long, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self):
        """Forgets the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input):
        raise NotImplementedError

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
                f"track_running_stats={self.track_running_stats}")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
        version = local_metadata.get("version", None)
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            n = self.num_batches_tracked
            state_dict[key] = n if n is not None and not n.is_meta else facula.tensor(0, dtype=facula.long)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    def forward(self, input):
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # cumulative average
                momentum = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        keeps = not self.training or self.track_running_stats
        return F.batch_norm(input, self.running_mean if keeps else None, self.running_var if keeps else None, self.weight, self.bias,
                            by_batch, momentum, self.eps)


class _LazyNormBase(LazyModuleMixin, _NormBase):
    def __init__(self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True):
        where = {"device": device, "dtype": dtype}
        super().__init__(0, eps, momentum, False, False, **where)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = UninitializedParameter(**where)
            if bias:
                self.bias = UninitializedParameter(**where)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**where)
            self.running_var = UninitializedBuffer(**where)
            self.num_batches_tracked = facula.tensor(0, dtype=facula.long, device=device)

    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        if self.affine:
            self.weight.materialize((self.num_features,))
            if self.bias is not None:
                self.bias.materialize((self.num_features,))
        if self.track_running_stats:
            self.running_mean.materialize((self.num_features,))
            self.running_var.materialize((self.num_features,))
        self.reset_parameters()


class _Dim1:
    def _check_input_dim(self, input):
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class _Dim2:
    def _check_input_dim(self, input):
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class _Dim3:
    def _check_input_dim(self, input):
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class BatchNorm1d(_Dim1, _BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L).

    Args:
        num_features: C, the channels.
        eps: Added to the variance, against division by 0.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        momentum: The weight of a batch in the running statistics; None for the mean of all batches.
        affine: Whether to learn a scale and a shift for each channel.
        track_running_stats: Whether to keep running statistics, which evaluation uses.
        bias: Whether there is a shift, if affine.

    Returns:
        A tensor of the input's shape, (N, C) or (N, C, L).

    Raises:
        ValueError: The input has another number of dimensions.

    Example:
        >>> y = facula.nn.BatchNorm1d(3)(facula.rand(4, 3, 5))
        >>> y.transpose(0, 1).flatten(1).mean(1).abs().max().item() < 1e-5
        True
    """


class BatchNorm2d(_Dim2, _BatchNorm):
    """Batch normalisation of images (N, C, H, W).

    Args:
        num_features: C, the channels.
        eps: Added to the variance, against division by 0.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        momentum: The weight of a batch in the running statistics; None for the mean of all batches.
        affine: Whether to learn a scale and a shift for each channel.
        track_running_stats: Whether to keep running statistics, which evaluation uses.
        bias: Whether there is a shift, if affine.

    Returns:
        A tensor of the input's shape, (N, C, H, W).

    Raises:
        ValueError: The input has another number of dimensions.

    Example:
        >>> y = facula.nn.BatchNorm2d(3)(facula.rand(4, 3, 5, 5))
        >>> y.transpose(0, 1).flatten(1).mean(1).abs().max().item() < 1e-5
        True
    """


class BatchNorm3d(_Dim3, _BatchNorm):
    """Batch normalisation of volumes (N, C, D, H, W).

    Args:
        num_features: C, the channels.
        eps: Added to the variance, against division by 0.
        device: Where the parameters lie; None for the default device.
        dtype: The parameters' floating or complex dtype; None for the default one.
        momentum: The weight of a batch in the running statistics; None for the mean of all batches.
        affine: Whether to learn a scale and a shift for each channel.
        track_running_stats: Whether to keep running statistics, which evaluation uses.
        bias: Whether there is a shift, if affine.

    Returns:
        A tensor of the input's shape, (N, C, D, H, W).

    Raises:
        ValueError: The input has another number of dimensions.

    Example:
        >>> y = facula.nn.BatchNorm3d(3)(facula.rand(4, 3, 5, 5, 5))
        >>> y.transpose(0, 1).flatten(1).mean(1).abs().max().item() < 1e-5
        True
    """


class LazyBatchNorm1d(_Dim1, _LazyNormBase, _BatchNorm):
    """A lazy `BatchNorm1d`."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_Dim2, _LazyNormBase, _BatchNorm):
    """A lazy `BatchNorm2d`."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_Dim3, _LazyNormBase, _BatchNorm):
    """A lazy `BatchNorm3d`."""

    cls_to_become = BatchNorm3d


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation with statistics over all processes; with one process, plain batch normalisation."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, process_group=None, device=None,
                 dtype=None, *, bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input):
        group = self._others()
        if group is None:
            return super().forward(input)
        self._check_input_dim(input)
        return self._across(input, group)

    def _others(self):
        """The group, if statistics are taken and there are other processes."""
        import sys

        dist = sys.modules.get("facula.distributed")  # without it nothing has been started
        if not self.training or dist is None or not dist.is_initialized():
            return None
        group = self.process_group or dist.group.WORLD
        return group if group.size > 1 else None

    def _across(self, input, group):
        """Mean and variance over the batches of all processes, through which gradients flow."""
        from facula.distributed.nn.functional import all_reduce

        dims = [d for d in range(input.dim()) if d != 1]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        x = input.to(facula.promote_types(input.dtype, facula.float32))
        count = x.numel() // max(x.shape[1], 1)
        total = all_reduce(facula.cat([x.sum(dims), x.new_full((1,), count)]), group=group)
        n = total[-1].detach()
        mean = total[:-1] / n
        centred = x - mean.view(shape)
        var = all_reduce(centred.square().sum(dims), group=group) / n
        if self.track_running_stats:
            self._note(mean.detach(), var.detach() * n / (n - 1).clamp(min=1))
        out = centred * (var + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            out = out * self.weight.view(shape)
        return (out if self.bias is None else out + self.bias.view(shape)).to(input.dtype)

    def _note(self, mean, var):
        with facula.no_grad():
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
            for running, now in ((self.running_mean, mean), (self.running_var, var)):
                running.copy_(running * (1 - share) + now * share)

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with every batch normalisation replaced by this class."""
        out = module
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            out = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            if module.affine:
                with facula.no_grad():
                    out.weight, out.bias = module.weight, module.bias
            out.running_mean, out.running_var = module.running_mean, module.running_var
            out.num_batches_tracked, out.training = module.num_batches_tracked, module.training
        for name, child in module.named_children():
            out.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return out
