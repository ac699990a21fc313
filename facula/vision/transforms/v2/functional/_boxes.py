"""Boxes and points: formats, and where a change of the image takes them."""

from __future__ import annotations

import facula
from facula import Tensor
from facula.vision import tv_tensors
from facula.vision.tv_tensors import BoundingBoxFormat as Format

from ..._tensor import _expanded_size
from ...functional import _affine_inverse

_TURNED = {Format.XYWHR, Format.CXCYWHR, Format.XYXYXYXY}


# ---------------------------------------------------------------- formats

def _to_corners(boxes, format):
    """Boxes of any format as (x1, y1, x2, y2), those that can be turned as (x1, y1, ... x4, y4)."""
    if format in (Format.XYXY, Format.XYXYXYXY):
        return boxes
    x, y, w, h = boxes.unbind(-1)[:4]
    if format == Format.XYWH:
        return facula.stack([x, y, x + w, y + h], -1)
    if format == Format.CXCYWH:
        return facula.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
    turn = boxes[..., 4].deg2rad()
    cos, sin = turn.cos(), turn.sin()
    if format == Format.CXCYWHR:
        x, y = x - w / 2 * cos - h / 2 * sin, y - h / 2 * cos + w / 2 * sin
    right, up = (x + w * cos, y - w * sin), (x + h * sin, y + h * cos)
    return facula.stack([x, y, *right, right[0] + h * sin, right[1] + h * cos, *up], -1)


def _from_corners(corners, format):
    if format in (Format.XYXY, Format.XYXYXYXY):
        return corners
    if format == Format.XYWH:
        x1, y1, x2, y2 = corners.unbind(-1)
        return facula.stack([x1, y1, x2 - x1, y2 - y1], -1)
    if format == Format.CXCYWH:
        x1, y1, x2, y2 = corners.unbind(-1)
        return facula.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], -1)
    x1, y1, x2, y2, x3, y3 = corners.unbind(-1)[:6]
    turn = facula.atan2(y1 - y2, x2 - x1)
    w, h = ((x2 - x1) ** 2 + (y2 - y1) ** 2).sqrt(), ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt()
    if format == Format.CXCYWHR:
        x1, y1 = (x1 + x3) / 2, (y1 + y3) / 2
    return facula.stack([x1, y1, w, h, turn.rad2deg()], -1)


def convert_format(boxes, old, new):
    """Plain boxes from one format to another."""
    if old == new:
        return boxes
    if {old, new} == {Format.XYWHR, Format.CXCYWHR}:
        x, y, w, h, turn = boxes.unbind(-1)
        cos, sin = turn.deg2rad().cos(), turn.deg2rad().sin()
        sign = 0.5 if old == Format.XYWHR else -0.5
        return facula.stack([x + sign * (w * cos + h * sin), y + sign * (h * cos - w * sin), w, h, turn], -1)
    if (old in _TURNED) != (new in _TURNED):
        raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
    return _from_corners(_to_corners(_floating(boxes), old), new).to(boxes.dtype)


def _floating(boxes):
    """Whole numbers are changed as floats, and cut off after it."""
    return boxes if boxes.is_floating_point() else boxes.float()


# ---------------------------------------------------------------- borders

def clamp_boxes(boxes, format, canvas_size, mode):
    """Boxes cut at the border of the image."""
    if mode is None:
        return boxes.clone()
    if format in _TURNED:
        return _clamp_turned(boxes, format, canvas_size, mode)
    height, width = canvas_size
    corners = _to_corners(_floating(boxes), format).clone()
    corners[..., 0::2] = corners[..., 0::2].clamp(0, width)
    corners[..., 1::2] = corners[..., 1::2].clamp(0, height)
    return _from_corners(corners, format).to(boxes.dtype)


def _clamp_turned(boxes, format, canvas_size, mode):
    """Turned boxes have no exact cut: the soft one leaves them, the hard one cuts their corners."""
    if mode != "hard":
        return boxes.clone()
    height, width = canvas_size
    corners = _to_corners(boxes, format).clone()
    corners[..., 0::2] = corners[..., 0::2].clamp(0, width)
    corners[..., 1::2] = corners[..., 1::2].clamp(0, height)
    return _from_corners(corners, format)


def clamp_points(points, canvas_size):
    """Points moved to the nearest pixel of the image."""
    height, width = canvas_size
    return facula.stack([points[..., 0].clamp(0, width - 1), points[..., 1].clamp(0, height - 1)], -1)


# ---------------------------------------------------------------- moving

