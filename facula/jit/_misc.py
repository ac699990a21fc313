"""Smaller names of `torch.jit`."""

from __future__ import annotations

import builtins
import functools
from contextlib import contextmanager
from typing import Final

__all__ = ["Final", "Future", "ScriptWarning", "enable_onednn_fusion", "fork", "fuser", "interface", "isinstance", "last_executed_optimized_graph",
           "onednn_fusion_enabled", "optimized_execution", "script_if_tracing", "script_method", "set_fusion_strategy", "set_module",
           "strict_fusion", "wait"]


class ScriptWarning(Warning):
    """Something about a script that may surprise."""


def isinstance(obj, target_type):  # noqa: A001
    """Whether an object is of a type, containers' element types included."""
    from typing import Union, get_args, get_origin

    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    origin, inside = get_origin(target_type), get_args(target_type)
    if origin is Union:
        return any(isinstance(obj, t) for t in inside)
    if origin is None:
        return builtins.isinstance(obj, target_type if target_type is not None else type(None))
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, inside[0]) and isinstance(v, inside[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(inside) and all(map(isinstance, obj, inside))
    return all(isinstance(x, inside[0]) for x in obj)


class Future:
    """What a fork gives; its function has run already."""

    def __init__(self, result=None):
        self._result = result

    def wait(self):
        """The result."""
        return self._result

    value = wait

    def done(self):
        """True."""
        return True


def fork(func, *args, **kwargs):
    """Calls the function at once; `wait` gives its result."""
    return Future(func(*args, **kwargs))


def wait(future):
    """The result of a fork."""
    return future.wait()


def script_method(fn):
    """Marks a method of a class that derives from ScriptModule: it is compiled when an instance has been made."""
    fn._torchscript_modifier = "script_method"
    return fn


def script_if_tracing(fn):
    """A function that a trace keeps as one call, with its control flow; elsewhere it is Python."""
    @functools.wraps(fn)
    def call(*args, **kwargs):
        from .._capture import active
        from ._script import script

        if active() is None:
            return fn(*args, **kwargs)
        call.scripted = call.scripted or script(fn)
        return call.scripted(*args, **kwargs)

    call.scripted = None
    call.__script_if_tracing_wrapper = True
    return call


def interface(obj):
    """The class itself: interfaces are not checked."""
    return obj


def set_module(obj, mod):
    """Sets an object's `__module__`."""
    if not builtins.isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod


@contextmanager
def optimized_execution(should_optimize):
    """Accepted: programs run in one way."""
    yield


@contextmanager
def fuser(name):
    """Accepted: programs run in one way."""
    yield


@contextmanager
def strict_fusion():
    """Accepted: programs run in one way."""
    yield


def set_fusion_strategy(strategy):
    """Accepted: programs run in one way."""
    return strategy


def enable_onednn_fusion(enabled):
    """Accepted: programs run in one way."""


def onednn_fusion_enabled():
    return False


def last_executed_optimized_graph():
    """There is none: programs run as they are."""
    return None
