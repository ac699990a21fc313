"""NVIDIA's libraries: not there. Settings are kept."""

from __future__ import annotations

import contextlib

from ..nn.attention import SDPBackend, sdpa_kernel  # noqa: F401

_enabled = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduced": False}


class _Matmul:
    allow_tf32 = allow_fp16_accumulation = False
    allow_fp16_reduced_precision_reduction = allow_bf16_reduced_precision_reduction = True
    fp32_precision = "none"


class _PlanCache:
    size, max_size = 0, 0

    def clear(self):
        """Nothing is cached."""

    def __getitem__(self, device):
        return self


matmul, cufft_plan_cache = _Matmul(), _PlanCache()


class SDPAParams:
    """The arguments of one call of attention."""

    def __init__(self, query, key, value, attn_mask, dropout, is_causal, enable_gqa=False):
        self.query, self.key, self.value, self.attn_mask = query, key, value, attn_mask
        self.dropout, self.is_causal, self.enable_gqa = dropout, is_causal, enable_gqa


def is_built():
    return False


def is_flash_attention_available():
    return False


def can_use_flash_attention(params, debug=False):
    return False


can_use_efficient_attention = can_use_cudnn_attention = can_use_flash_attention


def preferred_linalg_library(backend=None):
    return "default"


preferred_blas_library = preferred_linalg_library


def _setting(name):
    def enable(enabled):
        """Accepted: there is one kernel of attention."""
        _enabled[name] = bool(enabled)

    return enable, lambda: _enabled[name]


enable_flash_sdp, flash_sdp_enabled = _setting("flash")
enable_mem_efficient_sdp, mem_efficient_sdp_enabled = _setting("mem_efficient")
enable_math_sdp, math_sdp_enabled = _setting("math")
enable_cudnn_sdp, cudnn_sdp_enabled = _setting("cudnn")
allow_fp16_bf16_reduction_math_sdp, fp16_bf16_reduction_math_sdp_allowed = _setting("reduced")


@contextlib.contextmanager
def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """Other settings inside a `with` block."""
    before = dict(_enabled)
    _enabled.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _enabled.update(before)
