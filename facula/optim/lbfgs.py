"""Limited-memory BFGS."""

from __future__ import annotations

import facula

from .optimizer import Optimizer


def _cubic(x1, f1, g1, x2, f2, g2, bounds=None):
    """The minimum of the cubic through two points with slopes; Nocedal and Wright, equation 3.59."""
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 ** 2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    at = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)) if x1 <= x2 else x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(at, low), high)


def _strong_wolfe(evaluate, x, t, d, f, g, gtd, c1=1e-4, c2=0.9, tolerance_change=1e-9, max_ls=25):
    """A step length that meets the strong Wolfe conditions: (loss, gradient, length, evaluations)."""
    d_norm = d.abs().max()
    g = g.clone()
    f_new, g_new = evaluate(x, t, d)
    evals, gtd_new = 1, g_new.dot(d)
    t_prev, f_prev, g_prev, gtd_prev = 0, f, g, gtd
    done, step = False, 0
    while step < max_ls:
        if f_new > f + c1 * t * gtd or (step > 1 and f_new >= f_prev):
            points = [[t_prev, f_prev, g_prev, gtd_prev], [t, f_new, g_new.clone(), gtd_new]]
            break
        if abs(gtd_new) <= -c2 * gtd:
            points, done = [[t, f_new, g_new, gtd_new]], True
            break
        if gtd_new >= 0:
            points = [[t_prev, f_prev, g_prev, gtd_prev], [t, f_new, g_new.clone(), gtd_new]]
            break
        low, high, before = t + 0.01 * (t - t_prev), t * 10, t
        t = _cubic(t_prev, f_prev, gtd_prev, t, f_new, gtd_new, (low, high))
        t_prev, f_prev, g_prev, gtd_prev = before, f_new, g_new.clone(), gtd_new
        f_new, g_new = evaluate(x, t, d)
        evals += 1
        gtd_new = g_new.dot(d)
        step += 1
    else:
        points = [[0, f, g, gtd], [t, f_new, g_new, gtd_new]]
    stuck = False
    lo, hi = (0, 1) if points[0][1] <= points[-1][1] else (1, 0)
    while not done and step < max_ls:
        if abs(points[1][0] - points[0][0]) * d_norm < tolerance_change:
            break
        a, b = points
        t = _cubic(a[0], a[1], a[3], b[0], b[1], b[3])
        top, bottom = max(a[0], b[0]), min(a[0], b[0])
        margin = 0.1 * (top - bottom)
        if min(top - t, t - bottom) < margin:
            if stuck or t >= top or t <= bottom:
                t = top - margin if abs(t - top) < abs(t - bottom) else bottom + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = evaluate(x, t, d)
        evals += 1
        gtd_new = g_new.dot(d)
        step += 1
        if f_new > f + c1 * t * gtd or f_new >= points[lo][1]:
            points[hi] = [t, f_new, g_new.clone(), gtd_new]
            lo, hi = (0, 1) if points[0][1] <= points[1][1] else (1, 0)
        else:
            if abs(gtd_new) <= -c2 * gtd:
                done = True
            elif gtd_new * (points[hi][0] - points[lo][0]) >= 0:
                points[hi] = points[lo]
            points[lo] = [t, f_new, g_new.clone(), gtd_new]
    best = points[lo] if len(points) == 2 else points[0]
    return best[1], best[2], best[0], evals


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last gradients; needs a closure that computes the loss anew.

    Args:
        params: Parameters: a single group.
        lr: A factor of the steps.
        max_iter: Iterations of a step at the most.
        max_eval: Calls of the closure at the most; None for 1.25 * max_iter.
        tolerance_grad: Ends a step when no element of the gradient is larger.
        tolerance_change: Ends a step when parameters or loss change by less.
        history_size: How many differences of gradients are kept.
        line_search_fn: "strong_wolfe" to look for a good length of each step, or None.

    Raises:
        ValueError: There is more than one group.

    Example:
        >>> w = facula.tensor([[3.0], [4.0]], requires_grad=True)
        >>> optimizer = facula.optim.LBFGS([w], lr=0.1)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = w.square().sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        25.0
        >>> w.norm().item() < 5
        True
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9, history_size=100,
                 line_search_fn=None):
        if isinstance(lr, facula.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= float(lr):
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                                      tolerance_grad=tolerance_grad, tolerance_change=tolerance_change, history_size=history_size,
                                      line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    @staticmethod
    def _real(t):
        return facula.view_as_real(t) if t.is_complex() else t

    def _flat_gradient(self):
        dense = (facula.zeros_like(p) if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad for p in self._params)
        return facula.cat([self._real(g).reshape(-1) for g in dense])

    def _move(self, t, direction):
        start = 0
        for p in self._params:
            real = self._real(p)
            n = real.numel()
            real.add_(direction[start:start + n].view_as(real), alpha=float(t))
            start += n

    def step(self, closure):
        """Up to max_iter inner steps; returns the loss before them."""
        with facula.no_grad():
            return self._step(facula.enable_grad()(closure))

    def _step(self, closure):
        group = self.param_groups[0]
        lr, state = float(group["lr"]), self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss = float(first)
        evals = 1
        state["func_evals"] += 1
        grad = self._flat_gradient()
        if grad.abs().max() <= group["tolerance_grad"]:
            return first
        d, t = state.get("d"), state.get("t")
        dirs, steps, ro = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        scale, before, loss_before = state.get("H_diag"), state.get("prev_flat_grad"), state.get("prev_loss")
        n = 0

        def evaluate(x, t, d):
            self._move(t, d)
            value = float(closure())
            gradient = self._flat_gradient()
            for p, kept in zip(self._params, x):
                p.copy_(kept)
            return value, gradient

        while n < group["max_iter"]:
            n += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, dirs, steps, ro, scale = grad.neg(), [], [], [], 1
            else:
                y, s = grad.sub(before), d.mul(t)
                ys = y.dot(s)
                if ys > 1e-10:
                    if len(dirs) == group["history_size"]:
                        dirs.pop(0), steps.pop(0), ro.pop(0)
                    dirs.append(y)
                    steps.append(s)
                    ro.append(1.0 / ys)
                    scale = ys / y.dot(y)
                alphas = state.setdefault("al", [None] * group["history_size"])
                q = grad.neg()
                for i in range(len(dirs) - 1, -1, -1):
                    alphas[i] = steps[i].dot(q) * ro[i]
                    q.add_(dirs[i], alpha=-alphas[i].item())
                d = q.mul(scale)
                for i in range(len(dirs)):
                    d.add_(steps[i], alpha=float(alphas[i] - dirs[i].dot(d) * ro[i]))
            before = grad.clone() if before is None else before.copy_(grad)
            loss_before = loss
            t = min(1.0, 1.0 / grad.abs().sum()) * lr if state["n_iter"] == 1 else lr  # a tensor: the search rounds as its dtype does
            slope = grad.dot(d)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                x = [p.clone() for p in self._params]
                loss, grad, t, used = _strong_wolfe(evaluate, x, t, d, loss, grad, slope, max_ls=group["max_eval"] - evals)
                self._move(t, d)
                optimal = grad.abs().max() <= group["tolerance_grad"]
            else:
                self._move(t, d)
                optimal = False
                if n != group["max_iter"]:
                    loss = float(closure())
                    grad = self._flat_gradient()
                    optimal = grad.abs().max() <= group["tolerance_grad"]
                    used = 1
            evals += used
            state["func_evals"] += used
            if n == group["max_iter"] or evals >= group["max_eval"] or optimal:
                break
            if d.mul(t).abs().max() <= group["tolerance_change"] or abs(loss - loss_before) < group["tolerance_change"]:
                break
        state.update(d=d, t=t, old_dirs=dirs, old_stps=steps, ro=ro, H_diag=scale, prev_flat_grad=before, prev_loss=loss_before)
        return first
