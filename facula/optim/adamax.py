"""Adamax."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class Adamax(UpdateOptimizer):
    """Adam with the infinity norm; source: Kingma and Ba, arXiv 1412.6980, section 7.1."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False, differentiable=False,
                 capturable=False):
        check_common(lr, eps, betas, weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, group):
        return zeros(p, "exp_avg", "exp_inf")

    def _rule(self, group, lr, key):
        (beta1, beta2), (step,) = group["betas"], key
        return "adamax", {"fresh1": 1 - beta1, "keep2": beta2, "size": lr / (1 - beta1 ** step), "eps": group["eps"]}
