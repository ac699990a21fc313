"""Diagonals, and the switch of the constructors' checks."""

from __future__ import annotations

import facula


def spdiags(diagonals, offsets, shape, layout=None):
    """A sparse matrix with the given rows on its diagonals.

    Args:
        diagonals: (count, columns) or (columns).
        offsets: (count): 0 is the main diagonal, positive ones lie above it.
        shape: Rows and columns.
        layout: sparse_coo (default), sparse_csr or sparse_csc.
    """
    diagonals, offsets = facula.atleast_2d(diagonals), facula.atleast_1d(offsets)
    if len(shape) != 2:
        raise ValueError(f"Output shape must be 2d, got {len(shape)}d")
    if offsets.unique().numel() != offsets.numel():
        raise RuntimeError("Offset tensor contains duplicate values")
    count, width = diagonals.shape
    column = facula.arange(width).expand(count, width)
    row = column - offsets.unsqueeze(1)
    inside = (row >= 0) & (row < shape[0]) & (column < shape[1])
    out = facula.sparse_coo_tensor(facula.stack((row[inside], column[inside])), diagonals[inside], shape)
    return out if layout in (None, facula.sparse_coo) else out.to_sparse(layout=layout)


class check_sparse_tensor_invariants:  # noqa: N801
    """PyTorch's switch; Facula's constructors always check, since what they let through is memory that kernels will index."""

    def __init__(self, enable=True):
        self.enabled = enable

    @staticmethod
    def is_enabled():
        return True

    @staticmethod
    def enable():
        pass

    @staticmethod
    def disable():
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def __call__(self, function):
        return function


def as_sparse_gradcheck(gradcheck):
    """A gradcheck that takes functions of sparse tensors: they are checked through their values."""

    def check(func, inputs, **kwargs):
        inputs = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
        parts = [x.values().detach().clone().requires_grad_() if x.layout != facula.strided and x.requires_grad else x for x in inputs]

        def dense(*values):
            given = [facula._values_like(x.detach(), v) if x.layout != facula.strided and x.requires_grad else v
                     for x, v in zip(inputs, values, strict=True)]
            out = func(*given)
            return out.to_dense() if out.layout != facula.strided else out

        return gradcheck(dense, tuple(parts), **{k: v for k, v in kwargs.items() if k != "masked"})

    return check
