"""Optimizers that update parameter by parameter: a rule each, one loop for all."""

from __future__ import annotations

import math

import facula

from .optimizer import Optimizer

__all__ = ["NAdam", "RAdam", "Adamax", "Adadelta", "Adagrad", "RMSprop", "Rprop", "ASGD", "SparseAdam", "Adafactor", "Muon"]


def _check(value, text, low=0.0, high=math.inf):
    value = float(value) if isinstance(value, facula.Tensor) else value
    if not low <= value < high and not (value == high == math.inf):
        raise ValueError(text)


def _check_betas(betas):
    for i in (0, 1):
        _check(betas[i], f"Invalid beta parameter at index {i}: {betas[i]}", 0.0, 1.0)


class _PerTensor(Optimizer):
    """Subclasses give `_start` (a parameter's first state) and `_one` (its update)."""

    decays = True  # weight decay is added to the gradient

    def step(self, closure=None):
        """One update of all parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.set_grad_enabled(bool(self.defaults.get("differentiable")) and facula.is_grad_enabled()):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._update(p, group)
        return loss

    def _update(self, p, group):
        grad = p.grad
        if grad.layout != facula.strided:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
        state = self.state[p]
        if not state:
            self._start(p, grad, state, group)
        if "step" in state:
            state["step"] += 1
        if group.get("maximize"):
            grad = -grad
        lr, decay = float(group["lr"]), group.get("weight_decay", 0)
        if decay and self.decays:
            if group.get("decoupled_weight_decay"):
                p.mul_(1 - lr * decay)
            else:
                grad = grad.add(p, alpha=decay)
        if p.is_complex():
            real = {k: facula.view_as_real(v) if isinstance(v, facula.Tensor) and v.is_complex() else v for k, v in state.items()}
            self._one(facula.view_as_real(p), facula.view_as_real(grad), real, group, lr)
            return
        self._one(p, grad, state, group, lr)


def _zeros(state, p, *names):
    state["step"] = facula.tensor(0.0, dtype=facula.float64 if facula.get_default_dtype() == facula.float64 else facula.float32)
    for name in names:
        state[name] = facula.zeros_like(p, memory_format=facula.preserve_format)


class NAdam(_PerTensor):
    """Adam with Nesterov's momentum; Dozat (2016)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(eps, f"Invalid epsilon value: {eps}")
        _check_betas(betas)
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        _check(momentum_decay, f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
                                      decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach,
                                      capturable=capturable, differentiable=differentiable))

    def _start(self, p, grad, state, group):
        _zeros(state, p)
        state["mu_product"] = facula.tensor(1.0)
        state["exp_avg"], state["exp_avg_sq"] = facula.zeros_like(p), facula.zeros_like(p)

    def _one(self, p, grad, state, group, lr):
        beta1, beta2 = group["betas"]
        step, decay = state["step"].item(), group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        state["mu_product"] *= mu
        product = state["mu_product"].item()
        state["exp_avg"].lerp_(grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = state["exp_avg_sq"].div(1 - beta2 ** step).sqrt().add_(group["eps"])
        p.addcdiv_(grad, denominator, value=-lr * (1.0 - mu) / (1.0 - product))
        p.addcdiv_(state["exp_avg"], denominator, value=-lr * mu_next / (1.0 - product * mu_next))


class RAdam(_PerTensor):
    """Rectified Adam; arXiv 1908.03265."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(eps, f"Invalid epsilon value: {eps}")
        _check_betas(betas)
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach,
                                      capturable=capturable, decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable))

    def _start(self, p, grad, state, group):
        _zeros(state, p, "exp_avg", "exp_avg_sq")

    def _one(self, p, grad, state, group, lr):
        beta1, beta2 = group["betas"]
        step = state["step"].item()
        state["exp_avg"].lerp_(grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        corrected = state["exp_avg"] / (1 - beta1 ** step)
        correction2 = 1 - beta2 ** step
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * step * beta2 ** step / correction2
        if length <= 5.0:
            p.add_(corrected * lr, alpha=-1.0)
            return
        rectified = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
        adaptive = math.sqrt(correction2) / state["exp_avg_sq"].sqrt().add_(group["eps"])
        p.add_(corrected * lr * adaptive * rectified, alpha=-1.0)


class Adamax(_PerTensor):
    """Adam with the infinity norm; arXiv 1412.6980."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False, differentiable=False,
                 capturable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(eps, f"Invalid epsilon value: {eps}")
        _check_betas(betas)
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, grad, state, group):
        _zeros(state, p, "exp_avg", "exp_inf")

    def _one(self, p, grad, state, group, lr):
        beta1, beta2 = group["betas"]
        state["exp_avg"].lerp_(grad, 1 - beta1)
        norm = state["exp_inf"]
        norm.copy_(facula.maximum(norm * beta2, grad.abs().add_(group["eps"])))
        p.addcdiv_(state["exp_avg"], norm, value=-lr / (1 - beta1 ** state["step"].item()))


