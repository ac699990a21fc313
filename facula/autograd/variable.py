"""`Variable`, PyTorch 0.3's name for a tensor that is part of a graph."""

from .._native import core


class _VariableMeta(type):
    def __instancecheck__(cls, other):
        return isinstance(other, core.Tensor)


class Variable(metaclass=_VariableMeta):
    """Variable(data, requires_grad=False): the tensor itself, with requires_grad set."""

    def __new__(cls, data, requires_grad=False, volatile=None):
        if volatile is not None:
            import warnings

            warnings.warn("volatile was removed (Variable.volatile is always False), use torch.no_grad() instead", UserWarning, 2)
        out = core.alias(data.detach()) if isinstance(data, core.Tensor) else core.tensor_data(data, None, None)
        return out.requires_grad_(requires_grad)

