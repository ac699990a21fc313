"""NVIDIA's library of layers: not there."""

from __future__ import annotations

from ._flags import keeper

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True
benchmark_limit, fp32_precision = 10, "none"
set_flags, flags = keeper(__name__)


def is_available():
    return False


def version():
    """None: there is no version of it."""


def is_acceptable(tensor):
    return False
