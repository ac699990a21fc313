"""Special functions made of others, and the names that facula.special shares with the package."""

from __future__ import annotations

import math

import facula

from ._table import composite, op


def _whole(n):
    if not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return n


@composite("polygamma", inplace=True)
def polygamma(*args, n=None, input=None):
    """The n-th derivative of digamma: polygamma(n, x), or x.polygamma(n)."""
    for a in args:
        n, input = (n, a) if isinstance(a, facula.Tensor) else (a, input)
    return facula._polygamma(input, _whole(n))


@composite("special.ndtr")
def ndtr(input):
    """The normal distribution function."""
    return facula.erfc(input * -math.sqrt(0.5)) * 0.5


def _steps(x, p):
    """x, x - 1/2, ... in a new last dimension."""
    return x.unsqueeze(-1) - facula.arange(p, dtype=x.dtype, device=x.device) / 2


def _mvlgamma(input, p):
    if input.dtype == facula.bool:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    x = input if input.is_floating_point() else input.to(facula.get_default_dtype())
    return facula.lgamma(_steps(x, p)).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


op("mvlgamma(Tensor input, int p)", compute=_mvlgamma, inplace=True, doc="The logarithm of the multivariate gamma function of dimension p.",
   vjp={"input": lambda grad, input, p: grad * facula.digamma(_steps(input, p)).sum(-1)})
op("_xor(Tensor input, int[1] dim, bool keepdim)", kernel="reduce.xor", method=False, differentiable=False)


@composite("hash_tensor")
def hash_tensor(input, dim=(), *, keepdim=False, mode=0):
    """The exclusive or of the elements' 64-bit patterns, over all or some dimensions."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{input.type().rpartition('.')[2].removesuffix('Tensor')}'")
    dims = [dim] if isinstance(dim, int) else list(dim or ())
    if input.numel() == 0:
        if not dims:
            raise RuntimeError("hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.")
        for d in dims:
            if input.dim() and input.size(d) == 0:
                raise IndexError(f"hash_tensor: Expected reduction dim {d} to have non-zero size.")
    bits = input.detach().double().view(facula.int64) if input.dtype.is_floating_point else input.to(facula.int64)
    return facula._xor(bits, dims, keepdim).view(facula.uint64)


_SHARED = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma", "gammainc": "igamma", "gammaincc": "igammac", "multigammaln": "mvlgamma"}
for _special in ("erf erfc erfinv exp2 expm1 log1p digamma logsumexp softmax log_softmax sinc logit xlogy i0 polygamma expit gammaln psi gammainc "
                 "gammaincc multigammaln").split():
    composite(f"special.{_special}")((lambda n: lambda *args, **kwargs: getattr(facula, n)(*args, **kwargs))(_SHARED.get(_special, _special)))
