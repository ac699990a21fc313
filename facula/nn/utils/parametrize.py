"""Parameters computed from others: a module's weight becomes a function of stored tensors."""

from __future__ import annotations

import copy

import facula

from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter

__all__ = ["ParametrizationList", "register_parametrization", "is_parametrized", "remove_parametrizations"]


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what they start from."""

    def __init__(self, modules, original, unsafe=False):
        super().__init__(modules)
        value = original
        with facula.no_grad():
            for m in reversed(list(self)):
                if hasattr(m, "right_inverse"):
                    value = m.right_inverse(value)
        self.is_tensor = isinstance(value, facula.Tensor)
        if self.is_tensor:
            kept = original if value is original else Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value
            if isinstance(original, Parameter):
                self.original = kept
            else:
                self.register_buffer("original", kept)
        else:
            self.ntensors = len(value)
            for i, v in enumerate(value):
                name = f"original{i}"
                setattr(self, name, Parameter(v, original.requires_grad)) if isinstance(original, Parameter) else self.register_buffer(name, v)

    def forward(self):
        given = (self.original,) if self.is_tensor else tuple(getattr(self, f"original{i}") for i in range(self.ntensors))
        modules = list(self)
        value = modules[0](*given)
        for m in modules[1:]:
            value = m(value)
        return value


def is_parametrized(module, tensor_name=None):
    """Whether the module has parametrizations (of that tensor)."""
    found = getattr(module, "parametrizations", None)
    return isinstance(found, ModuleDict) and (len(found) > 0 if tensor_name is None else tensor_name in found)


def _property(name):
    def get(self):
        return self.parametrizations[name]()

    def put(self, value):
        listed = self.parametrizations[name]
        with facula.no_grad():
            for m in reversed(list(listed)):
                value = m.right_inverse(value)
            listed.original.copy_(value)

    return property(get, put)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Makes module.<tensor_name> the parametrization's value of what was there."""
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    original = getattr(module, tensor_name)
    listed = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        cls = type(module)
        module.__class__ = type("Parametrized" + cls.__name__, (cls,), {"__deepcopy__": _deepcopy})
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = listed
    return module


def _deepcopy(self, memo):
    made = self.__new__(type(self))
    memo[id(self)] = made
    made.__dict__ = copy.deepcopy(self.__dict__, memo)
    return made


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Takes the parametrizations away, leaving their value or the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed = module.parametrizations[tensor_name]
    with facula.no_grad():
        value = getattr(module, tensor_name) if leave_parametrized else listed.original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    original = next(iter(listed.parameters()), None)
    if original is not None:
        module.register_parameter(tensor_name, Parameter(value.detach().clone(), original.requires_grad))
    else:
        module.register_buffer(tensor_name, value)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module
