"""Frozen programs: parameters become constants, attributes hide, batch norms join the convolutions before them."""

from __future__ import annotations

import ast

import facula

from ..nn import Identity
from ..nn.utils.fusion import fuse_conv_bn_weights
from ._language import parse_function
from ._modules import BASE_STATE, Program, ScriptModule, build
from ._script import script_module

_CONVOLUTIONS = {"Conv1d": "BatchNorm1d", "Conv2d": "BatchNorm2d", "Conv3d": "BatchNorm3d"}


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """A copy in evaluation mode whose parameters and buffers are constants: it has no state_dict.

    Args:
        mod: A scripted or traced module in evaluation mode.
        preserved_attrs: Names of attributes and methods that stay visible, and methods that stay.
        optimize_numerics: Joins batch norms with convolutions: results change by rounding only.

    Raises:
        RuntimeError: It is no ScriptModule, is in training mode, or has no such attribute.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'.")
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing.")
    for name in preserved_attrs or ():
        if not hasattr(mod, name):
            raise RuntimeError(f"Module doesn't have a method or attribute named '{name}'")
    made = _frozen(mod, {})
    if optimize_numerics:
        run_frozen_optimizations(made)
    return _hidden(made, {"forward", *(preserved_attrs or ())})


def _frozen(module, memo):
    if id(module) in memo:
        return memo[id(module)]
    made = memo[id(module)] = module.__copy__()
    for table in ("_parameters", "_buffers"):
        for name, tensor in made.__dict__[table].items():
            made.__dict__[name] = None if tensor is None else tensor.detach()
        made.__dict__[table] = {}
    made.__dict__["_modules"] = {name: child and _frozen(child, memo) for name, child in module._modules.items()}
    return made


# ---------------------------------------------------------------- what is seen from outside

def _reached(methods, names):
    """The texts that the named methods need."""
    kept, left = {}, [n for n in methods if n in names]
    while left:
        name = left.pop()
        if name not in kept:
            kept[name] = methods[name]
            left += [n for n in methods if f"self.{n}" in methods[name]]
    return kept


def _hidden(module, visible):
    """The module with only `visible` to be seen; its program still reads the rest."""
    program = module._program
    if not program.methods or module._of_library:
        return module
    methods = _reached(program.methods, visible)
    plain = {k: v for k, v in module.__dict__.items() if k not in BASE_STATE and k not in visible and not k.startswith("_")}
    state = {k: v for k, v in module.__dict__.items() if k not in plain}
    state["_hidden"] = plain
    made = build(Program(program.name, methods, program.functions, program.constants, program.classes, program.ignored, graph=program.graph,
                         kind=program.kind), state)
    unseen = frozenset(module._modules) - set(visible)

    def look_up(self, name):
        if name in unseen:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return ScriptModule.__getattr__(self, name)

    type(made).__getattr__ = look_up
    return made


# ---------------------------------------------------------------- batch norms into convolutions

def _pairs_in(methods):
    """(convolution, batch norm) candidates: names of children of self of which the second is called on the first's result, each named once."""
    tree = ast.Module([parse_function(name, text) for name, text in methods.items()], [])
    named = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and _of_self(n)]
    pairs = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _of_self(node.func) and len(node.args) == 1 and isinstance(node.args[0], ast.Call) and _of_self(node.args[0].func):
            pairs.append((node.args[0].func.attr, node.func.attr))
        statements = getattr(node, "body", None)
        for first, second in zip(statements, statements[1:]) if isinstance(statements, list) else ():
            if all(isinstance(s, ast.Assign) and isinstance(s.value, ast.Call) and _of_self(s.value.func) and isinstance(s.targets[0], ast.Name)
                   for s in (first, second)) and [ast.unparse(a) for a in second.value.args] == [first.targets[0].id] == [second.targets[0].id]:
                pairs.append((first.value.func.attr, second.value.func.attr))
    return [p for p in pairs if all(named.count(n) == 1 for n in p)]


def _of_self(node):
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _join(module, first, second):
    convolution, norm = module._modules.get(first), module._modules.get(second)
    if convolution is None or norm is None or _CONVOLUTIONS.get(convolution.original_name) != norm.original_name:
        return
    c, n = convolution.__dict__, norm.__dict__
    if n.get("running_mean") is None or not isinstance(c.get("weight"), facula.Tensor):
        return
    weight, bias = fuse_conv_bn_weights(c["weight"], c.get("bias"), n["running_mean"], n["running_var"], n["eps"], n.get("weight"), n.get("bias"))
    c["weight"], c["bias"] = weight.detach(), bias.detach()
    module._modules[second] = script_module(Identity().eval())


def run_frozen_optimizations(mod, optimize_numerics=True, preserved_methods=None):
    """Joins batch norms with the convolutions before them, in a frozen module."""
    if not optimize_numerics:
        return
    times: dict[int, int] = {}
    for m in _all(mod):
        times[id(m)] = times.get(id(m), 0) + 1
    for module in {id(m): m for m in _all(mod)}.values():
        if module._of_library and module.original_name == "Sequential":
            names = list(module._modules)
            pairs = list(zip(names, names[1:]))
        elif module._program.kind == "RecursiveScriptModule" and not module._of_library:
            pairs = _pairs_in(module._program.methods)
        else:
            continue
        for first, second in pairs:
            if all(times.get(id(module._modules.get(n))) == 1 for n in (first, second)):
                _join(module, first, second)


def _all(module):
    """The module and all below it, shared ones as often as they are named."""
    yield module
    for child in module._modules.values():
        if child is not None:
            yield from _all(child)


def optimize_for_inference(mod, other_methods=None):
    """A frozen copy of a module in evaluation mode, batch norms joined."""
    return freeze(mod, preserved_attrs=other_methods) if not mod.training else mod
