"""Losses of detectors: by overlaps of boxes, and for classes of which few are right."""

from __future__ import annotations

import math

import facula
from facula.nn import functional as F

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss"]


def _reduced(loss, reduction):
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'")


def _floats(t):
    return t if t.dtype in (facula.float32, facula.float64) else t.float()


def _pairs(boxes1, boxes2, eps):
    """Of each pair of boxes: intersection over union, union, and sides of the hull."""
    common = (facula.min(boxes1[:, 2:], boxes2[:, 2:]) - facula.max(boxes1[:, :2], boxes2[:, :2]))
    common = facula.where((common > 0).all(1), common[:, 0] * common[:, 1], 0.0)
    union = sum((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes1, boxes2)) - common
    hull = facula.max(boxes1[:, 2:], boxes2[:, 2:]) - facula.min(boxes1[:, :2], boxes2[:, :2])
    return common / (union + eps), union, hull


def generalized_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - generalised intersection over union of pairs of boxes (n, 4). Source: Rezatofighi et al., arXiv 1902.09630."""
    iou, union, hull = _pairs(_floats(boxes1), _floats(boxes2), eps)
    area = hull[:, 0] * hull[:, 1]
    return _reduced(1 - (iou - (area - union) / (area + eps)), reduction)


def _distance(boxes1, boxes2, eps):
    iou, _, hull = _pairs(boxes1, boxes2, eps)
    centres = (boxes1[:, :2] + boxes1[:, 2:]) / 2 - (boxes2[:, :2] + boxes2[:, 2:]) / 2
    return 1 - iou + (centres ** 2).sum(1) / ((hull ** 2).sum(1) + eps), iou


def distance_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - `distance_box_iou` of pairs of boxes (n, 4). Source: Zheng et al., arXiv 1911.08287."""
    return _reduced(_distance(_floats(boxes1), _floats(boxes2), eps)[0], reduction)


def complete_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - `complete_box_iou` of pairs of boxes (n, 4). Source: Zheng et al., arXiv 1911.08287."""
    boxes1, boxes2 = _floats(boxes1), _floats(boxes2)
    loss, iou = _distance(boxes1, boxes2, eps)
    angle1, angle2 = (facula.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (boxes1, boxes2))
    shape = (4 / math.pi ** 2) * (angle2 - angle1) ** 2
    with facula.no_grad():
        alpha = shape / (1 - iou + shape + eps)
    return _reduced(loss + alpha * shape, reduction)


def sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2, reduction="none"):
    """Binary cross entropy that counts examples less the better they are known. Source: Lin et al., arXiv 1708.02002.

    Args:
        inputs: Logits of any shape.
        targets: 0 or 1 in the shape of `inputs`.
        alpha: Weight of the positive examples, 1 - alpha that of the others; -1 for no weights.
        gamma: Power of one minus the probability given to the right answer.
        reduction: "none", "mean" or "sum".
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = facula.sigmoid(inputs)
    right = p * targets + (1 - p) * (1 - targets)
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none") * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss.mean() if reduction == "mean" else _reduced(loss, reduction)
