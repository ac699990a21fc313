"""NAdam."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check, check_common, zeros


class NAdam(UpdateOptimizer):
    """Adam with Nesterov's momentum; source: Dozat, "Incorporating Nesterov momentum into Adam" (2016).

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running means of gradients and of their squares is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        momentum_decay: How fast the momentum grows to betas[0].
        decoupled_weight_decay: Whether weight decay shrinks the parameters themselves, as AdamW's.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        capturable: Taken for PyTorch's sake.
        differentiable: Whether gradients flow through the step.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.NAdam([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):
        check_common(lr, eps, betas, weight_decay)
        check(momentum_decay, f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
                                      decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach,
                                      capturable=capturable, differentiable=differentiable))

    def _start(self, p, group):
        state = zeros(p)
        state["mu_product"] = facula.ones_like(state["step"])
        state.update(exp_avg=facula.zeros_like(p), exp_avg_sq=facula.zeros_like(p))
        return state

    @staticmethod
    def _mu(group, step):
        return group["betas"][0] * (1.0 - 0.5 * 0.96 ** (step * group["momentum_decay"]))

    def _keys(self, group, states):
        steps = [step for step, in super()._keys(group, states)]
        for state, step in zip(states, steps, strict=True):
            state["mu_product"] *= self._mu(group, step)
        return [(step, s["mu_product"].item()) for step, s in zip(steps, states, strict=True)]

    def _rule(self, group, lr, key):
        (beta1, beta2), (step, product) = group["betas"], key
        mu, after = self._mu(group, step), self._mu(group, step + 1)
        return "nadam", {"fresh1": 1 - beta1, "keep2": beta2, "fresh2": 1 - beta2, "size_now": lr * (1.0 - mu) / (1.0 - product),
                         "size_avg": lr * after / (1.0 - product * after), "scale": (1 - beta2 ** step) ** -0.5, "eps": group["eps"]}
