"""SparseAdam."""

from __future__ import annotations

import facula

from ._update import check_common
from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam that updates only the rows a sparse gradient names.

    Args:
        params: Parameters whose gradients are sparse, in any of the forms that optimizers take.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running means of gradients and of their squares is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        maximize: Whether to go up the gradient.

    Raises:
        ValueError: A setting is out of its range, or a parameter is itself sparse.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.SparseAdam([w], lr=0.1)
        >>> facula.nn.functional.embedding(facula.tensor([1]), w, sparse=True).square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if not 0.0 < float(lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_common(lr, eps, betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        sparse = [(i, j) for i, g in enumerate(self.param_groups) for j, p in enumerate(g["params"]) if p.layout != facula.strided]
        if sparse:
            raise ValueError(f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")

    def step(self, closure=None):
        """One update of the parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if not p.grad.is_sparse:
                        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
                    self._rows(p, group)
        return loss

    def _rows(self, p, group):
        state = self.state[p]
        if not state:
            state.update(step=0, exp_avg=facula.zeros_like(p), exp_avg_sq=facula.zeros_like(p))
        state["step"] += 1
        grad = p.grad.coalesce()
        rows, values = tuple(grad.indices().unbind(0)), grad.values()
        if values.numel() == 0:
            return
        if group["maximize"]:
            values = -values
        beta1, beta2 = group["betas"]
        first, second = state["exp_avg"][rows], state["exp_avg_sq"][rows]
        first = first + (values - first) * (1 - beta1)
        second = second + (values * values - second) * (1 - beta2)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = first, second
        size = float(group["lr"]) * (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
        p[rows] = p[rows] - size * first / (second.sqrt() + group["eps"])
