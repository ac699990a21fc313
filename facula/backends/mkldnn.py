"""Intel's library of layers: Facula's kernels take its place."""

from __future__ import annotations

from ._flags import keeper

enabled, deterministic, allow_tf32, fp32_precision = True, False, True, "none"
VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2
set_flags, flags = keeper(__name__)


def is_available():
    return False


def is_acl_available():
    return False


class verbose:  # noqa: N801
    """Accepted: there is nothing to log."""

    def __init__(self, level):
        self.level = level

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False
