"""Statistics and distances made of other operations, and counting kernels."""

from __future__ import annotations

import facula

from .._levels import readable
from ._table import composite, op

op("bincount(Tensor input, Tensor? weights=None, int minlength=0)", kernel="sort.bincount", differentiable=False)
op("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0)", kernel="sort.histc", differentiable=False)


def _edges(input, bins, range):
    if isinstance(bins, facula.Tensor):
        return bins
    if range is None:
        low, high = (float(input.min()), float(input.max())) if input.numel() else (0.0, 1.0)
    else:
        low, high = range
    if low == high:
        low, high = low - 0.5, high + 0.5
    return facula.linspace(low, high, bins + 1, dtype=input.dtype)


def _bin_of(values, edges):
    n = edges.shape[0] - 1
    at = facula._searchsorted(edges, values, True, False) - 1
    at = facula.where(at == n, n - 1, at)
    return at, (values >= edges[0]) & (values <= edges[-1]) & (at >= 0)


@composite("histogram")
def histogram(input, bins, *, range=None, weight=None, density=False):
    """Counts (or weights) of the elements between bin edges, and the edges."""
    from .._return_types import named_result

    edges = _edges(input, bins, range)
    n = edges.shape[0] - 1
    at, inside = _bin_of(input.detach().reshape(-1), edges)
    weight = facula.ones_like(input).reshape(-1) if weight is None else weight.reshape(-1)
    hist = facula.zeros(n, dtype=input.dtype).index_add(0, at[inside], weight[inside].to(input.dtype))
    if density:
        hist = hist / hist.sum() / facula.diff(edges)
    return named_result("histogram", ["hist", "bin_edges"])((hist, edges))


@composite("histogramdd", method=False)
def histogramdd(input, bins, range=None, weight=None, density=False):
    """The histogram in several dimensions: the last dimension of `input` holds coordinates."""
    from .._return_types import named_result

    n = input.shape[-1]
    points = input.detach().reshape(-1, n)
    bins = [bins] * n if isinstance(bins, int) else list(bins)
    if len(bins) != n:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    ranges = [None if range is None else range[2 * i:2 * i + 2] for i in _range(n)]
    edges = [_edges(points[:, i], bins[i], ranges[i]) for i in _range(n)]
    flat, inside = 0, None
    for i, e in enumerate(edges):
        at, ok = _bin_of(points[:, i].contiguous(), e)
        flat = flat * (e.shape[0] - 1) + at
        inside = ok if inside is None else inside & ok
    sizes = [e.shape[0] - 1 for e in edges]
    total = 1
    for s in sizes:
        total *= s
    weight = facula.ones(points.shape[0], dtype=input.dtype) if weight is None else weight.reshape(-1)
    hist = facula.zeros(total, dtype=input.dtype).index_add(0, flat[inside], weight[inside].to(input.dtype)).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for i, e in enumerate(edges):
            hist = hist / facula.diff(e).reshape([-1 if i == j else 1 for j in _range(n)])
    return named_result("histogramdd", ["hist", "bin_edges"])((hist, tuple(edges)))


_range = range


