"""Normalisation layers as functions.

The kernels give values and first gradients. Where a gradient is itself to be differentiated, it is
written out of other operations by `_normalised_gradients`, one formula for every kind of layer.
"""

from __future__ import annotations

import facula

from ._table import composite, op


def _normalised_gradients(grad, input, weight, dims, eps, statistics=None):
    """Gradients of input, weight and bias of (input - mean) rstd weight + bias; `weight` has the input's dimensions.

    dims are those that mean and variance go over; statistics: (mean, variance) if they are constants.
    """
    if statistics is None:
        centred = input - input.mean(dims, keepdim=True)
        rstd = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    else:
        centred, rstd = input - statistics[0], (statistics[1] + eps).rsqrt()
    normal = centred * rstd
    inner = grad if weight is None else grad * weight
    if statistics is None:
        by_input = rstd * (inner - inner.mean(dims, keepdim=True) - normal * (inner * normal).mean(dims, keepdim=True))
    else:
        by_input = rstd * inner
    return by_input, grad * normal, grad


def _shaped(t, shape):
    return None if t is None else t.reshape(shape)


def _pick(needs, *gradients):
    return tuple(g if wanted else None for wanted, g in zip(needs, gradients, strict=True))


# ---------------------------------------------------------------- layer norm

def _layer_norm_gradients(grads, input, normalized_shape, weight, eps, others, needs):
    grad = grads[0]
    if grad is None:
        return None
    if not facula.is_grad_enabled():
        return facula._layer_norm_back(grad, input, normalized_shape, others[1], others[2], weight, needs[0], needs[1] or needs[2])
    lead = list(range(input.dim() - len(normalized_shape)))
    gx, gw, gb = _normalised_gradients(grad, input, weight, list(range(-len(normalized_shape), 0)), eps)
    return _pick(needs, gx, gw.sum(lead) if lead else gw, gb.sum(lead) if lead else gb)


op("native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (_, _, _)", kernel="norm.layer", method=False,
   vjp={"input, weight, bias": _layer_norm_gradients})
op("_layer_norm_back(Tensor grad_, Tensor input, int[] normalized_shape, Tensor mean, Tensor rstd, Tensor? weight, bool input_, bool affine) -> (_, _, _)",
   kernel="norm.layer_back", method=False, differentiable=False)


@composite("nn.functional.layer_norm")
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """Shifts and scales the trailing dimensions to mean 0 and variance 1.

    Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv 1607.06450.
    """
    return facula.native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@composite("layer_norm", method=False)
def _layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
    return layer_norm(input, normalized_shape, weight, bias, eps)


@composite("nn.functional.rms_norm")
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Scales the trailing dimensions to mean square 1.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv 1910.07467.
    """
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape):]) != shape or weight is not None and tuple(weight.shape) != shape:
        facula.native_layer_norm(input, shape, weight, None, 0.0)  # says what is wrong
    x = input if input.dtype in (facula.float32, facula.float64) or input.is_complex() else input.float()
    eps = facula.finfo(x.dtype).eps if eps is None else eps
    out = x * facula._add_number(facula.square(x).mean(list(range(-len(shape), 0)), keepdim=True), eps).rsqrt()
    return (out if weight is None else out * weight).to(input.dtype if weight is None else facula.result_type(input, weight))


composite("rms_norm", method=False)(rms_norm)


# ---------------------------------------------------------------- group norm

def _group_statistics_gradient(by_mean, by_rstd, input, groups, eps):
    """What gradients of the means and reciprocal deviations add to the input's."""
    rows = input.reshape(input.shape[0], groups, input[0].numel() // groups if input.shape[0] else 0)
    centred = rows - rows.mean(2, keepdim=True)
    rstd = ((centred * centred).mean(2, keepdim=True) + eps).rsqrt()
    total = 0 if by_mean is None else by_mean.unsqueeze(2).expand(rows.shape)
    total = total if by_rstd is None else total - by_rstd.unsqueeze(2) * rstd ** 3 * centred
    return (total / rows.shape[2]).reshape(input.shape)


def _group_norm_gradients(grads, input, groups, weight, eps, others, needs):
    grad = grads[0]
    if grads[1] is not None or grads[2] is not None:
        return _pick(needs, _group_statistics_gradient(*grads[1:], input, groups, eps), None, None) if grad is None else \
            tuple(a if b is None else b if a is None else a + b for a, b in
                  zip(_group_norm_gradients([grad, None, None], input, groups, weight, eps, others, needs),
                      (_group_statistics_gradient(*grads[1:], input, groups, eps), None, None), strict=True))
    if grad is None:
        return None
    if not facula.is_grad_enabled():
        return facula._group_norm_back(grad, input, others[1], others[2], weight, groups, needs[0], needs[1] or needs[2])
    n, channels = input.shape[:2]
    split, plain = (n, groups, channels // groups, input[:1, :1].numel()), (1, groups, channels // groups, 1)
    gx, gw, gb = _normalised_gradients(grad.reshape(split), input.reshape(split), _shaped(weight, plain), [2, 3], eps)
    return _pick(needs, gx.reshape(input.shape), gw.sum([0, 3]).reshape(-1), gb.sum([0, 3]).reshape(-1))


op("_group_norm(Tensor input, Tensor? weight, Tensor? bias, int groups, float eps) -> (_, _, _)", kernel="norm.group", method=False,
   node="NativeGroupNormBackward0", vjp={"input, weight, bias": _group_norm_gradients})
op("_group_norm_back(Tensor grad_, Tensor input, Tensor mean, Tensor rstd, Tensor? weight, int groups, bool input_, bool affine) -> (_, _, _)",
   kernel="norm.group_back", method=False, differentiable=False)


@composite("native_group_norm", method=False)
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """group_norm with its means and reciprocal standard deviations."""
    return facula._group_norm(input, weight, bias, group, eps)


@composite("nn.functional.group_norm")
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """Normalises groups of channels of each sample.

    Source: Wu and He, "Group Normalization", arXiv 1803.08494.
    """
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    channels = input.shape[1]
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(input.shape)} and "
                           f"num_groups={num_groups}")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != (channels,):
            raise RuntimeError(f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                               f"{list(t.shape)} and input of shape {list(input.shape)}")
    return facula._group_norm(input, weight, bias, num_groups, eps)[0]


