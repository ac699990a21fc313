"""A library of layers for phones: not there."""

from __future__ import annotations

from ._flags import keeper

enabled = False
set_flags, flags = keeper(__name__)


def is_available():
    return False
