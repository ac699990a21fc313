"""Handles of hooks: one class for tensors, nodes, modules and optimizers."""

from __future__ import annotations

import weakref
from collections import OrderedDict

__all__ = ["RemovableHandle"]


def _reference(d):
    """A weak reference; plain dictionaries, which take none, are held."""
    return (lambda: d) if type(d) is dict else weakref.ref(d)


class RemovableHandle:
    """Takes a hook away again: `handle.remove()`, or at the end of `with handle:`."""

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.hooks_dict_ref = _reference(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = extra_dict if isinstance(extra_dict, list) else [extra_dict] if extra_dict is not None else []
        self.extra_dict_ref = tuple(_reference(d) for d in extra)

    @classmethod
    def add(cls, hooks, hook):
        """Puts a hook into a dictionary of hooks."""
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self):
        """Takes the hook away; harmless when it is gone already."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            d = ref()
            if d is not None:
                d.pop(self.id, None)

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id) + ((tuple(r() for r in self.extra_dict_ref),) if self.extra_dict_ref else ())

    def __setstate__(self, state):
        self.hooks_dict_ref = _reference(OrderedDict() if state[0] is None else state[0])
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self.extra_dict_ref = tuple(_reference(OrderedDict() if d is None else d) for d in state[2]) if len(state) > 2 else ()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()