class Adadelta(_PerTensor):
    """Steps from running averages of gradients and updates; arXiv 1212.5701."""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
                 differentiable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        _check(eps, f"Invalid epsilon value: {eps}")
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable,
                                      foreach=foreach, differentiable=differentiable))

    def _start(self, p, grad, state, group):
        _zeros(state, p, "square_avg", "acc_delta")

    def _one(self, p, grad, state, group, lr):
        rho, eps = group["rho"], group["eps"]
        square, acc = state["square_avg"], state["acc_delta"]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = acc.add(eps).sqrt_().div_(square.add(eps).sqrt_()).mul_(grad)
        acc.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-lr)


class Adagrad(_PerTensor):
    """Steps divided by the root of all squared gradients so far; Duchi et al. (2011)."""

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *, maximize=False,
                 differentiable=False, fused=None):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(lr_decay, f"Invalid lr_decay value: {lr_decay}")
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        _check(initial_accumulator_value, f"Invalid initial_accumulator_value value: {initial_accumulator_value}")
        _check(eps, f"Invalid epsilon value: {eps}")
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, fused=fused))
        for group in self.param_groups:
            for p in group["params"]:
                self._start(p, None, self.state[p], group)

    def _start(self, p, grad, state, group):
        _zeros(state, p)
        start = group["initial_accumulator_value"]
        state["sum"] = facula.full_like(p, complex(start, start) if p.is_complex() else start, requires_grad=False)

    def share_memory(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _one(self, p, grad, state, group, lr):
        rate = lr / (1 + (state["step"].item() - 1) * group["lr_decay"])
        state["sum"].addcmul_(grad, grad, value=1)
        p.addcdiv_(grad, state["sum"].sqrt().add_(group["eps"]), value=-rate)


class RMSprop(_PerTensor):
    """Steps divided by a running root mean square; Hinton's lectures."""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(eps, f"Invalid epsilon value: {eps}")
        _check(momentum, f"Invalid momentum value: {momentum}")
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        _check(alpha, f"Invalid alpha value: {alpha}")
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay,
                                      capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable))

    def _start(self, p, grad, state, group):
        _zeros(state, p, "square_avg", *(["momentum_buffer"] if group["momentum"] > 0 else []), *(["grad_avg"] if group["centered"] else []))

    def _one(self, p, grad, state, group, lr):
        alpha = group["alpha"]
        square = state["square_avg"]
        square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(grad, 1 - alpha)
            root = square.addcmul(mean, mean, value=-1).sqrt_()
        else:
            root = square.sqrt()
        root.add_(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(group["momentum"]).addcdiv_(grad, root)
            p.add_(buffer, alpha=-lr)
        else:
            p.addcdiv_(grad, root, value=-lr)


class Rprop(_PerTensor):
    """Steps by the signs of gradients; Riedmiller and Braun (1993)."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None, maximize=False,
                 differentiable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, grad, state, group):
        _zeros(state, p, "prev")
        lr = float(group["lr"])
        state["step_size"] = facula.full_like(grad, complex(lr, lr) if p.is_complex() else lr)

    def _one(self, p, grad, state, group, lr):
        minus, plus = group["etas"]
        low, high = group["step_sizes"]
        sign = grad.mul(state["prev"]).sign()
        one = facula.ones_like(sign)
        factor = facula.where(sign.gt(0), one * plus, facula.where(sign.lt(0), one * minus, one))
        state["step_size"].mul_(factor).clamp_(low, high)
        grad = facula.where(sign.lt(0), facula.zeros_like(grad), grad)
        p.addcmul_(grad.sign(), state["step_size"], value=-1)
        state["prev"].copy_(grad)


class ASGD(_PerTensor):
    """Averaged stochastic gradient descent; Polyak and Juditsky (1992)."""

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False, differentiable=False,
                 capturable=False):
        _check(lr, f"Invalid learning rate: {lr}")
        _check(weight_decay, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _start(self, p, grad, state, group):
        _zeros(state, p)
        state["eta"] = facula.tensor(float(group["lr"]))
        state["mu"] = facula.tensor(1.0)
        state["ax"] = facula.zeros_like(p)

    def _one(self, p, grad, state, group, lr):
        eta, mu, step = state["eta"].item(), state["mu"].item(), state["step"].item()
        p.mul_(1 - group["lambd"] * eta)
        p.add_(grad, alpha=-eta)
        if mu != 1:
            state["ax"].add_(p.sub(state["ax"]).mul_(mu))
        else:
            state["ax"].copy_(p)
        state["eta"].fill_(lr / (1 + group["lambd"] * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))


class SparseAdam(Optimizer):
    """Adam that updates only the rows a sparse gradient names."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if not 0.0 < float(lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        _check_betas(betas)
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
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = facula.zeros_like(p), facula.zeros_like(p)
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
        size = float(group["lr"]) * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        p[rows] = p[rows] - size * first / (second.sqrt() + group["eps"])


class Adafactor(_PerTensor):
    """Adam with factored second moments; arXiv 1804.04235."""

    decays = False

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None, maximize=False):
        _check(lr, f"Learning rate should be >= 0 but is: {lr}")
        if beta2_decay > 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None:
            _check(eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}")
        _check(eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}")
        _check(d, f"Clipping threshold d should be >= 1 but is: {d}", 1.0)
        _check(weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize))

    def _start(self, p, grad, state, group):
        state["step"] = facula.tensor(0.0)
        if grad.dim() > 1:
            rows, cols = list(grad.shape), list(grad.shape)
            rows[-1] = cols[-2] = 1
            state["row_var"], state["col_var"] = grad.new_zeros(rows), grad.new_zeros(cols)
        else:
            state["variance"] = facula.zeros_like(grad)

    def _one(self, p, grad, state, group, lr):
        eps1, eps2 = group["eps"]
        eps1 = facula.finfo(p.dtype).eps if eps1 is None else eps1
        step = state["step"].item()
        weight = step ** group["beta2_decay"]
        rho = min(lr, 1 / step ** 0.5)
        alpha = max(eps2, p.norm(2).item() / p.numel() ** 0.5) * rho
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            row, col = state["row_var"], state["col_var"]
            row.lerp_(grad.norm(dim=-1, keepdim=True).square_().div_(grad.size(-1)), weight)
            col.lerp_(grad.norm(dim=-2, keepdim=True).square_().div_(grad.size(-2)), weight)
            variance = (row @ col).div_(row.mean(dim=-2, keepdim=True).clamp_(min=eps1))
        else:
            state["variance"].lerp_(grad.square(), weight)
            variance = state["variance"].clone()
        update = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        size = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        p.add_(update, alpha=-alpha / size)


