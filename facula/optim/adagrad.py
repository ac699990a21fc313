"""Adagrad."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check, check_common, zeros


class Adagrad(UpdateOptimizer):
    """Steps divided by the root of all squared gradients so far; source: Duchi, Hazan and Singer, JMLR 12 (2011).

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        lr_decay: At step t, counted from 0, the rate is lr / (1 + t * lr_decay).
        weight_decay: Times each parameter is added to its gradient.
        initial_accumulator_value: Where the sums of squares start.
        eps: Added to divisors, against division by 0.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.
        fused: Taken for PyTorch's sake, as foreach.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Adagrad([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *, maximize=False,
                 differentiable=False, fused=None):
        check_common(lr, eps, (), weight_decay)
        check(lr_decay, f"Invalid lr_decay value: {lr_decay}")
        check(initial_accumulator_value, f"Invalid initial_accumulator_value value: {initial_accumulator_value}")
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, fused=fused))
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self._start(p, group))

    def _start(self, p, group):
        start = group["initial_accumulator_value"]
        start = complex(start, start) if p.is_complex() else start
        return {**zeros(p), "sum": facula.full_like(p, start, memory_format=facula.preserve_format, requires_grad=False)}

    def share_memory(self):
        """Moves the sums into memory that other processes see."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _rule(self, group, lr, key):
        return "adagrad", {"lr": lr / (1 + (key[0] - 1) * group["lr_decay"]), "eps": group["eps"]}

    def _sparse(self, group, params, grads):
        if group["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        for p, grad in zip(params, grads, strict=True):
            state = self.state[p]
            state["step"] += 1
            grad = (-grad if group["maximize"] else grad).coalesce()
            rows, values = tuple(grad.indices().unbind(0)), grad.values()
            if values.numel() == 0:
                continue
            state["sum"][rows] += values * values
            rate = float(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
            p[rows] -= rate * values / (state["sum"][rows].sqrt() + group["eps"])
