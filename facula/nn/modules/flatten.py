"""PyTorch's path of flatten."""

from .misc import Flatten, Unflatten  # noqa: F401
