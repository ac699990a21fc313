"""The Python array API standard, version 2024.12, on Facula's tensors.

A namespace of its own, because the standard and PyTorch give different meanings to a few names
(`sum` keeps small integers there, `std` divides by n, `sort` has an axis ...). Tensors answer
`__array_namespace__` with this module.

Example:
    >>> import facula
    >>> xp = facula.ones(2).__array_namespace__()
    >>> float(xp.std(xp.asarray([1.0, 3.0])))
    1.0
"""

import math

import facula

from . import fft, linalg
from ._arithmetic import *
from ._creation import *
from ._info import __array_namespace_info__, can_cast, finfo, iinfo, isdtype, result_type
from ._manipulation import *
from ._search import *
from ._statistics import *
from .linalg import matmul, matrix_transpose, tensordot, vecdot

__array_api_version__ = "2024.12"
e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None
for _name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64", "complex128"):
    globals()[_name] = getattr(facula, _name)
