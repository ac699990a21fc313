"""Arithmetic with a plain number as PyTorch's own compositions call it: the number has no edge, the node ends in 1."""

from ._formula import f
from ._table import pointwise

for _name, _formula, _gradient, _dtype in (
        ("add", lambda input, other: input + other, lambda grad: grad, "promote"),
        ("mul", lambda input, other: input * other, lambda grad, other: grad * f.conj(other), "promote"),
        ("div", lambda input, other: input / other, lambda grad, other: grad / f.conj(other), "floating")):
    pointwise(f"_{_name}_number(Tensor input, Tensor|Scalar other)", _formula, node=f"{_name.capitalize()}Backward1", dtype=_dtype,
              types="fdcz" if _dtype == "floating" else "fdicz", method=False, vjp={"input": _gradient})
