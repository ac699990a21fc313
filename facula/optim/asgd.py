"""Averaged stochastic gradient descent."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check, zeros


class ASGD(UpdateOptimizer):
    """Gradient descent that also averages the parameters; source: Polyak and Juditsky (1992).

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        lambd: How fast parameters and rate decay.
        alpha: The power by which the rate decays.
        t0: The step at which averaging starts.
        weight_decay: Times each parameter is added to its gradient.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.
        capturable: Taken for PyTorch's sake.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.ASGD([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False, differentiable=False,
                 capturable=False):
        check(lr, f"Invalid learning rate: {lr}")
        check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, group):
        state = zeros(p)
        state["eta"], state["mu"] = facula.full_like(state["step"], float(group["lr"])), facula.ones_like(state["step"])
        state["ax"] = facula.zeros_like(p, memory_format=facula.preserve_format)
        return state

    def _keys(self, group, states):
        steps = super()._keys(group, states)
        return [(step, s["eta"].item(), s["mu"].item()) for (step,), s in zip(steps, states, strict=True)]

    def _rule(self, group, lr, key):
        _, eta, mu = key
        return "asgd", {"eta": eta, "lambd": group["lambd"], "hold": float(mu != 1), "mu": mu}

    def _finish(self, group, lr, states, key):
        step = key[0]
        eta = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        for state in states:
            state["eta"].fill_(eta)
            state["mu"].fill_(1 / max(1, step - group["t0"]))
