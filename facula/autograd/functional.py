"""Jacobians, Hessians and products with them, of functions of tensors."""

from __future__ import annotations

import facula

from .engine import grad as _grad


def _tuple(x):
    return (True, tuple(x)) if isinstance(x, (tuple, list)) else (False, (x,))


def _check_inputs(inputs, what):
    for i, x in enumerate(inputs):
        if not isinstance(x, facula.Tensor):
            given = f"the given inputs has type {type(x)}" if len(inputs) == 1 else f"the value at index {i} has type {type(x)}"
            raise TypeError(f"The inputs given to {what} must be either a Tensor or a tuple of Tensors but {given}.")


def _prepare(inputs, create_graph, what="the function"):
    _check_inputs(inputs, what)
    return tuple((x.view_as(x) if x.requires_grad else x.clone().requires_grad_()) if create_graph else x.detach().clone().requires_grad_()
                 for x in inputs)


def _call(func, inputs, what):
    many, out = _tuple(func(*inputs))
    for i, o in enumerate(out):
        if not isinstance(o, facula.Tensor):
            given = f"the value at index {i}" if many else "the given outputs of the user-provided function"
            raise TypeError(f"The outputs of the user-provided function given to {what} must be either a Tensor or a tuple of Tensors but {given} has type "
                            f"{type(o)}.")
    return many, out


def _check_strict(results, strict, what):
    if strict and any(r is None for r in results):
        raise RuntimeError(f"{what}: an output is independent of an input. This is not allowed in strict mode.")


def _zeros(found, like):
    return tuple(facula.zeros_like(x) if g is None else g for g, x in zip(found, like))


def _done(values, create_graph):
    return values if create_graph else tuple(v.detach() for v in values)


def _unwrap(many, values):
    return tuple(values) if many else values[0]


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, v^T J): the vector-Jacobian product."""
    with facula.enable_grad():
        many_in, inputs = _tuple(inputs)
        inputs = _prepare(inputs, create_graph, "vjp")
        many_out, outputs = _call(func, inputs, "vjp")
        if v is None and (len(outputs) != 1 or outputs[0].numel() != 1):
            raise RuntimeError("The vector v can only be None if the user-provided function returns a single Tensor with a single element.")
        v = tuple(facula.ones_like(o) for o in outputs) if v is None else _tuple(v)[1]
        for i, (a, b) in enumerate(zip(v, outputs)):
            if a.shape != b.shape:
                where = f"Entry {i} in v" if len(v) > 1 else "v"
                raise RuntimeError(f"{where} has invalid size: should be {b.shape} but got {a.shape}.")
        live = [(o, w) for o, w in zip(outputs, v) if o.requires_grad]
        found = _grad([o for o, _ in live], inputs, [w for _, w in live], create_graph=create_graph, allow_unused=True) if live else (None,) * len(inputs)
        _check_strict(found, strict, "vjp")
        found = _zeros(found, inputs)
    return _unwrap(many_out, _done(outputs, create_graph)), _unwrap(many_in, _done(found, create_graph))


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, J v): the Jacobian-vector product, by differentiating the vector-Jacobian product."""
    with facula.enable_grad():
        many_in, inputs = _tuple(inputs)
        if v is None:
            if len(inputs) != 1 or inputs[0].numel() != 1:
                raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.")
            v = (facula.ones_like(inputs[0]),)
        else:
            v = _tuple(v)[1]
        inputs = _prepare(inputs, create_graph, "jvp")
        many_out, outputs = _call(func, inputs, "jvp")
        probes = tuple(facula.zeros_like(o).requires_grad_() for o in outputs)
        live = [(o, p) for o, p in zip(outputs, probes) if o.requires_grad]
        back = _grad([o for o, _ in live], inputs, [p for _, p in live], create_graph=True, allow_unused=True) if live else (None,) * len(inputs)
        _check_strict(back, strict, "jvp")
        pairs = [(b, w) for b, w in zip(back, v) if b is not None and b.requires_grad]
        found = _grad([b for b, _ in pairs], probes, [w for _, w in pairs], create_graph=create_graph, allow_unused=True) if pairs else (None,) * len(probes)
        found = _zeros(found, outputs)
    return _unwrap(many_out, _done(outputs, create_graph)), _unwrap(many_out, _done(found, create_graph))


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian: for each output and input a tensor of output shape + input shape."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, '
                             '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".')
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError("Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`.")
    with facula.enable_grad():
        many_in, inputs = _tuple(inputs)
        inputs = _prepare(inputs, create_graph, "jacobian")
        many_out, outputs = _call(func, inputs, "jacobian")
        rows = []
        for o in outputs:
            columns = [[] for _ in inputs]
            for i in range(o.numel()):
                found = _grad((o.reshape(-1)[i],), inputs, create_graph=create_graph, retain_graph=True, allow_unused=True) if o.requires_grad \
                    else (None,) * len(inputs)
                _check_strict(found, strict, "jacobian")
                for column, g in zip(columns, _zeros(found, inputs)):
                    column.append(g)
            rows.append(tuple(facula.stack(c).reshape(o.shape + x.shape) if c else facula.zeros(o.shape + x.shape, dtype=o.dtype)
                              for c, x in zip(columns, inputs)))
    rows = [_done(r, create_graph) for r in rows]
    return _unwrap(many_out, [_unwrap(many_in, r) for r in rows])


def _scalar(func):
    def call(*inputs):
        out = func(*inputs)
        if not isinstance(out, facula.Tensor):
            raise TypeError("The Tensor returned by the function given should be a single Tensor")
        if out.numel() != 1:
            raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")
        return out.reshape(())

    return call


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """The Hessian of a function with one scalar result."""
    many, inputs = _tuple(inputs)

    def first(*xs):
        return jacobian(_scalar(func), xs, create_graph=True)

    out = jacobian(first, inputs, create_graph=create_graph, strict=strict)
    return out if many else out[0][0]


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, v^T H): the vector-Hessian product."""
    _, given = _tuple(inputs)
    if v is None and (len(given) != 1 or given[0].numel() != 1):
        raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.")
    with facula.enable_grad():
        many, inputs = _tuple(inputs)
        v = tuple(facula.ones_like(x) for x in inputs) if v is None else _tuple(v)[1]
        inputs = _prepare(inputs, create_graph)
        out = _scalar(func)(*inputs)
        first = _zeros(_grad((out,), inputs, create_graph=True, allow_unused=True), inputs)
        live = [(g, w) for g, w in zip(first, v) if g.requires_grad]
        found = _grad([g for g, _ in live], inputs, [w for _, w in live], create_graph=create_graph, allow_unused=True) if live else (None,) * len(inputs)
        _check_strict(found, strict, "vhp")
        found = _zeros(found, inputs)
    return (out if create_graph else out.detach()), _unwrap(many, _done(found, create_graph))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, H v): the Hessian-vector product; H is symmetric, so it is v^T H."""
    _, given = _tuple(inputs)
    if v is None and (len(given) != 1 or given[0].numel() != 1):
        raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.")
    return vhp(func, inputs, v, create_graph, strict)
