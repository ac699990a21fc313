"""Sizes, places and shapes."""

from __future__ import annotations

import facula
from facula.nn.functional import interpolate

from ... import _tensor
from ... import functional as v1
from ...functional import InterpolationMode
from . import _boxes
from ._boxes import move_boxes, move_points
from ._table import functional

__all__ = ["affine", "center_crop", "crop", "elastic", "elastic_transform", "five_crop", "hflip", "horizontal_flip", "pad", "perspective",
           "resize", "resized_crop", "rotate", "ten_crop", "vertical_flip", "vflip"]
_NEAREST, _BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def _on_mask(kernel):
    """A kernel of images for masks: (height, width) or more, neighbours instead of means, no fill but a number."""
    def masked(mask, **kwargs):
        kwargs.pop("antialias", None)
        if "interpolation" in kwargs:
            kwargs["interpolation"] = _NEAREST
        return kernel(mask.unsqueeze(0), **kwargs).squeeze(0) if mask.ndim < 3 else kernel(mask, **kwargs)

    return masked


# ---------------------------------------------------------------- flips

def _flip(canvas_size, x=False, y=False):
    height, width = canvas_size
    return lambda xs, ys: (width - xs if x else xs, height - ys if y else ys), canvas_size


def _flip_points(x, y):
    """Points are pixels: the last one changes with pixel 0."""
    def move(canvas_size):
        height, width = canvas_size
        return lambda xs, ys: (width - 1 - xs if x else xs, height - 1 - ys if y else ys), canvas_size

    return move_points(move)


@functional(image=_tensor.hflip, pil=v1.hflip, mask=_tensor.hflip, boxes=move_boxes(lambda size: _flip(size, x=True), clamp=None),
            keypoints=_flip_points(True, False))
def horizontal_flip(inpt):
    """Left and right exchanged."""


@functional(image=_tensor.vflip, pil=v1.vflip, mask=_tensor.vflip, boxes=move_boxes(lambda size: _flip(size, y=True), clamp=None),
            keypoints=_flip_points(False, True))
def vertical_flip(inpt):
    """Top and bottom exchanged."""


hflip, vflip = horizontal_flip, vertical_flip


# ---------------------------------------------------------------- sizes

def resized_size(canvas_size, size, max_size=None):
    """[height, width] that `resize` gives an image of `canvas_size`."""
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        height, width = canvas_size
        short, long = int(min(canvas_size) * max_size / max(canvas_size)), max_size
        return [short, long] if height <= width else [long, short]
    if isinstance(size, int):
        size = [size]
    elif max_size is not None and len(size) == 2:
        raise ValueError("max_size should only be passed if size is None or specifies the length of the smaller edge, i.e. size should be an "
                         "int or a sequence of length 1 in torchscript mode.")
    if len(size) == 2:
        return list(size)
    return list(v1._resized_size(*canvas_size, size, max_size))


def _resize(image, size, interpolation, max_size, antialias=True):
    size, mode = resized_size(image.shape[-2:], size, max_size), v1._interpolation(interpolation)
    if list(image.shape[-2:]) == size:
        return image
    if image.dtype == facula.uint8 and mode in ("bilinear", "bicubic") and image.numel():  # bytes stay bytes
        made = interpolate(image.reshape(-1, *image.shape[-3:]), size=size, mode=mode, antialias=bool(antialias))
        return made.reshape(*image.shape[:-2], *size)
    return _tensor.resize(image, size, mode, antialias)


def _resize_pil(image, size, interpolation, max_size, antialias=True):
    return v1.resize(image, resized_size([image.height, image.width], size, max_size), interpolation)


def _resize_move(canvas_size, size, interpolation=None, max_size=None, antialias=None):
    new = resized_size(canvas_size, size, max_size)
    y, x = new[0] / canvas_size[0], new[1] / canvas_size[1]
    return lambda xs, ys: (xs * x, ys * y), tuple(new)


@functional(image=_resize, pil=_resize_pil, mask=_on_mask(_resize), boxes=move_boxes(_resize_move, clamp=None),
            keypoints=move_points(_resize_move))
def resize(inpt, size, interpolation=_BILINEAR, max_size=None, antialias=True):
    """At another size; an int is the length of the shorter side."""


def sides(padding):
    """left, right, top, bottom of a padding given as one, two or four numbers."""
    if isinstance(padding, int):
        return [padding] * 4
    if not isinstance(padding, (tuple, list)):
        raise TypeError(f"`padding` should be an integer or tuple or list of integers, but got {padding}")
    if len(padding) == 1:
        return [padding[0]] * 4
    if len(padding) == 2:
        return [padding[0], padding[0], padding[1], padding[1]]
    if len(padding) == 4:
        return [padding[0], padding[2], padding[1], padding[3]]
    raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple or list. Found {len(padding)}")


def _check_mode(mode):
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or `'symmetric'`, but got `'{mode}'`.")


def _pad(image, padding, fill, padding_mode):
    left, right, top, bottom = sides(padding)
    _check_mode(padding_mode)
    return _tensor.pad(image, left, top, right, bottom, fill, padding_mode)


def _pad_mask(mask, padding, fill, padding_mode):
    if isinstance(fill, (tuple, list)):
        raise ValueError("Non-scalar fill value is not supported")
    return _on_mask(_pad)(mask, padding=padding, fill=fill, padding_mode=padding_mode)


