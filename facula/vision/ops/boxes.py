"""Boxes (x1, y1, x2, y2) as rows of a tensor."""

from __future__ import annotations

import facula


def box_area(boxes):
    """Areas, shape (boxes,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(boxes1, boxes2):
    """Intersection over union of each pair, shape (boxes1, boxes2)."""
    low = facula.max(boxes1[:, None, :2], boxes2[:, :2])
    high = facula.min(boxes1[:, None, 2:], boxes2[:, 2:])
    inside = (high - low).clamp(min=0)
    common = inside[..., 0] * inside[..., 1]
    return common / (box_area(boxes1)[:, None] + box_area(boxes2) - common)


def nms(boxes, scores, iou_threshold):
    """Indices of the boxes kept, best first; those that overlap a better one too much are left out."""
    order = scores.argsort(descending=True, stable=True).tolist()
    overlap = (box_iou(boxes, boxes) > iou_threshold).tolist()
    kept = []
    for i in order:
        if not any(overlap[i][j] for j in kept):
            kept.append(i)
    return facula.tensor(kept, dtype=facula.int64)


def box_convert(boxes, in_fmt, out_fmt):
    """From one of xyxy, xywh, cxcywh to another."""
    known = ("xyxy", "xywh", "cxcywh")
    if in_fmt not in known or out_fmt not in known:
        raise ValueError("Unsupported Bounding Box Conversions for given in_fmt and out_fmt")
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return facula.stack([a, b, c, d], -1)


def clip_boxes_to_image(boxes, size):
    """Boxes cut to an image of (height, width)."""
    height, width = size
    xs, ys = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return facula.stack([xs, ys], -1).reshape(boxes.shape)


def remove_small_boxes(boxes, min_size):
    """Indices of boxes with both sides of at least the size."""
    wide = (boxes[:, 2] - boxes[:, 0] >= min_size) & (boxes[:, 3] - boxes[:, 1] >= min_size)
    return wide.nonzero().squeeze(1)
