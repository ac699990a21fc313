"""PyTorch's path of Rprop."""

from ._per_tensor import Rprop  # noqa: F401
