"""Stochastic gradient descent."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check


class SGD(UpdateOptimizer):
    """Gradient descent with momentum; source: Sutskever et al., "On the importance of initialization and momentum" (2013).

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        momentum: How much of the last step's direction is kept.
        dampening: The share of a gradient that does not enter the momentum.
        weight_decay: Times each parameter is added to its gradient.
        nesterov: Whether the gradient is taken as if momentum had already moved; wants momentum and no dampening.
        maximize: Whether to go up the gradient.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        differentiable: Whether gradients flow through the step.
        fused: Taken for PyTorch's sake, as foreach.

    Raises:
        ValueError: A setting is out of its range, or nesterov goes without momentum or with dampening.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.SGD([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None, differentiable=False,
                 fused=None):
        check(lr, f"Invalid learning rate: {lr}")
        check(momentum, f"Invalid momentum value: {momentum}")
        check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
                                      foreach=foreach, differentiable=differentiable, fused=fused))

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("nesterov", False), ("maximize", False), ("foreach", None), ("differentiable", False), ("fused", False)):
                group.setdefault(name, value)

    def _state_of(self, p, group):
        return self.state[p] if group["momentum"] else {}

    def _keys(self, group, states):
        if not group["momentum"]:
            return [False] * len(states)
        new = [s.get("momentum_buffer") is None for s in states]
        for p, s, first in zip((p for p in group["params"] if p.grad is not None), states, new, strict=True):
            if first:
                s["momentum_buffer"] = facula.zeros_like(p, memory_format=facula.preserve_format)
        return new

    def _rule(self, group, lr, first):
        momentum = group["momentum"]
        if not momentum:
            return "sgd", {"lr": lr}
        settings = {"lr": lr, "hold": 0.0 if first else momentum, "fresh": 1.0 if first else 1 - group["dampening"]}
        return ("sgd_nesterov", {**settings, "momentum": momentum}) if group["nesterov"] else ("sgd_momentum", settings)

    def _sparse(self, group, params, grads):
        lr = float(group["lr"])
        for p, grad in zip(params, grads, strict=True):
            grad = -grad if group["maximize"] else grad
            if group["weight_decay"]:
                grad = grad.add(p, alpha=group["weight_decay"])
            if group["momentum"]:
                buffer = self.state[p].get("momentum_buffer")
                if buffer is None:
                    buffer = self.state[p]["momentum_buffer"] = grad.detach().clone()
                else:
                    buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
                grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
            p.add_(grad, alpha=-lr)
