"""Tensors without data: devices called "meta" take their place here."""

from . import fake_tensor  # noqa: F401
