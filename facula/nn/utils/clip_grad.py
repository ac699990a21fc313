"""Limits on gradients."""

from __future__ import annotations

import math

import facula

_NATIVE = (1.0, 2.0, math.inf)


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, facula.Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


def _plain(tensors):
    return all(t.layout == facula.strided and t.device.type == "cpu" and t.is_floating_point() for t in tensors)


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors as if they were one vector."""
    tensors = [tensors] if isinstance(tensors, facula.Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return facula.tensor(0.0)
    if norm_type in _NATIVE and _plain(tensors):
        kind = tensors[0].dtype
        for t in tensors[1:]:
            kind = kind if t.dtype == kind else facula.promote_types(kind, t.dtype)
        total = facula.linalg.vector_norm(facula._optim_norms(tensors, norm_type), norm_type).to(kind)
    else:
        total = facula.linalg.vector_norm(facula.stack([facula.linalg.vector_norm(g.detach(), norm_type) for g in tensors]), norm_type)
    if error_if_nonfinite and not bool(facula.isfinite(total)):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this "
                           "error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`")
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scales all gradients by max_norm / total_norm where that is below 1."""
    gradients = _gradients(parameters)
    if not gradients:
        return
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    if _plain(gradients):
        factor = factor.item()
        if factor != 1:
            facula._optim_scale(gradients, factor)
        return
    for g in gradients:
        g.detach().mul_(factor)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales all gradients down so that their common norm is at most max_norm; returns the norm before."""
    parameters = [parameters] if isinstance(parameters, facula.Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The old name of `clip_grad_norm_`."""
    import warnings

    warnings.warn("torch.nn.utils.clip_grad_norm is now deprecated in favor of torch.nn.utils.clip_grad_norm_.", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    gradients = _gradients(parameters)
    if gradients and _plain(gradients):
        facula._optim_limit(gradients, float(clip_value))
        return
    for g in gradients:
        g.detach().clamp_(-float(clip_value), float(clip_value))
