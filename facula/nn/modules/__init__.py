"""Every layer, by family."""

from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Bilinear, Embedding, Flatten, Identity, Linear, Unflatten
from .loss import *  # noqa: F403
from .module import Module
from .norm import (BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm,
                   RMSNorm)
from .simple import *  # noqa: F403

__all__ = [name for name, value in dict(globals()).items() if isinstance(value, type) and issubclass(value, Module)]
