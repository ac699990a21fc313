"""Conversions, checks of boxes, and the rest."""

from __future__ import annotations

import math
import warnings

import facula
from facula import Tensor
from facula.utils._pytree import tree_flatten, tree_unflatten
from facula.vision import tv_tensors

from .. import functional as v1
from . import functional as F
from ._transform import PilImage, Transform, get_bounding_boxes, get_keypoints, getter_of, has_any
from .functional._table import is_pure_tensor

__all__ = ["ClampBoundingBoxes", "ClampKeyPoints", "ConvertBoundingBoxFormat", "ConvertImageDtype", "Lambda", "LinearTransformation", "Normalize",
           "PILToTensor", "SanitizeBoundingBoxes", "SanitizeKeyPoints", "SetClampingMode", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor",
           "ToTensor", "UniformTemporalSubsample"]


class Lambda(Transform):
    """Any function, of inputs of some types or all."""

    _transformed_types = (object,)

    def __init__(self, lambd, *types):
        super().__init__()
        self.lambd = lambd
        self.types = types or self._transformed_types

    def _needed(self, flat_inputs):
        return [isinstance(i, self.types) for i in flat_inputs]

    def transform(self, inpt, params):
        return self.lambd(inpt)

    def extra_repr(self):
        name = getattr(self.lambd, "__name__", None)
        shown = [name] if name else []
        return ", ".join([*shown, f"types={[t.__name__ for t in self.types]}"])


class LinearTransformation(Transform):
    """(flattened image - mean) @ matrix."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix, mean_vector):
        super().__init__()
        from .. import transforms as classic

        classic.LinearTransformation(transformation_matrix, mean_vector)  # checks them
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def check_inputs(self, flat_inputs):
        if has_any(flat_inputs, PilImage):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt, params):
        n = math.prod(inpt.shape[-3:])
        if n != self.transformation_matrix.shape[0]:
            raise ValueError(f"Input tensor and transformation matrix have incompatible shape.[{' x '.join(map(str, inpt.shape[-3:]))}] != "
                             f"{self.transformation_matrix.shape[0]}")
        made = facula.mm(inpt.reshape(-1, n) - self.mean_vector, self.transformation_matrix).reshape(inpt.shape)
        return tv_tensors.wrap(made, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else made


class Normalize(Transform):
    """(values - mean) / std, channel by channel."""

    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    def check_inputs(self, flat_inputs):
        if has_any(flat_inputs, PilImage):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt, params):
        return self._call_kernel(F.normalize, inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class ToDtype(Transform):
    """Another dtype; with `scale`, values of images scaled to its range. A dict gives dtypes by type, with "others" for the rest."""

    _transformed_types = (Tensor,)

    def __init__(self, dtype, scale=False):
        super().__init__()
        if not isinstance(dtype, (dict, facula.dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and any(k in dtype for k in (tv_tensors.Image, tv_tensors.Video)):
            warnings.warn("Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or `tv_tensors.Video`. Note that a plain "
                          "`torch.Tensor` will *not* be transformed by this (or any other transformation) in case a `tv_tensors.Image` or "
                          "`tv_tensors.Video` is present in the input.", stacklevel=2)
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt, params):
        if not isinstance(self.dtype, dict):
            if not is_pure_tensor(inpt) and not isinstance(inpt, (tv_tensors.Image, tv_tensors.Video)):
                return inpt
            dtype = self.dtype
        elif type(inpt) in self.dtype:
            dtype = self.dtype[type(inpt)]
        elif "others" in self.dtype:
            dtype = self.dtype["others"]
        else:
            raise ValueError(f"No dtype was specified for type {type(inpt)}. If you only need to convert the dtype of images or videos, you can "
                             "just pass e.g. dtype=torch.float32. If you're passing a dict as dtype, you can use \"others\" as a catch-all key "
                             "e.g. dtype={tv_tensors.Mask: torch.int64, \"others\": None} to pass-through the rest of the inputs.")
        return inpt if dtype is None else self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """`ToDtype` of images, with `scale`."""

    _transformed_types = (Tensor,)

    def __init__(self, dtype=facula.float32):
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt, params):
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


def _is_array(obj):
    return v1._is_numpy(obj)


class ToTensor(Transform):
    """A PIL image or array as a float tensor in [0, 1]."""

    _transformed_types = (PilImage, _is_array)

    def __init__(self):
        warnings.warn("The transform `ToTensor()` is deprecated and will be removed in a future release. Instead, please use "
                      "`v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`.Output is equivalent up to float precision.",
                      stacklevel=2)
        super().__init__()

    def transform(self, inpt, params):
        return F.to_tensor(inpt)


class PILToTensor(Transform):
    """A PIL image as a plain tensor of the same numbers."""

    _transformed_types = (PilImage,)

    def transform(self, inpt, params):
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """A tensor, array or PIL image as `tv_tensors.Image`."""

    _transformed_types = (is_pure_tensor, PilImage, _is_array)

    def transform(self, inpt, params):
        return F.to_image(inpt)


class ToPILImage(Transform):
    """A tensor or array as a PIL image."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, _is_array)

    def __init__(self, mode=None):
        super().__init__()
        self.mode = mode

    def transform(self, inpt, params):
        return F.to_pil_image(inpt, mode=self.mode)


