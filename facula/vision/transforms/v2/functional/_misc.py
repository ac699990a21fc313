"""Kinds of inputs, their sizes, dtypes and coding."""

from __future__ import annotations

import facula
from facula import Tensor
from facula.vision import tv_tensors
from facula.vision.tv_tensors import BoundingBoxFormat

from ... import _tensor
from ... import functional as v1
from . import _boxes
from ._color import _through_tensor
from ._table import functional, is_pure_tensor

__all__ = ["clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format", "convert_image_dtype", "erase", "get_dimensions",
           "get_image_num_channels", "get_image_size", "get_num_channels", "get_num_frames", "get_size", "jpeg", "normalize", "pil_to_tensor",
           "sanitize_bounding_boxes", "sanitize_keypoints", "to_dtype", "to_image", "to_pil_image", "to_tensor",
           "uniform_temporal_subsample"]


# ---------------------------------------------------------------- sizes

def _dimensions(image):
    if image.ndim < 2:
        raise TypeError(f"Input tensor should have at least two dimensions, but got {image.ndim}")
    return [1 if image.ndim == 2 else image.shape[-3], *image.shape[-2:]]


def _answers(**kernels):
    """As `functional`, of kernels whose results are no images."""
    def decorate(signature):
        call = functional(**{k: v for k, v in kernels.items() if k in ("boxes", "keypoints", "pil")})(signature)
        from ._table import _KERNELS

        table = _KERNELS[call]
        plain = "tensor" if "tensor" in kernels else "image"
        for kind, name in ((Tensor, plain), (tv_tensors.Image, "image"), (tv_tensors.Video, "video"), (tv_tensors.Mask, "mask")):
            if name in kernels:
                table[kind] = kernels[name]
        call.kernels = {name: kernels.get(name) for name in ("image", "video", "mask")}
        return call

    return decorate


@_answers(image=_dimensions, video=_dimensions, pil=v1.get_dimensions)
def get_dimensions(inpt):
    """[channels, height, width]."""


@_answers(image=lambda image: _dimensions(image)[0], video=lambda image: _dimensions(image)[0], pil=v1.get_image_num_channels)
def get_num_channels(inpt):
    """Number of channels."""


get_image_num_channels = get_num_channels


@_answers(image=lambda image: _dimensions(image)[1:], video=lambda image: _dimensions(image)[1:], mask=lambda mask: list(mask.shape[-2:]),
          pil=lambda image: v1.get_dimensions(image)[1:], boxes=lambda boxes: list(boxes.canvas_size),
          keypoints=lambda points: list(points.canvas_size))
def get_size(inpt):
    """[height, width] of the image, or of what the boxes lie on."""


def get_image_size(inpt):
    """[width, height]."""
    return v1.get_image_size(inpt)


@_answers(tensor=lambda video: video.shape[-4], video=lambda video: video.shape[-4])
def get_num_frames(inpt):
    """Number of frames of a video."""


# ---------------------------------------------------------------- dtypes and kinds

def _dtype(image, dtype=facula.float32, scale=False):
    if image.dtype == dtype or not scale:
        return image.to(dtype)
    if dtype.is_floating_point and not image.is_floating_point():
        return image.to(dtype).mul_(1.0 / _tensor._bound(image.dtype))
    return _tensor.convert_dtype(image, dtype)


def _plain_dtype(inpt, dtype=facula.float32, scale=False):
    return tv_tensors.wrap(inpt.as_subclass(Tensor).to(dtype), like=inpt)


@functional(image=_dtype, mask=lambda mask, dtype, scale: mask.to(dtype), boxes=_plain_dtype, keypoints=_plain_dtype)
def to_dtype(inpt, dtype=facula.float32, scale=False):
    """In another dtype; with `scale`, values of images scaled to its range."""


def convert_image_dtype(image, dtype=facula.float32):
    """`to_dtype` with `scale`."""
    return _dtype(image, dtype, True)


