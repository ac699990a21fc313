"""Orders of contraction by the package opt_einsum: not used."""

from __future__ import annotations

from ._flags import keeper

enabled, strategy = False, "auto"
set_flags, flags = keeper(__name__)


def is_available():
    return False


def get_opt_einsum():
    """None: the package is not used."""
