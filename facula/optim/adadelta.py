"""Adadelta."""

from __future__ import annotations

from ._update import UpdateOptimizer, check_common, zeros


class Adadelta(UpdateOptimizer):
    """Steps from running averages of gradients and of updates; source: Zeiler, arXiv 1212.5701.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: A factor of the steps, which find their own size.
        rho: How much of both running averages is kept at a step, in [0, 1].
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        capturable: Taken for PyTorch's sake.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Adadelta([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

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
