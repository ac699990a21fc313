"""Rprop."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check, zeros


class Rprop(UpdateOptimizer):
    """Steps by the signs of gradients; source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning" (1993)."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None, maximize=False,
                 differentiable=False):
        check(lr, f"Invalid learning rate: {lr}")
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, group):
        lr = float(group["lr"])
        return {**zeros(p, "prev"), "step_size": facula.full_like(p, complex(lr, lr) if p.is_complex() else lr, requires_grad=False)}

    def _rule(self, group, lr, key):
        (minus, plus), (low, high) = group["etas"], group["step_sizes"]
        return "rprop", {"minus": minus, "plus": plus, "low": low, "high": high}
