"""PyTorch's path of RMSprop."""

from ._per_tensor import RMSprop  # noqa: F401
