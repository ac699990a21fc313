"""The graph as users see it: nodes, hooks, and what is done with saved tensors."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import namedtuple

from .._native import core

Node = core.Node
GradientEdge = namedtuple("GradientEdge", ["node", "output_nr", "ownership_token"], defaults=[None])
_ids = itertools.count()


class RemovableHandle:
    """Removes a hook again: `handle.remove()`, or at the end of `with handle:`."""

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.id = next(_ids)
        self.hooks = hooks_dict if isinstance(hooks_dict, dict) and type(hooks_dict) is dict else None
        self.reference = None if self.hooks is not None else weakref.ref(hooks_dict)

    @classmethod
    def add(cls, hooks, hook):
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self):
        hooks = self.hooks if self.hooks is not None else self.reference()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def get_gradient_edge(tensor):
    """Where gradients of this tensor enter the graph."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge of a Tensor that does not require gradients")
    return GradientEdge(*tensor._gradient_edge())


_local = threading.local()


class saved_tensors_hooks:
    """Inside, tensors saved for backward pass through `pack_hook`, and back through `unpack_hook`."""

    def __init__(self, pack_hook, unpack_hook):
        self.pair = (pack_hook, unpack_hook)

    def __enter__(self):
        stack = _local.__dict__.setdefault("stack", [])
        stack.append(self.pair)
        core.set_pack_hooks(self.pair)

    def __exit__(self, *exc):
        stack = _local.stack
        stack.pop()
        core.set_pack_hooks(stack[-1] if stack else None)


class save_on_cpu(saved_tensors_hooks):
    """Keeps saved tensors in the CPU's memory until backward."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda x: (x.device, x.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Inside, entering `saved_tensors_hooks` has no effect."""

    def __init__(self, error_message):
        self.message = error_message

    def __enter__(self):
        core.set_pack_hooks(None)

    def __exit__(self, *exc):
        stack = getattr(_local, "stack", [])
        core.set_pack_hooks(stack[-1] if stack else None)


def increment_version(tensor):
    """Counts a write that happened behind autograd's back."""
    for t in tensor if isinstance(tensor, (list, tuple)) else (tensor,):
        t._bump()


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Inside, saved tensors may be changed in place: backward uses copies."""

    def __init__(self):
        super().__init__(lambda x: x.clone(), lambda x: x)
