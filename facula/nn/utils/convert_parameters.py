"""All parameters as one vector, and back."""

from __future__ import annotations

import facula

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _one_device(parameter, device):
    if device is not None and parameter.device != device:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return parameter.device


def parameters_to_vector(parameters):
    """The parameters, flattened and joined."""
    device, flat = None, []
    for p in parameters:
        device = _one_device(p, device)
        flat.append(p.view(-1) if p.is_contiguous() else p.reshape(-1))
    return facula.cat(flat)


def vector_to_parameters(vec, parameters):
    """Sets the parameters from slices of one vector."""
    if not isinstance(vec, facula.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {facula.typename(vec)}")
    device, start = None, 0
    for p in parameters:
        device = _one_device(p, device)
        p.data = vec[start:start + p.numel()].view_as(p).data
        start += p.numel()