class Muon(_PerTensor):
    """Momentum, orthogonalised by Newton and Schulz's iteration; for matrices only (Jordan, 2024)."""

    decays = False

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7,
                 ns_steps=5, adjust_lr_fn=None):
        _check(lr, f"Learning rate should be >= 0 but is: {lr}")
        _check(momentum, f"momentum should be >= 0 but is: {momentum}")
        _check(weight_decay, f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_coefficients=ns_coefficients,
                                      eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn))
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def _start(self, p, grad, state, group):
        state["momentum_buffer"] = facula.zeros_like(grad)

    def _one(self, p, grad, state, group, lr):
        buffer = state["momentum_buffer"]
        buffer.lerp_(grad, 1 - group["momentum"])
        update = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
        update = self._orthogonal(update, group)
        rows, cols = p.shape[:2]
        if group["adjust_lr_fn"] == "match_rms_adamw":
            rate = lr * 0.2 * math.sqrt(max(rows, cols))
        else:
            rate = lr * math.sqrt(max(1, rows / cols))
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update, alpha=-rate)

    @staticmethod
    def _orthogonal(grad, group):
        a, b, c = group["ns_coefficients"]
        x = grad.bfloat16()
        tall = grad.size(0) > grad.size(1)
        x = x.T if tall else x
        x = x / x.norm().clamp(min=group["eps"])
        for _ in range(group["ns_steps"]):
            gram = x @ x.T
            x = facula.addmm(x, facula.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        return x.T if tall else x
