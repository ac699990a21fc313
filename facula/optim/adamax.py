"""PyTorch's path of Adamax."""

from ._per_tensor import Adamax  # noqa: F401
