"""PyTorch's path of AdamW."""

from .adam import AdamW  # noqa: F401
