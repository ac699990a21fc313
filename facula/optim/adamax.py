"""Adamax."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class Adamax(UpdateOptimizer):
    """Adam with the infinity norm; source: Kingma and Ba, arXiv 1412.6980, section 7.1.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running mean of gradients and of their largest size is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.
        capturable: Taken for PyTorch's sake.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Adamax([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

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
