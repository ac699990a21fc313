"""Images: datasets, transforms, models, reading and writing files."""

from __future__ import annotations

import importlib

from .. import _names

__version__ = "0.28.0"
_SUBMODULES = {"datasets", "io", "models", "ops", "transforms", "utils", "tv_tensors"}
_backend = {"image": "PIL", "video": "pyav"}


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise _names.missing(__name__, name)


def set_image_backend(backend):
    """Accepts "PIL", the only one there is, and "accimage"."""
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")
    _backend["image"] = backend


def get_image_backend():
    return _backend["image"]


def set_video_backend(backend):
    _backend["video"] = backend


def get_video_backend():
    return _backend["video"]


def disable_beta_transforms_warning():
    pass