def to_image(inpt):
    """A PIL image, array (height, width, channels) or tensor as `tv_tensors.Image`."""
    if v1._is_numpy(inpt):
        made = facula.from_numpy((inpt[:, :, None] if inpt.ndim == 2 else inpt).transpose(2, 0, 1).copy())
    elif v1._is_pil(inpt):
        made = v1.pil_to_tensor(inpt)
    elif isinstance(inpt, Tensor):
        made = inpt
    else:
        raise TypeError(f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")
    return tv_tensors.Image(made)


def to_pil_image(pic, mode=None):
    """A tensor or array as a PIL image."""
    return v1.to_pil_image(pic.as_subclass(Tensor) if isinstance(pic, Tensor) else pic, mode)


pil_to_tensor, to_tensor = v1.pil_to_tensor, v1.to_tensor


def _normalize(image, mean, std, inplace):
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got {image.shape}.")
    if any(s == 0 for s in (std if isinstance(std, (tuple, list)) else [std])):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    return v1.normalize(image, mean, std, inplace)


@functional(image=_normalize)
def normalize(inpt, mean, std, inplace=False):
    """(values - mean) / std, channel by channel."""


def _erase(image, i, j, h, w, v, inplace):
    return v1.erase(image, i, j, h, w, v, inplace)


def _erase_pil(image, i, j, h, w, v, inplace):
    return v1.to_pil_image(_erase(v1.pil_to_tensor(image), i, j, h, w, v, False), mode=image.mode)


@functional(image=_erase, pil=_erase_pil)
def erase(inpt, i, j, h, w, v, inplace=False):
    """A rectangle replaced by values."""


def _jpeg(image, quality):
    from facula.vision import io

    flat = image.reshape(-1, *image.shape[-3:])
    return facula.stack([io.decode_jpeg(io.encode_jpeg(i, quality)) for i in flat]).reshape(image.shape) if image.numel() else image


@functional(image=_jpeg, pil=_through_tensor(_jpeg))
def jpeg(inpt, quality):
    """Written as JPEG of the quality and read again."""


def _subsample(video, num_samples):
    frames = video.shape[-4]
    return video.index_select(-4, facula.linspace(0, frames - 1, num_samples).long())


@functional(image=_subsample)
def uniform_temporal_subsample(inpt, num_samples):
    """Some frames of a video, evenly spaced."""


# ---------------------------------------------------------------- boxes and points

def _described(inpt, format, canvas_size):
    """The plain boxes with their format and canvas; what describes them comes with them or with the call."""
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None:
            raise ValueError("For pure tensor inputs, `format` and `canvas_size` have to be passed.")
        return inpt, tv_tensors._format(format), canvas_size
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
        return inpt.as_subclass(Tensor), inpt.format, inpt.canvas_size
    raise TypeError(f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead.")


def clamp_bounding_boxes(inpt, format=None, canvas_size=None, clamping_mode="auto"):
    """Boxes cut at the border of the image."""
    if clamping_mode is not None and clamping_mode not in ("soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt) and (format is None or canvas_size is None or clamping_mode == "auto"):
        raise ValueError("For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed.")
    boxes, format, canvas_size = _described(inpt, format, canvas_size)
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    cut = _boxes.clamp_boxes(boxes, format, canvas_size, mode)
    return cut if is_pure_tensor(inpt) else tv_tensors.wrap(cut, like=inpt)


def clamp_keypoints(inpt, canvas_size=None):
    """Points moved to the nearest pixel of the image."""
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
        return _boxes.clamp_points(inpt, canvas_size)
    if not isinstance(inpt, tv_tensors.KeyPoints):
        raise TypeError(f"Input can either be a plain tensor or a keypoints tv_tensor, but got {type(inpt)} instead.")
    if canvas_size is not None:
        raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
    return tv_tensors.wrap(_boxes.clamp_points(inpt.as_subclass(Tensor), inpt.canvas_size), like=inpt)


def convert_bounding_box_format(inpt, old_format=None, new_format=None, inplace=False):
    """Boxes in another format."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = tv_tensors._format(new_format)
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        return _boxes.convert_format(inpt, tv_tensors._format(old_format), new)
    if not isinstance(inpt, tv_tensors.BoundingBoxes):
        raise TypeError(f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead.")
    if old_format is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    return tv_tensors.wrap(_boxes.convert_format(inpt.as_subclass(Tensor), inpt.format, new), like=inpt, format=new)


def sanitize_bounding_boxes(bounding_boxes, format=None, canvas_size=None, min_size=1.0, min_area=1.0):
    """The boxes that have an area and lie on the image, and which those are."""
    boxes, format, canvas_size = _described(bounding_boxes, format, canvas_size)
    height, width = canvas_size
    corners = _boxes._to_corners(_boxes._floating(boxes), format)
    xs, ys = corners[..., 0::2], corners[..., 1::2]
    if format in _boxes._TURNED:
        w, h = _boxes._from_corners(corners, BoundingBoxFormat.XYWHR).unbind(-1)[2:4]
    else:
        w, h = xs[..., 1] - xs[..., 0], ys[..., 1] - ys[..., 0]
    valid = (w >= min_size) & (h >= min_size) & (w * h >= min_area)
    valid &= (xs >= 0).all(-1) & (xs <= width).all(-1) & (ys >= 0).all(-1) & (ys <= height).all(-1)
    kept = boxes[valid]
    return (kept if is_pure_tensor(bounding_boxes) else tv_tensors.wrap(kept, like=bounding_boxes)), valid


def sanitize_keypoints(key_points, canvas_size=None):
    """The points, or groups of points, that lie on the image, and which those are."""
    pure = is_pure_tensor(key_points)
    if pure and canvas_size is None:
        raise ValueError("canvas_size cannot be None if key_points is a pure tensor. Set it to that of the image.")
    if not pure and canvas_size is not None:
        raise ValueError("canvas_size must be None when key_points is a tv_tensors.KeyPoints instance. "
                         f"Got canvas_size={canvas_size}. Leave it to None or pass key_points as a pure tensor.")
    height, width = canvas_size if pure else key_points.canvas_size
    points = key_points.as_subclass(Tensor)
    xs, ys = points[..., 0], points[..., 1]
    valid = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    valid = valid.flatten(1).all(1) if valid.ndim > 1 else valid
    return (points[valid] if pure else tv_tensors.wrap(points[valid], like=key_points)), valid
