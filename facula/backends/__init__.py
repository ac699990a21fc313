"""What PyTorch programs ask about backends. Facula has its own kernels: settings are kept, and nothing depends on them."""

from __future__ import annotations

from . import cpu, cuda, cudnn, mha, mkl, mkldnn, mps, nnpack, openmp, opt_einsum, quantized  # noqa: F401

fp32_precision = "none"
flags_frozen = False


def disable_global_flags():
    """Accepted: flags were never global."""
