"""Errors of the frontend, under PyTorch's name."""

from ._script import NotSupportedError, UnsupportedNodeError

__all__ = ["NotSupportedError", "UnsupportedNodeError"]
