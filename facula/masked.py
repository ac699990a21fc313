"""Operations that leave out masked elements."""

from .ops import functions as _functions

globals().update(_functions["masked"])
