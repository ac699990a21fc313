"""The loader's parts."""

from . import collate, fetch, pin_memory, worker  # noqa: F401
