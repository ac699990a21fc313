"""autocast: inside, matrix products and convolutions run in bfloat16, delicate operations in float32."""

from __future__ import annotations

import functools
import threading
import warnings

from .._forward import map_tensors, tensors_of
from .._native import core

Tensor = core.Tensor

LOWER = frozenset(
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution bmm mm _matmul matmul baddbmm addmm addbmm linear "
    "vecdot prelu scaled_dot_product_attention _linear _rnn_layer".split())
FULL = frozenset(
    "avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits grid_sample grid_sampler grid_sampler_2d grid_sampler_3d polar prod quantile "
    "nanquantile stft cdist trace view_as_complex cholesky cholesky_inverse cholesky_solve inverse lu_solve orgqr ormqr pinverse max_pool3d "
    "max_unpool2d max_unpool3d adaptive_avg_pool3d mse_loss cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss "
    "cross_entropy l1_loss huber_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss ctc_loss kl_div "
    "multilabel_margin_loss fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft matrix_norm cond matrix_rank solve "
    "svdvals eigvals eigvalsh inv householder_product tensorinv tensorsolve geqrf eig eigh lstsq inv_ex svd qr triangular_solve".split())
PROMOTED = frozenset("stack cat index_copy concat concatenate".split())

_DTYPES = {"cpu": [core.bfloat16, core.float16], "cuda": [core.float16, core.bfloat16]}


class _State(threading.local):
    def __init__(self):
        self.enabled = {"cpu": False, "cuda": False}
        self.dtype = {"cpu": core.bfloat16, "cuda": core.float16}
        self.cache = True
        self.nesting = 0


_state = _State()


def _to(dtype):
    def convert(t):
        wrong = t.device.type != "cpu" or not t.dtype.is_floating_point or t.dtype == core.float64 or t.dtype == dtype
        return t if wrong else t.to(dtype)

    return convert


def _target(name, values):
    """The dtype that tensors of a call are brought to, None to leave them."""
    if not _state.enabled["cpu"]:
        return None
    if name in LOWER:
        return _state.dtype["cpu"]
    if name in FULL:
        return core.float32
    if name in PROMOTED and any(t.dtype == core.float32 for t in tensors_of(values)):
        return core.float32
    return None


class _Off:
    """The casts themselves, and what runs on their results, are not cast again."""

    def __enter__(self):
        self.before = dict(_state.enabled)
        _state.enabled["cpu"] = False

    def __exit__(self, *exc):
        _state.enabled.update(self.before)


def cast(entry, values):
    """The values of a call of a table entry, in the dtypes that autocast wants."""
    target = _target(entry.name, values)
    if target is None:
        return values
    with _Off():
        return map_tensors(_to(target), values)


def cast_call(name, args, kwargs):
    """The same for a call of an operation in Python."""
    target = _target(name, (*args, *kwargs.values()))
    if target is None:
        return args, kwargs
    with _Off():
        return map_tensors(_to(target), args), dict(zip(kwargs, map_tensors(_to(target), kwargs.values())))


def is_autocast_available(device_type):
    """Whether autocast knows a type of device."""
    return core.device(device_type).type in ("cpu", "cuda", "meta", "mps")


class autocast:
    """Inside (as a context or a decorator), operations choose their dtype: bfloat16 where it is fast, float32 where it is needed.

    Args:
        device_type: 'cpu' (or 'cuda', which without a GPU warns and does nothing).
        dtype: The fast dtype; bfloat16 by default on the CPU.
        enabled: False switches an outer region off.
        cache_enabled: Accepted.
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = core.device(device_type).type
        if self.device not in _state.dtype:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{self.device}'")
        self.fast_dtype = _state.dtype[self.device] if dtype is None else dtype
        self._cache_enabled = _state.cache if cache_enabled is None else cache_enabled
        self._enabled = enabled
        if self.device == "cuda" and enabled:
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", UserWarning, 2)
            self._enabled = False
        elif enabled and self.fast_dtype not in _DTYPES[self.device]:
            warnings.warn(f"In {self.device.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n{self.device.upper()} Autocast only "
                          f"supports dtypes of {', '.join(map(str, _DTYPES[self.device]))} currently.", UserWarning, 2)
            self._enabled = False

    def __enter__(self):
        self.before = _state.enabled[self.device], _state.dtype[self.device], _state.cache
        _state.enabled[self.device], _state.dtype[self.device], _state.cache = self._enabled, self.fast_dtype, self._cache_enabled
        core.add_autocast(1)
        return self

    def __exit__(self, *exc):
        core.add_autocast(-1)
        _state.enabled[self.device], _state.dtype[self.device], _state.cache = self.before
        return False

    def __call__(self, func):
        @functools.wraps(func)
        def call(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return call


def _plain(values, dtype):
    from ..utils import _pytree as pytree

    return pytree.tree_map_only(Tensor, lambda t: t.to(dtype) if t.dtype.is_floating_point and t.dtype != core.float64 else t, values)


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorates the `forward` of an autograd.Function for use under autocast; with `cast_inputs`, autocast is off inside."""
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def call(*args, **kwargs):
        ctx = args[0]
        ctx._dtype = _state.dtype[device_type]
        if cast_inputs is None:
            ctx._fwd_used_autocast = _state.enabled[device_type]
            return fwd(*args, **kwargs)
        context, ctx._fwd_used_autocast = _state.enabled[device_type], False
        if not context:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_plain(args, cast_inputs), **_plain(kwargs, cast_inputs))

    return call


def custom_bwd(bwd=None, *, device_type):
    """Decorates the `backward` that belongs to a `custom_fwd`: it runs under the autocast state of the forward pass."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def call(*args, **kwargs):
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return call


# ---------------------------------------------------------------- the state, under its names in the top module

def is_autocast_enabled(device_type="cuda"):
    """Whether autocast is on for a type of device."""
    return _state.enabled.get(device_type, False)


def set_autocast_enabled(device_type, enabled=None):
    device_type, enabled = ("cuda", device_type) if enabled is None else (device_type, enabled)
    if enabled != _state.enabled[device_type]:
        core.add_autocast(1 if enabled else -1)
    _state.enabled[device_type] = enabled


def is_autocast_cpu_enabled():
    return _state.enabled["cpu"]


def get_autocast_dtype(device_type):
    """The fast dtype of a type of device."""
    return _state.dtype[device_type]


def set_autocast_dtype(device_type, dtype):
    _state.dtype[device_type] = dtype


def get_autocast_cpu_dtype():
    return _state.dtype["cpu"]


def get_autocast_gpu_dtype():
    return _state.dtype["cuda"]


def is_autocast_cache_enabled():
    return _state.cache


def set_autocast_cache_enabled(enabled):
    _state.cache = enabled


def clear_autocast_cache():
    """Nothing is cached."""


def autocast_increment_nesting():
    _state.nesting += 1
    return _state.nesting


def autocast_decrement_nesting():
    _state.nesting -= 1
    return _state.nesting
