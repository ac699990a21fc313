"""PyTorch's path of Adadelta."""

from ._per_tensor import Adadelta  # noqa: F401
