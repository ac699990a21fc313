"""Limits on gradients."""

from __future__ import annotations

import facula


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, facula.Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors as if they were one vector."""
    tensors = [tensors] if isinstance(tensors, facula.Tensor) else list(tensors)
    if not tensors:
        return facula.tensor(0.0)
    total = facula.linalg.vector_norm(facula.stack([facula.linalg.vector_norm(g.detach(), norm_type) for g in tensors]), norm_type)
    if error_if_nonfinite and not bool(facula.isfinite(total)):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this "
                           "error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`")
    return total


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales all gradients down so that their common norm is at most max_norm; returns the norm before."""
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    scale = (float(max_norm) / (total + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.detach().mul_(scale)
    return total


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limits each element of the gradients to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        g.detach().clamp_(-float(clip_value), float(clip_value))
