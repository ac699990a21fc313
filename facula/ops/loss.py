"""Losses."""

from __future__ import annotations

import math
import warnings

import facula

from .._levels import readable
from ._table import composite, op
from .elementwise import _scalar_name


def _nll_gradient(grads, input, target, weight, reduction, ignore_index, others):
    if grads[0] is None:
        return None
    return facula._nll_back(grads[0], target, weight, others[1], input.shape, reduction, ignore_index)


def _nll_back_gradient(grad, target, weight, total, reduction, ignore_index):
    safe = target.masked_fill(target == ignore_index, 0)
    share = (target != ignore_index).to(grad.dtype) if weight is None else weight[safe] * (target != ignore_index)
    classes = 1 if grad.dim() > 1 else 0
    picked = -share * grad.gather(classes, safe.unsqueeze(classes)).squeeze(classes)
    return picked if reduction == 0 else picked.sum() / total if reduction == 1 else picked.sum()


for _name, _node in (("_nll", "NllLossBackward0"), ("_nll2d", "NllLoss2DBackward0")):
    op(f"{_name}(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index) -> (_, _)", kernel="loss.nll", method=False, node=_node,
       vjp={"input": _nll_gradient})
op("_nll_back(Tensor grad_, Tensor target, Tensor? weight, Tensor total, int[] shape, int reduction, int ignore_index)", kernel="loss.nll_back", method=False,
   vjp={"grad_": _nll_back_gradient})
_CODES = {"none": 0, "mean": 1, "sum": 2}
_NAMES = tuple(_CODES)


def reduction_of_flags(size_average, reduce):
    """The reduction that the old flags mean."""
    average, collapse = size_average is None or size_average, reduce is None or reduce
    return "mean" if average and collapse else "sum" if collapse else "none"


def reduction_code(reduction):
    """0, 1, 2 for 'none', 'mean', 'sum'."""
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=3)
        return 1
    code = _CODES.get(reduction)
    if code is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return code


