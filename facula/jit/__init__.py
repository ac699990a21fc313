"""Programs apart from their Python: traced or scripted, saved and loaded."""

from __future__ import annotations

from .._capture import TracerWarning
from ._archive import load, save
from ._freeze import freeze, optimize_for_inference, run_frozen_optimizations
from ._language import ProgramError
from ._marks import _unwrap_optional, annotate, export, ignore, is_scripting, is_tracing, unused
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
from ._modules import RecursiveScriptModule, ScriptFunction, ScriptModule, TopLevelTracedModule
from ._script import CompilationUnit, script
from ._trace import trace, trace_module
from ._types import Error
from .frontend import NotSupportedError, UnsupportedNodeError

_fork, _wait = fork, wait


def Attribute(value, type):  # noqa: A002, N802
    """The value; the type is for readers."""
    return value


def export_opnames(m):
    """The operations that a program names, sorted."""
    from ._graph import graph_of

    found = set()
    for module in m.modules():
        for name, text in {**module._program.methods, **module._program.functions}.items():
            of_self = name in module._program.methods
            graph = graph_of(name, text, f"__torch__.{module.original_name}" if of_self else None, module._attribute_types() if of_self else None)
            found.update(n.kind() for n in _all_nodes(graph) if n.kind().startswith("aten::"))
    return sorted(found)


def _all_nodes(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _all_nodes(inner)


__all__ = ["CompilationUnit", "TopLevelTracedModule", "export_opnames", "Error", "Final", "Future", "ProgramError", "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "ScriptWarning", "TracerWarning",
           "annotate", "enable_onednn_fusion", "export", "fork", "freeze", "frontend", "fuser", "ignore", "interface", "is_scripting",
           "is_tracing", "isinstance", "last_executed_optimized_graph", "load", "onednn_fusion_enabled", "optimize_for_inference",
           "optimized_execution", "run_frozen_optimizations", "save", "script", "script_if_tracing", "script_method", "set_fusion_strategy",
           "set_module", "strict_fusion", "trace", "trace_module", "unused", "wait", "NotSupportedError", "UnsupportedNodeError",
           "_unwrap_optional"]
