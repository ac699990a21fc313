"""Boxes as rows of a tensor, (x1, y1, x2, y2) where nothing else is said."""

from __future__ import annotations

import math

import facula

__all__ = ["batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "complete_box_iou", "distance_box_iou",
           "generalized_box_iou", "masks_to_boxes", "nms", "remove_small_boxes"]


def _upcast(t):
    """Wide enough for products of coordinates."""
    if t.is_floating_point():
        return t if t.dtype in (facula.float32, facula.float64) else t.float()
    return t if t.dtype in (facula.int32, facula.int64) else t.int()


# ---------------------------------------------------------------- choosing boxes

def nms(boxes, scores, iou_threshold):
    """Indices of the boxes kept, best first; those that overlap a better one by more than the threshold are left out.

    Args:
        boxes: Shape (boxes, 4).
        scores: Shape (boxes,).
        iou_threshold: Intersection over union up to which both of two boxes stay.
    """
    return facula._nms(boxes, scores, iou_threshold)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """`nms` among the boxes of each class; idxs, shape (boxes,), says which class a box is of."""
    if boxes.numel() == 0:
        return facula.empty((0,), dtype=facula.int64, device=boxes.device)
    if boxes.numel() > 4000:
        keep = facula.zeros_like(scores, dtype=facula.bool)
        for c in facula.unique(idxs):
            members = facula.where(idxs == c)[0]
            keep[members[nms(boxes[members], scores[members], iou_threshold)]] = True
        kept = facula.where(keep)[0]
        return kept[scores[kept].sort(descending=True)[1]]
    # Classes moved so far apart that their boxes cannot overlap.
    apart = idxs.to(boxes) * (boxes.max() + facula.tensor(1).to(boxes))
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes, min_size):
    """Indices of boxes with both sides of at least the size."""
    wide = (boxes[:, 2] - boxes[:, 0] >= min_size) & (boxes[:, 3] - boxes[:, 1] >= min_size)
    return facula.where(wide)[0]


def clip_boxes_to_image(boxes, size):
    """Boxes cut to an image of (height, width)."""
    height, width = size
    xs, ys = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return facula.stack([xs, ys], boxes.dim()).reshape(boxes.shape)


# ---------------------------------------------------------------- notations

def _centre_of_rotated(t):
    x, y, w, h, r = t.unbind(-1)
    cos, sin = facula.cos(facula.deg2rad(r)) / 2, facula.sin(facula.deg2rad(r)) / 2
    return facula.stack([x + w * cos + h * sin, y - w * sin + h * cos, w, h, r], -1)


def _corner_of_rotated(t):
    x, y, w, h, r = t.unbind(-1)
    cos, sin = facula.cos(facula.deg2rad(r)) / 2, facula.sin(facula.deg2rad(r)) / 2
    return facula.stack([x - w * cos - h * sin, y + w * sin - h * cos, w, h, r], -1)


def _corners_of_rotated(t):
    x, y, w, h, r = t.unbind(-1)
    cos, sin = facula.cos(facula.deg2rad(r)), facula.sin(facula.deg2rad(r))
    return facula.stack([x, y, x + w * cos, y - w * sin, x + w * cos + h * sin, y - w * sin + h * cos, x + h * sin, y + h * cos], -1)


def _rotated_of_corners(t):
    x1, y1, x2, y2, x3, y3 = t.unbind(-1)[:6]
    r = facula.rad2deg(facula.atan2(y1 - y2, x2 - x1))
    return facula.stack([x1, y1, ((x2 - x1) ** 2 + (y1 - y2) ** 2).sqrt(), ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt(), r], -1)


def _of_sizes(t):
    x, y, w, h = t.unbind(-1)
    return facula.stack([x, y, x + w, y + h], -1)


def _sizes_of(t):
    x1, y1, x2, y2 = t.unbind(-1)
    return facula.stack([x1, y1, x2 - x1, y2 - y1], -1)


def _of_centre(t):
    cx, cy, w, h = t.unbind(-1)
    return facula.stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h], -1)


def _centre_of(t):
    x1, y1, x2, y2 = t.unbind(-1)
    return facula.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], -1)


def _same(t):
    return t


# Every notation to and from one of its family: upright boxes by corners, rotated ones by a corner, sizes and degrees.
_UPRIGHT = {"xyxy": (_same, _same), "xywh": (_of_sizes, _sizes_of), "cxcywh": (_of_centre, _centre_of)}
_ROTATED = {"xywhr": (_same, _same), "cxcywhr": (_corner_of_rotated, _centre_of_rotated), "xyxyxyxy": (_rotated_of_corners, _corners_of_rotated)}


