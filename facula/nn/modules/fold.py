"""PyTorch's path of fold."""

from .misc import Fold, Unfold  # noqa: F401
