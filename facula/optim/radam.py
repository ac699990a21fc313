"""RAdam."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class RAdam(UpdateOptimizer):
    """Rectified Adam; source: Liu et al., "On the variance of the adaptive learning rate and beyond", arXiv 1908.03265.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running means of gradients and of their squares is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        decoupled_weight_decay: Whether weight decay shrinks the parameters themselves, as AdamW's.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        capturable: Taken for PyTorch's sake.
        differentiable: Whether gradients flow through the step.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.RAdam([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

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
