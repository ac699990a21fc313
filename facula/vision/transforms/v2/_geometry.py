"""Sizes, places and shapes of whole samples."""

from __future__ import annotations

import numbers
import warnings

import facula
from facula.vision import tv_tensors

from .. import transforms as classic
from . import functional as F
from ._transform import (PilImage, RandomTransform, Transform, fill_for, fills, get_bounding_boxes, has_all, has_any, interpolation_of, pair,
                         query_size, randint, uniform)
from .functional._boxes import convert_format
from .functional._table import is_pure_tensor

__all__ = ["CenterCrop", "ElasticTransform", "FiveCrop", "Pad", "RandomAffine", "RandomCrop", "RandomHorizontalFlip", "RandomIoUCrop",
           "RandomPerspective", "RandomResize", "RandomResizedCrop", "RandomRotation", "RandomShortestSize", "RandomVerticalFlip",
           "RandomZoomOut", "Resize", "ScaleJitter", "TenCrop"]
_SIZE = "Please provide only two dimensions (h, w) for size."


class RandomHorizontalFlip(RandomTransform):
    """Left and right exchanged with probability p."""

    def transform(self, inpt, params):
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(RandomTransform):
    """Top and bottom exchanged with probability p."""

    def transform(self, inpt, params):
        return self._call_kernel(F.vertical_flip, inpt)


class Resize(Transform):
    """Another size; an int is the length of the shorter side, None leaves the longer one to `max_size`."""

    def __init__(self, size, interpolation="bilinear", max_size=None, antialias=True):
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, (tuple, list)) and len(size) in (1, 2):
            size = list(size)
        elif size is None:
            if not isinstance(max_size, int):
                raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        else:
            raise ValueError(f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead.")
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def transform(self, inpt, params):
        return self._call_kernel(F.resize, inpt, self.size, interpolation=interpolation_of(self.interpolation), max_size=self.max_size,
                                 antialias=self.antialias)


class CenterCrop(Transform):
    """The middle."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size, _SIZE)

    def transform(self, inpt, params):
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class RandomResizedCrop(Transform):
    """A part of random size and shape, brought to one size."""

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0), interpolation="bilinear", antialias=True):
        super().__init__()
        self.size = pair(size, _SIZE)
        for name, value in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(value, (tuple, list)):
                raise TypeError(f"{name} should be a sequence of two floats.")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        blank = facula.empty(1, height, width, device="meta")
        return dict(zip(("top", "left", "height", "width"), classic.RandomResizedCrop.get_params(blank, self.scale, self.ratio)))

    def transform(self, inpt, params):
        return self._call_kernel(F.resized_crop, inpt, **params, size=self.size, interpolation=interpolation_of(self.interpolation), antialias=self.antialias)


class _Crops(Transform):
    """Several parts of images; samples with boxes or masks have no such thing."""

    _transformed_types = (tv_tensors.Image, tv_tensors.Video, is_pure_tensor, PilImage)

    def __init__(self, size):
        super().__init__()
        self.size = pair(size, _SIZE)

    def check_inputs(self, flat_inputs):
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")


class FiveCrop(_Crops):
    """The corners and the middle."""

    def transform(self, inpt, params):
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_Crops):
    """The corners and the middle, of the image and its mirror image."""

    def __init__(self, size, vertical_flip=False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt, params):
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


def _check_padding(padding):
    if not isinstance(padding, int) and (not isinstance(padding, (tuple, list)) or len(padding) not in (1, 2, 4)):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")


def _check_padding_mode(mode):
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")


class _Filling(Transform):
    """A transform with fills by type."""

    def _set_fill(self, fill):
        self.fill, self._fills = fill, fills(fill)


class Pad(_Filling):
    """A border."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        _check_padding(padding)
        _check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt, params):
        return self._call_kernel(F.pad, inpt, padding=self.padding, fill=fill_for(self._fills, inpt), padding_mode=self.padding_mode)


class RandomZoomOut(RandomTransform):
    """The sample in a larger empty one, with probability p. Source: Liu et al., arXiv 1512.02325."""

    def __init__(self, fill=0, side_range=(1.0, 4.0), p=0.5):
        super().__init__(p)
        self.fill, self._fills = fill, fills(fill)
        if len(side_range) != 2:
            raise ValueError("side_range should be a sequence of length 2.")
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        grown = low + facula.rand(1) * (high - low)
        new_width, new_height = int(width * grown), int(height * grown)
        place = facula.rand(2)
        left, top = int((new_width - width) * place[0]), int((new_height - height) * place[1])
        return {"padding": [left, top, new_width - (left + width), new_height - (top + height)]}

    def transform(self, inpt, params):
        return self._call_kernel(F.pad, inpt, **params, fill=fill_for(self._fills, inpt))


