"""What distributions share: broadcasting of parameters, probabilities and log-odds, properties made when first read."""

from __future__ import annotations

from functools import update_wrapper
from numbers import Number

import facula

euler_constant = 0.57721566490153286060


def is_tensor_like(value):
    """Whether a value takes a tensor's place."""
    return isinstance(value, facula.Tensor) or hasattr(type(value), "__torch_function__")


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape."""
    if not all(is_tensor_like(v) or isinstance(v, Number) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    if not all(is_tensor_like(v) for v in values):
        like = next((v for v in values if is_tensor_like(v)), None)
        options = {"dtype": facula.get_default_dtype()} if like is None else {"dtype": like.dtype, "device": like.device}
        values = [v if is_tensor_like(v) else facula.tensor(v, **options) for v in values]
    return facula.broadcast_tensors(*values)


def _standard_normal(shape, dtype, device):
    return facula.empty(tuple(shape), dtype=dtype, device=device).normal_()


def _sum_rightmost(value, dim):
    """The sum over the last `dim` dimensions."""
    return value if dim == 0 else value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def clamp_probs(probs):
    """Probabilities kept away from 0 and 1."""
    eps = facula.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits, is_binary=False):
    """Probabilities of log-odds, or of unnormalised log-probabilities in the last dimension."""
    return facula.sigmoid(logits) if is_binary else facula.softmax(logits, -1)


def probs_to_logits(probs, is_binary=False):
    """Log-odds (or log-probabilities) of probabilities."""
    safe = clamp_probs(probs)
    return facula.log(safe) - facula.log1p(-safe) if is_binary else facula.log(safe)


def tril_matrix_to_vec(mat, diag=0):
    """The lower triangle as a vector, row by row."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = facula.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec, diag=0):
    """The square matrix whose lower triangle is the vector."""
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    eps = facula.finfo(vec.dtype).eps
    if abs(round(n) - n) > eps:
        raise ValueError(f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower triangular part of a square D x D matrix.")
    n = round(n)
    mat = vec.new_zeros(vec.shape[:-1] + (n, n))
    rows, columns = facula.tril_indices(n, n, diag)
    mat[..., rows, columns] = vec
    return mat


class _lazy_property_and_property(property):  # noqa: N801 - PyTorch's name
    """What a class shows for a lazy property."""

    def __init__(self, wrapped):
        super().__init__(wrapped)


class lazy_property:  # noqa: N801 - used as a decorator
    """A property computed when first read, with gradients, and then kept as a plain attribute."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with facula.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value
