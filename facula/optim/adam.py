"""Adam and AdamW."""

from __future__ import annotations

import math

import facula

from .optimizer import Optimizer, fusible


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.
    """

    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False, fused=None, decoupled_weight_decay=False):
        if not 0.0 <= float(lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
                                      capturable=capturable, differentiable=differentiable, fused=fused,
                                      decoupled_weight_decay=decoupled_weight_decay or self.decoupled))

    def step(self, closure=None):
        """One update of all parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.set_grad_enabled(self.defaults["differentiable"] and facula.is_grad_enabled()):
            for group in self.param_groups:
                self._update(group)
        return loss

    def _start(self, p, amsgrad):
        state = self.state[p]
        if not state:
            state["step"] = facula.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = facula.zeros_like(p), facula.zeros_like(p)
            if amsgrad:
                state["max_exp_avg_sq"] = facula.zeros_like(p)
        return state

    def _fused(self, group):
        """One native pass over all parameters; False where they do not allow it."""
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return True
        grads = [p.grad for p in params]
        states = [self._start(p, group["amsgrad"]) for p in params]
        first, second = [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states]
        largest = [s["max_exp_avg_sq"] for s in states] if group["amsgrad"] else []
        if not fusible(group, params, grads, first, second, largest):
            return False
        steps = {}  # parameters by the number of their step, mostly one for all
        for i, s in enumerate(states):
            s["step"] += 1
            steps.setdefault(s["step"].item(), []).append(i)
        for step, chosen in steps.items():
            lists = (params, grads, first, second, largest)
            if len(chosen) < len(params):
                lists = [[x[i] for i in chosen] if x else [] for x in lists]
            facula._optim_adam(*lists, float(group["lr"]), float(group["betas"][0]), float(group["betas"][1]), group["eps"],
                               group["weight_decay"], group["decoupled_weight_decay"], group["maximize"], step)
        return True

    def _update(self, group):
        if self._fused(group):
            return
        (beta1, beta2), lr, eps, decay = group["betas"], float(group["lr"]), group["eps"], group["weight_decay"]
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            state = self._start(p, group["amsgrad"])
            state["step"] += 1
            step = state["step"].item()
            if group["maximize"]:
                grad = -grad
            if decay:
                if group["decoupled_weight_decay"]:
                    p.mul_(1 - lr * decay)
                else:
                    grad = grad.add(p, alpha=decay)
            first, second = state["exp_avg"], state["exp_avg_sq"]
            first.lerp_(grad, 1 - beta1)
            second.mul_(beta2).addcmul_(grad, grad.conj() if grad.is_complex() else grad, value=1 - beta2)
            if group["amsgrad"]:
                second = facula.maximum(state["max_exp_avg_sq"], second)
                state["max_exp_avg_sq"].copy_(second)
            scale = math.sqrt(1 - beta2 ** step)
            p.addcdiv_(first, second.sqrt().div_(scale).add_(eps), value=-lr / (1 - beta1 ** step))


class AdamW(Adam):
    """Adam whose weight decay is not scaled; source: Loshchilov and Hutter, arXiv 1711.05101."""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None, capturable=False,
                 differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused)
