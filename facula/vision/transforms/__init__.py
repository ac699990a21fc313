"""Transforms of images."""

from . import functional  # noqa: F401
from .transforms import *  # noqa: F403