def _pad_move(canvas_size, padding, fill=None, padding_mode="constant"):
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, right, top, bottom = sides(padding)
    return _boxes.shift(left, top, (canvas_size[0] + top + bottom, canvas_size[1] + left + right))


@functional(image=_pad, pil=v1.pad, mask=_pad_mask, boxes=move_boxes(_pad_move, clamp="whole"), keypoints=move_points(_pad_move))
def pad(inpt, padding, fill=None, padding_mode="constant"):
    """With a border: `padding` is one width, (left/right, top/bottom) or (left, top, right, bottom)."""


def _crop_move(canvas_size, top, left, height, width):
    return _boxes.shift(-left, -top, (height, width))


@functional(image=_tensor.crop, pil=v1.crop, mask=_on_mask(_tensor.crop), boxes=move_boxes(_crop_move, clamp="whole"), keypoints=move_points(_crop_move))
def crop(inpt, top, left, height, width):
    """A part; what lies outside is 0."""


def _output_size(output_size):
    if isinstance(output_size, (int, float)):
        return [int(output_size)] * 2
    return [output_size[0]] * 2 if len(output_size) == 1 else list(output_size)


def _center_move(canvas_size, output_size):
    height, width = _output_size(output_size)
    top, left = round((canvas_size[0] - height) / 2.0), round((canvas_size[1] - width) / 2.0)
    return _boxes.shift(-int(left), -int(top), (height, width))


@functional(image=v1.center_crop, pil=v1.center_crop, mask=_on_mask(v1.center_crop), boxes=move_boxes(_center_move, clamp="whole"),
            keypoints=move_points(_center_move))
def center_crop(inpt, output_size):
    """The middle, padded with 0 where it is smaller."""


def _resized_crop(image, top, left, height, width, size, interpolation, antialias=True):
    return _resize(_tensor.crop(image, top, left, height, width), size, interpolation, None, antialias)


def _resized_crop_places(inpt, top, left, height, width, size, interpolation=None, antialias=None):
    return resize(crop(inpt, top, left, height, width), size)


@functional(image=_resized_crop, pil=v1.resized_crop, mask=_on_mask(_resized_crop), boxes=_resized_crop_places, keypoints=_resized_crop_places)
def resized_crop(inpt, top, left, height, width, size, interpolation=_BILINEAR, antialias=True):
    """A part, at another size."""


@functional(image=v1.five_crop, pil=v1.five_crop)
def five_crop(inpt, size):
    """The four corners and the middle."""


@functional(image=v1.ten_crop, pil=v1.ten_crop)
def ten_crop(inpt, size, vertical_flip=False):
    """`five_crop` and that of the mirror image."""


# ---------------------------------------------------------------- turns

def _rotate_move(canvas_size, angle, interpolation=None, expand=False, center=None, fill=None):
    return _boxes.affine(canvas_size, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center, expand)


@functional(image=v1.rotate, pil=v1.rotate, mask=_on_mask(v1.rotate), boxes=move_boxes(_rotate_move),
            keypoints=move_points(_rotate_move))
def rotate(inpt, angle, interpolation=_NEAREST, expand=False, center=None, fill=None):
    """Turned counterclockwise by `angle` degrees."""


def _affine_move(canvas_size, angle, translate, scale, shear, interpolation=None, fill=None, center=None):
    shear = v1._affine_arguments(angle, translate, scale, shear, center)
    return _boxes.affine(canvas_size, angle, translate, scale, shear, center)


@functional(image=v1.affine, pil=v1.affine, mask=_on_mask(v1.affine), boxes=move_boxes(_affine_move),
            keypoints=move_points(_affine_move))
def affine(inpt, angle, translate, scale, shear, interpolation=_NEAREST, fill=None, center=None):
    """Turned, moved, scaled and sheared."""


def _coefficients(startpoints, endpoints, coefficients):
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        return coefficients
    if startpoints is None or endpoints is None:
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    return v1._perspective_coefficients(startpoints, endpoints)


def _perspective(image, startpoints, endpoints, interpolation, fill, coefficients=None):
    coefficients = _coefficients(startpoints, endpoints, coefficients)
    return v1._check(image).perspective(image, coefficients, v1._interpolation(interpolation), fill)


def _perspective_move(canvas_size, startpoints, endpoints, interpolation=None, fill=None, coefficients=None):
    return _boxes.perspective(canvas_size, _coefficients(startpoints, endpoints, coefficients))


@functional(image=_perspective, pil=_perspective, mask=_on_mask(_perspective), boxes=move_boxes(_perspective_move),
            keypoints=move_points(_perspective_move))
def perspective(inpt, startpoints, endpoints, interpolation=_BILINEAR, fill=None, coefficients=None):
    """Seen so that four points come to lie on four others."""


def _elastic_move(canvas_size, displacement, interpolation=None, fill=None):
    if displacement.shape != (1, *canvas_size, 2):
        raise ValueError(f"Argument displacement shape should be {(1, *canvas_size, 2)}, but given {tuple(displacement.shape)}")
    return _boxes.elastic(canvas_size, displacement)


@functional(image=v1.elastic_transform, pil=v1.elastic_transform, mask=_on_mask(v1.elastic_transform), boxes=move_boxes(_elastic_move),
            keypoints=move_points(_elastic_move))
def elastic(inpt, displacement, interpolation=_BILINEAR, fill=None):
    """Each pixel from a place moved by `displacement`, shape (1, height, width, 2), in units of half the image."""


elastic_transform = elastic
