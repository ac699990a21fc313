"""RMSprop."""

from __future__ import annotations

from ._update import UpdateOptimizer, check, check_common, zeros


class RMSprop(UpdateOptimizer):
    """Steps divided by a running root mean square; source: Hinton's lecture 6 of "Neural networks for machine learning".

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        alpha: How much of the running mean of squared gradients is kept at a step.
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        momentum: How much of the last step is kept.
        centered: Whether to subtract the squared mean gradient from the mean square.
        capturable: Taken for PyTorch's sake.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.RMSprop([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        check_common(lr, eps, (), weight_decay)
        check(momentum, f"Invalid momentum value: {momentum}")
        check(alpha, f"Invalid alpha value: {alpha}")
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay,
                                      capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable))

    def _start(self, p, group):
        return zeros(p, "square_avg", *(["momentum_buffer"] if group["momentum"] > 0 else []), *(["grad_avg"] if group["centered"] else []))

    def _rule(self, group, lr, key):
        settings = {"lr": lr, "alpha": group["alpha"], "fresh": 1 - group["alpha"], "eps": group["eps"]}
        name = "rmsprop_centered" if group["centered"] else "rmsprop"
        if group["momentum"] > 0:
            return name + "_momentum", {**settings, "momentum": group["momentum"]}
        return name, settings
