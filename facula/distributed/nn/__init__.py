"""Collectives that gradients flow through."""

from . import functional  # noqa: F401
from .functional import all_gather, all_reduce, all_to_all, broadcast, reduce, reduce_scatter  # noqa: F401
