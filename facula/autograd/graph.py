"""The graph as users see it: nodes, hooks, and what is done with saved tensors."""

from __future__ import annotations

import threading
from collections import namedtuple

from .._hooks import RemovableHandle  # noqa: F401
from .._native import core

Node = core.Node
GradientEdge = namedtuple("GradientEdge", ["node", "output_nr", "ownership_token"], defaults=[None])


def get_gradient_edge(tensor):
    """Where gradients of this tensor enter the graph."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(*tensor._gradient_edge())


_local = threading.local()


class saved_tensors_hooks:
    """Inside, tensors saved for backward pass through `pack_hook`, and back through `unpack_hook`."""

    def __init__(self, pack_hook, unpack_hook):
        self.pair = (pack_hook, unpack_hook)

    def __enter__(self):
        if getattr(_local, "disabled", None) is not None:
            raise RuntimeError(_local.disabled)
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
    """Inside, entering `saved_tensors_hooks` raises a RuntimeError with this message."""

    def __init__(self, error_message):
        self.message = error_message

    def __enter__(self):
        self.before = getattr(_local, "disabled", None)
        if getattr(_local, "stack", None):
            raise RuntimeError(self.message)
        _local.disabled = self.message

    def __exit__(self, *exc):
        _local.disabled = self.before


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls a function with the gradients of several tensors.

    Args:
        tensors: Tensors that require gradients.
        fn: With mode 'all', called once in each backward with the list of gradients (None for the ones it does not reach), when
            all of them are there; with mode 'any', with the first gradient.
        mode: 'all' or 'any'.

    Returns:
        A handle whose `remove()` takes the hooks away.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    if not all(t.requires_grad for t in tensors):
        raise AssertionError("Expected gradient function to be set")
    handles = []
    state = {"run": None}

    def start(index):
        if state["run"] != core.backward_run():
            reached = core.backward_reaches([t._gradient_edge()[0] for t in tensors])
            state.update(run=core.backward_run(), left=sum(reached), gradients=[None] * len(tensors), done=False)

    def see(gradient, index):
        start(index)
        state["gradients"][index] = gradient
        state["left"] -= 1
        if mode == "any" and not state["done"]:
            state["done"] = True
            fn(gradient)
        elif mode == "all" and state["left"] == 0:
            fn(state["gradients"])

    for i, t in enumerate(tensors):
        handles.append(t.register_hook(lambda g, i=i: see(g, i)))
    return _Handles(handles)


class _Handles:
    """Several handles as one."""

    def __init__(self, handles):
        self.handles = handles

    def remove(self):
        for h in self.handles:
            h.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def increment_version(tensor):
    """Counts a write that happened behind autograd's back."""
    for t in tensor if isinstance(tensor, (list, tuple)) else (tensor,):
        t._bump()


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Inside, saved tensors may be changed in place: backward uses copies."""

    def __init__(self):
        super().__init__(lambda x: x.clone(), lambda x: x)
