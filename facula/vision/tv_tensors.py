"""Tensors that say what they are: images, videos, masks, boxes, key points. Transforms treat each its own way."""

from __future__ import annotations

import enum

import facula
from facula import Tensor
from facula._dispatch import DisableTorchFunctionSubclass

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video", "is_rotated_bounding_format",
           "set_return_type", "wrap"]
_KEEPING = {Tensor.clone, Tensor.to, Tensor.detach, Tensor.requires_grad_}  # these give the subclass back, others plain tensors
_returns = {"subclass": False}


class _ReturnType:
    """Changes at once; as a context, until its end."""

    def __init__(self, before):
        self.before = before

    def __enter__(self):
        return None

    def __exit__(self, *exception):
        _returns["subclass"] = self.before


def set_return_type(return_type):
    """What operations on the subclasses return from now on, or inside `with`: "Tensor" (plain ones, as at first) or "TVTensor"."""
    choices = {"tensor": False, "tvtensor": True}
    if not isinstance(return_type, str) or return_type.lower() not in choices:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    before, _returns["subclass"] = _returns["subclass"], choices[return_type.lower()]
    return _ReturnType(before)


class TVTensor(Tensor):
    """Base of the subclasses. `_metadata` names the attributes that go along with the values."""

    _metadata = ()

    @staticmethod
    def _to_tensor(data, dtype=None, device=None, requires_grad=None):
        if requires_grad is None:
            requires_grad = data.requires_grad if isinstance(data, Tensor) else False
        return facula.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)

    @classmethod
    def _typed(cls, tensor, **metadata):
        made = tensor.as_subclass(cls)
        for name, value in metadata.items():
            setattr(made, name, value)
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if not all(issubclass(cls, t) for t in types):
            return NotImplemented
        with DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if _returns["subclass"] or func in _KEEPING and isinstance(args[0], cls):
            like = next((a for a in _flat((args, kwargs)) if isinstance(a, cls)), None)
            return cls._wrapped(result, like)
        return result.as_subclass(Tensor) if isinstance(result, cls) else result

    @classmethod
    def _wrapped(cls, result, like):
        if isinstance(result, (tuple, list)):
            made = [cls._wrapped(r, like) for r in result]
            return type(result)(*made) if hasattr(result, "_fields") else made if type(result) is list else tuple(made)
        if type(result) is Tensor or isinstance(result, cls) and like is not None:
            return cls._typed(result, **{name: getattr(like, name) for name in cls._metadata if hasattr(like, name)})
        return result

    def _unwrapped(self, name):
        with DisableTorchFunctionSubclass():
            return getattr(super(), name)

    device = property(lambda self: self._unwrapped("device"))
    ndim = property(lambda self: self._unwrapped("ndim"))
    dtype = property(lambda self: self._unwrapped("dtype"))
    shape = property(lambda self: self._unwrapped("shape"))

    def __deepcopy__(self, memo):
        return self.detach().clone().requires_grad_(self.requires_grad)

    def _shown(self):
        return ""

    def __repr__(self, **kwargs):
        return f"{super().__repr__()[:-1]}{self._shown()})"


def _flat(arguments):
    for a in arguments:
        if isinstance(a, (tuple, list)):
            yield from _flat(a)
        elif isinstance(a, dict):
            yield from _flat(a.values())
        else:
            yield a


class Image(TVTensor):
    """An image, shape (..., channels, height, width); two dimensions get a channel."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        from .transforms.functional import _is_pil, pil_to_tensor

        tensor = cls._to_tensor(pil_to_tensor(data) if _is_pil(data) else data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)

    def _shown(self):
        return ", "


class Video(TVTensor):
    """Frames, shape (..., time, channels, height, width)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor.")
        return tensor.as_subclass(cls)

    def _shown(self):
        return ", "


class Mask(TVTensor):
    """A segmentation mask, shape (..., height, width), or (objects, height, width)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        from .transforms.functional import _is_pil, pil_to_tensor

        return cls._to_tensor(pil_to_tensor(data) if _is_pil(data) else data, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(enum.Enum):
    """What the numbers of a box are; R is a turn in degrees."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def _format(value):
    return BoundingBoxFormat[value.upper()] if isinstance(value, str) else value


def is_rotated_bounding_format(format):
    """Whether boxes of the format can be turned."""
    return _format(format) in (BoundingBoxFormat.XYWHR, BoundingBoxFormat.CXCYWHR, BoundingBoxFormat.XYXYXYXY)


class BoundingBoxes(TVTensor):
    """Boxes, one a row.

    Args:
        data: Shape (boxes, numbers), or one box.
        format: A `BoundingBoxFormat` or its name.
        canvas_size: (height, width) of the image they lie on.
        clamping_mode: How transforms cut boxes at the border: "soft", "hard" or None (not at all).
    """

    _metadata = ("format", "canvas_size", "clamping_mode")

    def __new__(cls, data, *, format, canvas_size, clamping_mode="soft", dtype=None, device=None, requires_grad=None):
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        format = _format(format)
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        return cls._typed(tensor.unsqueeze(0) if tensor.ndim == 1 else tensor, format=format, canvas_size=canvas_size,
                          clamping_mode=clamping_mode)

    def _shown(self):
        return f", format={self.format}, canvas_size={self.canvas_size}, clamping_mode={self.clamping_mode}"


class KeyPoints(TVTensor):
    """Points (x, y), shape (..., 2), on an image of `canvas_size` (height, width)."""

    _metadata = ("canvas_size",)

    def __new__(cls, data, *, canvas_size, dtype=None, device=None, requires_grad=None):
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        return cls._typed(tensor, canvas_size=canvas_size)

    def _shown(self):
        return f", canvas_size={self.canvas_size}"


def wrap(wrappee, *, like, **kwargs):
    """A plain tensor as what `like` is, with its attributes; `kwargs` replace some of them."""
    if "format" in kwargs:
        kwargs["format"] = _format(kwargs["format"])
    return type(like)._typed(wrappee, **{name: kwargs.get(name, getattr(like, name, None)) for name in type(like)._metadata})
