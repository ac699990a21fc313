"""Data loading and other helpers around training; submodules load when first used."""

from __future__ import annotations

import importlib

_SUBMODULES = {"data", "checkpoint", "benchmark", "bottleneck", "cpp_extension", "dlpack", "mobile_optimizer", "model_zoo", "tensorboard",
               "_pytree", "hooks", "collect_env", "backend_registration", "deterministic", "flop_counter", "module_tracker"}


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("set_module", "swap_tensors", "rename_privateuse1_backend", "generate_methods_for_privateuse1_backend"):
        from . import _misc

        return getattr(_misc, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: Facula does not have it (yet); the README's status table "
                         "lists what works")