def _angles(value, name):
    return classic._angles(value, name, (2, 4) if name == "shear" else (2,))


class RandomRotation(_Filling):
    """A turn by a random angle, in degrees."""

    def __init__(self, degrees, interpolation="nearest", expand=False, center=None, fill=0):
        super().__init__()
        self.degrees = _angles(degrees, "degrees")
        self.interpolation, self.expand = interpolation, expand
        self._set_fill(fill)
        if center is not None:
            classic._check_sequence(center, "center")
        self.center = center

    def make_params(self, flat_inputs):
        return {"angle": uniform(*self.degrees)}

    def transform(self, inpt, params):
        return self._call_kernel(F.rotate, inpt, **params, interpolation=interpolation_of(self.interpolation), expand=self.expand, center=self.center,
                                 fill=fill_for(self._fills, inpt))


class RandomAffine(_Filling):
    """A random turn, move, scale and shear."""

    def __init__(self, degrees, translate=None, scale=None, shear=None, interpolation="nearest", fill=0, center=None):
        super().__init__()
        checked = classic.RandomAffine(degrees, translate, scale, shear, center=center)
        self.degrees, self.translate, self.scale, self.shear = checked.degrees, translate, scale, checked.shear
        self.interpolation = interpolation
        self._set_fill(fill)
        self.center = center

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        drawn = classic.RandomAffine.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt, params):
        return self._call_kernel(F.affine, inpt, **params, interpolation=interpolation_of(self.interpolation), fill=fill_for(self._fills, inpt),
                                 center=self.center)


