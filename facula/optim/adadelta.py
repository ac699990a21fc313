"""Adadelta."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class Adadelta(UpdateOptimizer):
    """Steps from running averages of gradients and of updates; source: Zeiler, arXiv 1212.5701."""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
                 differentiable=False):
        check_common(lr, eps, (), weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable,
                                      foreach=foreach, differentiable=differentiable))

    def _start(self, p, group):
        return zeros(p, "square_avg", "acc_delta")

    def _rule(self, group, lr, key):
        return "adadelta", {"lr": lr, "rho": group["rho"], "fresh": 1 - group["rho"], "eps": group["eps"]}
