"""Symbolic tracing: a module's or function's operations as a graph, without inputs."""

from __future__ import annotations

import functools
import inspect
import sys
import types

import facula

from .. import _names
from ..nn import Module, Sequential
from ._wrapped import patched
from .graph import Graph
from .graph_module import GraphModule
from .node import has_side_effect
from .proxy import TracerBase

__all__ = ["Tracer", "symbolic_trace", "wrap", "PHBase", "PH"]


@has_side_effect
def _assert(condition, message):
    """Raises AssertionError if the condition is false: what a specialised argument becomes."""
    if not condition:
        raise AssertionError(message)


class PHBase:
    """In `concrete_args`: a placeholder."""

    def __repr__(self):
        return "PH"


PH = PHBase()


class Tracer(TracerBase):
    """Traces; subclasses decide what is a leaf.

    Args:
        autowrap_modules: Modules whose functions stay calls.
        autowrap_functions: Functions that stay calls.
        param_shapes_constant: Accepted: parameters' shapes are read as they are.
    """

    def __init__(self, autowrap_modules=(), autowrap_functions=(), param_shapes_constant=False):
        import math

        self._modules_wrapped, self._functions_wrapped = (math, *autowrap_modules), tuple(autowrap_functions)
        self.graph, self.root, self.tensor_attrs = None, None, {}

    # ---- what subclasses decide
    def is_leaf_module(self, m, module_qualified_name):
        """Whether a module's call stays one node: the library's own, but for Sequential."""
        home = _names.to_facula(type(m).__module__)
        return home.startswith(("facula.nn", "facula.ao.nn")) and not isinstance(m, Sequential)

    def path_of_module(self, mod):
        """The path of a submodule.

        Raises:
            NameError: It is none.
        """
        path = self._paths.get(id(mod))
        if path is None:
            raise NameError("module is not installed as a submodule")
        return path

    def call_module(self, m, forward, args, kwargs):
        """What a module's call becomes: one node for a leaf, else the nodes of its forward."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def create_leaf(self, a):
        """An argument that is no container; parameters, tensors and modules become attributes."""
        if isinstance(a, facula.Tensor):
            return self._tensor(a)
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_leaf(a)

    def _tensor(self, t):
        name = self._tensors.get(id(t))
        if name is None:
            number = 0
            while hasattr(self.root, f"_tensor_constant{number}"):
                number += 1
            name = self._tensors[id(t)] = f"_tensor_constant{number}"
            self.tensor_attrs[t] = name
            setattr(self.root, name, t)
        return self.create_node("get_attr", name, (), {})

    # ---- tracing
    def trace(self, root, concrete_args=None):
        """The graph of a module or function.

        Args:
            concrete_args: Values of arguments that are no inputs.
        """
        if isinstance(root, Module):
            self.root, function = root, type(root).forward
        else:
            self.root, function = Module(), root
        self.graph = Graph(tracer_cls=type(self))
        self._paths = {}
        for name, m in self.root.named_modules():
            self._paths.setdefault(id(m), name)
        self._tensors = {id(t): n for n, t in (*self.root.named_parameters(remove_duplicate=False), *self.root.named_buffers(remove_duplicate=False))}
        for path, m in self.root.named_modules():
            for n, t in m.__dict__.items():
                if isinstance(t, facula.Tensor):
                    self._tensors.setdefault(id(t), f"{path}.{n}" if path else n)
        function, args = self.create_args_for_root(function, isinstance(root, Module), concrete_args)
        with self._patches(function):
            result = function(*args)
            self.create_node("output", "output", (self.create_arg(result),), {})
        return self.graph

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        """(function, its arguments: the module and proxies): everything goes by position, *args and **kwargs as one proxy each."""
        function = inspect.unwrap(root_fn)
        code, parameters = function.__code__, inspect.signature(function).parameters
        names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
                                 + bool(code.co_flags & inspect.CO_VARKEYWORDS)]
        args = [self.root] if is_module else []
        names = names[len(args):]
        concrete = dict(zip(names, concrete_args)) if isinstance(concrete_args, tuple) else dict(concrete_args or {})
        for name in names:
            p = parameters[name]
            stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
            default = () if p.default is p.empty or stars else (p.default,)
            made = self.create_proxy("placeholder", stars + name, default, {}, type_expr=None if p.annotation is p.empty else p.annotation)
            if name in concrete and not isinstance(concrete[name], PHBase):
                self._specialised(made, name, concrete[name])
                made = concrete[name]
            args.append(made)
        return (root_fn if len(names) + is_module == code.co_argcount else self._by_position(function, len(args))), args

    def _specialised(self, proxy, name, value):
        text = f"{name} has been specialized to have value {value} but got another value"
        if isinstance(value, (bool, int, float, str)):
            self.create_proxy("call_function", _assert, (proxy == value, text), {})

    @staticmethod
    def _by_position(function, count):
        code = function.__code__.replace(co_flags=function.__code__.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS), co_argcount=count,
                                         co_kwonlyargcount=0, co_posonlyargcount=0)
        return functools.wraps(function)(types.FunctionType(code, function.__globals__, function.__name__, None, function.__closure__))

    def _patches(self, function):
        return patched(self, function, self._modules_wrapped, self._functions_wrapped)


def symbolic_trace(root, concrete_args=None):
    """A GraphModule with the operations of a module or function."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)


def wrap(fn_or_name):
    """Keeps a function of the calling module one node: wrap("len"), wrap(my_function), or as a decorator."""
    from ._wrapped import wrapped

    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    wrapped.append((frame.f_globals, name))
    return fn_or_name


