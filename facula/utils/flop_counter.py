"""Counts multiplications and additions of matrix products, convolutions and attention, module by module."""

from __future__ import annotations

import math
from collections import defaultdict

import facula

from ._python_dispatch import TorchDispatchMode

__all__ = ["FlopCounterMode", "register_flop_formula"]


def _matmul(a, b, *_, **__):
    a, b = tuple(a.shape), tuple(b.shape)
    batch = math.prod(facula.broadcast_shapes(a[:-2], b[:-2])) if len(a) > 2 or len(b) > 2 else 1
    rows = a[-2] if len(a) > 1 else 1
    return 2 * batch * rows * a[-1] * (b[-1] if len(b) > 1 else 1)


def _linear(x, weight, *_, **__):
    return 2 * x.numel() * (weight.shape[0] if weight.dim() > 1 else 1)


def _addmm(input, a, b, *_, **__):
    return _matmul(a, b)


def _conv(x, weight, *_, out=None, **__):
    return 2 * weight.numel() * (x.shape[0] if x.dim() == weight.dim() else 1) * math.prod(out.shape[2 - (x.dim() < weight.dim()):])


def _conv_transposed(x, weight, *_, out=None, **__):
    return 2 * weight.numel() * (x.shape[0] if x.dim() == weight.dim() else 1) * math.prod(x.shape[2 - (x.dim() < weight.dim()):])


def _attention(query, key, value, *_, **__):
    batch = math.prod(query.shape[:-2])
    return 2 * batch * query.shape[-2] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


flop_registry = {"mm": _matmul, "bmm": _matmul, "matmul": _matmul, "mv": _matmul, "dot": _matmul, "__matmul__": _matmul, "linear": _linear, "addmm": _addmm, "baddbmm": _addmm,
                 "scaled_dot_product_attention": _attention, **{f"conv{n}d": _conv for n in (1, 2, 3)},
                 **{f"conv_transpose{n}d": _conv_transposed for n in (1, 2, 3)}}


def register_flop_formula(targets, get_raw=False):
    """A decorator: the function gives the count of an operation from its arguments and, by the keyword `out`, its result."""
    def register(formula):
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            flop_registry[target if isinstance(target, str) else target.__name__] = formula
        return formula

    return register


class FlopCounterMode(TorchDispatchMode):
    """Inside, the forward operations are counted, for each module under its path ("Global" is everything).

    Args:
        depth: How many levels of modules the table shows.
        display: Whether to print the table at the end.
        custom_mapping: Formulas by operation or name, before the known ones.
    """

    def __init__(self, mods=None, depth=2, display=True, custom_mapping=None):
        super().__init__()
        self.depth, self.display, self.flop_counts = depth, display, defaultdict(lambda: defaultdict(int))
        self._formulas = {**flop_registry, **{getattr(k, "__name__", k): v for k, v in (custom_mapping or {}).items()}}
        self._path, self._names, self._handles = [], {}, []

    def __enter__(self):
        from ..nn.modules import module

        self.flop_counts.clear()
        self._handles = [module.register_module_forward_pre_hook(self._come_in),
                         module.register_module_forward_hook(self._go_out, always_call=True)]
        return super().__enter__()

    def __exit__(self, *exc):
        for handle in self._handles:
            handle.remove()
        result = super().__exit__(*exc)
        if self.display:
            print(self.get_table(self.depth))
        return result

    def _come_in(self, module, args):
        if not self._path:
            root = type(module).__name__
            self._names = {id(m): f"{root}.{name}" if name else root for name, m in module.named_modules()}
        self._path.append(self._names.get(id(module), type(module).__name__))

    def _go_out(self, module, args, output):
        if self._path:
            self._path.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        formula = self._formulas.get(getattr(func, "__name__", None))
        if formula is not None:
            count = formula(*args, **(kwargs or {}), out=out)
            for name in {"Global", *self._path}:
                self.flop_counts[name][func.__name__] += count
        return out

    def get_total_flops(self):
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self):
        """{module path: {operation: count}}."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth=None):
        """The counts as text."""
        depth = self.depth if depth is None else depth
        rows = [(" " * name.count(".") + name, f"{sum(counts.values()):,}") for name, counts in sorted(self.flop_counts.items())
                if name.count(".") <= depth]
        width = max((len(n) for n, _ in rows), default=6)
        return "\n".join([f"{'Module':<{width}}  FLOP", *(f"{n:<{width}}  {c}" for n, c in rows)])
