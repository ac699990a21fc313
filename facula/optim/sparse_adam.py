"""PyTorch's path of SparseAdam."""

from ._per_tensor import SparseAdam  # noqa: F401
