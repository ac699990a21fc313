"""Arithmetic whose first operand is a number, in function form: `add(2.0, x)` is `2.0 + x`."""

from __future__ import annotations

import operator

import facula

from .._table import composite

_OPERATORS = {"mul": operator.mul, "true_divide": operator.truediv, "floor_divide": operator.floordiv, "remainder": operator.mod,
              "bitwise_and": operator.and_, "bitwise_or": operator.or_, "bitwise_xor": operator.xor,
              "bitwise_left_shift": operator.lshift, "bitwise_right_shift": operator.rshift}
_ALIASES = {"multiply": "mul", "divide": "true_divide"}


def _number(name, input, other):
    """The first operand, after a check that the pair is a number and a tensor (or two numbers, of which one becomes a tensor)."""
    if isinstance(input, (bool, int, float, complex)):
        if isinstance(other, facula.Tensor):
            return input
        if isinstance(other, (bool, int, float, complex)):
            return facula.tensor(input)
    raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
                    if not isinstance(input, facula.Tensor) else
                    f"{name}(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")


def _given(result, out):
    return result if out is None else out.copy_(result)


def _plain(name):
    def function(input, other, *, out=None):
        return _given(_OPERATORS[_ALIASES.get(name, name)](_number(name, input, other), other), out)

    function.__name__ = name
    function.__doc__ = f"`{name}` of a number and a tensor."
    composite(name)(function)


for _name in (*_OPERATORS, *_ALIASES):
    _plain(_name)


@composite("add")
def add(input, other, *, alpha=1, out=None):
    """A number plus `alpha` times a tensor."""
    number = _number("add", input, other)
    return _given(number + (other if alpha == 1 else alpha * other), out)


def _sub(name):
    def sub(input, other, *, alpha=1, out=None):
        """A number minus `alpha` times a tensor."""
        number = _number(name, input, other)
        return _given(number - (other if alpha == 1 else alpha * other), out)

    composite(name)(sub)


_sub("sub")
_sub("subtract")
