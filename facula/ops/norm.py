"""Normalisation layers as functions."""

from __future__ import annotations

import facula

from ._table import composite


def _affine(x, weight, bias, shape):
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _normalise(input, dims, eps):
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    variance = (centred * centred).mean(dims, keepdim=True)
    return centred * (variance + eps).rsqrt(), mean, variance


@composite("nn.functional.batch_norm")
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """Normalises each channel over the batch (training) or by running statistics.

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv 1502.03167.
    """
    shape = [1, -1] + [1] * (input.dim() - 2)
    count = input.numel() // max(input.shape[1], 1)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        scale = (running_var + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * scale.reshape(shape) + shift.reshape(shape)
    if count <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    dims = [d for d in range(input.dim()) if d != 1]
    normal, mean, variance = _normalise(input, dims, eps)
    if running_mean is not None:
        with facula.no_grad():
            running_mean.mul_(1 - momentum).add_(mean.reshape(-1), alpha=momentum)
            running_var.mul_(1 - momentum).add_(variance.reshape(-1), alpha=momentum * count / max(count - 1, 1))
    return _affine(normal, weight, bias, shape)


@composite("nn.functional.instance_norm")
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05):
    """Normalises each channel of each sample."""
    shape = [1, -1] + [1] * (input.dim() - 2)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = list(range(2, input.dim()))
    normal, mean, variance = _normalise(input, dims, eps)
    if running_mean is not None:
        n = input[0, 0].numel()
        with facula.no_grad():
            running_mean.mul_(1 - momentum).add_(mean.mean(0).reshape(-1), alpha=momentum)
            running_var.mul_(1 - momentum).add_((variance * n / max(n - 1, 1)).mean(0).reshape(-1), alpha=momentum)
    return _affine(normal, weight, bias, shape)


@composite("nn.functional.layer_norm")
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """Shifts and scales the trailing dimensions to mean 0 and variance 1.

    Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv 1607.06450.
    """
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []")
    if tuple(input.shape[-len(shape):]) != shape:
        raise RuntimeError(f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of "
                           f"size{list(input.shape)}")
    normal, _, _ = _normalise(input, list(range(-len(shape), 0)), eps)
    return _affine(normal, weight, bias, shape)


composite("layer_norm", method=False)(lambda input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True:
                                      layer_norm(input, normalized_shape, weight, bias, eps))


@composite("nn.functional.rms_norm")
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Scales the trailing dimensions to mean square 1."""
    dims = list(range(-len(tuple(normalized_shape)), 0))
    eps = facula.finfo(input.dtype).eps if eps is None else eps
    out = input * ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    return out if weight is None else out * weight


@composite("nn.functional.group_norm")
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """Normalises groups of channels of each sample."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    if input.shape[1] % num_groups:
        raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and "
                           f"num_groups={num_groups}")
    grouped = input.reshape(input.shape[0], num_groups, -1)
    normal, _, _ = _normalise(grouped, [2], eps)
    return _affine(normal.reshape(input.shape), weight, bias, [1, -1] + [1] * (input.dim() - 2))


@composite("nn.functional.local_response_norm")
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divides each channel by a power of the energy of its neighbours."""
    square = (input * input).unsqueeze(1)
    pad = [0, 0] * (input.dim() - 2) + [size // 2, (size - 1) // 2]
    square = facula.nn.functional.pad(square, pad)
    total = sum(square.narrow(2, i, input.shape[1]) for i in range(size)) / size
    return input / (total.squeeze(1) * alpha + k) ** beta


@composite("nn.functional.normalize")
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Divides by the p-norm along `dim`."""
    result = input / facula.linalg.vector_norm(input, p, dim, True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)
