"""Reductions and what is made of them."""

from __future__ import annotations

import facula

from .._levels import followed
from ._table import composite, op


def _dims(dim, ndim):
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return list(range(ndim))
    return [d % ndim if ndim else 0 for d in ([dim] if isinstance(dim, int) else dim)]


def unreduce(x, like, dim, keepdim):
    """A reduction's result (or gradient), with the reduced dimensions back as size 1."""
    if keepdim or like.dim() == 0:
        return x
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return x.reshape([1] * like.dim())
    for d in sorted(_dims(dim, like.dim())):
        x = x.unsqueeze(d)
    return x


def _spread(grad, input, dim, keepdim):
    return unreduce(grad, input, dim, keepdim).expand(input.shape)


def _count(input, dim):
    n = 1
    for d in _dims(dim, input.dim()):
        n *= input.shape[d] if input.dim() else 1
    return n


_SUM = {"input": lambda grad, input, dim, keepdim: _spread(grad, input, dim, keepdim)}
op("sum(Tensor input, *, dtype? dtype=None)", kernel="reduce.sum_all", node="SumBackward0", vjp={"input": lambda grad, input: grad.expand(input.shape)})
op("sum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)", kernel="reduce.sum", node="SumBackward1", vjp=_SUM)
op("mean(Tensor input, *, dtype? dtype=None)", kernel="reduce.mean_all", node="MeanBackward0",
   vjp={"input": lambda grad, input: grad.expand(input.shape) / max(input.numel(), 1)})
op("mean(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None)", kernel="reduce.mean", node="MeanBackward1",
   vjp={"input": lambda grad, input, dim, keepdim: _spread(grad, input, dim, keepdim) / max(_count(input, dim), 1)})


