"""Update rules of optimizers, each written once: printed as fused C++ loops by codegen/updates.py, run on tensors where the step
itself is differentiated or the tensors are not plain.

A rule takes a parameter's value `w`, its gradient `g` and its state, elementwise, and keyword-only settings; it returns the
new value and the new state. Before each rule `prepared` flips the gradient's sign and adds weight decay.
"""

from __future__ import annotations

from ._formula import f

updates: dict[str, Update] = {}
SHARED = ("sign", "decay", "shrink")  # settings of `prepared`, first in every rule's list


class Update:
    """One rule and the names of what it reads."""

    def __init__(self, rule):
        code = rule.__code__
        positional = code.co_varnames[: code.co_argcount]
        self.name, self.rule = rule.__name__, rule
        self.states = positional[2:]
        self.settings = SHARED + code.co_varnames[code.co_argcount: code.co_argcount + code.co_kwonlyargcount]

    def __call__(self, w, g, states, settings):
        """New value and states, from symbols or from tensors; `settings` in the order of `self.settings`."""
        sign, decay, shrink = settings[:3]
        w, g = prepared(w, g, sign, decay, shrink)
        result = self.rule(w, g, *states, **dict(zip(self.settings[3:], settings[3:], strict=True)))
        return result if isinstance(result, tuple) else (result,)


def update(rule):
    """Adds an update rule."""
    updates[rule.__name__] = Update(rule)
    return rule


def prepared(w, g, sign, decay, shrink):
    """Weight decay, as part of the gradient (decay) or of the value (shrink), and the direction (sign)."""
    return w * shrink, g * sign + w * decay


def _toward(old, new, weight):
    return old + (new - old) * weight


# ---------------------------------------------------------------- gradient descent
@update
def sgd(w, g, *, lr):
    return w - g * lr


@update
def sgd_momentum(w, g, momentum_buffer, *, lr, hold, fresh):
    momentum_buffer = momentum_buffer * hold + g * fresh
    return w - momentum_buffer * lr, momentum_buffer


@update
def sgd_nesterov(w, g, momentum_buffer, *, lr, hold, fresh, momentum):
    momentum_buffer = momentum_buffer * hold + g * fresh
    return w - (g + momentum_buffer * momentum) * lr, momentum_buffer


@update
def asgd(w, g, ax, *, eta, lambd, hold, mu):
    w = w * (1 - lambd * eta) - g * eta
    held = ax * hold
    return w, held + (w - held) * mu


@update
def rprop(w, g, prev, step_size, *, minus, plus, low, high):
    agree = g * prev
    factor = f.where(agree > 0, plus, f.where(agree < 0, minus, 1.0))
    step_size = f.minimum(f.maximum(step_size * factor, low), high)
    g = f.where(agree < 0, 0.0, g)
    return w - f.sign(g) * step_size, g, step_size


# ---------------------------------------------------------------- the family of Adam
def _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2):
    return _toward(exp_avg, g, fresh1), exp_avg_sq * keep2 + g * g * fresh2


@update
def adam(w, g, exp_avg, exp_avg_sq, *, fresh1, keep2, fresh2, size, scale, eps):
    exp_avg, exp_avg_sq = _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2)
    return w - exp_avg * size / (f.sqrt(exp_avg_sq) * scale + eps), exp_avg, exp_avg_sq


@update
def adam_amsgrad(w, g, exp_avg, exp_avg_sq, max_exp_avg_sq, *, fresh1, keep2, fresh2, size, scale, eps):
    exp_avg, exp_avg_sq = _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2)
    max_exp_avg_sq = f.maximum(max_exp_avg_sq, exp_avg_sq)
    return w - exp_avg * size / (f.sqrt(max_exp_avg_sq) * scale + eps), exp_avg, exp_avg_sq, max_exp_avg_sq


@update
def nadam(w, g, exp_avg, exp_avg_sq, *, fresh1, keep2, fresh2, size_now, size_avg, scale, eps):
    exp_avg, exp_avg_sq = _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2)
    return w - (g * size_now + exp_avg * size_avg) / (f.sqrt(exp_avg_sq) * scale + eps), exp_avg, exp_avg_sq


@update
def radam_flat(w, g, exp_avg, exp_avg_sq, *, fresh1, keep2, fresh2, size):
    exp_avg, exp_avg_sq = _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2)
    return w - exp_avg * size, exp_avg, exp_avg_sq


@update
def radam(w, g, exp_avg, exp_avg_sq, *, fresh1, keep2, fresh2, size, eps):
    exp_avg, exp_avg_sq = _moments(g, exp_avg, exp_avg_sq, fresh1, keep2, fresh2)
    return w - exp_avg * size / (f.sqrt(exp_avg_sq) + eps), exp_avg, exp_avg_sq


@update
def adamax(w, g, exp_avg, exp_inf, *, fresh1, keep2, size, eps):
    exp_avg = _toward(exp_avg, g, fresh1)
    exp_inf = f.maximum(exp_inf * keep2, abs(g) + eps)
    return w - exp_avg * size / exp_inf, exp_avg, exp_inf


# ---------------------------------------------------------------- running squares
@update
def adadelta(w, g, square_avg, acc_delta, *, lr, rho, fresh, eps):
    square_avg = square_avg * rho + g * g * fresh
    delta = f.sqrt(acc_delta + eps) / f.sqrt(square_avg + eps) * g
    return w - delta * lr, square_avg, acc_delta * rho + delta * delta * fresh


@update
def adagrad(w, g, sum, *, lr, eps):
    sum = sum + g * g
    return w - g * lr / (f.sqrt(sum) + eps), sum


@update
def rmsprop(w, g, square_avg, *, lr, alpha, fresh, eps):
    square_avg = square_avg * alpha + g * g * fresh
    return w - g * lr / (f.sqrt(square_avg) + eps), square_avg


@update
def rmsprop_momentum(w, g, square_avg, momentum_buffer, *, lr, alpha, fresh, eps, momentum):
    square_avg = square_avg * alpha + g * g * fresh
    momentum_buffer = momentum_buffer * momentum + g / (f.sqrt(square_avg) + eps)
    return w - momentum_buffer * lr, square_avg, momentum_buffer


@update
def rmsprop_centered(w, g, square_avg, grad_avg, *, lr, alpha, fresh, eps):
    square_avg, grad_avg = square_avg * alpha + g * g * fresh, _toward(grad_avg, g, fresh)
    return w - g * lr / (f.sqrt(square_avg - grad_avg * grad_avg) + eps), square_avg, grad_avg


@update
def rmsprop_centered_momentum(w, g, square_avg, momentum_buffer, grad_avg, *, lr, alpha, fresh, eps, momentum):
    square_avg, grad_avg = square_avg * alpha + g * g * fresh, _toward(grad_avg, g, fresh)
    momentum_buffer = momentum_buffer * momentum + g / (f.sqrt(square_avg - grad_avg * grad_avg) + eps)
    return w - momentum_buffer * lr, square_avg, momentum_buffer, grad_avg
