"""Complex conjugates."""

from __future__ import annotations

import facula

from ._table import composite


@composite("conj", method=True)
def conj(input):
    """The complex conjugate; real tensors are returned as they are."""
    return facula._conj_physical(input) if input.is_complex() else input


@composite("conj_physical", method=True, inplace=True)
def conj_physical(input):
    """The complex conjugate, in memory of its own."""
    return facula._conj_physical(input) if input.is_complex() else input.clone()

