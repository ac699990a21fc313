"""Modules as functions of their parameters."""

from __future__ import annotations

import copy

import facula

from .._native import core


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls a module with other tensors in the place of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: Tensors by their names in `named_parameters` and `named_buffers`, or several such dicts.
        tie_weights: A tensor that the module has under several names is replaced under all of them.
        strict: Every parameter and buffer must be given, and nothing else.
    """
    dicts = parameter_and_buffer_dicts if isinstance(parameter_and_buffer_dicts, (tuple, list)) else (parameter_and_buffer_dicts,)
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
                         f"{type(parameter_and_buffer_dicts)}")
    given: dict = {}
    for d in dicts:
        repeated = [k for k in d if k in given]
        if repeated:
            raise ValueError(f"{repeated} appear in multiple dictionaries; behavior of functional call is ambiguous")
        given.update(d)
    return _call(module, given, args, kwargs, tie_weights, strict)


def _call(module, given, args, kwargs, tie_weights, strict):
    places = dict(_places(module))
    if tie_weights:
        given = _tied(places, given)
    if strict:
        _check_strict(module, places, given)
    saved = []
    try:
        for path, value in given.items():
            if path not in places:
                places[path] = _new_place(module, path)
            table, name = places[path]
            saved.append((table, name, table.get(name, _MISSING)))
            table[name] = value
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        result = module(*args, **(kwargs or {}))
        for path in given:  # buffers that were written are the caller's
            table, name = places[path]
            given[path] = table[name]
        return result
    finally:
        for table, name, value in reversed(saved):
            if value is _MISSING:
                table.pop(name, None)
            else:
                table[name] = value


_MISSING = object()


def _new_place(module, path):
    """Where a tensor goes that the module does not have: among the attributes of its submodule."""
    prefix, _, name = path.rpartition(".")
    part = module.get_submodule(prefix)
    present = getattr(part, name, None)
    if present is not None and not isinstance(present, core.Tensor):
        raise TypeError(f"attribute `{name}`: {present} is not an instance of torch.Tensor")
    return part.__dict__, name


def _places(module):
    """(path, (table, name)) of each parameter and buffer, also of those that appear twice."""
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for name, value in table.items():
                if value is not None:
                    yield f"{prefix}.{name}" if prefix else name, (table, name)


def _tied(places, given):
    groups: dict = {}
    for path, (table, name) in places.items():
        groups.setdefault(id(table[name]), []).append(path)
    out = dict(given)
    for paths in groups.values():
        values = {id(given[p]): given[p] for p in paths if p in given}
        if len(values) > 1:
            raise ValueError(f"functional_call got multiple values for keys {sorted(p for p in paths if p in given)}, which are tied. "
                             "Consider using tie_weights=False")
        for value in values.values():
            out.update({p: value for p in paths})
    return out


def _check_strict(module, places, given):
    unexpected = [p for p in given if p not in places]
    missing = [p for p in places if p not in given]
    if unexpected or missing:
        text = f"Error(s) in reparametrizing for {type(module).__name__}:"
        for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
            if keys:
                text += f"\n\t{what} key(s): " + ", ".join(map(repr, sorted(keys))) + "."
        raise RuntimeError(text)


def stack_module_state(models):
    """(parameters, buffers) of several modules of one architecture, stacked by name, for `vmap` over models."""
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {k: _stack([dict(m.named_parameters())[k] for m in models], True) for k, _ in models[0].named_parameters()}
    buffers = {k: _stack([dict(m.named_buffers())[k] for m in models], False) for k, _ in models[0].named_buffers()}
    return parameters, buffers


def _stack(tensors, leaf):
    needed = {t.requires_grad for t in tensors}
    if len(needed) > 1:
        raise RuntimeError(f"Expected {'parameters' if leaf else 'buffers'} from each model to have the same .requires_grad")
    return facula.stack([t.detach() for t in tensors]).requires_grad_(needed.pop()) if leaf else facula.stack(tensors)


def functionalize(func, *, remove="mutations"):
    """The function itself: in-place operations and views need no rewriting here."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
                           '     remove="mutations": all inplace and out= operators will be removed from the program, and replaced with their out-of-place '
                           'equivalents.\n     remove="mutations_and_views": In addition to the above, all aliasing operators {view} will be replaced with '
                           "their non-aliasing counterparts, {view}_copy.\n")
    return func


def make_functional(model):
    """(function of parameters and inputs, parameters): the older form of `functional_call`."""
    bare = copy.deepcopy(model)
    names = [n for n, _ in model.named_parameters()]
    return (lambda parameters, *args, **kwargs: functional_call(bare, dict(zip(names, parameters)), args, kwargs)), tuple(model.parameters())
