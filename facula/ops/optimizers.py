"""Passes over whole lists of parameters or gradients, in place; see native/cpu/optimizers.cpp."""

from __future__ import annotations

from ._table import op

_INTERNAL = {"method": False, "differentiable": False}
op("_optim_update(str rule, Tensor[] params, Tensor[] grads, Tensor[] states, float[] settings) -> Tensor[]", kernel="optimizers.update", **_INTERNAL)
op("_optim_advance(Tensor[] steps)", kernel="optimizers.advance", **_INTERNAL)
op("_optim_norms(Tensor[] tensors, float p)", kernel="optimizers.norms", **_INTERNAL)
op("_optim_scale(Tensor[] tensors, float factor) -> Tensor[]", kernel="optimizers.scale", **_INTERNAL)
op("_optim_limit(Tensor[] tensors, float limit) -> Tensor[]", kernel="optimizers.limit", **_INTERNAL)
op("_optim_zero(Tensor[] tensors) -> Tensor[]", kernel="optimizers.zero", **_INTERNAL)
