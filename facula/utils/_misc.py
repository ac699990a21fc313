"""Small functions of `facula.utils` itself."""

from __future__ import annotations

import weakref

from .._native import core
from .._tensor import _overrides


def set_module(obj, mod):
    """Sets the module that a function or class says it is from."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod


def _slots(kind):
    return {name for base in kind.__mro__ for name in _as_names(vars(base).get("__slots__", ()))} - {"__dict__", "__weakref__"}


def _as_names(slots):
    return (slots,) if isinstance(slots, str) else slots


def swap_tensors(t1, t2):
    """Exchanges two tensors: whatever refers to one of them then sees the other's values, class, gradient and Python attributes.

    Raises:
        RuntimeError: One of them is weakly referenced, is the result of a recorded operation, or their classes' slots differ.
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if weakref.getweakrefs(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    if _slots(type(t1)) != _slots(type(t2)):
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    for name, t in (("t1", t1), ("t2", t2)):
        if not t.is_leaf:
            raise RuntimeError(f"Cannot swap {name} because it is the result of a recorded operation ({t.grad_fn.name()}): only leaves can be swapped")
    seen = [(t.data, t.requires_grad, t.grad, dict(vars(t)), type(t), {s: getattr(t, s) for s in _slots(type(t)) if hasattr(t, s)}) for t in (t1, t2)]
    for t, state in zip((t1, t2), reversed(seen)):
        _become(t, *state)


def _become(t, data, requires_grad, grad, attributes, kind, slots):
    t.grad = None
    t.requires_grad_(False)
    core.become(t, kind, _overrides(kind))
    t.data = data
    t.requires_grad_(requires_grad)
    t.grad = grad
    vars(t).clear()
    vars(t).update(attributes)
    for name, value in slots.items():
        setattr(t, name, value)
