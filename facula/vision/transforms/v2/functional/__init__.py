"""Transforms as functions of images, videos, masks, boxes and key points."""

from ...functional import InterpolationMode
from . import _color, _geometry, _misc, _plain
from ._color import *  # noqa: F403
from ._geometry import *  # noqa: F403
from ._misc import *  # noqa: F403
from ._table import is_pure_tensor, register_kernel

__all__ = ["InterpolationMode", "is_pure_tensor", "register_kernel", *_color.__all__, *_geometry.__all__, *_misc.__all__]

# resize_image, resize_mask, resize_video ...: the kernels of plain tensors.
for _module in (_color, _geometry, _misc):
    for _name in _module.__all__:
        for _kind, _kernel in getattr(getattr(_module, _name), "kernels", {}).items():
            if _kernel is not None:
                globals()[f"{_name}_{_kind}"] = _kernel
globals().update(_plain.KERNELS)
