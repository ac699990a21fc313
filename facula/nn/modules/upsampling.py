"""PyTorch's path of upsampling."""

from .misc import Upsample, UpsamplingNearest2d, UpsamplingBilinear2d  # noqa: F401
