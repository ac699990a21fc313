"""Names for kinds of arguments, for annotations."""

from __future__ import annotations

import os
from typing import IO, Any, Sequence, Union  # noqa: F401

import facula
from facula import SymBool, SymFloat, SymInt
from facula import Size as _Size
from facula import Tensor  # noqa: F401

Size = Union[Sequence[int], _Size]
Number = Union[int, float, bool]
Device = Union["facula.device", str, int, None]
FileLike = Union[str, os.PathLike, IO[bytes]]
IntLikeType, FloatLikeType, BoolLikeType = Union[int, SymInt], Union[float, SymFloat], Union[bool, SymBool]
py_sym_types = (SymInt, SymFloat, SymBool)
PySymType = Union[SymInt, SymFloat, SymBool]


class Storage:
    """What storages have in common, for annotations."""


__all__ = ["Number", "Device", "FileLike", "Storage"]
