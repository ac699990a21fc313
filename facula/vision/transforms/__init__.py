"""Transforms of images."""

from . import functional  # noqa: F401
from .autoaugment import *  # noqa: F403
from .transforms import *  # noqa: F403
