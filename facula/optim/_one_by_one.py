"""Optimizers whose rule looks at a whole parameter: they take one after the other."""

from __future__ import annotations

import facula

from .optimizer import Optimizer


class OneByOne(Optimizer):
    """A subclass says in `_one(p, grad, group)` what becomes of a parameter."""

    def step(self, closure=None):
        """One update of all parameters; returns what `closure` returns."""
        loss = self._closure(closure)
        with facula.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._one(p, p.grad, group)
        return loss