def _prod_gradient(grad, input, dim):
    """Products of all the others: exclusive products from both sides, safe with zeros."""
    n = input.shape[dim]
    if n == 0:
        return grad.expand(input.shape)
    ones = facula.ones_like(input.narrow(dim, 0, 1))
    left = facula.cat([ones, input.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    right = facula.cat([ones, input.flip(dim).narrow(dim, 0, n - 1)], dim).cumprod(dim).flip(dim)
    return grad * (left * right).conj()


op("prod(Tensor input, *, dtype? dtype=None)", kernel="reduce.prod_all", node="ProdBackward0",
   vjp={"input": lambda grad, input: _prod_gradient(grad, input.reshape(-1), 0).reshape(input.shape) if input.numel() else facula.zeros_like(input)})
op("prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None)", kernel="reduce.prod_dim", node="ProdBackward1",
   vjp={"input": lambda grad, input, dim, keepdim: _prod_gradient(unreduce(grad, input, dim, keepdim), input, dim % max(input.dim(), 1))
        if input.dim() else grad})


def _extreme_gradient(grad, input, result, dim, keepdim):
    mask = input == unreduce(result, input, dim, keepdim)
    count = mask.sum(_dims(dim, input.dim()), keepdim=True) if input.dim() else 1
    return mask * (unreduce(grad, input, dim, keepdim) / count)


for _name in ("amax", "amin"):
    op(f"{_name}(Tensor input, int[1] dim=(), bool keepdim=False)", kernel=f"reduce.{_name}", vjp={"input": _extreme_gradient})


def _at_index(grads, input, others, dim, keepdim):
    grad = grads[0]
    if grad is None:
        return None
    if input.dim() == 0:
        return grad
    index = others[1]
    if not keepdim:
        grad, index = grad.unsqueeze(dim), index.unsqueeze(dim)
    return facula.zeros(input.shape, dtype=grad.dtype, device=grad.device).scatter(dim, index, grad)


for _name in ("max", "min"):
    _kernel = "reduce.amax" if _name == "max" else "reduce.amin"
    op(f"{_name}(Tensor input)", kernel=_kernel + "_all", node=f"{_name.title()}Backward1",
       vjp={"input": lambda grad, input, result: _extreme_gradient(grad, input, result, None, False)})
    op(f"{_name}(Tensor input, int dim, bool keepdim=False) -> (values, indices)", kernel=f"reduce.{_name}_dim", node=f"{_name.title()}Backward0",
       vjp={"input": _at_index})
op("argmax(Tensor input, int? dim=None, bool keepdim=False)", kernel="reduce.argmax")
op("argmin(Tensor input, int? dim=None, bool keepdim=False)", kernel="reduce.argmin")
for _name in ("any", "all"):
    op(f"{_name}(Tensor input)", kernel=f"reduce.{_name}_everything")
    op(f"{_name}(Tensor input, int[1]? dim, bool keepdim=False)", kernel=f"reduce.{_name}")
op("_var_mean(Tensor input, int[1]? dim=None, Scalar? correction=1, bool keepdim=False) -> (_, _)", kernel="reduce.var_mean", method=False, node="VarMeanBackward0",
   vjp={"input": lambda grads, input, results, dim, correction, keepdim: _var_gradient(grads, input, dim, correction, keepdim)})


def _var_gradient(grads, input, dim, correction, keepdim):
    n = _count(input, dim)
    total = None
    if grads[0] is not None:
        mean = input.mean(_dims(dim, input.dim()), keepdim=True) if input.dim() else input
        total = unreduce(grads[0], input, dim, keepdim) * (input - mean) * (2.0 / max(n - (1 if correction is None else correction), 0) if n > (1 if correction is None else correction) else float("nan"))
    if grads[1] is not None:
        part = _spread(grads[1], input, dim, keepdim) / max(n, 1)
        total = part if total is None else total + part
    return total


def _std_gradient(grad, input, result, dim, correction, keepdim):
    half = facula.where(result == 0, 0.0, grad / (result * 2))
    return _var_gradient([half, None], input, dim, correction, keepdim)


def _std_mean_gradient(grads, input, results, dim, correction, keepdim):
    std = None if grads[0] is None else _std_gradient(grads[0], input, results[0], dim, correction, keepdim)
    mean = None if grads[1] is None else _var_gradient([None, grads[1]], input, dim, correction, keepdim)
    return std if mean is None else mean if std is None else std + mean


# What PyTorch has as one node each, made of the one kernel.
_SPREAD = "(Tensor input, int[1]? dim=None, Scalar? correction=1, bool keepdim=False)"
op("_var" + _SPREAD, method=False, compute=lambda *args: facula._var_mean(*args)[0],
   vjp={"input": lambda grad, input, dim, correction, keepdim: _var_gradient([grad, None], input, dim, correction, keepdim)})
op("_std" + _SPREAD, method=False, compute=lambda *args: facula._var_mean(*args)[0].sqrt_(), vjp={"input": _std_gradient})


def _std_and_mean(*args):
    variance, mean = facula._var_mean(*args)
    return variance.sqrt_(), mean


op("_std_mean" + _SPREAD + " -> (_, _)", method=False, compute=_std_and_mean, vjp={"input": _std_mean_gradient})


def _correction(unbiased, correction):
    if unbiased is not None:
        return 1 if unbiased else 0
    return 1 if correction is None else correction


def _spread_function(name):
    def function(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        return getattr(facula, "_" + name)(input, dim, _correction(unbiased, correction), keepdim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name.replace('_', ' and ').replace('var', 'variance').replace('std', 'standard deviation')} over the given dimensions."
    composite(name, method=name in ("var", "std"))(function)


for _name in ("var", "std", "var_mean", "std_mean"):
    _spread_function(_name)


def _reverse_cumsum(grad, dim):
    return grad.flip(dim).cumsum(dim).flip(dim) if grad.dim() else grad


op("cumsum(Tensor input, int dim, *, dtype? dtype=None)", kernel="reduce.cumsum", inplace=True, vjp={"input": lambda grad, dim: _reverse_cumsum(grad, dim)})


def _cumprod_gradient(grad, input, result, dim):
    if input.dim() == 0 or input.numel() == 0:
        return grad
    safe = input != 0
    if bool(safe.all()) and not followed(input):
        return _reverse_cumsum(grad * result.conj(), dim) / input.conj()
    # With zeros: every partial product is differentiated by itself.
    n, total = input.shape[dim], 0
    for k in range(n):
        head = input.narrow(dim, 0, k + 1)
        g = _prod_gradient(grad.narrow(dim, k, 1), head, dim)
        pad = list(input.shape)
        pad[dim] = n - k - 1
        total = total + facula.cat([g, facula.zeros(pad, dtype=g.dtype, device=g.device)], dim)
    return total


op("cumprod(Tensor input, int dim, *, dtype? dtype=None)", kernel="reduce.cumprod", inplace=True,
   vjp={"input": lambda grad, input, result, dim: _cumprod_gradient(grad, input, result, dim % max(input.dim(), 1))})


def _logsumexp(input, dim, keepdim):
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        input = input.to(facula.get_default_dtype())
    dims = _dims(dim, input.dim())
    if input.numel() == 0:
        return input.exp().sum(dims, keepdim).log()
    top = (input.real if input.dtype.is_complex else input).amax(dims, keepdim=True).detach()
    top = facula.where(top.abs() == float("inf"), facula.zeros_like(top), top)
    out = (input - top).exp().sum(dims, keepdim).log()
    return out + (top if keepdim else top.reshape(out.shape))


def _logsumexp_gradient(grad, input, result, dim, keepdim):
    grad, result = unreduce(grad, input, dim, keepdim), unreduce(result, input, dim, keepdim)
    return grad * (input - result).exp().conj()


op("logsumexp(Tensor input, int[1] dim, bool keepdim=False)", compute=_logsumexp, vjp={"input": _logsumexp_gradient},
   doc="log(sum(exp(input))) over the given dimensions, without overflow.")


@composite("count_nonzero")
def count_nonzero(input, dim=None):
    """How many elements are not zero."""
    return (input != 0).sum(_dims(dim, input.dim()))


op("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)", doc="The sum, NaN counted as 0.",
   compute=lambda input, dim, keepdim, dtype: facula.where(facula.isnan(input), facula.zeros_like(input), input).sum(dim, keepdim, dtype=dtype),
   vjp={"input": lambda grad, input, dim, keepdim: facula.where(facula.isnan(input), 0.0, _spread(grad, input, dim, keepdim))})


@composite("nanmean")
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of what is not NaN."""
    return facula.nansum(input, dim, keepdim, dtype=dtype) / (~facula.isnan(input)).sum(dim, keepdim)


def _aminmax(input, dim, keepdim):
    if input.numel() == 0 and dim is None:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
    dims = () if dim is None else (dim,)
    return input.amin(dims, keepdim), input.amax(dims, keepdim)


def _aminmax_gradient(grads, input, results, dim, keepdim):
    parts = [_extreme_gradient(g, input, r, dim, keepdim) for g, r in zip(grads, results, strict=True) if g is not None]
    return sum(parts[1:], parts[0])


op("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (min, max)", compute=_aminmax, strict_out=True, vjp={"input": _aminmax_gradient},
   doc="The smallest and the largest element.")


@composite("dist")
def dist(input, other, p=2):
    """The p-norm of the difference."""
    return facula.norm(input - other, p)


@composite("equal")
def equal(input, other):
    """Whether both have the same size and elements."""
    if input.shape != other.shape:
        return False
    return bool((input == other).all())


@composite("isclose")
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Elementwise |input - other| <= atol + rtol |other|."""
    if input.dtype != other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    for name, bound in (("rtol", rtol), ("atol", atol)):
        if bound < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {bound}")
    close = input == other
    if equal_nan and (input.dtype.is_floating_point or input.dtype.is_complex):
        close = close | (facula.isnan(input) & facula.isnan(other))
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        if rtol == 0 and atol == 0:
            return close
        input, other = input.to(facula.float64), other.to(facula.float64)
    gap = (input - other).abs()
    return close | ((gap <= atol + (rtol * other).abs()) & (gap != float("inf")))


@composite("allclose")
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close (see `isclose`)."""
    return bool(facula.isclose(input, other, rtol, atol, equal_nan).all())


@composite("sum_to_size", function=False)
def sum_to_size(self, *size):
    """Sums broadcast dimensions away."""
    from .._callbacks import sum_to_size as reduce

    size = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    if self.dtype == facula.bool and (tuple(self.shape) != size or not size):  # even of one element
        self = self.to(facula.int64)
    return reduce(self, size)
