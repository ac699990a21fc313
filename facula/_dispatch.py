"""What stands behind the door: subclasses, forward mode, vmap. Each sees a whole call."""

from __future__ import annotations

from ._native import core

Tensor = core.Tensor
SUBCLASS, BATCHED, DUAL = 2, 4, 8


def _tensors(values):
    for v in values:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            for t in v:
                if isinstance(t, Tensor):
                    yield t


def _map(function, values):
    return tuple(function(v) if isinstance(v, Tensor) else
                 type(v)(function(t) if isinstance(t, Tensor) else t for t in v) if type(v) in (list, tuple) else v for v in values)


def slow_call(op, entry, values, out):
    """A call that something wants to see. values: by parameter of the entry."""
    flags = 0
    for t in _tensors(values):
        flags |= t._flags
    if flags & SUBCLASS and not _disabled:
        return _torch_function(op, entry, values, out)
    if flags & BATCHED:
        from .func._vmap import batched_call

        return batched_call(op, entry, values, out)
    if flags & DUAL:
        return _dual_call(op, entry, values, out)
    return op._run(entry, values, out)


# ---------------------------------------------------------------- subclasses
_disabled: list = []


class DisableTorchFunctionSubclass:
    """Inside, subclasses are treated as plain tensors."""

    def __enter__(self):
        _disabled.append(True)

    def __exit__(self, *exc):
        _disabled.pop()


