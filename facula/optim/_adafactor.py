"""PyTorch's path of Adafactor."""

from ._per_tensor import Adafactor  # noqa: F401
