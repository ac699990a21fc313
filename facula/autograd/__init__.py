"""Automatic differentiation: backward, grad, functions with their own derivatives."""

from __future__ import annotations

from .._native import core
from . import forward_ad, functional, graph  # noqa: F401
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from .function import Function, NestedIOFunction, once_differentiable
from .grad_mode import enable_grad, inference_mode, is_multithreading_enabled, no_grad, set_grad_enabled, set_multithreading_enabled  # noqa: F401
from .gradcheck import gradcheck, gradgradcheck
from .variable import Variable

__all__ = ["Variable", "Function", "NestedIOFunction", "backward", "grad", "gradcheck", "gradgradcheck", "no_grad", "enable_grad",
           "set_grad_enabled", "inference_mode", "detect_anomaly", "set_detect_anomaly", "once_differentiable"]
is_grad_enabled = core.is_grad_enabled


def __getattr__(name):
    if name == "profiler":
        import importlib

        return importlib.import_module("facula.autograd.profiler")
    raise AttributeError(f"module 'facula.autograd' has no attribute {name!r}")
