"""Stochastic gradient descent."""

from __future__ import annotations

import facula

from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent with momentum; source: Sutskever et al., "On the importance of initialization and momentum" (2013)."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None, differentiable=False,
                 fused=None):
        if isinstance(lr, float | int) and lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
                                      foreach=foreach, differentiable=differentiable, fused=fused))

    def step(self, closure=None):
        """One update of all parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.set_grad_enabled(self.defaults["differentiable"] and facula.is_grad_enabled()):
            for group in self.param_groups:
                self._update(group)
        return loss

    def _update(self, group):
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if group["maximize"]:
                grad = -grad
            if decay:
                grad = grad.add(p, alpha=decay)
            if momentum:
                state = self.state[p]
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    buffer = state["momentum_buffer"] = grad.detach().clone()
                else:
                    buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
                grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
            p.add_(grad, alpha=-float(lr) if isinstance(lr, facula.Tensor) else -lr)
