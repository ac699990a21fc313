"""Discrete Fourier transforms: three operations with kernels, and the family of torch.fft made of them."""

from __future__ import annotations

import facula

from ._table import composite, op


def _weigh(x, dim, last_size, factor):
    """Half a spectrum with the places that stand for two, k and n - k, multiplied."""
    weights = facula.full((x.shape[dim],), factor, dtype=x.real.dtype, device=x.device)
    weights[0] = 1
    if last_size % 2 == 0:
        weights[-1] = 1
    return x * weights.reshape([-1] + [1] * (x.dim() - 1 - dim % x.dim()))


def _r2c_gradient(grad, dim, normalization, onesided, input_shape):
    if not onesided:
        return facula.real(facula._fft_c2c(grad, dim, normalization, False))
    last = input_shape[dim[-1]]
    return facula._fft_c2r(_weigh(grad, dim[-1], last, 0.5), dim, normalization, last)


def _c2r_gradient(grad, dim, normalization, last_dim_size):
    return _weigh(facula._fft_r2c(grad, dim, normalization, True), dim[-1], last_dim_size, 2.0)


op("_fft_c2c(Tensor input, int[] dim, int normalization, bool forward)", kernel="fft.c2c", method=False, node="FftC2CBackward0",
   vjp={"input": lambda grad, dim, normalization, forward: facula._fft_c2c(grad, dim, normalization, not forward)})
op("_fft_r2c(Tensor input, int[] dim, int normalization, bool onesided)", kernel="fft.r2c", method=False, node="FftR2CBackward0",
   vjp={"input": _r2c_gradient})
op("_fft_c2r(Tensor input, int[] dim, int normalization, int last_dim_size)", kernel="fft.c2r", method=False, node="FftC2RBackward0",
   vjp={"input": _c2r_gradient})

_SCALES = {None: (0, 2), "backward": (0, 2), "ortho": (1, 1), "forward": (2, 0)}  # of the forward and of the inverse transform


def _scale(name, norm, forward):
    if norm is not None and not isinstance(norm, str):
        raise TypeError(f"fft_{name}(): argument 'norm' must be str, not {type(norm).__name__}")
    if norm not in _SCALES:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return _SCALES[norm][0 if forward else 1]


