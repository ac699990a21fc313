"""PyTorch's path of NAdam."""

from ._per_tensor import NAdam  # noqa: F401
