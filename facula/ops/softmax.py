"""softmax and its logarithm."""

from __future__ import annotations

import facula

from ._table import composite, op

op("_softmax_back(Tensor grad_, Tensor output, int dim)", kernel="softmax.softmax_back", method=False, node="SoftmaxBackwardDataBackward0",
   vjp={"grad_": lambda grad, output, dim: facula._softmax_back(grad, output, dim),
        "output": lambda grad, grad_, output, dim: grad * grad_ - grad * (grad_ * output).sum(dim, True) - grad_ * (grad * output).sum(dim, True)
        if output.dim() else grad * grad_ - 2 * grad * grad_ * output})
op("_log_softmax_back(Tensor grad_, Tensor output, int dim)", kernel="softmax.log_softmax_back", method=False, node="LogSoftmaxBackwardDataBackward0",
   vjp={"grad_": lambda grad, output, dim: grad - (grad * output.exp()).sum(dim, True) if output.dim() else grad - grad * output.exp(),
        "output": lambda grad, grad_, output, dim: -grad * output.exp() * (grad_.sum(dim, True) if output.dim() else grad_)})
op("softmax(Tensor input, int dim)", kernel="softmax.softmax",
   vjp={"input": lambda grad, result, dim: facula._softmax_back(grad, result, dim)})
op("log_softmax(Tensor input, int dim)", kernel="softmax.log_softmax",
   vjp={"input": lambda grad, result, dim: facula._log_softmax_back(grad, result, dim)})


def _converting(name):
    """The call with a dtype, which the plain entry does not take; the conversion is a node of its own."""

    def call(input, dim, dtype=None):
        if not isinstance(input, facula.Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        if not hasattr(dim, "__index__"):
            raise TypeError(f"{name}(): argument 'dim' (position 2) must be int, not {type(dim).__name__}")
        return getattr(facula, name)(input if dtype is None else input.to(dtype), dim)

    composite(name)(call)


_converting("softmax")
_converting("log_softmax")


def _implicit_dim(name, ndim):
    import warnings

    warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.", UserWarning, 3)
    return 0 if ndim in (0, 1, 3) else 1


@composite("nn.functional.softmax")
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) scaled to sum 1 along `dim`."""
    return facula.softmax(input, _implicit_dim("softmax", input.dim()) if dim is None else dim, dtype=dtype)


@composite("nn.functional.log_softmax")
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax, computed without overflow."""
    return facula.log_softmax(input, _implicit_dim("log_softmax", input.dim()) if dim is None else dim, dtype=dtype)


@composite("nn.functional.softmin")
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax of the negated input."""
    return facula.softmax(-input, _implicit_dim("softmin", input.dim()) if dim is None else dim, dtype=dtype)
