"""Engines for quantized layers: there are none."""

from __future__ import annotations

engine, supported_engines = "none", ["none"]


def is_available():
    return False
