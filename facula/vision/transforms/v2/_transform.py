"""What transforms of whole samples share: finding what to change, fills by type, printing."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import facula
from facula import Tensor
from facula.nn import Module
from facula.utils._pytree import tree_flatten, tree_unflatten
from facula.vision import tv_tensors

from .. import functional as v1
from .functional._table import find_kernel, is_pure_tensor

__all__ = ["Identity", "Transform", "check_type", "get_bounding_boxes", "get_keypoints", "has_all", "has_any", "query_chw", "query_size"]


class PilImage:
    """Stands for PIL's image class among types."""


def check_type(obj, types_or_checks):
    """Whether the object is of one of the types or passes one of the checks."""
    for t in types_or_checks:
        if t is PilImage or getattr(t, "__module__", "").startswith("PIL."):
            if v1._is_pil(obj):
                return True
        elif isinstance(obj, t) if isinstance(t, type) else t(obj):
            return True
    return False


def has_any(flat_inputs, *types_or_checks):
    return any(check_type(i, types_or_checks) for i in flat_inputs)


def has_all(flat_inputs, *types_or_checks):
    return all(has_any(flat_inputs, t) for t in types_or_checks)


def get_bounding_boxes(flat_inputs):
    """The boxes of a sample."""
    found = next((i for i in flat_inputs if isinstance(i, tv_tensors.BoundingBoxes)), None)
    if found is None:
        raise ValueError("No bounding boxes were found in the sample")
    return found


def get_keypoints(flat_inputs):
    """All key points of a sample."""
    return [i for i in flat_inputs if isinstance(i, tv_tensors.KeyPoints)]


def _agreed(sizes, message):
    sizes = set(sizes)
    if len(sizes) != 1:
        raise (TypeError if not sizes else ValueError)(message if not sizes else f"Found multiple {message}: {sorted(sizes)}")
    return sizes.pop()


_IMAGES = (is_pure_tensor, tv_tensors.Image, PilImage, tv_tensors.Video)


def query_chw(flat_inputs):
    """(channels, height, width) that all images of a sample have."""
    from . import functional as F

    sizes = [tuple(F.get_dimensions(i)) for i in flat_inputs if check_type(i, _IMAGES)]
    if not sizes:
        raise TypeError("No image or video was found in the sample")
    return _agreed(sizes, "CxHxW dimensions in the sample")


def query_size(flat_inputs):
    """(height, width) that all images, masks, boxes and points of a sample have."""
    from . import functional as F

    kinds = (*_IMAGES, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)
    sizes = [tuple(F.get_size(i)) for i in flat_inputs if check_type(i, kinds)]
    if not sizes:
        raise TypeError("No image, video, mask, bounding box of keypoint was found in the sample")
    return _agreed(sizes, "HxW dimensions in the sample")


class Transform(Module):
    """Base of transforms of samples: nested lists, tuples and dicts of images, masks, boxes, labels ...

    A subclass gives `transform(inpt, params)`, and `make_params(flat_inputs)` if it draws: once for the whole sample. A plain tensor
    is taken for the image if the sample has no other; further ones pass unchanged.
    """

    _transformed_types = (Tensor, PilImage)

    def __init__(self):
        super().__init__()

    def check_inputs(self, flat_inputs):
        """Raises if the sample cannot be transformed."""

    def make_params(self, flat_inputs):
        return {}

    def transform(self, inpt, params):
        raise NotImplementedError

    def _call_kernel(self, functional, inpt, *args, **kwargs):
        """The function, or nothing on what it has no kernel for."""
        if isinstance(inpt, tv_tensors.TVTensor) and find_kernel(functional, type(inpt)) is None:
            return inpt
        return functional(inpt, *args, **kwargs)

    def _needed(self, flat_inputs):
        """For each input whether it is transformed."""
        plain = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, PilImage)
        needed = []
        for inpt in flat_inputs:
            wanted = check_type(inpt, self._transformed_types)
            if wanted and is_pure_tensor(inpt):
                wanted, plain = plain, False
            needed.append(wanted)
        return needed

    def _apply(self, flat_inputs, spec):
        needed = self._needed(flat_inputs)
        params = self.make_params([i for i, n in zip(flat_inputs, needed) if n])
        return tree_unflatten([self.transform(i, params) if n else i for i, n in zip(flat_inputs, needed)], spec)

    def forward(self, *inputs):
        flat_inputs, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        self.check_inputs(flat_inputs)
        return self._apply(flat_inputs, spec)

    def extra_repr(self):
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(f"{name}={value}" for name, value in self.__dict__.items()
                         if not name.startswith("_") and name != "training" and isinstance(value, shown))


class RandomTransform(Transform):
    """A change made with probability p."""

    def __init__(self, p=0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def forward(self, *inputs):
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat_inputs, spec = tree_flatten(inputs)
        self.check_inputs(flat_inputs)
        return inputs if facula.rand(1) >= self.p else self._apply(flat_inputs, spec)


class Identity(Transform):
    """No change."""

    def transform(self, inpt, params):
        return inpt


# ---------------------------------------------------------------- arguments

def uniform(low, high):
    return facula.empty(1).uniform_(float(low), float(high)).item()


def randint(low, high):
    return int(facula.randint(low, high, size=()))


def interpolation_of(value):
    """An InterpolationMode from one, its name or Pillow's number."""
    if isinstance(value, str):
        return v1.InterpolationMode(value.lower())
    return v1._BY_NUMBER[value] if isinstance(value, int) else value


def _fill(fill):
    if fill is None or isinstance(fill, (int, float)):
        return fill
    if isinstance(fill, Sequence) and not isinstance(fill, str):
        return [float(v) for v in fill]
    raise TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.")


def fills(fill):
    """Dict from type to fill; "others" stands for types that are not named."""
    if isinstance(fill, dict):
        return {kind: _fill(value) for kind, value in fill.items()}
    return {"others": _fill(fill)}


def fill_for(fills, inpt):
    """The fill for an input."""
    kind = type(inpt)
    for key, value in fills.items():
        if key is kind or getattr(key, "__module__", "").startswith("PIL.") and v1._is_pil(inpt):
            return value
    return fills.get("others")


def pair(size, message):
    """[height, width] from a number or a sequence."""
    if not isinstance(size, (int, Sequence)):
        raise TypeError(message)
    return v1._pair(size, message)


def getter_of(getter):
    """A function from a sample to its labels: the given one, the entry of that name, or one found by its name."""
    if getter == "default":
        return _find_labels
    if callable(getter):
        return getter
    if getter is None:
        return lambda inputs: None
    raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {getter}.")


def _find_labels(inputs):
    if isinstance(inputs, (tuple, list)):
        inputs = inputs[1]
    if isinstance(inputs, Tensor):
        return inputs
    if not isinstance(inputs, dict):
        raise ValueError("When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple whose second "
                         f"item is a dictionary or a tensor, but got {inputs} instead.")
    key = next((k for wanted in ("labels", "label") for k in inputs if str(k).lower() == wanted), None)
    key = key if key is not None else next((k for k in inputs if "label" in str(k).lower()), None)
    if key is None:
        raise ValueError("Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?"
                         "If there are no labels in the sample by design, pass labels_getter=None.")
    return inputs[key]
