"""Special functions."""

from .ops import functions as _functions

globals().update(_functions["special"])