def move_boxes(move, clamp="exact"):
    """A kernel of boxes from `move(canvas_size, **arguments) -> (map of x and y, new canvas_size)`.

    `clamp`: boxes of integers are cut before they are rounded ("exact"), after it ("whole") or not at all (None).
    """
    def kernel(inpt, **arguments):
        map_point, canvas_size = move(inpt.canvas_size, **arguments)
        boxes, format = inpt.as_subclass(Tensor), inpt.format
        corners = _to_corners(_floating(boxes), format)
        if format not in _TURNED:
            x1, y1, x2, y2 = corners.unbind(-1)
            corners = facula.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1)
        xs, ys = map_point(corners[..., 0::2], corners[..., 1::2])
        if format in _TURNED:
            moved = _from_corners(facula.stack([xs, ys], -1).flatten(-2), format)
        else:
            moved = facula.stack([xs.amin(-1), ys.amin(-1), xs.amax(-1), ys.amax(-1)], -1)
            if clamp == "exact":
                moved = clamp_boxes(moved, Format.XYXY, canvas_size, inpt.clamping_mode)
            moved = _from_corners(moved, format)
        moved = moved.to(boxes.dtype)
        if clamp == "whole" or clamp and format in _TURNED:
            moved = clamp_boxes(moved, format, canvas_size, inpt.clamping_mode)
        return tv_tensors.wrap(moved, like=inpt, canvas_size=canvas_size)

    return kernel


def move_points(move):
    """A kernel of key points; `move` as in `move_boxes`."""
    def kernel(inpt, **arguments):
        map_point, canvas_size = move(inpt.canvas_size, **arguments)
        points = inpt.as_subclass(Tensor)
        moved = facula.stack(map_point(points[..., 0], points[..., 1]), -1).to(points.dtype)
        return tv_tensors.wrap(moved, like=inpt, canvas_size=canvas_size)

    return kernel


def shift(x, y, canvas_size):
    return lambda xs, ys: (xs + x, ys + y), canvas_size


def affine(canvas_size, angle, translate, scale, shear, center=None, expand=False):
    """Where an affine change takes points; with `expand`, on a canvas that holds the whole image."""
    height, width = canvas_size
    center = [width * 0.5, height * 0.5] if center is None else [float(c) for c in center]
    a, b, c, d, e, f = _affine_inverse(center, angle, [float(t) for t in translate], scale, shear)
    det = a * e - b * d
    matrix = [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det]
    low = [0.0, 0.0]
    if expand:
        corners = [(matrix[0] * x + matrix[1] * y + matrix[2], matrix[3] * x + matrix[4] * y + matrix[5])
                   for x, y in ((0, 0), (0, height), (width, height), (width, 0))]
        low = [min(p[i] for p in corners) for i in (0, 1)]
        canvas_size = tuple(_expanded_size([a, b, c, d, e, f], width, height)[::-1])

    def move(xs, ys):
        xs, ys = _floating(xs), _floating(ys)
        return matrix[0] * xs + matrix[1] * ys + (matrix[2] - low[0]), matrix[3] * xs + matrix[4] * ys + (matrix[5] - low[1])

    return move, canvas_size


def perspective(canvas_size, coefficients):
    """Where a perspective takes points; the coefficients lead the other way."""
    a, b, c, d, e, f, g, h = coefficients
    det = a * e - b * d
    if det == 0:
        raise RuntimeError(f"Provided perspective_coeffs {coefficients} can not be inverted to transform bounding boxes. "
                           f"Denominator is zero, denom={det}")
    top = [(e - f * h) / det, (-b + c * h) / det, (b * f - c * e) / det]
    middle = [(-d + f * g) / det, (a - c * g) / det, (-a * f + c * d) / det]
    bottom = [(d * h - e * g) / det, (b * g - a * h) / det, 1.0]

    def move(xs, ys):
        xs, ys = _floating(xs), _floating(ys)
        below = bottom[0] * xs + bottom[1] * ys + bottom[2]
        return (top[0] * xs + top[1] * ys + top[2]) / below, (middle[0] * xs + middle[1] * ys + middle[2]) / below

    return move, canvas_size


def elastic(canvas_size, displacement):
    """Where displacements take points: back by what stands at their pixel."""
    height, width = canvas_size

    def move(xs, ys):
        xs, ys = _floating(xs), _floating(ys)
        field = displacement[0].to(xs.dtype)
        columns, rows = xs.ceil().long().clamp(0, width - 1), ys.ceil().long().clamp(0, height - 1)
        at_x = (columns.to(xs.dtype) * 2 - width + 1) / width - field[rows, columns, 0]
        at_y = (rows.to(xs.dtype) * 2 - height + 1) / height - field[rows, columns, 1]
        return (at_x + 1) * (width * 0.5) - 0.5, (at_y + 1) * (height * 0.5) - 0.5

    return move, canvas_size
