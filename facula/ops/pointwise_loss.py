"""Losses as formulas: value, reduction and gradient are one pass each. loss.py has the public functions."""

from ._formula import f
from ._table import pointwise

_SHRUNK = {"types": "fd", "reduction": "reduction", "method": False}


def _loss(name, signature, formula, node, vjp):
    pointwise(f"{name}({signature}, int reduction)", formula, node=node, vjp=vjp, **_SHRUNK)


_loss("_mse_loss", "Tensor input, Tensor target", lambda input, target: (input - target) * (input - target), "MseLossBackward0",
      {"input": lambda grad, input, target: grad * (input - target) * 2, "target": lambda grad, input, target: grad * (target - input) * 2})


def _smooth(input, target, beta):
    gap = abs(input - target)
    return f.where(gap < beta, gap * gap * 0.5 / beta, gap - beta * 0.5)


def _smooth_slope(gap, beta):
    return f.where(abs(gap) < beta, gap / beta, f.sign(gap))


_loss("_smooth_l1_loss", "Tensor input, Tensor target, Scalar beta", _smooth, "SmoothL1LossBackward0",
      {"input": lambda grad, input, target, beta: grad * _smooth_slope(input - target, beta),
       "target": lambda grad, input, target, beta: grad * _smooth_slope(target - input, beta)})


def _huber(input, target, delta):
    gap = abs(input - target)
    return f.where(gap <= delta, gap * gap * 0.5, (gap - delta * 0.5) * delta)


def _huber_slope(gap, delta):
    return f.where(abs(gap) <= delta, gap, delta * f.sign(gap))


_loss("_huber_loss", "Tensor input, Tensor target, Scalar delta", _huber, "HuberLossBackward0",
      {"input": lambda grad, input, target, delta: grad * _huber_slope(input - target, delta),
       "target": lambda grad, input, target, delta: grad * _huber_slope(target - input, delta)})


def _cross_entropy_of_probability(input, target, weight):
    """Logarithms are cut off at -100."""
    return -weight * (target * f.maximum(f.log(input), -100.0) + (1 - target) * f.maximum(f.log1p(-input), -100.0))


_loss("_binary_cross_entropy", "Tensor input, Tensor target, Tensor|Scalar weight", _cross_entropy_of_probability, "BinaryCrossEntropyBackward0",
      {"input": lambda grad, input, target, weight: grad * weight * (input - target) / f.maximum((1 - input) * input, 1e-12),
       "target": lambda grad, input, weight: grad * weight * (f.maximum(f.log1p(-input), -100.0) - f.maximum(f.log(input), -100.0))})


def _log_sigmoid(x):
    return f.where(x < 0, x, 0) - f.log1p(f.exp(-abs(x)))


_loss("_binary_cross_entropy_with_logits", "Tensor input, Tensor target, Tensor|Scalar weight, Tensor|Scalar pos_weight",
      lambda input, target, weight, pos_weight: weight * ((1 - target) * input - (1 + (pos_weight - 1) * target) * _log_sigmoid(input)),
      "BinaryCrossEntropyWithLogitsBackward0",
      {"input": lambda grad, input, target, weight, pos_weight:
       grad * weight * ((1 + (pos_weight - 1) * target) * (f.sigmoid(input) - 1) + 1 - target),
       "target": lambda grad, input, weight, pos_weight: -grad * weight * (input + (pos_weight - 1) * _log_sigmoid(input))})
_loss("_soft_margin_loss", "Tensor input, Tensor target", lambda input, target: f.log1p(f.exp(-input * target)), "SoftMarginLossBackward0",
      {"input": lambda grad, input, target: -grad * target * f.sigmoid(-input * target)})
