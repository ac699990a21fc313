"""The levels of function transforms: vmap and forward mode wrap tensors, a level at a time.

A wrapper is a tensor object that carries `_wrapped`: (level, value, batch dimension) inside vmap, (level, primal, tangent)
in forward mode. It has the sizes that the function sees. A call is taken apart by its innermost level and handed to the
ones outside. Reverse mode needs no level: graphs are recorded between vmaps, on the wrappers of `depth` vmaps.
"""

from __future__ import annotations

import itertools
import threading

from ._native import core

Tensor = core.Tensor
SUBCLASS, BATCHED, DUAL = 2, 4, 8
WRAPPED = BATCHED | DUAL
_numbers = itertools.count(1)
_local = threading.local()


class Level:
    """One vmap or forward-mode transform that is running (or has run)."""

    def __init__(self, kind, size=None, randomness="error"):
        self.kind, self.size, self.randomness = kind, size, randomness
        self.number = next(_numbers)
        around = stack()
        self.depth = sum(level.kind == "vmap" for level in around) + (kind == "vmap")
        # Graphs of this depth belong to the wrappers of this vmap.
        self.vmap = self if kind == "vmap" else next((v for v in reversed(around) if v.kind == "vmap"), None)
        self.alive = True

    def __enter__(self):
        stack().append(self)
        core.add_slow(1)
        return self

    def __exit__(self, *exc):
        self.alive = False
        stack().remove(self)
        core.add_slow(-1)


def stack():
    """This thread's levels, the outermost first."""
    found = getattr(_local, "stack", None)
    if found is None:
        found = _local.stack = []
    return found


def current_vmap():
    """The innermost vmap that is running, or None."""
    limit = getattr(_local, "limit", None)
    return next((level for level in reversed(stack()) if level.kind == "vmap" and (limit is None or level.number < limit)), None)


def followed(x):
    """Whether some derivative, in reverse or forward mode, at this depth or outside, depends on `x`."""
    if x.requires_grad and core.is_grad_enabled() or x._flags & DUAL:
        return True
    return bool(x._flags & BATCHED) and followed(x._wrapped[1])


def readable(x):
    """Whether a value may decide what is done: it is no tensor of examples."""
    while x._flags & WRAPPED:
        if x._flags & BATCHED:
            return False
        x = x._wrapped[1]
    return True


class outside:
    """Inside, calls belong to what is around a level."""

    def __init__(self, level):
        self.level = level

    def __enter__(self):
        self.before, _local.limit = getattr(_local, "limit", None), self.level.number

    def __exit__(self, *exc):
        _local.limit = self.before


def level_of(x):
    return x._wrapped[0] if x._flags & WRAPPED else None


def depth_of(x):
    """The number of vmaps whose graph this tensor can belong to."""
    return x._wrapped[0].depth if x._flags & WRAPPED else 0


def batched(level, value, dim=0):
    """An example of `value` as the function under vmap sees it; dim None: the same for all."""
    return core.wrap_batched(value, -1 if dim is None else dim, (level, value, dim))


def lift(x, vmap):
    """`x` as a tensor of this vmap's depth, without history there."""
    return x if vmap is None or depth_of(x) >= vmap.depth else batched(vmap, x, None)


def dual(level, primal, tangent):
    """The primal with a tangent, and with the primal's history."""
    primal = lift(primal, level.vmap)
    out = core.wrap(primal, (level, core.graphless(primal), tangent), DUAL)
    return keep_history(out, primal)


def keep_history(out, source):
    if source.requires_grad:
        out._set_history(*source._gradient_edge())
    return out


def fresh(x, vmap):
    """A leaf that records what is done with it at the depth of `vmap`, whatever it was before."""
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    x = lift(x, vmap)
    return x.view_as(x) if x.requires_grad and core.is_grad_enabled() else core.graphless(x).requires_grad_()
