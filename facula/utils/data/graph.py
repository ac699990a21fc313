"""Which pipes a pipe is made of."""

from __future__ import annotations

from .datapipes.datapipe import Shared, _Steps

__all__ = ["traverse_dps"]


def _held(value, seen):
    """The pipes that an object holds directly."""
    if id(value) in seen:
        return
    if isinstance(value, _Steps):
        yield value
        return
    if isinstance(value, Shared):
        seen.add(id(value))
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _held(inner, seen)


def traverse_dps(datapipe):
    """{id: (pipe, the same of the pipes it is made of)}."""
    return {id(datapipe): (datapipe, {k: v for inner in _held(vars(datapipe), set()) for k, v in traverse_dps(inner).items()})}
