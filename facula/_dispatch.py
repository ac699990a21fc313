"""What stands behind the door: modes, subclasses, autocast, and the levels of vmap and forward mode. Each sees a whole call."""

from __future__ import annotations

from . import _capture, _layouts
from ._forward import dual_call, map_tensors, tensors_of
from ._levels import BATCHED, DUAL, SUBCLASS, WRAPPED, batched, current_vmap, depth_of, lift
from ._native import core

Tensor = core.Tensor


_profiling: list = []  # the profiler's recorder while it runs


def slow_call(op, entry, values, out):
    """A call that something wants to see. values: by parameter of the entry."""
    if _profiling:
        with _profiling[-1].call(op, entry, values):
            return _seen_call(op, entry, values, out)
    return _seen_call(op, entry, values, out)


def _seen_call(op, entry, values, out):
    from . import overrides

    flags = 0
    for t in tensors_of(values):
        flags |= t._flags
    if isinstance(out, Tensor):
        flags |= out._flags
    if overrides.wanted(flags & SUBCLASS):
        args, kwargs = as_called(entry, values)
        if out is not None:
            kwargs["out"] = out
        return overrides.call_overrides(op, [t for t in tensors_of((*values, out)) if t._flags & SUBCLASS], args, kwargs)
    if core.autocast_active():
        from .amp import autocast_mode

        values = autocast_mode.cast(entry, values)
    if flags & _layouts.OTHER:
        return _layouts.call(op, entry, values, out)
    return call(op, entry, values, out)


def call(op, entry, values, out):
    """Hands a call to the innermost level that has wrapped one of its tensors."""
    top = None
    for t in tensors_of(values):
        if t._flags & WRAPPED and (top is None or t._wrapped[0].number > top.number):
            top = t._wrapped[0]
    if top is None:
        if entry.name in RANDOM and current_vmap() is not None:
            from .func._vmap import random_call

            return random_call(current_vmap(), op, entry, values, out)
        recorder = _capture.active()
        return op._run(entry, values, out) if recorder is None else recorder.record(op, entry, values, out)
    if top.kind == "vmap":
        from .func._vmap import batched_call

        return batched_call(top, op, entry, values, out)
    if not top.alive:
        from .autograd.forward_ad import strip

        return call(op, entry, map_tensors(lambda t: strip(t, top), values), out)
    return dual_call(top, op, entry, values, out)


RANDOM = frozenset("uniform_ normal_ _random_range_ _random_all_ bernoulli_ exponential_ geometric_ log_normal_ cauchy_ _randperm".split())


def record(level, op, entry, values, results):
    """Records a call that was run in parts, in the graph of the level's depth."""
    if not core.is_grad_enabled() or not entry.differentiable and not entry.view:
        return
    vmap = level.vmap
    depth = vmap.depth if vmap else 0
    if entry.view or any(t.requires_grad and depth_of(t) == depth for t in tensors_of(values)):
        op._record(entry, map_tensors(lambda t: lift(t, vmap), values), results)


def finish(entry, result, out):
    """Copies a result to where `out=` says."""
    if isinstance(out, Tensor):
        if out.shape != result.shape:
            out.resize_(result.shape)
        return out.copy_(result)
    for o, r in zip(out, result, strict=True):
        finish(entry, r, o)
    return out


def as_called(entry, values):
    """Arguments as a user would write them: defaults left out, the rest by position as far as possible."""
    args, kwargs, by_name = [], {}, False
    for (name, _, _, keyword_only, has_default, default, _), value in zip(entry.params, values):
        by_name = by_name or keyword_only
        if has_default and value is default:
            by_name = True  # what follows needs its name
        elif by_name:
            kwargs[name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


class DisableTorchFunctionSubclass:
    """Inside, subclasses are treated as plain tensors."""

    def __enter__(self):
        from . import overrides

        self.before = overrides.disable_subclasses(True)

    def __exit__(self, *exc):
        from . import overrides

        overrides.disable_subclasses(self.before)


def plain_call(cls, func, types, args, kwargs):
    """Tensor's own __torch_function__: runs the function, and gives results the subclass."""
    from . import overrides

    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    return result if func in overrides.get_default_nowrap_functions() else _convert(result, cls)


def _convert(result, cls):
    if cls is Tensor:
        return result
    if isinstance(result, Tensor) and not isinstance(result, cls):
        return result.as_subclass(cls)
    if isinstance(result, (tuple, list)):
        made = [_convert(r, cls) for r in result]
        return type(result)(made) if type(result) in (tuple, list) or not isinstance(result, tuple) else type(result)(tuple(made))
    return result


# ---------------------------------------------------------------- methods of special tensors

def slow_detach(x):
    from . import overrides

    if overrides.wanted(x._flags & SUBCLASS):
        return overrides.call_overrides(Tensor.detach, [x], (x,), {})
    if x._flags & BATCHED:
        level, value, dim = x._wrapped
        return batched(level, value.detach(), dim)
    if x._flags & DUAL:
        return x._wrapped[1].detach()
    if x._flags & _layouts.OTHER:
        return _layouts.alias(x)
    return _capture.detach(x) if _capture.active() is not None else core.alias(x)


def slow_item(x):
    if x._flags & BATCHED:
        raise RuntimeError("vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try to "
                           "rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please file a bug report.")
    if x._flags & _layouts.OTHER:
        return _layouts.one_number(x)
    return _capture.item(x) if _capture.active() is not None else core.alias(x).item()


def slow_bool(x):
    if x._flags & BATCHED:
        raise RuntimeError("vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, please "
                           "file an issue at https://github.com/pytorch/pytorch/issues .")
    if x._flags & _layouts.OTHER:
        return bool(_layouts.one_number(x))
    return _capture.truth(x) if _capture.active() is not None else bool(core.alias(x))


def custom_function(cls, args, kwargs):
    """autograd.Function.apply on wrapped tensors."""
    top = max((a._wrapped[0] for a in args if isinstance(a, Tensor) and a._flags & WRAPPED), key=lambda level: level.number)
    from .autograd import function

    if top.kind == "vmap":
        from .func._custom import batched_function

        return batched_function(top, cls, args, kwargs)
    return function.dual_function(top, cls, args, kwargs)
