"""What tracing puts in place of modules' calls, attributes and wrapped functions while it runs."""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from contextlib import contextmanager

from ..nn import Module
from .node import map_aggregate
from .proxy import Proxy

wrapped: list[tuple[dict, str]] = []  # (globals of a module, name) by fx.wrap


def _recorded(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        found: list[Proxy] = []
        map_aggregate((args, kwargs), lambda x: found.append(x) if isinstance(x, Proxy) else None)
        if found:
            return found[0].tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return call


@contextmanager
def patched(tracer, function, modules, functions):
    """Inside, calls of modules go to the tracer, and wrapped functions become nodes."""
    undo = []

    def put(scope, name, value):
        undo.append((scope, name, scope.get(name, undo)))
        scope[name] = value

    original = Module.__call__

    def call(self, *args, **kwargs):
        if id(self) not in tracer._paths:
            return original(self, *args, **kwargs)
        return tracer.call_module(self, lambda *a, **k: original(self, *a, **k), args, kwargs)

    scopes = [s for s in (getattr(inspect.unwrap(function), "__globals__", None),) if s is not None]
    known = {id(f): _recorded(f) for m in modules for f in vars(m).values() if isinstance(f, (types.FunctionType, types.BuiltinFunctionType))}
    known.update({id(f): _recorded(f) for f in functions})
    for scope in scopes:
        for name, value in list(scope.items()):
            if id(value) in known:
                put(scope, name, known[id(value)])
    for scope, name in wrapped:
        target = scope.get(name, getattr(builtins, name, None))
        put(scope, name, _recorded(target))
    restored = {id(m): {n: f for n, f in vars(m).items() if id(f) in known} for m in modules}
    for m in modules:
        for name in restored[id(m)]:
            setattr(m, name, known[id(restored[id(m)][name])])
    Module.__call__ = call
    try:
        yield
    finally:
        Module.__call__ = original
        for m in modules:
            for name, value in restored[id(m)].items():
                setattr(m, name, value)
        for scope, name, value in reversed(undo):
            if value is undo:
                scope.pop(name, None)
            else:
                scope[name] = value