class ToPureTensor(Transform):
    """Plain tensors instead of those that say what they are."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt, params):
        return inpt.as_subclass(Tensor)


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format):
        super().__init__()
        self.format = format

    def transform(self, inpt, params):
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes cut at the border of the image."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode="auto"):
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt, params):
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Another way of cutting boxes in what follows."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode):
        super().__init__()
        self.clamping_mode = clamping_mode
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")

    def transform(self, inpt, params):
        made = inpt.clone()
        made.clamping_mode = self.clamping_mode
        return made


class ClampKeyPoints(Transform):
    """Points moved to the nearest pixel of the image."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt, params):
        return F.clamp_keypoints(inpt)


class UniformTemporalSubsample(Transform):
    """Some frames of a video, evenly spaced."""

    _transformed_types = (is_pure_tensor, tv_tensors.Video)

    def __init__(self, num_samples):
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt, params):
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)


class _Sanitizing(Transform):
    """Boxes or points that are of no use removed, with their labels and masks."""

    def _set_getter(self, getter):
        self.labels_getter = getter
        self._labels_getter = getter_of(getter)

    def _checked(self, labels, shape):
        """The labels as a tuple of tensors, one for each box or point."""
        if labels is None:
            return ()
        labels = labels if isinstance(labels, (tuple, list)) else (labels,)
        for label in labels:
            if not isinstance(label, Tensor):
                raise ValueError(f"The labels in the input to forward must be a tensor or None, got {type(label)} instead.")
            if label.shape[0] != shape[0]:
                raise ValueError(f"Number of {self._counted} (shape={shape}) and must match the number of labels."
                                 f"Found labels with shape={label.shape}).")
        return labels

    def _kept(self, flat, spec, keeps, valid):
        return tree_unflatten([self._indexed(i, valid) if keeps(i) else i for i in flat], spec)

    @staticmethod
    def _indexed(inpt, valid):
        made = inpt.as_subclass(Tensor)[valid]
        return tv_tensors.wrap(made, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else made


class SanitizeBoundingBoxes(_Sanitizing):
    """Boxes without area, or partly outside, removed, with their labels and masks."""

    _counted = "boxes"

    def __init__(self, min_size=1.0, min_area=1.0, labels_getter="default"):
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size, self.min_area = min_size, min_area
        self._set_getter(labels_getter)

    def forward(self, *inputs):
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(inputs)
        found = self._labels_getter(inputs)
        boxes = get_bounding_boxes(flat)
        labels = self._checked(found, boxes.shape)
        _, valid = F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)
        return self._kept(flat, spec, lambda i: i is boxes or isinstance(i, tv_tensors.Mask) and i.shape[:1] == boxes.shape[:1]
                          or any(i is label for label in labels), valid)


class SanitizeKeyPoints(_Sanitizing):
    """Points outside the image removed, or groups of which one point is, with their labels."""

    _counted = "keypoints"

    def __init__(self, labels_getter=None):
        super().__init__()
        self._set_getter(labels_getter)

    def forward(self, *inputs):
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(inputs)
        points = get_keypoints(flat)
        if not points:
            raise ValueError("No key points were found in the sample")
        if len(points) > 1:
            raise ValueError(f"Found multiple key points in the sample: {len(points)}. SanitizeKeyPoints takes one set of them.")
        labels = self._checked(self._labels_getter(inputs), points[0].shape)
        _, valid = F.sanitize_keypoints(points[0])
        return self._kept(flat, spec, lambda i: i is points[0] or any(i is label for label in labels), valid)
