"""Copies, conversions and fills."""

from ._table import op

op("_to_copy(Tensor input, dtype dtype, str? device=None, memory_format? memory_format=None)", kernel="basic.to_copy", method=False,
   node="ToCopyBackward0", vjp={"input": lambda grad: grad})
op("copy_(Tensor input, Tensor src, bool non_blocking=False)", kernel="basic.copy_", function=False, node="CopyBackwards",
   vjp={"input": lambda grad: None, "src": lambda grad: grad})
op("fill_(Tensor input, Tensor|Scalar value)", kernel="basic.fill_", node=("FillBackward2", "FillBackward3"),
   vjp={"input": lambda grad: None, "value": lambda grad: grad.sum()})
op("zero_(Tensor input)", kernel="basic.zero_", node="ZeroBackward0", vjp={"input": lambda grad: None})