def _checked(name, x, real=False):
    """The input in a floating dtype that transforms have."""
    if not isinstance(x, facula.Tensor):
        raise TypeError(f"fft_{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    if real and x.is_complex():
        value = "real-valued" if name.endswith(("2", "n")) else "real"
        raise RuntimeError(f"{name} expects a {value} input tensor, but got {_type_name(x)}")
    if x.dtype in (facula.float16, facula.bfloat16):
        raise RuntimeError(f"Unsupported dtype {_type_name(x)}")
    return x if x.is_floating_point() or x.is_complex() else x.to(facula.get_default_dtype())


def _type_name(x):
    return x.type().rpartition(".")[2].removesuffix("Tensor")


def _resized(x, dims, sizes):
    """Cut or padded with zeros to `sizes` along `dims`."""
    pad = [0] * (2 * x.dim())
    for d, n in zip(dims, sizes, strict=True):
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        if x.shape[d] > n:
            x = x.narrow(d, 0, n)
        pad[2 * (x.dim() - 1 - d) + 1] = n - x.shape[d]
    return facula.constant_pad_nd(x, pad) if any(pad) else x


def _one(name, x, n, dim):
    """The dimension and the size of a one-dimensional transform, as lists."""
    for argument, value in (("n", n), ("dim", dim)):
        if type(value) is float or isinstance(value, (str, list, tuple)) or (argument == "dim" and value is None):
            raise TypeError(f"fft_{name}(): argument '{argument}' must be int, not {type(value).__name__}")
    if x.dim() == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if not -x.dim() <= dim < x.dim():
        raise IndexError(f"Dimension out of range (expected to be in range of [{-x.dim()}, {x.dim() - 1}], but got {dim})")
    return [dim % x.dim()], None if n is None else [int(n)]


def _many(name, x, s, dim):
    """The dimensions and sizes of a transform of several dimensions."""
    if isinstance(s, int):
        s = [s]
    if isinstance(dim, int):
        dim = [dim]
    ndim = x.dim()
    if dim is not None:
        for d in dim:
            if ndim == 0:
                raise IndexError(f"Dimension specified as {d} but tensor has no dimensions")
            if not -ndim <= d < ndim:
                raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
        dim = [d % ndim for d in dim]
        if len(set(dim)) < len(dim):
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        if dim is not None and len(dim) != len(s):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(s) > ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {ndim} dimensions.")
        if dim is None:
            dim = list(range(ndim - len(s), ndim))
    elif dim is None:
        dim = list(range(ndim))
    return dim, None if s is None else [int(n) for n in s]


# What every transform is: its core given checked dimensions and sizes (-1 or None: the input's own).
def _complex(name, x, dims, sizes, norm, forward):
    sizes = [x.shape[d] if sizes is None or sizes[i] == -1 else sizes[i] for i, d in enumerate(dims)]
    x = _resized(x, dims, sizes)
    scale = _scale(name, norm, forward)
    if not x.is_complex():
        if len(dims) == 1 and name in ("fft", "ifft"):
            out = facula._fft_r2c(x, dims, scale, False)
            return out if forward else out.conj()
        x = x.to(facula.complex128 if x.dtype == facula.float64 else facula.complex64)
    return facula._fft_c2c(x, dims, scale, forward)


def _from_real(name, x, dims, sizes, norm, forward):
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    sizes = [x.shape[d] if sizes is None or sizes[i] == -1 else sizes[i] for i, d in enumerate(dims)]
    out = facula._fft_r2c(_resized(x, dims, sizes), dims, _scale(name, norm, forward), True)
    return out if forward else out.conj()


def _to_real(name, x, dims, sizes, norm, forward):
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    sizes = [-1] * len(dims) if sizes is None else list(sizes)
    last = 2 * (x.shape[dims[-1]] - 1) if sizes[-1] == -1 else sizes[-1]
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    sizes = [x.shape[d] if n == -1 else n for d, n in zip(dims, sizes, strict=True)][:-1] + [last // 2 + 1]
    x = _resized(x, dims, sizes)
    if not x.is_complex():
        x = x.to(facula.complex128 if x.dtype == facula.float64 else facula.complex64)
    return facula._fft_c2r(x.conj() if forward else x, dims, _scale(name, norm, forward), last)


def _family(name, core, forward, sentence, real=False):
    """Adds `name`, `name`2 and `name`n."""

    def line(input, n=None, dim=-1, norm=None):
        x = _checked(name, input, real)
        dims, sizes = _one(name, x, n, dim)
        if sizes is not None and sizes[0] < 1:
            raise RuntimeError(f"Invalid number of data points ({sizes[0]}) specified")
        return core(name, x, dims, sizes, norm, forward)

    def plane(input, s=None, dim=(-2, -1), norm=None):
        x = _checked(name + "2", input, real)
        return core(name + "2", x, *_many(name + "2", x, s, dim), norm, forward)

    def space(input, s=None, dim=None, norm=None):
        x = _checked(name + "n", input, real)
        return core(name + "n", x, *_many(name + "n", x, s, dim), norm, forward)

    for f, suffix, words in ((line, "", "along one dimension"), (plane, "2", "along two dimensions"), (space, "n", "along several dimensions")):
        f.__name__ = f.__qualname__ = name + suffix
        f.__doc__ = f"{sentence} {words}."
        composite(f"fft.{name}{suffix}")(f)


_family("fft", _complex, True, "The discrete Fourier transform")
_family("ifft", _complex, False, "The inverse discrete Fourier transform")
_family("rfft", _from_real, True, "The first half of the discrete Fourier transform of real values", real=True)
_family("irfft", _to_real, False, "The inverse of rfft: real values of half a Hermitian spectrum")
_family("hfft", _to_real, True, "The real discrete Fourier transform of a Hermitian signal given by its first half")
_family("ihfft", _from_real, False, "The inverse of hfft: half a Hermitian signal of real values", real=True)


# ---------------------------------------------------------------- frequencies and order
def _frequencies(name, places, n, d, dtype, device, requires_grad):
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    if dtype is not None and dtype.is_complex:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{'ComplexFloat' if dtype == facula.complex64 else 'ComplexDouble'}'")
    step = n * d
    out = facula.tensor(places, dtype=dtype or facula.get_default_dtype(), device=device) * (1.0 / step if step else float("inf"))
    return out.requires_grad_() if requires_grad else out


def _whole(name, n):
    if not isinstance(n, int):
        raise TypeError(f"fft_{name}(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return n


@composite("fft.fftfreq")
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of fft's results, for samples `d` apart."""
    half = (_whole("fftfreq", n) + 1) // 2
    return _frequencies("fftfreq", [*range(half), *range(half - n, 0)], n, d, dtype, device, requires_grad)


@composite("fft.rfftfreq")
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """The frequencies of rfft's results, for samples `d` apart."""
    return _frequencies("rfftfreq", [*range(_whole("rfftfreq", n) // 2 + 1)], n, d, dtype, device, requires_grad)


def _shifted(name, input, dim, half):
    if not isinstance(input, facula.Tensor):
        raise TypeError(f"fft_{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    dims = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return facula.roll(input, [half(input.size(d)) for d in dims], list(dims)) if dims else input.clone()


@composite("fft.fftshift")
def fftshift(input, dim=None):
    """Moves frequency 0 to the middle."""
    return _shifted("fftshift", input, dim, lambda n: n // 2)


@composite("fft.ifftshift")
def ifftshift(input, dim=None):
    """Moves the middle back to the first place."""
    return _shifted("ifftshift", input, dim, lambda n: (n + 1) // 2)