@composite("group_norm", method=False)
def _group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    return group_norm(input, num_groups, weight, bias, eps)


# ---------------------------------------------------------------- batch norm

def _batch_norm_gradients(grads, input, weight, running_mean, running_var, training, eps, others, needs):
    grad = grads[0]
    if grad is None:
        return None
    if not facula.is_grad_enabled():
        return facula._batch_norm_back(grad, input, weight, running_mean, running_var, others[1], others[2], training, eps, needs[0])
    shape = [1, -1] + [1] * (input.dim() - 2)
    dims = [d for d in range(input.dim()) if d != 1]
    fixed = None if training else (running_mean.reshape(shape), running_var.reshape(shape))
    gx, gw, gb = _normalised_gradients(grad, input, _shaped(weight, shape), dims, eps, fixed)
    return _pick(needs, gx, gw.sum(dims), gb.sum(dims))


op("native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) "
   "-> (_, _, _)", kernel="norm.batch", method=False, vjp={"input, weight, bias": _batch_norm_gradients})
op("_batch_norm_back(Tensor grad_, Tensor input, Tensor? weight, Tensor? running_mean, Tensor? running_var, Tensor mean, Tensor rstd, bool training, "
   "float eps, bool input_) -> (_, _, _)", kernel="norm.batch_back", method=False, differentiable=False)


def _check_channels(channels, **tensors):
    for name, t in tensors.items():
        if t is not None and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")


@composite("nn.functional.batch_norm")
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """Normalises each channel over the batch (training) or by running statistics.

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv 1502.03167.
    """
    if input.dim() == 1 and input.numel() == 0:
        return input.clone()
    if input.dim() < 2:
        raise RuntimeError(f"batch_norm(): expected an input of at least 2 dimensions (batch, channels, ...), got shape {list(input.shape)}")
    if training:
        count = input.numel() // max(input.shape[1], 1)
        if count == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
    _check_channels(input.shape[1], running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    return facula.native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


@composite("batch_norm", method=False)
def _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@composite("nn.functional.instance_norm")
def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05):
    """Normalises each channel of each sample: batch_norm of one sample whose channels are all the samples' channels.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", arXiv 1607.08022.
    """
    n, channels = input.shape[:2]
    if use_input_stats and input[:1, :1].numel() == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    many = [None if t is None else t.repeat(n) for t in (running_mean, running_var, weight, bias)]
    flat = input.contiguous().view(1, n * channels, *input.shape[2:])
    out = facula.native_batch_norm(flat, many[2], many[3], many[0], many[1], use_input_stats, momentum, eps)[0]
    with facula.no_grad():
        for running, copies in ((running_mean, many[0]), (running_var, many[1])):
            if running is not None and use_input_stats:
                running.copy_(copies.view(n, channels).mean(0))
    return out.view(input.shape)


# ---------------------------------------------------------------- others

@composite("nn.functional.local_response_norm")
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divides each channel by a power of the energy of its neighbours."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    functional = facula.nn.functional
    square, before, after = input * input, size // 2, (size - 1) // 2
    if input.dim() == 3:  # channels as rows of an image
        total = functional.avg_pool2d(functional.pad(square.unsqueeze(1), (0, 0, before, after)), (size, 1), stride=1).squeeze(1)
    else:
        n, channels, height = input.shape[:3]
        volume = functional.pad(square.view(n, 1, channels, height, -1), (0, 0, 0, 0, before, after))
        total = functional.avg_pool3d(volume, (size, 1, 1), stride=1).squeeze(1).view(input.shape)
    return input / (total * alpha + k) ** beta


@composite("nn.functional.normalize")
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Divides by the p-norm along `dim`."""
    result = input / facula.linalg.vector_norm(input, p, dim, True).clamp_min(eps).expand_as(input)
    return result if out is None else out.copy_(result)
