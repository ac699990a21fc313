"""Notes the shapes and dtypes of all values."""

from __future__ import annotations

from typing import Any, NamedTuple

import facula

from ..interpreter import Interpreter
from ..node import map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor."""

    shape: facula.Size
    dtype: facula.dtype
    requires_grad: bool
    stride: tuple
    memory_format: Any
    is_quantized: bool
    qparams: dict


def _described(t):
    layout = facula.contiguous_format if t.is_contiguous() else None
    return TensorMetadata(t.shape, t.dtype, t.requires_grad, t.stride(), layout, False, {})


class ShapeProp(Interpreter):
    """Runs a graph and keeps in every node's meta["tensor_meta"] what its result was."""

    def __init__(self, gm, fake_mode=None):
        super().__init__(gm)

    def run_node(self, n):
        result = super().run_node(n)
        found = []
        meta = map_aggregate(result, lambda x: found.append(x) or _described(x) if isinstance(x, facula.Tensor) else x)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args):
        """Runs on inputs."""
        return self.run(*args)