def box_convert(boxes, in_fmt, out_fmt):
    """Boxes in another notation.

    Args:
        boxes: Shape (..., 4), (..., 5) for rotated boxes with an angle in degrees, or (..., 8) for four corners.
        in_fmt, out_fmt: Of "xyxy", "xywh" and "cxcywh"; or of "xywhr", "cxcywhr" and "xyxyxyxy".
    """
    if not {in_fmt, out_fmt} <= {*_UPRIGHT, *_ROTATED}:
        raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    if in_fmt == out_fmt:
        return boxes.clone()
    for family in (_UPRIGHT, _ROTATED):
        if in_fmt in family and out_fmt in family:
            return family[out_fmt][1](family[in_fmt][0](boxes))
    raise NotImplementedError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")


# ---------------------------------------------------------------- areas and overlaps

def box_area(boxes, fmt="xyxy"):
    """Areas, shape (boxes,); `fmt` is a notation of upright boxes."""
    if fmt not in _UPRIGHT:
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    boxes = _upcast(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def _common_and_union(boxes1, boxes2):
    low = facula.max(boxes1[:, None, :2], boxes2[:, :2])
    high = facula.min(boxes1[:, None, 2:], boxes2[:, 2:])
    inside = _upcast(high - low).clamp(min=0)
    common = inside[..., 0] * inside[..., 1]
    return common, box_area(boxes1)[:, None] + box_area(boxes2) - common


def box_iou(boxes1, boxes2, fmt="xyxy"):
    """Intersection over union of each pair, shape (boxes1, boxes2); `fmt` is a notation of upright boxes."""
    if fmt not in _UPRIGHT:
        if fmt in _ROTATED:
            raise NotImplementedError(f"box_iou: overlaps of rotated boxes (fmt={fmt!r}) are not supported; use one of {tuple(_UPRIGHT)}")
        raise ValueError(f"Unsupported format '{fmt}'. Supported axis-aligned formats: ('xyxy', 'xywh', 'cxcywh'). Supported rotated formats: "
                         "('cxcywhr', 'xywhr', 'xyxyxyxy').")
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    common, union = _common_and_union(boxes1, boxes2)
    return common / union


def _hull(boxes1, boxes2):
    """Sides of the smallest box around each pair, shape (boxes1, boxes2, 2)."""
    low = facula.min(boxes1[:, None, :2], boxes2[:, :2])
    high = facula.max(boxes1[:, None, 2:], boxes2[:, 2:])
    return _upcast(high - low).clamp(min=0)


def generalized_box_iou(boxes1, boxes2):
    """Intersection over union less the share of the pair's hull that neither covers. Source: Rezatofighi et al., arXiv 1902.09630."""
    common, union = _common_and_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    area = sides[..., 0] * sides[..., 1]
    return common / union - (area - union) / area


def _distance_and_iou(boxes1, boxes2, eps):
    iou = box_iou(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    x1, y1 = (boxes1[:, 0] + boxes1[:, 2]) / 2, (boxes1[:, 1] + boxes1[:, 3]) / 2
    x2, y2 = (boxes2[:, 0] + boxes2[:, 2]) / 2, (boxes2[:, 1] + boxes2[:, 3]) / 2
    centres = _upcast(x1[:, None] - x2[None, :]) ** 2 + _upcast(y1[:, None] - y2[None, :]) ** 2
    return iou - centres / diagonal, iou


def distance_box_iou(boxes1, boxes2, eps=1e-7):
    """Intersection over union less the centres' squared distance by the hull's diagonal. Source: Zheng et al., arXiv 1911.08287."""
    boxes1, boxes2 = _upcast(boxes1), _upcast(boxes2)
    return _distance_and_iou(boxes1, boxes2, eps)[0]


def complete_box_iou(boxes1, boxes2, eps=1e-7):
    """`distance_box_iou` less a term for different shapes. Source: Zheng et al., arXiv 1911.08287."""
    boxes1, boxes2 = _upcast(boxes1), _upcast(boxes2)
    diou, iou = _distance_and_iou(boxes1, boxes2, eps)
    angle1, angle2 = (facula.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (boxes1, boxes2))
    shape = (4 / math.pi ** 2) * (angle1[:, None] - angle2[None, :]) ** 2
    with facula.no_grad():
        alpha = shape / (1 - iou + shape + eps)
    return diou - alpha * shape


def masks_to_boxes(masks):
    """The smallest box around each mask's nonzero pixels, shape (masks, 4), float32; masks have shape (masks, height, width)."""
    boxes = facula.zeros((masks.shape[0], 4), device=masks.device, dtype=facula.float32)
    for box, mask in zip(boxes, masks):
        y, x = facula.where(mask != 0)
        if len(x):
            box.copy_(facula.stack([x.min(), y.min(), x.max(), y.max()]))
    return boxes
