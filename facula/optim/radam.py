"""PyTorch's path of RAdam."""

from ._per_tensor import RAdam  # noqa: F401
