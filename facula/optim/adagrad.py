"""PyTorch's path of Adagrad."""

from ._per_tensor import Adagrad  # noqa: F401
