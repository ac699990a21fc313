"""Muon."""

from __future__ import annotations

import math

import facula

from ._one_by_one import OneByOne
from ._update import check


class Muon(OneByOne):
    """Momentum, orthogonalised by Newton and Schulz's iteration, for matrices only; source: Jordan et al., "Muon" (2024).

    Args:
        params: Matrices, in any of the forms that optimizers take.
        lr: The rate: how far a step goes, at least 0.
        weight_decay: Times lr the share by which parameters shrink at a step.
        momentum: How much of the last direction is kept.
        nesterov: Whether to look ahead along the momentum.
        ns_coefficients: The three numbers of the iteration's polynomial.
        eps: Added to divisors, against division by 0.
        ns_steps: Iterations.
        adjust_lr_fn: "original" or None: rates grow with the root of rows over columns; "match_rms_adamw": so that updates are as large
            as AdamW's.

    Raises:
        ValueError: A setting is out of its range, or a parameter is no matrix.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Muon([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7,
                 ns_steps=5, adjust_lr_fn=None):
        check(lr, f"Learning rate should be >= 0 but is: {lr}")
        check(momentum, f"momentum should be >= 0 but is: {momentum}")
        check(weight_decay, f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_coefficients=ns_coefficients,
                                      eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn))
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def _one(self, p, grad, group):
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if grad.layout != facula.strided:
            raise RuntimeError("Muon does not support sparse gradients")
        if grad.ndim != 2:
            raise ValueError("Param gradient must be a 2D matrix")
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = facula.zeros_like(grad)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        update = orthogonalized(grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer, group)
        lr = float(group["lr"])
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update, alpha=-self._rate(lr, group["adjust_lr_fn"], *p.shape))

    @staticmethod
    def _rate(lr, adjust, rows, cols):
        if adjust == "match_rms_adamw":
            return lr * 0.2 * math.sqrt(max(rows, cols))
        return lr * math.sqrt(max(1, rows / cols))


def orthogonalized(grad, group):
    """Nearly the closest orthogonal matrix, by an iteration that bfloat16 is enough for."""
    a, b, c = group["ns_coefficients"]
    if group["ns_steps"] >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    x = grad.bfloat16()
    tall = grad.size(0) > grad.size(1)
    x = x.T if tall else x
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = facula.addmm(x, facula.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
