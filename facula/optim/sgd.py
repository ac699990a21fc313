"""Stochastic gradient descent."""

from __future__ import annotations

import facula

from .optimizer import Optimizer, fusible


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

    def _fused(self, group):
        """One native pass over all parameters; False where they do not allow it."""
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return True
        grads, momentum = [p.grad for p in params], group["momentum"]
        if not fusible(group, params, grads):
            return False
        settings = (float(group["lr"]), momentum, group["dampening"], group["weight_decay"], group["nesterov"], group["maximize"])
        if not momentum:
            facula._optim_sgd(params, grads, [], *settings, False)
            return True
        buffers = [self.state[p].get("momentum_buffer") for p in params]
        if not fusible(group, params, [b for b in buffers if b is not None]):
            return False
        new = [i for i, b in enumerate(buffers) if b is None]
        for i in new:
            buffers[i] = self.state[params[i]]["momentum_buffer"] = facula.empty_like(params[i])
        for chosen, first in ((new, True), ([i for i in range(len(params)) if i not in set(new)], False)):
            if chosen:
                facula._optim_sgd([params[i] for i in chosen], [grads[i] for i in chosen], [buffers[i] for i in chosen], *settings, first)
        return True

    def _update(self, group):
        if self._fused(group):
            return
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
