"""Linear algebra."""

from ._callbacks import LinAlgError  # noqa: F401
from .ops import functions as _functions

globals().update(_functions["linalg"])
