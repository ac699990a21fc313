"""Adam and AdamW."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check_common, zeros


class Adam(UpdateOptimizer):
    """Steps scaled by running moments of the gradient.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running means of gradients and of their squares is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        weight_decay: Times each parameter is added to its gradient.
        amsgrad: Whether to divide by the largest mean of squares so far; source: Reddi, Kale and Kumar, arXiv 1904.09237.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        maximize: Whether to go up the gradient.
        capturable: Taken for PyTorch's sake.
        differentiable: Whether gradients flow through the step.
        fused: Taken for PyTorch's sake, as foreach.
        decoupled_weight_decay: Whether weight decay shrinks the parameters themselves, as AdamW's.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.Adam([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    refuses_sparse = "Adam does not support sparse gradients, please consider SparseAdam instead"

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False, fused=None, decoupled_weight_decay=False):
        if isinstance(lr, facula.Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_common(lr, eps, betas, weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
                                      capturable=capturable, differentiable=differentiable, fused=fused,
                                      decoupled_weight_decay=decoupled_weight_decay))

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in (("amsgrad", False), ("maximize", False), ("foreach", None), ("capturable", False), ("differentiable", False),
                                ("decoupled_weight_decay", False), ("fused", None)):
                group.setdefault(name, value)

    def _start(self, p, group):
        return zeros(p, "exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))

    def _rule(self, group, lr, key):
        (beta1, beta2), (step,) = map(float, group["betas"]), key
        return "adam_amsgrad" if group["amsgrad"] else "adam", {
            "fresh1": 1 - beta1, "keep2": beta2, "fresh2": 1 - beta2, "size": lr / (1 - beta1 ** step), "scale": (1 - beta2 ** step) ** -0.5,
            "eps": group["eps"]}


class AdamW(Adam):
    """Adam whose weight decay is not scaled; source: Loshchilov and Hutter, arXiv 1711.05101.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        lr: The rate: how far a step goes, at least 0.
        betas: How much of the running means of gradients and of their squares is kept at a step, each in [0, 1).
        eps: Added to divisors, against division by 0.
        weight_decay: Times lr the share by which parameters shrink at a step.
        amsgrad: Whether to divide by the largest mean of squares so far; source: Reddi, Kale and Kumar, arXiv 1904.09237.
        maximize: Whether to go up the gradient.
        foreach: Taken for PyTorch's sake: all parameters of a group go through one native pass anyway.
        capturable: Taken for PyTorch's sake.
        differentiable: Whether gradients flow through the step.
        fused: Taken for PyTorch's sake, as foreach.

    Raises:
        ValueError: A setting is out of its range.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.AdamW([w], lr=0.1)
        >>> w.square().sum().backward()
        >>> optimizer.step()
        >>> w.detach().norm().item() < 5
        True
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None, capturable=False,
                 differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


AdamW.__module__ = f"{__package__}.adamw"  # where PyTorch's files name it
