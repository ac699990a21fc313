"""Forward mode: dual numbers carry a tangent along with each value."""

from __future__ import annotations

from collections import namedtuple

from .._native import core

_DUAL = 8
_levels: list[int] = []
UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


def enter_dual_level():
    """Opens a level; tangents live until it is left."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(len(_levels))
    return _levels[-1]


def exit_dual_level(*, level=None):
    if not _levels:
        raise RuntimeError("Trying to exit a forward AD level but no level is active")
    _levels.pop()


class dual_level:
    """`with dual_level():` opens and closes a level."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()


def with_tangent(primal, tangent):
    """The primal's value and graph, with a tangent."""
    out = primal.view_as(primal) if primal.requires_grad and core.is_grad_enabled() else core.alias(primal)
    if tangent is not None:
        out._tangent = tangent
        out._flags = out._flags | _DUAL
    return out


def strip(x):
    """The primal without its tangent."""
    if not x._flags & _DUAL:
        return x
    out = core.alias(x)
    if x.requires_grad:
        edge = x._gradient_edge()
        out._set_history(*edge)
    return out


def make_dual(tensor, tangent, *, level=None):
    """A dual number of a value and its tangent (same shape and dtype)."""
    if not _levels:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.dtype.is_floating_point or tangent.dtype.is_complex):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(f"Expected tangent to have the same shape as the primal, {list(tensor.shape)}, but got {list(tangent.shape)}")
    return with_tangent(tensor, tangent)


def unpack_dual(tensor, *, level=None):
    """(primal, tangent) of a dual number; the tangent is None for others."""
    if not _levels or not tensor._flags & _DUAL:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(strip(tensor), tensor._tangent)
