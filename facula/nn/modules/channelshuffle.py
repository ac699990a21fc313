"""PyTorch's path of channelshuffle."""

from .misc import ChannelShuffle  # noqa: F401
