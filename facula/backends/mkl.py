"""Intel's library of linear algebra: OpenBLAS and Facula's kernels take its place."""

from __future__ import annotations

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available():
    return False


class verbose:  # noqa: N801
    """Accepted: there is nothing to log."""

    def __init__(self, enable):
        self.enable = enable

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False
