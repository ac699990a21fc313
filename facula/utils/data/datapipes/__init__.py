"""Pipelines of small steps over streams (`iter`) and maps (`map`)."""

from . import iter, map  # noqa: A004
