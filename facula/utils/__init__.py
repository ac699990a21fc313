"""Data loading and other helpers around training; submodules load when first used."""

from __future__ import annotations

import importlib

from .. import _names

_SUBMODULES = {"data", "checkpoint", "benchmark", "bottleneck", "cpp_extension", "dlpack", "mobile_optimizer", "model_zoo", "tensorboard",
               "_pytree", "hooks", "collect_env", "flop_counter", "module_tracker"}


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("set_module", "swap_tensors"):
        from . import _misc

        return getattr(_misc, name)
    raise _names.missing(__name__, name)
