"""Adafactor."""

from __future__ import annotations

import facula

from ._one_by_one import OneByOne
from ._update import check


class Adafactor(OneByOne):
    """Adam whose second moments are kept as rows and columns; source: Shazeer and Stern, arXiv 1804.04235.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        beta2_decay: The power of the step's number by which the running means forget, at most 0.
        eps: Two small numbers: the least mean square (None: the dtype's own), and the least scale of a parameter.
        d: The largest root mean square of an update, at least 1.
        weight_decay: Times lr the share by which parameters shrink at a step.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Adafactor([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None, maximize=False):
        check(lr, f"Learning rate should be >= 0 but is: {lr}")
        if beta2_decay > 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None:
            check(eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}")
        check(eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}")
        check(d, f"Clipping threshold d should be >= 1 but is: {d}", 1.0)
        check(weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize))

    def _start(self, grad):
        state = {"step": facula.tensor(0.0)}
        if grad.dim() > 1:
            rows, cols = list(grad.shape), list(grad.shape)
            rows[-1] = cols[-2] = 1
            state.update(row_var=grad.new_zeros(rows), col_var=grad.new_zeros(cols))
        else:
            state["variance"] = facula.zeros_like(grad)
        return state

    def _one(self, p, grad, group):
        if grad.layout != facula.strided:
            raise RuntimeError("Adafactor does not support sparse gradients")
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = self.state[p]
        if not state:
            state.update(self._start(grad))
        state["step"] += 1
        grad = -grad if group["maximize"] else grad
        lr, step, (eps1, eps2) = float(group["lr"]), state["step"].item(), group["eps"]
        eps1 = facula.finfo(p.dtype).eps if eps1 is None else eps1
        fresh = step ** group["beta2_decay"]
        alpha = max(eps2, p.norm(2).item() / p.numel() ** 0.5) * min(lr, 1 / step ** 0.5)
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        update = self._variance(state, grad, fresh, eps1).clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        size = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        p.add_(update, alpha=-alpha / size)

    @staticmethod
    def _variance(state, grad, fresh, eps):
        if grad.dim() < 2:
            return state["variance"].lerp_(grad.square(), fresh).clone()
        row, col = state["row_var"], state["col_var"]
        row.lerp_(grad.norm(dim=-1, keepdim=True).square_().div_(grad.size(-1)), fresh)
        col.lerp_(grad.norm(dim=-2, keepdim=True).square_().div_(grad.size(-2)), fresh)
        return (row @ col).div_(row.mean(dim=-2, keepdim=True).clamp_(min=eps))
