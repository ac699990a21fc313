"""Products, convolutions, pooling, normalisation, attention, recurrent layers."""

from __future__ import annotations

import functools
import math

import facula

from .._builder import UnsupportedOperatorError, dtype_code, maps
from .pointwise import floating


# ---------------------------------------------------------------- products
@maps("mm", "bmm", "_matmul", "mv", "dot", "vdot")
def _matmul(b, x, y):
    return b.emit("MatMul", x, y)


@maps("nn.functional.linear", "_linear", "_linear_rows")
def _linear(b, x, weight, bias=None):
    if b.rank(x) == 2:
        return b.emit("Gemm", x, weight, bias, transB=1)
    out = b.emit("MatMul", x, b.emit("Transpose", weight, perm=[1, 0]))
    return out if bias is None else b.emit("Add", out, bias)


def _scaled_sum(b, x, product, beta, alpha):
    dtype = b.dtype(x)
    product = product if alpha == 1 else b.emit("Mul", product, b.scalar(alpha, dtype))
    if beta == 0:
        return product
    return b.emit("Add", b(x) if beta == 1 else b.emit("Mul", x, b.scalar(beta, dtype)), product)


@maps("addmm", "addmv", "baddbmm")
def _addmm(b, x, m1, m2, beta=1, alpha=1):
    return _scaled_sum(b, x, b.emit("MatMul", m1, m2), beta, alpha)


@maps("addbmm")
def _addbmm(b, x, m1, m2, beta=1, alpha=1):
    return _scaled_sum(b, x, b.emit("ReduceSum", b.emit("MatMul", m1, m2), [0], keepdims=0), beta, alpha)


@maps("addr")
def _addr(b, x, v1, v2, beta=1, alpha=1):
    return _scaled_sum(b, x, b.emit("Mul", b.emit("Unsqueeze", v1, [1]), v2), beta, alpha)


# ---------------------------------------------------------------- convolutions
def _full(b, values, n):
    values = b.plain(values, "a convolution's or pooling's setting")
    return values * n if len(values) == 1 else values


