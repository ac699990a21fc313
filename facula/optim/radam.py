"""RAdam."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class RAdam(UpdateOptimizer):
    """Rectified Adam; source: Liu et al., "On the variance of the adaptive learning rate and beyond", arXiv 1908.03265."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False):
        check_common(lr, eps, betas, weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach,
                                      capturable=capturable, decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable))

    def _start(self, p, group):
        return zeros(p, "exp_avg", "exp_avg_sq")

    def _rule(self, group, lr, key):
        (beta1, beta2), (step,) = group["betas"], key
        settings = {"fresh1": 1 - beta1, "keep2": beta2, "fresh2": 1 - beta2}
        size, correction = lr / (1 - beta1 ** step), 1 - beta2 ** step
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * beta2 ** step / correction  # of the average that the second moment stands for
        if length <= 5.0:
            return "radam_flat", {**settings, "size": size}
        rectified = ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5
        return "radam", {**settings, "size": size * rectified * correction ** 0.5, "eps": group["eps"]}
