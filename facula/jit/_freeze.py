"""Frozen programs: parameters become constants."""

from __future__ import annotations

from ._modules import ScriptModule


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """A copy in evaluation mode whose parameters and buffers are constants: it has no state_dict.

    Args:
        mod: A scripted or traced module in evaluation mode.
        preserved_attrs: Accepted: attributes and methods are all kept.

    Raises:
        RuntimeError: It is no ScriptModule, or is in training mode.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'.")
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing.")
    memo: dict[int, object] = {}
    made = _frozen(mod, memo)
    return made


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


def run_frozen_optimizations(mod, optimize_numerics=True, preserved_methods=None):
    """Nothing to do: operations are fused where they are run."""


def optimize_for_inference(mod, other_methods=None):
    """A frozen copy of a module in evaluation mode."""
    return freeze(mod) if any(True for _ in mod.parameters()) else mod
