"""Optimizer steps over whole groups, in place; see native/cpu/optimizers.cpp."""

from __future__ import annotations

from ._table import op

op("_optim_sgd(Tensor[] params, Tensor[] grads, Tensor[] momenta, float lr, float momentum, float dampening, float weight_decay, "
   "bool nesterov, bool maximize, bool first) -> Tensor[]", kernel="optimizers.sgd", method=False, differentiable=False)
op("_optim_adam(Tensor[] params, Tensor[] grads, Tensor[] first, Tensor[] second, Tensor[] largest, float lr, float beta1, float beta2, "
   "float eps, float weight_decay, bool decoupled, bool maximize, float step) -> Tensor[]", kernel="optimizers.adam", method=False,
   differentiable=False)
