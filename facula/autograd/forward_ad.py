"""Forward mode: dual numbers carry a tangent along with each value."""

from __future__ import annotations

from collections import namedtuple

from .._levels import DUAL, Level, dual, keep_history
from .._native import core

_levels: list[Level] = []
UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


def enter_dual_level():
    """Opens a level; tangents live until it is left."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(Level("jvp").__enter__())
    return len(_levels) - 1


def exit_dual_level(*, level=None):
    if not _levels:
        raise RuntimeError("Trying to exit a forward AD level but no level is active")
    if level is not None and level != len(_levels) - 1:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    _levels.pop().__exit__()


class dual_level:
    """`with dual_level():` opens and closes a level."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()


def strip(x, level=None):
    """The value without its tangent of one level (of any, if none is given), with its history."""
    while x._flags & DUAL and level in (None, x._wrapped[0]):
        x = keep_history(core.graphless(x._wrapped[1]), x)
    return x


def make_dual(tensor, tangent, *, level=None):
    """A dual number of a value and its tangent (same shape and dtype)."""
    if not _levels:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    return checked_dual(_levels[-1], tensor, tangent)


def checked_dual(level, tensor, tangent):
    """`dual`, with PyTorch's checks of what belongs together."""
    if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.dtype.is_floating_point or tangent.dtype.is_complex):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tensor._flags & DUAL and tensor._wrapped[0] is level:
        raise RuntimeError("Expected primal to have no forward grad at this level: it has one already")
    if tensor.shape != tangent.shape:
        raise RuntimeError("Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is "
                           f"of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}.")
    return dual(level, tensor.view_as(tensor) if tensor.requires_grad else tensor, tangent)


def unpack_dual(tensor, *, level=None):
    """(primal, tangent) of a dual number; the tangent is None for others."""
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    return unpacked(_levels[-1], tensor)


def unpacked(level, tensor):
    if tensor._flags & DUAL and tensor._wrapped[0] is level:
        return UnpackedDualTensor(strip(tensor, level), tensor._wrapped[2])
    return UnpackedDualTensor(tensor, None)


def _set_fwd_grad_enabled(mode):
    """Accepted: duals are only made where they are asked for."""
    from contextlib import nullcontext

    return nullcontext()
