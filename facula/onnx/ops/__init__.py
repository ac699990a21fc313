"""How each operation of the table is written in ONNX: one function or table entry per operation."""

from . import create, image, index, layers, pointwise, reduce, shape  # noqa: F401
