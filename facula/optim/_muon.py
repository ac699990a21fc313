"""PyTorch's path of Muon."""

from ._per_tensor import Muon  # noqa: F401
