"""Running extrema and logarithms of running sums, differences and integrals by rule."""

from __future__ import annotations

import facula

from ._table import composite, op


def _add_at(grads, input, others, dim):
    if grads[0] is None or input.dim() == 0:
        return grads[0]
    return facula.zeros(input.shape, dtype=grads[0].dtype, device=grads[0].device).scatter_add(dim, others[1], grads[0])


for _name in ("cummax", "cummin"):
    op(f"{_name}(Tensor input, int dim) -> (values, indices)", kernel=f"scan.{_name}", vjp={"input": _add_at})


def _logcumsumexp_gradient(grad, input, result, dim):
    if input.dim() == 0 or input.numel() == 0:
        return grad
    if input.dtype.is_complex:
        sums = (grad.log() - result.conj()).flip(dim).logcumsumexp(dim).flip(dim)
        return (sums + input.conj()).exp()
    low = facula.finfo(grad.dtype).min  # stands for log 0; an infinity would have no slope

    def part(mask, signed):
        logs = facula.where(mask, signed.abs().log(), low)
        sums = (logs - result).flip(dim).logcumsumexp(dim).flip(dim)
        return (sums + input).exp()

    return part(grad > 0, facula.where(grad > 0, grad, 1)) - part(grad < 0, facula.where(grad < 0, grad, 1))


def _logcumsumexp_tangent(primals, tangents, results):
    (x, dim), t, (out,) = primals, tangents[0], results
    if x.dim() == 0 or x.numel() == 0:
        return t
    most = x.real.amax(dim, keepdim=True) if x.dtype.is_complex else x.amax(dim, keepdim=True)
    return facula.cumsum((x - most).exp() * t, dim) / (out - most).exp()


op("logcumsumexp(Tensor input, int dim)", kernel="scan.logcumsumexp", vjp={"input": _logcumsumexp_gradient}, jvp=_logcumsumexp_tangent)


@composite("diff")
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """The n-th difference of neighbours along `dim`."""
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    if prepend is not None or append is not None:
        input = facula.cat([t for t in (prepend, input, append) if t is not None], dim)
    if n >= input.shape[dim]:
        return input.narrow(dim, 0, 0)
    for _ in range(n):
        m = input.shape[dim] - 1
        a, b = input.narrow(dim, 1, m), input.narrow(dim, 0, m)
        input = a.logical_xor(b) if input.dtype == facula.bool else a - b
    return input


def _widths(y, x, dx, dim):
    if x is None:
        return dx
    if x.dim() == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"trapezoid: There must be one `x` value for each sample point: got {x.shape[0]} and {y.shape[dim]}")
        shape = [1] * y.dim()
        shape[dim] = x.shape[0] - 1
        return facula.diff(x).reshape(shape)
    while x.dim() < y.dim():
        x = x.unsqueeze(0)
    return facula.diff(x, dim=dim)


def _areas(y, x, dx, dim):
    if not isinstance(dx, (int, float, complex)):
        raise RuntimeError("trapezoid: dx must be a number")
    dim = dim % y.dim()
    n = max(y.shape[dim] - 1, 0)
    return (y.narrow(dim, 1, n) + y.narrow(dim, 0, n)) * _widths(y, x, dx, dim) / 2.0 if n else None


@composite("trapezoid", method=False)
def trapezoid(y, x=None, *, dx=1, dim=-1):
    """The integral along `dim` by the trapezoidal rule."""
    if y.dtype == facula.bool:
        raise RuntimeError("trapezoid: received a bool input for `y`, but bool is not supported")
    if x is not None and x.dtype == facula.bool:
        raise RuntimeError("trapezoid: received a bool input for `x`, but bool is not supported")
    areas = _areas(y, x, dx, dim)
    if areas is None:
        shape = list(y.shape)
        del shape[dim]
        return facula.zeros(shape, dtype=y.dtype, device=y.device)
    return areas.sum(dim)


@composite("trapz", method=False)
def trapz(y, x=None, *, dx=1, dim=-1):
    """The same as `trapezoid`."""
    return facula.trapezoid(y, x, dx=dx, dim=dim)


@composite("cumulative_trapezoid", method=False)
def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """The running integral along `dim` by the trapezoidal rule."""
    if y.dtype == facula.bool or (x is not None and x.dtype == facula.bool):
        which = "y" if y.dtype == facula.bool else "x"
        raise RuntimeError(f"cumulative_trapezoid: received a bool input for `{which}`, but bool is not supported")
    areas = _areas(y, x, dx, dim)
    return y.narrow(dim, 0, 0) if areas is None else areas.cumsum(dim)


def _slope(input, spacing, dim, edge_order):
    n = input.shape[dim]
    if n <= edge_order:
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    at = lambda i, m: input.narrow(dim, i % n if i < 0 else i, m)
    if isinstance(spacing, facula.Tensor):
        shape = [1] * input.dim()
        shape[dim] = -1
        h = facula.diff(spacing).reshape(shape)
        a, b = h.narrow(dim, 0, n - 2), h.narrow(dim, 1, n - 2)
        middle = -b / (a * (a + b)) * at(0, n - 2) + (b - a) / (a * b) * at(1, n - 2) + a / (b * (a + b)) * at(2, n - 2)
        h0, h1 = h.narrow(dim, 0, 1), h.narrow(dim, n - 2, 1)
        second = (h.narrow(dim, 1, 1), h.narrow(dim, n - 3, 1)) if n > 2 else (h0, h1)
    else:
        h0 = h1 = spacing
        second = spacing, spacing
        middle = (at(2, n - 2) - at(0, n - 2)) / (2 * spacing)
    if edge_order == 1:
        first, last = (at(1, 1) - at(0, 1)) / h0, (at(-1, 1) - at(-2, 1)) / h1
    else:
        a, b = h0, second[0]
        first = -(2 * a + b) / (a * (a + b)) * at(0, 1) + (a + b) / (a * b) * at(1, 1) - a / (b * (a + b)) * at(2, 1)
        a, b = second[1], h1
        last = b / (a * (a + b)) * at(-3, 1) - (a + b) / (a * b) * at(-2, 1) + (2 * b + a) / (b * (a + b)) * at(-1, 1)
    return facula.cat([first, middle, last], dim)


@composite("gradient", method=False)
def gradient(input, *, spacing=None, dim=None, edge_order=1):
    """Slopes along each dimension: second-order differences inside, one-sided at the edges."""
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    for d in dims:
        if not -input.dim() <= d < input.dim():
            raise IndexError(f"Dimension out of range (expected to be in range of [{-input.dim()}, {input.dim() - 1}], but got {d})")
    if len({d % max(input.dim(), 1) for d in dims}) < len(dims):
        raise RuntimeError(f"dim {dims[-1]} appears multiple times in the list of dims")
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        what = "coordinates" if steps and isinstance(steps[0], facula.Tensor) else "spacing"
        raise RuntimeError(f"torch.gradient expected {what} to be unspecified, a scalar, or a list of length equal to "
                           f"'self.dim() = {len(dims)}', but got a list of length {len(steps)}")
    return tuple(_slope(input, s, d % input.dim(), edge_order) for s, d in zip(steps, dims))
