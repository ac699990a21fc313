"""Kernels of boxes and key points as plain tensors: what describes them comes with the call, and the new canvas goes back with the result."""

from __future__ import annotations

from facula import Tensor
from facula.vision import tv_tensors

from . import _geometry

# Arguments in their order; "format" and "canvas_size" describe the boxes, the rest goes to the function.
_ARGUMENTS = {
    "horizontal_flip": "format canvas_size", "vertical_flip": "format canvas_size", "resize": "canvas_size size max_size format",
    "pad": "format canvas_size padding padding_mode", "crop": "format top left height width", "center_crop": "format canvas_size output_size",
    "resized_crop": "format top left height width size", "rotate": "format canvas_size angle expand center",
    "affine": "format canvas_size angle translate scale shear center", "elastic": "format canvas_size displacement",
    "perspective": "format canvas_size startpoints endpoints coefficients"}
_POINT_ARGUMENTS = {**{name: arguments.replace("format ", "") for name, arguments in _ARGUMENTS.items()}, "resize": "size canvas_size max_size"}
# These keep the canvas, and return the tensor alone.
_ALONE = {f"{name}_{suffix}" for name in ("horizontal_flip", "vertical_flip", "perspective", "elastic")
          for suffix in ("bounding_boxes", "keypoints")} | {"affine_bounding_boxes"}


def _kernel(name, suffix, arguments, describe):
    function, names, alone = getattr(_geometry, name), arguments.split(), f"{name}_{suffix}" in _ALONE

    def kernel(plain, *args, clamping_mode="soft", **kwargs):
        given = {**dict(zip(names, args)), **kwargs}
        made = function(describe(plain, given, clamping_mode), **given)
        return made.as_subclass(Tensor) if alone else (made.as_subclass(Tensor), made.canvas_size)

    kernel.__name__ = f"{name}_{suffix}"
    kernel.__doc__ = f"`{name}` of a plain tensor; arguments: {', '.join(names)}. Returns it{'' if alone else ' and the new canvas_size'}."
    return kernel


def _boxes(plain, given, clamping_mode):
    return tv_tensors.BoundingBoxes(plain, format=given.pop("format", "XYXY"), canvas_size=given.pop("canvas_size", (0, 0)),
                                    clamping_mode=clamping_mode)


def _points(plain, given, clamping_mode):
    return tv_tensors.KeyPoints(plain, canvas_size=given.pop("canvas_size", (0, 0)))


KERNELS = {"get_size_bounding_boxes": lambda bounding_box: list(bounding_box.canvas_size),
           "get_size_keypoints": lambda keypoints: list(keypoints.canvas_size)}
for _name in _ARGUMENTS:
    for _suffix, _arguments, _describe in (("bounding_boxes", _ARGUMENTS, _boxes), ("keypoints", _POINT_ARGUMENTS, _points)):
        KERNELS[f"{_name}_{_suffix}"] = _kernel(_name, _suffix, _arguments[_name], _describe)
