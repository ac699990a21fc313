"""Programs apart from their Python: traced or scripted, saved and loaded."""

from __future__ import annotations

from .._capture import TracerWarning
from ._archive import load, save
from ._freeze import freeze, optimize_for_inference, run_frozen_optimizations
from ._language import ProgramError
from ._misc import (
    Final,
    Future,
    ScriptWarning,
    enable_onednn_fusion,
    fork,
    fuser,
    interface,
    isinstance,  # noqa: A004
    last_executed_optimized_graph,
    onednn_fusion_enabled,
    optimized_execution,
    script_if_tracing,
    script_method,
    set_fusion_strategy,
    set_module,
    strict_fusion,
    wait,
)
from ._modules import RecursiveScriptModule, ScriptFunction, ScriptModule
from ._script import (
    NotSupportedError,
    UnsupportedNodeError,
    _unwrap_optional,
    annotate,
    export,
    ignore,
    is_scripting,
    is_tracing,
    script,
    unused,
)
from ._trace import trace, trace_module
from ._types import Error
from . import frontend  # noqa: E402

_fork, _wait = fork, wait


def Attribute(value, type):  # noqa: A002, N802
    """The value; the type is for readers."""
    return value


__all__ = ["Error", "Final", "Future", "ProgramError", "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "ScriptWarning", "TracerWarning",
           "annotate", "enable_onednn_fusion", "export", "fork", "freeze", "frontend", "fuser", "ignore", "interface", "is_scripting",
           "is_tracing", "isinstance", "last_executed_optimized_graph", "load", "onednn_fusion_enabled", "optimize_for_inference",
           "optimized_execution", "run_frozen_optimizations", "save", "script", "script_if_tracing", "script_method", "set_fusion_strategy",
           "set_module", "strict_fusion", "trace", "trace_module", "unused", "wait", "NotSupportedError", "UnsupportedNodeError",
           "_unwrap_optional"]
