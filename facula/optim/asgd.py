"""PyTorch's path of ASGD."""

from ._per_tensor import ASGD  # noqa: F401