def _reduction(reduction, size_average=None, reduce=None):
    """The name that reduction, or the old flags where one is given, stand for."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of_flags(size_average, reduce)
        warnings.warn(f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", UserWarning, 4)
    return _NAMES[reduction_code(reduction)]


def _number(value, like):
    """A number as a tensor without dimensions: an edge of its own in the graph, as PyTorch has it there."""
    return facula.full((), value, dtype=like.dtype if like.is_floating_point() or like.is_complex() else None)


def _reduce(loss, reduction):
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _weighted(loss, weight, reduction):
    """With weights, the mean is by their sum."""
    loss = loss * weight
    return loss.sum() / weight.expand_as(loss).sum() if reduction == "mean" else _reduce(loss, reduction)


@composite("nn.functional.nll_loss")
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the log-probability of the target class."""
    reduction = _reduction(reduction, size_average, reduce)
    if input.dim() == 1:
        if target.dim() != 0:
            raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported; got target of shape {list(target.shape)}")
    if input.dim() < 1:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input.dim() > 1 and input.shape[0] != target.shape[0]:
        raise ValueError(f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({target.shape[0]}).")
    if input.dim() > 1 and input.shape[:1] + input.shape[2:] != target.shape:
        raise RuntimeError(f"size mismatch (got input: {list(input.shape)}, target: {list(target.shape)})")
    classes = 1 if input.dim() > 1 else 0
    if target.dtype not in (facula.int64, facula.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {_scalar_name(target)}")
    if weight is not None and tuple(weight.shape) != (input.shape[classes],):
        raise RuntimeError("weight tensor should be defined either for all " f"{input.shape[classes]} classes or no classes but got weight tensor of shape: "
                           f"{list(weight.shape)}")
    if input.dim() <= 2:
        return facula._nll(input, target, weight, _CODES[reduction], ignore_index)[0]
    planes, goals = input, target
    if input.dim() != 4:  # the rest as one plane of one row
        n, inner = input.shape[0], target[:1].numel()
        planes, goals = input.reshape(n, input.shape[1], 1, inner), target.reshape(n, 1, inner)
    loss = facula._nll2d(planes, goals, weight, _CODES[reduction], ignore_index)[0]
    return loss.view(target.shape) if reduction == "none" and input.dim() != 4 else loss


@composite("nn.functional.cross_entropy")
def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
    """Negative log-likelihood of the target under softmax(input)."""
    reduction = _reduction(reduction, size_average, reduce)
    axis = 0 if input.dim() == 1 else 1
    if target.shape == input.shape and target.dtype.is_floating_point:
        return _soft_targets(input, target, weight, reduction, label_smoothing, axis)
    logs = facula.log_softmax(input, axis)
    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return loss
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    smooth = -(logs if weight is None else logs * _along(weight, input, axis)).sum(axis)
    ignored = target == ignore_index
    smooth = smooth.masked_fill(ignored, 0.0)
    if reduction == "mean":
        smooth = smooth.sum() / ((~ignored).sum() if weight is None else weight[target.masked_fill(ignored, 0)].masked_fill(ignored, 0.0).sum())
    else:
        smooth = _reduce(smooth, reduction)
    return facula._mul_number(loss, 1 - label_smoothing) + facula._mul_number(smooth, label_smoothing / input.shape[axis])


def _along(weight, input, axis):
    """Class weights in the input's dimensions."""
    shape = [1] * input.dim()
    shape[axis] = -1
    return weight.reshape(shape)


@composite("nn.functional.linear_cross_entropy")
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None, label_smoothing=0.0,
                         options=None):
    """cross_entropy of linear(input, linear_weight); the weight's dimensions between classes and features are those of the target's positions."""
    features = linear_weight.dim() - 1
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if features < 1:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(f"expected equal input and linear_weight last dimensions (in_features), got {input.shape[-1]} and {linear_weight.shape[-1]}, "
                           "respectively")
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if features > 1 and input.dim() == 1:
        raise RuntimeError(f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, (N, {input.shape[-1]}), "
                           f"got unbatched input with shape {tuple(input.shape)}")
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {tuple(linear_weight.shape[:-1])}, got {tuple(linear_bias.shape)}")
    matrix = linear_weight if features == 1 else linear_weight.flatten(0, features - 1)
    logits = facula.nn.functional.linear(input, matrix, None if linear_bias is None else linear_bias.flatten())
    logits = logits.view(*input.shape[:-1], *linear_weight.shape[:-1])
    return cross_entropy(logits, target, weight, reduction=reduction, ignore_index=-100 if ignore_index is None else ignore_index,
                         label_smoothing=label_smoothing)


def _soft_targets(input, target, weight, reduction, smoothing, axis):
    classes = input.shape[axis]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    loss = facula.log_softmax(input, axis) * target
    if weight is not None:
        loss = loss * _along(weight, input, axis)
    if reduction == "mean":
        return facula._div_number(-loss.sum(), max(input.numel() // classes, 1))
    return -loss.sum() if reduction == "sum" else -loss.sum(axis)


def _check_sizes(input, target, name):
    if input.shape != target.shape:
        warnings.warn(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead to incorrect "
                      "results due to broadcasting. Please ensure they have the same size.", UserWarning, 4)


@composite("nn.functional.mse_loss")
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Squared differences."""
    _check_sizes(input, target, "mse_loss")
    reduction = _reduction(reduction, size_average, reduce)
    if weight is not None:
        return _weighted((input - target) ** 2, weight, reduction)
    return facula._mse_loss(input, target, _CODES[reduction])


@composite("nn.functional.l1_loss")
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Absolute differences."""
    _check_sizes(input, target, "l1_loss")
    loss = (input - target).abs()
    reduction = _reduction(reduction, size_average, reduce)
    return _reduce(loss, reduction) if weight is None else _weighted(loss, weight, reduction)


@composite("nn.functional.smooth_l1_loss")
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Squared below beta, absolute above."""
    _check_sizes(input, target, "smooth_l1_loss")
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    reduction = _reduction(reduction, size_average, reduce)
    if beta == 0:
        return _reduce((input - target).abs(), reduction)
    return facula._smooth_l1_loss(input, target, beta, _CODES[reduction])


@composite("nn.functional.huber_loss")
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Squared below delta, linear above."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    reduction = _reduction(reduction)
    if weight is not None:
        return _reduce(facula._huber_loss(input, target, delta, 0) * weight, reduction)
    return facula._huber_loss(input, target, delta, _CODES[reduction])


@composite("nn.functional.binary_cross_entropy")
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Cross entropy of probabilities; logarithms are cut off at -100."""
    if input.shape != target.shape:
        raise ValueError(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please ensure they "
                         "have the same size.")
    reduction = _reduction(reduction, size_average, reduce)
    if input.numel() and not input.is_meta:
        low, high = input.detach().aminmax()
        if not (low >= 0 and high <= 1):
            raise RuntimeError("all elements of input should be between 0 and 1")
    return facula._binary_cross_entropy(input, target, 1 if weight is None else weight.expand_as(target), _CODES[reduction])


@composite("nn.functional.binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
    """Cross entropy of sigmoid(input), without overflow."""
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    return facula._binary_cross_entropy_with_logits(input, target, 1 if weight is None else weight, 1 if pos_weight is None else pos_weight,
                                                    _CODES[_reduction(reduction, size_average, reduce)])


@composite("nn.functional.kl_div")
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """Kullback and Leibler's divergence of log-probabilities from targets."""
    loss = target.exp() * (target - input) if log_target else facula.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.dim() else loss.sum()
    return _reduce(loss, _reduction(reduction, size_average, reduce))


@composite("nn.functional.poisson_nll_loss")
def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"):
    """Negative log-likelihood of Poisson counts."""
    loss = input.exp() - target * input if log_input else input - target * facula._add_number(input, eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + facula.where(target > 1, stirling, facula.zeros_like(stirling))
    return _reduce(loss, _reduction(reduction, size_average, reduce))


@composite("nn.functional.gaussian_nll_loss")
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood of normally distributed targets."""
    if not isinstance(var, facula.Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * facula.ones_like(input)
    elif readable(var) and bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not _one_variance_a_row(input.shape, var.shape):
            raise ValueError("var is of incorrect size")
    if reduction not in _CODES:
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with facula.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


def _one_variance_a_row(shape, var):
    """Whether var differs from shape in one place only, where it is 1."""
    return len(shape) == len(var) and sum(a != b for a, b in zip(shape, var, strict=True)) == 1 and any(a != b and b == 1 for a, b in zip(shape, var, strict=True))


@composite("nn.functional.hinge_embedding_loss")
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """The input where the target is 1, max(0, margin - input) where it is -1."""
    zero = facula.zeros_like(input)
    loss = facula.where(target != 1, (_number(margin, input) - input).clamp_min(0), zero) + facula.where(target != -1, input, zero)
    return _reduce(loss, _reduction(reduction, size_average, reduce))


@composite("nn.functional.margin_ranking_loss")
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target (input1 - input2) + margin)."""
    return _reduce(facula._add_number(-target * (input1 - input2), margin).clamp_min(0), _reduction(reduction, size_average, reduce))


@composite("nn.functional.soft_margin_loss")
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input))."""
    return facula._soft_margin_loss(input, target, _CODES[_reduction(reduction, size_average, reduce)])


@composite("nn.functional.cosine_embedding_loss")
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1."""
    eps = 1e-12
    squares = facula._add_number((input1 * input1).sum(-1), eps) * facula._add_number((input2 * input2).sum(-1), eps)
    cos = (input1 * input2).sum(-1) / squares.sqrt()
    zero = facula.zeros_like(cos)
    loss = facula.where(target == 1, facula.ones_like(cos) - cos, zero) + facula.where(target == -1, (cos - margin).clamp_min(0), zero)
    return _reduce(loss, _reduction(reduction, size_average, reduce))


@composite("nn.functional.multilabel_soft_margin_loss")
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Mean binary cross entropy of the labels."""
    log_sigmoid = facula.nn.functional.logsigmoid
    loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    loss = (loss if weight is None else loss * weight).sum(-1) / input.shape[-1]
    return _reduce(loss, _reduction(reduction, size_average, reduce))


@composite("nn.functional.multi_margin_loss")
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Hinge loss between the target class and each other one."""
    reduction = _reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    return facula._multi_margin_loss(input, target, p, margin, weight, _CODES[reduction])


op("_multi_margin_loss(Tensor input, Tensor target, int p, float margin, Tensor? weight, int reduction)", kernel="loss.multi_margin", method=False,
   node="MultiMarginLossBackward0",
   vjp={"input": lambda grad, input, target, p, margin, weight, reduction: facula._multi_margin_back(grad, input, target, p, margin, weight, reduction)})
op("_multi_margin_back(Tensor grad_, Tensor input, Tensor target, int p, float margin, Tensor? weight, int reduction)", kernel="loss.multi_margin_back",
   method=False)


@composite("nn.functional.multilabel_margin_loss")
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Hinge loss between each target class and each class that is none; targets end at the first -1."""
    return facula._multilabel_margin_loss(input, target, _CODES[_reduction(reduction, size_average, reduce)])[0]


op("_multilabel_margin_loss(Tensor input, Tensor target, int reduction) -> (_, _)", kernel="loss.multilabel_margin", method=False,
   node="MultilabelMarginLossBackward0",
   vjp={"input": lambda grads, input, target, reduction: None if grads[0] is None else facula._multilabel_margin_back(grads[0], input, target, reduction)})
op("_multilabel_margin_back(Tensor grad_, Tensor input, Tensor target, int reduction)", kernel="loss.multilabel_margin_back", method=False)


@composite("nn.functional.triplet_margin_loss")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    reduction = _reduction(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor {anchor.dim()}D, "
                           f"positive {positive.dim()}D, and negative {negative.dim()}D inputs")

    def distance(a, b):
        return facula.pairwise_distance(a, b, p, eps)

    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = facula.minimum(far, distance(positive, negative))
    return _reduce((facula._add_number(near, margin) - far).clamp_min(0), reduction)


@composite("nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
    """triplet_margin_loss of any distance."""
    reduction = _reduction(reduction)
    distance = facula.pairwise_distance if distance_function is None else distance_function
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = facula.minimum(far, distance(positive, negative))
    sizes = [t.dim() for t in (anchor, positive, negative)]
    if len(set(sizes)) > 1:
        raise RuntimeError(f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor {sizes[0]}D, "
                           f"positive {sizes[1]}D, and negative {sizes[2]}D inputs")
    return _reduce((margin + near - far).clamp_min(0), reduction)
