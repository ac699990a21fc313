"""Optimizers whose step is one elementwise rule of `facula/ops/updates.py`: one native pass over all parameters of a group."""

from __future__ import annotations

import math

import facula

from ..ops.updates import updates
from .optimizer import Optimizer


def check(value, text, low=0.0, high=math.inf):
    """Raises ValueError with `text` unless low <= value < high (or <= infinity)."""
    if isinstance(value, facula.Tensor):
        if value.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        value = float(value)
    if not low <= value < high and not (value == high == math.inf):
        raise ValueError(text)


def check_common(lr, eps=0.0, betas=(), weight_decay=0.0):
    """What most optimizers check of their settings."""
    check(lr, f"Invalid learning rate: {lr}")
    check(eps, f"Invalid epsilon value: {eps}")
    for i, beta in enumerate(betas):
        check(beta, f"Invalid beta parameter at index {i}: {beta}", 0.0, 1.0)
    check(weight_decay, f"Invalid weight_decay value: {weight_decay}")


def zeros(p, *names):
    """A first state: the step's number, and zeros like the parameter under each name."""
    double = facula.get_default_dtype() == facula.float64
    state = {"step": facula.tensor(0.0, dtype=facula.float64 if double else facula.float32)}
    state.update({n: facula.zeros_like(p, memory_format=facula.preserve_format) for n in names})
    return state


class UpdateOptimizer(Optimizer):
    """Subclasses give `_start` (a parameter's first state) and `_rule` (a rule's name and settings)."""

    refuses_sparse = "{} does not support sparse gradients"

    def __init__(self, params, defaults):
        super().__init__(params, defaults)
        if defaults.get("fused"):
            if defaults.get("differentiable"):
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults.get("foreach"):
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def _start(self, p, group):
        """The first state of parameter p."""
        raise NotImplementedError

    def _rule(self, group, lr, key):
        """(name, settings) of the rule for parameters that share `key`."""
        raise NotImplementedError

    def _keys(self, group, states):
        """What, beside the group, a parameter's settings depend on: mostly the number of its step."""
        return [(n,) for n in facula._optim_advance([s["step"] for s in states]).tolist()]

    def _finish(self, group, lr, states, key):
        """Called after the update of all parameters that share `key`."""

    def step(self, closure=None):
        """One update of all parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.set_grad_enabled(bool(self.defaults.get("differentiable")) and facula.is_grad_enabled()):
            for group in self.param_groups:
                self._update(group)
        return loss

    def _update(self, group):
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        grads = [p.grad for p in params]
        if any(g.layout != facula.strided for g in grads):
            return self._sparse(group, params, grads)
        self._check_modes(group, params)
        states = [self._state_of(p, group) for p in params]
        lr = group["lr"]
        if not group.get("differentiable"):
            lr = float(lr)
        batches = {}  # mostly one for all
        for i, key in enumerate(self._keys(group, states)):
            batches.setdefault(key, []).append(i)
        for key, chosen in batches.items():
            pick = (lambda x: x) if len(chosen) == len(params) else lambda x: [x[i] for i in chosen]  # noqa: B023
            name, settings = self._rule(group, lr, key)
            self._apply(group, lr, updates[name], settings, pick(params), pick(grads), pick(states))
            self._finish(group, lr, pick(states), key)

    def _state_of(self, p, group):
        state = self.state[p]
        if not state:
            state.update(self._start(p, group))
        return state

    @staticmethod
    def _check_modes(group, params):
        if group.get("foreach") and group.get("differentiable"):
            raise AssertionError("_foreach ops don't support autograd")
        if group.get("foreach") and isinstance(group["lr"], facula.Tensor) and not group.get("capturable") and "fused" in group:
            raise RuntimeError("lr as a Tensor is not supported for capturable=False and foreach=True")
        if group.get("capturable") and any(p.device.type == "cpu" for p in params):
            raise AssertionError("If capturable=True, params and state_steps must be on supported devices: ['cuda', 'xpu', 'hpu', 'privateuseone', 'xla'].")

    def _sparse(self, group, params, grads):
        raise RuntimeError(self.refuses_sparse.format(type(self).__name__))

    @staticmethod
    def _apply(group, lr, rule, settings, params, grads, states):
        decay = group.get("weight_decay", 0)
        if isinstance(decay, facula.Tensor):
            decay = float(decay)
        shared = {"sign": -1.0 if group["maximize"] else 1.0, "decay": decay, "shrink": 1.0}
        if group.get("decoupled_weight_decay"):
            shared.update(decay=0.0, shrink=1 - lr * decay)
        settings = {**shared, **settings}
        settings = [settings[n] for n in rule.settings]
        lists = [[s[n] for s in states] for n in rule.states]
        if any(p.is_complex() for p in params):
            params, grads, *lists = ([facula.view_as_real(t.resolve_conj()) if t.is_complex() else t for t in x] for x in (params, grads, *lists))
        if group.get("differentiable") or any(p.device.type != "cpu" for p in params):
            for w, g, *own in zip(params, grads, *lists, strict=True):
                for old, new in zip((w, *own), rule(w, g, own, settings), strict=True):
                    old.copy_(new)
            return
        facula._optim_update(rule.name, params, grads, [t for own in zip(*lists, strict=True) for t in own], [float(s) for s in settings])
