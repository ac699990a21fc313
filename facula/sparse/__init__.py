"""Sparse tensors: constructors, products, sums and softmax; see `facula._layouts` for what a sparse tensor is."""

from ..ops import functions as _functions
from ._make import (sparse_bsc_tensor, sparse_bsr_tensor, sparse_compressed_tensor, sparse_coo_tensor, sparse_csc_tensor,  # noqa: F401
                    sparse_csr_tensor)
from ._misc import as_sparse_gradcheck, check_sparse_tensor_invariants, spdiags  # noqa: F401

globals().update(_functions["sparse"])
