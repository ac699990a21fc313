"""Adam and AdamW."""

from __future__ import annotations

import facula

from ._update import UpdateOptimizer, check_common, zeros


class Adam(UpdateOptimizer):
    """Steps scaled by running moments of the gradient.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.
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
    """Adam whose weight decay is not scaled; source: Loshchilov and Hutter, arXiv 1711.05101."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None, capturable=False,
                 differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


AdamW.__module__ = f"{__package__}.adamw"  # where PyTorch's files name it
