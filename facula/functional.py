"""The functions that PyTorch writes in Python, under the name of their module."""

from __future__ import annotations

import facula

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "align_tensors", "broadcast_shapes", "broadcast_tensors", "cartesian_prod", "block_diag", "cdist", "chain_matmul",
           "einsum", "istft", "lu", "norm", "meshgrid", "pca_lowrank", "split", "stft", "svd_lowrank", "tensordot", "unique", "unique_consecutive", "unravel_index"]
__all__ = [n for n in __all__ if hasattr(facula, n)]
globals().update((n, getattr(facula, n)) for n in __all__)