def _torch_function(op, entry, values, out):
    kinds = []
    for t in _tensors(values):
        if t._flags & SUBCLASS and type(t) not in kinds:
            kinds.append(type(t))
    kinds.sort(key=lambda k: -len(k.__mro__))
    args, kwargs = _as_called(entry, values)
    if out is not None:
        kwargs["out"] = out
    for kind in kinds:
        result = kind.__torch_function__(op, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(f"no implementation found for '{entry.qualified}' on types that implement __torch_function__: {kinds}")


def _as_called(entry, values):
    args, kwargs = [], {}
    for (name, _, _, keyword_only, has_default, default, _), value in zip(entry.params, values):
        if has_default and value is default:
            continue
        if keyword_only or len(args) < len([k for k in kwargs]) or (kwargs and not keyword_only):
            kwargs[name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


def plain_call(cls, func, types, args, kwargs):
    """Tensor's own __torch_function__: runs the function, and gives results the subclass."""
    with DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    keep = getattr(func, "__name__", "") in ("__get__", "__set__", "numpy", "tolist", "item")
    return result if keep else _convert(result, cls)


def _convert(result, cls):
    if isinstance(result, Tensor) and not isinstance(result, cls) and cls is not Tensor:
        return result.as_subclass(cls)
    if type(result) in (tuple, list):
        return type(result)(_convert(r, cls) for r in result)
    return result


# ---------------------------------------------------------------- forward mode

def _dual_call(op, entry, values, out):
    from .autograd.forward_ad import strip, with_tangent

    tangents = _map(lambda t: t._tangent if t._flags & DUAL else None, values)
    if op.in_place:
        return _dual_in_place(op, entry, values)
    primals = _map(strip, values)
    result = op._run(entry, primals, out)
    many = isinstance(result, (tuple, list))
    results = tuple(result) if many else (result,)
    found = tangent_of(op, entry, primals, tangents, results)
    made = [with_tangent(r, t) if isinstance(r, Tensor) and t is not None else r for r, t in zip(results, found)]
    if not many:
        return made[0]
    return type(result)(made) if type(result) in (tuple, list) else type(result)(tuple(made))


def _dual_in_place(op, entry, values):
    from .autograd.forward_ad import strip

    target = values[0]
    function = _functional_twin(op, entry)
    result = function(*values)
    with_out = strip(result)
    previous = target._flags
    target._flags = previous & ~DUAL
    target.copy_(with_out)
    if result._flags & DUAL:
        target._tangent = result._tangent
        target._flags = previous | DUAL
    return target


def _functional_twin(op, entry):
    import facula

    name = op.__name__.rstrip("_")
    if name == "copy":
        return lambda x, source, *_: source.expand(x.shape) if source.dtype == x.dtype else source.to(x.dtype).expand(x.shape)
    if name == "zero":
        return lambda x: facula.zeros_like(x)
    if name == "fill":
        return lambda x, value: facula.full_like(x, value)
    return lambda *v: op._run  # pragma: no cover


def tangent_of(op, entry, primals, tangents, results):
    """Tangents of the results: the entry's own rule, or the transposed gradient rule."""
    import facula

    if entry.jvp is not None:
        t = entry.jvp(primals, tangents, results)
        return t if isinstance(t, tuple) else (t,)
    if not entry.rules:
        return (None,) * len(results)
    # The gradient rule is linear in the incoming gradient: transposing it gives the tangent.
    with facula.enable_grad():
        inputs, directions = [], []

        def leaf(p, t):
            p = p.detach() if not p.requires_grad else p
            if t is None:
                return p
            q = p.detach().requires_grad_() if not p.requires_grad else p.view_as(p)
            inputs.append(q)
            directions.append(t)
            return q

        again = tuple(
            leaf(p, t) if isinstance(p, Tensor) and (t is None or isinstance(t, Tensor)) else
            type(p)(leaf(a, b) if isinstance(a, Tensor) else a for a, b in zip(p, t)) if type(p) in (list, tuple) and type(t) in (list, tuple) else p
            for p, t in zip(primals, tangents))
        outputs = op._run(entry, again, None)
        outputs = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        found = []
        for out in outputs:
            if not isinstance(out, Tensor) or not out.requires_grad:
                found.append(None)
                continue
            probe = facula.zeros_like(out).requires_grad_()
            back = facula.autograd.grad((out,), inputs, (probe,), create_graph=True, allow_unused=True)
            pairs = [(g, d) for g, d in zip(back, directions) if g is not None and g.requires_grad]
            if not pairs:
                found.append(facula.zeros_like(out))
                continue
            t = facula.autograd.grad([g for g, _ in pairs], (probe,), [d.to(g.dtype) for g, d in pairs], create_graph=core.is_grad_enabled() and
                                     any(d.requires_grad for d in directions) or any(p.requires_grad for p in _tensors(primals)), allow_unused=True)[0]
            found.append(facula.zeros_like(out) if t is None else t)
    return tuple(found)


# ---------------------------------------------------------------- methods of special tensors

def slow_detach(x):
    from .autograd.forward_ad import with_tangent

    if x._flags & BATCHED:
        from .func._vmap import detach

        return detach(x)
    out = core.alias(x)
    if x._flags & DUAL:
        return with_tangent(out, x._tangent.detach())
    return out.as_subclass(type(x)) if x._flags & SUBCLASS else out


def slow_item(x):
    if x._flags & BATCHED:
        raise RuntimeError("vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try to "
                           "rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please file a bug report.")
    return core.alias(x).item()


def batched_shape(x):
    from .func._vmap import shape

    return shape(x)


def custom_function(cls, args, kwargs):
    """autograd.Function on dual or batched tensors: (handled, result)."""
    from .autograd.forward_ad import strip, with_tangent

    flags = 0
    for a in args:
        flags |= a._flags if isinstance(a, Tensor) else 0
    if flags & BATCHED:
        from .func._vmap import custom_function

        return True, custom_function(cls, args, kwargs)
    tangents = [a._tangent if isinstance(a, Tensor) and a._flags & DUAL else None for a in args]
    primals = [strip(a) if isinstance(a, Tensor) else a for a in args]
    context = cls._backward_cls()
    context._needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    from .autograd.function import Function

    if cls.setup_context is not Function.setup_context:
        output = cls.forward(*primals, **kwargs)
        cls.setup_context(context, tuple(primals), output)
    else:
        output = cls.forward(context, *primals, **kwargs)
    if context._saved_forward and not context._to_save:
        context._to_save = context._saved_forward
    result = cls.jvp(context, *tangents)
    if isinstance(output, tuple):
        return True, tuple(with_tangent(o, t) for o, t in zip(output, result))
    return True, with_tangent(output, result)