class RandomCrop(_Filling):
    """A part at a random place."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size = pair(size, _SIZE)
        if pad_if_needed or padding is not None:
            if padding is not None:
                _check_padding(padding)
            _check_padding_mode(padding_mode)
        self.padding = None if padding is None else F._geometry.sides(padding)
        self.pad_if_needed = pad_if_needed
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        sides = list(self.padding or (0, 0, 0, 0))  # left, right, top, bottom
        width, height = width + sides[0] + sides[1], height + sides[2] + sides[3]
        want_h, want_w = self.size
        if self.pad_if_needed:
            for lacking, at in ((want_h - height, 2), (want_w - width, 0)):
                if lacking > 0:
                    sides[at] += lacking
                    sides[at + 1] += lacking
            height, width = (n + 2 * max(want - n, 0) for n, want in ((height, want_h), (width, want_w)))
        if height < want_h or width < want_w:
            raise ValueError(f"Required crop size {(want_h, want_w)} is larger than {'padded ' if any(sides) else ''}input image size {(height, width)}.")
        top = randint(0, height - want_h + 1) if height > want_h else 0
        left = randint(0, width - want_w + 1) if width > want_w else 0
        return {"crop": height > want_h or width > want_w, "place": (top, left, min(want_h, height), min(want_w, width)),
                "padding": [sides[0], sides[2], sides[1], sides[3]] if any(sides) else None}

    def transform(self, inpt, params):
        if params["padding"]:
            inpt = self._call_kernel(F.pad, inpt, padding=params["padding"], fill=fill_for(self._fills, inpt), padding_mode=self.padding_mode)
        return self._call_kernel(F.crop, inpt, *params["place"]) if params["crop"] else inpt


class RandomPerspective(RandomTransform):
    """A random perspective, with probability p."""

    def __init__(self, distortion_scale=0.5, p=0.5, interpolation="bilinear", fill=0):
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, interpolation
        self.fill, self._fills = fill, fills(fill)

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        points = classic.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"coefficients": F._geometry._coefficients(*points, None)}

    def transform(self, inpt, params):
        return self._call_kernel(F.perspective, inpt, startpoints=None, endpoints=None, fill=fill_for(self._fills, inpt),
                                 interpolation=interpolation_of(self.interpolation), **params)


def _two(value, name):
    """Two floats from one or two numbers."""
    if not isinstance(value, (numbers.Number, list, tuple)):
        raise ValueError(f"{name} should be a sequence of numbers. Got {type(value)}")
    values = [float(value)] * 2 if isinstance(value, numbers.Number) else [float(v) for v in value]
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(values)}")
    return values


class ElasticTransform(_Filling):
    """Random smooth displacements. Source: Simard, Steinkraus and Platt, ICDAR 2003."""

    def __init__(self, alpha=50.0, sigma=5.0, interpolation="bilinear", fill=0):
        super().__init__()
        self.alpha, self.sigma = _two(alpha, "alpha"), _two(sigma, "sigma")
        self.interpolation = interpolation
        self._set_fill(fill)

    def make_params(self, flat_inputs):
        return {"displacement": classic.ElasticTransform.get_params(self.alpha, self.sigma, list(query_size(flat_inputs)))}

    def transform(self, inpt, params):
        return self._call_kernel(F.elastic, inpt, **params, fill=fill_for(self._fills, inpt), interpolation=interpolation_of(self.interpolation))


class RandomIoUCrop(Transform):
    """A random part that overlaps one of the boxes by a drawn share at least. Source: Liu et al., arXiv 1512.02325."""

    def __init__(self, min_scale=0.3, max_scale=1.0, min_aspect_ratio=0.5, max_aspect_ratio=2.0, sampler_options=None, trials=40):
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs):
        if not (has_all(flat_inputs, tv_tensors.BoundingBoxes) and has_any(flat_inputs, PilImage, tv_tensors.Image, is_pure_tensor)):
            raise TypeError(f"{type(self).__name__}() requires input sample to contain tensor or PIL images and bounding boxes. Sample can "
                            "also contain masks.")

    def _crop(self, height, width, corners, share):
        """A drawn crop, or None if it is of no use."""
        from facula.vision.ops.boxes import box_iou

        r = self.min_scale + (self.max_scale - self.min_scale) * facula.rand(2)
        new_w, new_h = int(width * r[0]), int(height * r[1])
        if new_h == 0 or not self.min_aspect_ratio <= new_w / new_h <= self.max_aspect_ratio:
            return None
        r = facula.rand(2)
        left, top = int((width - new_w) * r[0]), int((height - new_h) * r[1])
        right, bottom = left + new_w, top + new_h
        if left == right or top == bottom:
            return None
        x, y = 0.5 * (corners[..., 0] + corners[..., 2]), 0.5 * (corners[..., 1] + corners[..., 3])
        inside = (left < x) & (x < right) & (top < y) & (y < bottom)
        if not inside.any():
            return None
        overlap = box_iou(corners[inside], facula.tensor([[left, top, right, bottom]], dtype=corners.dtype))
        if overlap.max() < share:
            return None
        return {"top": top, "left": left, "height": new_h, "width": new_w, "inside": inside}

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = convert_format(boxes.as_subclass(facula.Tensor), boxes.format, tv_tensors.BoundingBoxFormat.XYXY)
        while True:
            share = self.options[int(facula.randint(0, len(self.options), size=(1,)))]
            if share >= 1.0:
                return {}
            for _ in range(self.trials):
                found = self._crop(height, width, corners, share)
                if found is not None:
                    return found

    def transform(self, inpt, params):
        if not params:
            return inpt
        made = self._call_kernel(F.crop, inpt, *(params[k] for k in ("top", "left", "height", "width")))
        if isinstance(made, tv_tensors.BoundingBoxes):  # those outside stay, as empty ones: `SanitizeBoundingBoxes` removes them
            made[~params["inside"]] = 0
        return made


class _RandomSize(Transform):
    def transform(self, inpt, params):
        return self._call_kernel(F.resize, inpt, **params, interpolation=interpolation_of(self.interpolation), antialias=self.antialias)


class ScaleJitter(_RandomSize):
    """A random size around `target_size`. Source: Ghiasi et al., arXiv 2012.07177."""

    def __init__(self, target_size, scale_range=(0.1, 2.0), interpolation="bilinear", antialias=True):
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        r = min(self.target_size[1] / height, self.target_size[0] / width) * (low + facula.rand(1) * (high - low))
        return {"size": (int(height * r), int(width * r))}


class RandomShortestSize(_RandomSize):
    """The shorter side at one of some lengths, the longer at `max_size` at most."""

    def __init__(self, min_size, max_size=None, interpolation="bilinear", antialias=True):
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size, self.interpolation, self.antialias = max_size, interpolation, antialias

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        r = self.min_size[randint(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            r = min(r, self.max_size / max(height, width))
        return {"size": (int(height * r), int(width * r))}


class RandomResize(_RandomSize):
    """A random length, from `min_size` to below `max_size`, for the shorter side."""

    def __init__(self, min_size, max_size, interpolation="bilinear", antialias=True):
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs):
        return {"size": [randint(self.min_size, self.max_size)]}
