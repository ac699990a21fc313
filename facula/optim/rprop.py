"""Rprop."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check, zeros


class Rprop(UpdateOptimizer):
    """Steps by the signs of gradients; source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning" (1993).

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The first step's size.
        etas: Factors of a step's size where the gradient's sign turns and where it stays.
        step_sizes: The smallest and the largest step.
        capturable: Taken for PyTorch's sake.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        differentiable: Whether gradients flow through the step.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Rprop([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

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