@composite("isin", method=False)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is among the test elements."""
    if not isinstance(elements, facula.Tensor):
        elements = facula.tensor(elements, dtype=test_elements.dtype)
    if not isinstance(test_elements, facula.Tensor):
        test_elements = facula.tensor(test_elements, dtype=elements.dtype)
    if test_elements.numel() == 0 or elements.numel() == 0:
        return facula.full(elements.shape, invert, dtype=facula.bool)
    common = facula.promote_types(elements.dtype, test_elements.dtype)
    elements, tests = elements.detach().to(common), facula._sort(test_elements.detach().to(common).reshape(-1), 0, False)[0]
    at = facula._searchsorted(tests, elements, False, False) % tests.shape[0]
    found = tests[at] == elements
    return ~found if invert else found


_MODES = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name, input, q, dim, keepdim, interpolation, ignore_nan):
    number = not isinstance(q, facula.Tensor)
    if number:
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = facula.tensor(q, dtype=input.dtype)
    if interpolation not in _MODES:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if q.dim() > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input.dtype not in (facula.float32, facula.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not number and q.numel() and readable(q) and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    shape = [1] * input.dim() if dim is None else list(input.shape)
    if dim is None:
        rows = input.reshape(-1)
    else:
        if input.dim():
            shape[dim] = 1
        rows = input.movedim(dim, -1) if input.dim() else input.reshape(1)
    rows = facula._sort(rows, -1, False)[0]
    n = rows.shape[-1]
    nan = facula.isnan(rows)
    column = q.reshape([-1] + [1] * rows.dim())
    if ignore_nan:
        rank = column * (n - nan.sum(-1, keepdim=True).to(q.dtype) - 1)
        rank = facula.where(rank < 0, facula.zeros_like(rank), rank)
    else:
        rank = facula.where(nan.any(-1, keepdim=True), n - 1, column * (n - 1))
    rank = {"lower": rank.floor, "higher": rank.ceil, "nearest": rank.round}.get(interpolation, lambda: rank)()
    many = rows.unsqueeze(0).expand(column.shape[0], *rows.shape)
    low = rank.detach().to(facula.int64)
    out = many.gather(-1, low)
    if interpolation in ("linear", "midpoint"):
        high = many.gather(-1, rank.detach().ceil().to(facula.int64))
        weight = facula.full_like(rank, 0.5) if interpolation == "midpoint" else rank - low.to(rank.dtype)
        out = out + facula.where(out == high, facula.zeros_like(out), (high - out)) * weight
    out = out.squeeze(-1)
    if keepdim:
        out = out.reshape([out.shape[0]] + shape)
    return out.squeeze(0) if q.dim() == 0 else out


@composite("quantile")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-th quantiles along `dim`."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite("nanquantile")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-th quantiles of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


@composite("cov")
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of the rows: variables by observations."""
    if input.dim() > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions")
    if input.dtype == facula.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input.reshape(1, -1) if input.dim() < 2 else input
    n = rows.shape[1]
    weight = None
    if fweights is not None:
        if fweights.dim() > 1:
            raise RuntimeError(f"cov(): expected fweights to have one or fewer dimensions but got fweights with {fweights.dim()} dimensions")
        if fweights.dtype.is_floating_point or fweights.dtype.is_complex or fweights.dtype == facula.bool:
            raise RuntimeError(f"cov(): expected fweights to have integral dtype but got fweights with {_dtype_name(fweights)} dtype")
        if fweights.numel() != n:
            raise RuntimeError(f"cov(): expected fweights to have the same numel as there are observations in the input but got {fweights.numel()} != {n}")
        if n and bool((fweights < 0).any()):
            raise RuntimeError("cov(): fweights cannot be negative")
        weight = fweights
    if aweights is not None:
        if aweights.dim() > 1:
            raise RuntimeError(f"cov(): expected aweights to have one or fewer dimensions but got aweights with {aweights.dim()} dimensions")
        if not aweights.dtype.is_floating_point:
            raise RuntimeError(f"cov(): expected aweights to have floating point dtype but got aweights with {_dtype_name(aweights)} dtype")
        if aweights.numel() != n:
            raise RuntimeError(f"cov(): expected aweights to have the same numel as there are observations in the input but got {aweights.numel()} != {n}")
        if n and bool((aweights < 0).any()):
            raise RuntimeError("cov(): aweights cannot be negative")
        weight = aweights if weight is None else weight * aweights
    total = n if weight is None else weight.sum()
    if weight is not None and n and bool(total == 0):
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    if not (rows.dtype.is_floating_point or rows.dtype.is_complex):
        rows = rows.to(facula.get_default_dtype())
    mean = (rows if weight is None else rows * weight).sum(1, keepdim=True) / total
    if weight is None or aweights is None or correction == 0:
        norm = total - correction
    else:
        norm = total - correction * (weight * aweights).sum() / total
    norm = facula.relu(norm) if isinstance(norm, facula.Tensor) else max(norm, 0)
    centred = rows - mean
    other = (centred if weight is None else centred * weight).t().conj()
    return ((centred @ other) / norm).squeeze()


def _dtype_name(x):
    from .sort import _scalar_name

    return _scalar_name(x)


@composite("corrcoef")
def corrcoef(input):
    """Pearson's correlations of the rows."""
    if input.dim() > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions")
    c = facula.cov(input)
    if c.dim() == 0:
        return c / c
    d = c.diagonal()
    root = (d.real if c.dtype.is_complex else d).sqrt()
    c = c / root.unsqueeze(-1) / root.unsqueeze(0)
    if c.dtype.is_complex:
        return facula.complex(c.real.clip(-1, 1), c.imag.clip(-1, 1))
    return c.clip(-1, 1)


def _trace(input):
    if input.dim() != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.dim()}")
    return input.diagonal().sum()


op("trace(Tensor input)", compute=_trace, doc="The sum of the diagonal of a matrix.",
   vjp={"input": lambda grad, input_shape: facula.eye(*input_shape, dtype=grad.dtype, device=grad.device) * grad})


@composite("renorm", inplace=True)
def renorm(input, p, dim, maxnorm):
    """Slices along `dim` whose p-norm exceeds `maxnorm`, scaled down to it."""
    if not p > 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()} dimensions")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    dim %= input.dim()
    norm = facula.linalg.vector_norm(input, p, [d for d in range(input.dim()) if d != dim], True)
    return input * facula.where(norm > maxnorm, maxnorm / (norm + 1e-7), facula.ones_like(norm)).to(input.dtype)