def _convolution(n):
    def emit(b, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        single = b.rank(x) == n + 1
        x = b.emit("Unsqueeze", x, [0]) if single else x
        if isinstance(padding, str):
            pads, auto = None, {"same": "SAME_UPPER", "valid": "VALID"}[padding]
        else:
            pads, auto = _full(b, padding, n) * 2, None
        out = b.emit("Conv", x, weight, bias, strides=_full(b, stride, n), pads=pads, auto_pad=auto, dilations=_full(b, dilation, n),
                     group=int(groups), kernel_shape=list(weight.shape[2:]))
        return b.emit("Squeeze", out, [0]) if single else out

    return emit


def _transposed(n):
    def emit(b, x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        single = b.rank(x) == n + 1
        x = b.emit("Unsqueeze", x, [0]) if single else x
        out = b.emit("ConvTranspose", x, weight, bias, strides=_full(b, stride, n), pads=_full(b, padding, n) * 2,
                     output_padding=_full(b, output_padding, n), dilations=_full(b, dilation, n), group=int(groups),
                     kernel_shape=list(weight.shape[2:]))
        return b.emit("Squeeze", out, [0]) if single else out

    return emit


for _n in (1, 2, 3):
    maps(f"conv{_n}d", f"nn.functional.conv{_n}d")(_convolution(_n))
    maps(f"conv_transpose{_n}d", f"nn.functional.conv_transpose{_n}d")(_transposed(_n))


@maps("convolution")
def _general_convolution(b, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    n = b.rank(weight) - 2
    if transposed:
        return _transposed(n)(b, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution(n)(b, x, weight, bias, stride, padding, dilation, groups)


# ---------------------------------------------------------------- pooling
def _pooled(b, x, n, emit):
    single = b.rank(x) == n + 1
    out = emit(b.emit("Unsqueeze", x, [0]) if single else x)
    return b.emit("Squeeze", out, [0]) if single else out


def _windows(b, x, n, **settings):
    """The largest elements of windows, and their places: ONNX counts these over all samples and channels, PyTorch inside a channel."""
    single = b.rank(x) == n + 1
    out, places = b.emit("MaxPool", b.emit("Unsqueeze", x, [0]) if single else x, outputs=2, **settings)
    sizes = [b.size(x, d - n) for d in range(n)]
    area = sizes[0]
    for size in sizes[1:]:
        area = b.emit("Mul", area, size)
    places = b.emit("Mod", places, area)
    return (b.emit("Squeeze", out, [0]), b.emit("Squeeze", places, [0])) if single else (out, places)


@maps("_max_pool1d", "_max_pool2d", "_max_pool3d")
def _max_pool(b, x, n, kernel, stride=None, padding=0, dilation=1, ceil_mode=False):
    return _windows(b, x, n, kernel_shape=_full(b, kernel, n), strides=_full(b, stride or kernel, n), pads=_full(b, padding, n) * 2,
                    dilations=_full(b, dilation, n), ceil_mode=int(ceil_mode))


@maps("_avg_pool1d", "_avg_pool2d", "_avg_pool3d")
def _avg_pool(b, x, n, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor=None):
    kernel = _full(b, kernel, n)
    settings = {"kernel_shape": kernel, "strides": _full(b, stride or kernel, n), "pads": _full(b, padding, n) * 2,
                "ceil_mode": int(ceil_mode), "count_include_pad": int(count_include_pad or divisor is not None)}
    out = _pooled(b, x, n, lambda name: b.emit("AveragePool", name, **settings))
    return out if divisor is None else b.emit("Mul", out, b.scalar(math.prod(kernel) / divisor, b.dtype(x)))


def _adaptive(op, n, b, x, sizes):
    """Windows that cover the input: pooling where all are alike, otherwise each dimension by itself."""
    have, sizes = x.tensor.shape[-n:], b.plain(sizes, "an adaptive pooling's output size")
    if all(h % s == 0 for h, s in zip(have, sizes)):
        kernel = [h // s for h, s in zip(have, sizes)]
        if op == "MaxPool":
            return _windows(b, x, n, kernel_shape=kernel, strides=kernel)
        return _pooled(b, x, n, lambda name: b.emit(op, name, kernel_shape=kernel, strides=kernel)), None
    reduce = "ReduceMean" if op == "AveragePool" else "ReduceMax"
    out = b(x)
    for k, (h, s) in enumerate(zip(have, sizes)):
        axis = [k - n]
        windows = [b.emit("Slice", out, [i * h // s], [-(-(i + 1) * h // s)], axis) for i in range(s)]
        out = b.emit("Concat", *(b.emit(reduce, w, b.constant(axis), keepdims=1) for w in windows), axis=axis[0])
    return out, None


for _n in (1, 2, 3):
    maps(f"_adaptive_avg_pool{_n}d")(functools.partial(_adaptive, "AveragePool", _n))
    maps(f"_adaptive_max_pool{_n}d")(functools.partial(_adaptive, "MaxPool", _n))


# ---------------------------------------------------------------- normalisation
@maps("native_batch_norm")
def _batch_norm(b, x, weight, bias, mean, var, training, momentum, eps):
    dtype, channels = b.dtype(x), x.shape[1]
    weight = weight if weight is not None else b.constant(facula.ones(channels, dtype=dtype))
    bias = bias if bias is not None else b.constant(facula.zeros(channels, dtype=dtype))
    if training:
        return _instance(b, x, weight, bias, eps), None, None
    return b.emit("BatchNormalization", x, weight, bias, mean, var, epsilon=float(eps), momentum=float(1 - (momentum or 0))), None, None


def _instance(b, x, weight, bias, eps):
    """Statistics of the batch itself: over all dimensions but the channels."""
    order = [1, 0, *range(2, b.rank(x))]
    moved = b.emit("Transpose", x, perm=order)
    flat = b.emit("Reshape", moved, [1, x.shape[1], -1])
    out = b.emit("InstanceNormalization", flat, weight, bias, epsilon=float(eps))
    return b.emit("Transpose", b.emit("Reshape", out, b.emit("Shape", moved)), perm=order)


@maps("native_layer_norm")
def _layer_norm(b, x, shape, weight, bias, eps):
    weight = weight if weight is not None else b.constant(facula.ones(*b.plain(shape, "a normalized shape"), dtype=b.dtype(x)))
    return b.emit("LayerNormalization", x, weight, bias, axis=-len(shape), epsilon=float(eps)), None, None


@maps("_group_norm")
def _group_norm(b, x, weight, bias, groups, eps):
    dtype, channels = b.dtype(x), x.shape[1]
    flat = b.emit("Reshape", x, b.emit("Concat", b.size(x, 0), b.constant([groups, -1]), axis=0))
    out = b.emit("InstanceNormalization", flat, b.constant(facula.ones(groups, dtype=dtype)), b.constant(facula.zeros(groups, dtype=dtype)),
                 epsilon=float(eps))
    out = b.emit("Reshape", out, b.emit("Shape", x))
    per_channel = [channels] + [1] * (b.rank(x) - 2)
    if weight is not None:
        out = b.emit("Mul", out, b.emit("Reshape", weight, per_channel))
    return out if bias is None else b.emit("Add", out, b.emit("Reshape", bias, per_channel)), None, None


def _softmax(op):
    def emit(b, x, dim, dtype=None):
        name, _ = floating(b, x)
        name = name if dtype is None else b.cast(x, dtype)
        return b.emit(op, name, axis=b.axis(x, dim))

    return emit


maps("softmax")(_softmax("Softmax"))
maps("log_softmax")(_softmax("LogSoftmax"))


_REDUCTIONS = ("none", "mean", "sum")


@maps("_nll", "_nll2d")
def _nll(b, x, target, weight, reduction, ignore_index):
    single = b.rank(x) == 1
    x, target = (b.emit("Unsqueeze", v, [0]) if single else b(v) for v in (x, target))
    out = b.emit("NegativeLogLikelihoodLoss", x, target, weight, reduction=_REDUCTIONS[reduction], ignore_index=int(ignore_index))
    return (b.emit("Squeeze", out, [0]) if single and reduction == 0 else out), None


# ---------------------------------------------------------------- attention
@maps("_attention")
def _attention(b, query, key, value, mask, causal, scale):
    dtype = b.dtype(query)
    scores = b.emit("MatMul", b.emit("Mul", query, b.scalar(scale, dtype)), b.emit("Transpose", key, perm=[0, 1, 3, 2]))
    if causal:
        shape = b.emit("Concat", b.size(query, -2), b.size(key, -2), axis=0)
        lower = b.emit("Cast", b.emit("Trilu", b.emit("Expand", b.scalar(1, facula.int64), shape), upper=0), to=dtype_code(facula.bool))
        scores = b.emit("Where", lower, scores, b.scalar(-math.inf, dtype))
    if mask is not None and b.dtype(mask) == facula.bool:
        scores = b.emit("Where", mask, scores, b.scalar(-math.inf, dtype))
    elif mask is not None:
        scores = b.emit("Add", scores, b.cast(mask, dtype))
    return b.emit("MatMul", b.emit("Softmax", scores, axis=-1), value), None


# ---------------------------------------------------------------- recurrent layers
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN_TANH": (0,), "RNN_RELU": (0,)}  # ONNX's order among ours


def _reordered(b, t, mode):
    """Rows of a weight in ONNX's order of gates, as an initializer with a leading dimension of one direction."""
    tensor = t.tensor.detach()
    parts = tensor.chunk(len(_GATES[mode]), 0)
    return b.constant(facula.cat([parts[i] for i in _GATES[mode]]).unsqueeze(0))


@maps("_lstm_layer", "_rnn_layer")
def _rnn(b, projected, h0, c0, w_hh, b_hh, sizes, mode, reverse):
    if sizes is not None:
        raise UnsupportedOperatorError("onnx.export: packed sequences have no form in ONNX; give padded ones")
    hidden, gates = w_hh.shape[1], len(_GATES[mode])
    source = projected.node
    dtype = b.dtype(projected)
    if source is not None and source.op == "nn.functional.linear" and source.arguments[1].kind == "attribute":
        x, weight, bias = (*source.arguments, None)[:3]
        w = _reordered(b, weight, mode)
        b_ih = facula.zeros(gates * hidden, dtype=dtype) if bias is None else bias.tensor.detach()
    else:  # the input is projected already
        x, w = projected, None
        eye = facula.eye(gates * hidden, dtype=dtype).chunk(gates, 0)
        w = b.constant(facula.cat([eye[i] for i in _GATES[mode]]).unsqueeze(0))
        b_ih = facula.zeros(gates * hidden, dtype=dtype)
    recurrent = b_hh.tensor.detach() if b_hh is not None else facula.zeros(gates * hidden, dtype=dtype)
    biases = [facula.cat([t.chunk(gates)[i] for i in _GATES[mode]]) for t in (b_ih, recurrent)]
    options = {"hidden_size": hidden, "direction": "reverse" if reverse else "forward"}
    inputs = [x, w, _reordered(b, w_hh, mode), b.constant(facula.cat(biases).unsqueeze(0)), None, b.emit("Unsqueeze", h0, [0])]
    if mode == "LSTM":
        out, h, c = b.emit("LSTM", *inputs, b.emit("Unsqueeze", c0, [0]), outputs=3, **options)
    elif mode == "GRU":
        out, h = b.emit("GRU", *inputs, linear_before_reset=1, outputs=2, **options)
        c = None
    else:
        out, h = b.emit("RNN", *inputs, activations=["Relu" if mode == "RNN_RELU" else "Tanh"], outputs=2, **options)
        c = None
    return b.emit("Squeeze", out, [1]), b.emit("Squeeze", h, [0]), c and b.emit("Squeeze", c, [0]), None, None
