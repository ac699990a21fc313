"""Arithmetic whose first operand is a number, in function form: `add(2.0, x)` is `2.0 + x`."""

from __future__ import annotations

import operator
import warnings

import facula

from .._table import composite

_OPERATORS = {"mul": operator.mul, "true_divide": operator.truediv, "floor_divide": operator.floordiv, "remainder": operator.mod,
              "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor,
              "bitwise_left_shift": operator.lshift, "bitwise_right_shift": operator.rshift}


def _number(name, input, other):
    """The first operand, after a check that the pair is a number and a tensor (or two numbers, of which one becomes a tensor)."""
    if isinstance(input, (bool, int, float, complex)):
        if isinstance(other, facula.Tensor):
            return input
        if isinstance(other, (bool, int, float, complex)) and name != "remainder" and not name.startswith("bitwise"):
            return facula.tensor(input)
    raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
                    if not isinstance(input, facula.Tensor) else
                    f"{name}(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")


def _given(result, out):
    return result if out is None else out.copy_(result)


def _plain(name):
    def function(input, other, *, out=None):
        return _given(_OPERATORS[name](_number(name, input, other), other), out)

    function.__name__ = name
    function.__doc__ = f"`{name}` of a number and a tensor."
    composite(name)(function)


for _name in _OPERATORS:
    _plain(_name)


def _old_order(name, order, signature):
    """Says that the number should come by keyword at the end."""
    words = f"This overload of {name} is deprecated:\n\t{name}({order})\nConsider using one of the following signatures instead:\n\t{name}({signature})"
    warnings.warn(words, UserWarning, stacklevel=4)


def _sum(name, sign):
    def function(input, other, *old, alpha=1, out=None):
        """A number and `alpha` times a tensor, added or subtracted; or tensor, number, tensor, the order of PyTorch's first versions."""
        if old:
            if len(old) > 1 or not isinstance(old[0], facula.Tensor) or isinstance(other, facula.Tensor):
                raise TypeError(f"{name}(): expected (Tensor input, Tensor other, *, Number alpha)")
            _old_order(name, "Number alpha, Tensor other", "Tensor other, *, Number alpha")
            return _given(getattr(facula, name)(input, old[0], alpha=other), out)
        number = _number(name, input, other)
        scaled = other if alpha == 1 else alpha * other
        return _given(number + scaled if sign > 0 else number - scaled, out)

    function.__name__ = name
    composite(name)(function)


for _name, _sign in (("add", 1), ("sub", -1)):  # their other names come with them
    _sum(_name, _sign)


def _scaled_pair(name):
    def function(input, value, tensor1=None, tensor2=None, *, out=None):
        """The order of PyTorch's first versions: tensor, number, tensor, tensor."""
        if not all(isinstance(x, facula.Tensor) for x in (input, tensor1, tensor2)) or isinstance(value, facula.Tensor):
            raise TypeError(f"{name}(): argument 'tensor1' (position 2) must be Tensor, not {type(value).__name__}"
                            if not isinstance(value, facula.Tensor) else f"{name}(): expected (Tensor input, Tensor tensor1, Tensor tensor2, *, Number value)")
        _old_order(name, "Number value, Tensor tensor1, Tensor tensor2", "Tensor tensor1, Tensor tensor2, *, Number value = 1")
        return _given(getattr(facula, name)(input, tensor1, tensor2, value=value), out)

    function.__name__ = name
    composite(name)(function)


for _name in ("addcmul", "addcdiv"):
    _scaled_pair(_name)
