"""Graphs of Python programs: traced without inputs, changed, and turned into code again."""

from . import interpreter, node, passes, subgraph_rewriter
from ._symbolic_trace import PH, Tracer, symbolic_trace, wrap
from .graph import CodeGen, Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy, TraceError
from .subgraph_rewriter import replace_pattern

__all__ = ["CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "PH", "Proxy", "TraceError", "Tracer", "Transformer", "has_side_effect",
           "interpreter", "map_arg", "node", "passes", "replace_pattern", "subgraph_rewriter", "symbolic_trace", "wrap"]
