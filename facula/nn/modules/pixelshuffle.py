"""PyTorch's path of pixelshuffle."""

from .misc import PixelShuffle, PixelUnshuffle  # noqa: F401
