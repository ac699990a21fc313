"""How random transforms draw, and how sizes are given."""

from __future__ import annotations

import facula

from . import functional as F


def _uniform(low, high):
    return facula.empty(1).uniform_(float(low), float(high)).item()


def _randint(low, high):
    return int(facula.randint(low, high, size=(1,)).item())


def _chance(p):
    return bool(facula.rand(1) < p)


def _size(size, message="Please provide only two dimensions (h, w) for size."):
    return F._pair(size, message)
