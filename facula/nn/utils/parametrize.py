"""Parameters computed from others: a module's weight becomes a function of stored tensors."""

from __future__ import annotations

import copy
from contextlib import contextmanager

import facula

from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter

__all__ = ["ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations", "transfer_parametrizations_and_params",
           "type_before_parametrizations"]

_cached: dict = {}
_caching = 0


@contextmanager
def cached():
    """Within this, each parametrized tensor is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cached.clear()


def _same(old, new, unsafe, what="Registering a parametrization may not change the {} of the tensor, unless `unsafe` flag is enabled."):
    if unsafe:
        return
    if old.shape != new.shape:
        raise ValueError(what.format("shape") + f"\nunparametrized shape: {old.shape}\nparametrized shape: {new.shape}")
    if old.dtype != new.dtype:
        raise ValueError(what.format("dtype") + f"\nunparametrized dtype: {old.dtype}\nparametrized dtype: {new.dtype}")


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what they start from: `original`, or `original0`, `original1`, ..."""

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        value, kept = original, original
        with facula.no_grad():
            for m in reversed(list(self)):
                if hasattr(m, "right_inverse"):
                    value = m.right_inverse(value)
        if not isinstance(value, (facula.Tensor, list, tuple)):
            raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                             f"Got {type(value).__name__}")
        self.is_tensor = isinstance(value, facula.Tensor)
        if self.is_tensor:
            if value is not original:
                if original.dtype != value.dtype:
                    raise ValueError("When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                                     f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {value.dtype}")
                kept = value if not isinstance(original, Parameter) else original
                with facula.no_grad():
                    before, kept.data = original.data, value.data
                original = before
            self._keep("original", kept)
        else:
            self.ntensors = len(value)
            for i, v in enumerate(value):
                if not isinstance(v, facula.Tensor):
                    raise ValueError("`right_inverse` must return a Tensor or a Sequence of tensors (list, tuple...). "
                                     f"Got element {i} of the sequence with type {type(v).__name__}.")
                self._keep(f"original{i}", Parameter(v, original.requires_grad) if isinstance(original, Parameter) else v)
        if not unsafe:
            with facula.no_grad():
                _same(original, self(), unsafe)

    def _keep(self, name, tensor):
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def _originals(self):
        return (self.original,) if self.is_tensor else tuple(getattr(self, f"original{i}") for i in range(self.ntensors))

    def right_inverse(self, value):
        """Sets what the parametrizations start from, so that they give `value`."""
        with facula.no_grad():
            for m in reversed(list(self)):
                if not hasattr(m, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(m).__name__} does not implement right_inverse.")
                value = m.right_inverse(value)
            values = (value,) if self.is_tensor else tuple(value)
            if self.is_tensor and not isinstance(value, facula.Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
            if not self.is_tensor and len(values) != self.ntensors:
                raise ValueError("'right_inverse' must return a sequence of tensors of length " f"{self.ntensors}. Got a sequence of length {len(values)}.")
            for kept, new in zip(self._originals(), values, strict=True):
                if kept.dtype != new.dtype:
                    raise ValueError(f"The tensor returned by `right_inverse` has dtype {new.dtype} while `original` has dtype {kept.dtype}")
                if new is not kept:
                    kept.data = new.data

    def forward(self):
        modules = list(self)
        value = modules[0](*self._originals())
        for m in modules[1:]:
            value = m(value)
        return value


def is_parametrized(module, tensor_name=None):
    """Whether the module has parametrizations (of that tensor)."""
    found = getattr(module, "parametrizations", None)
    return isinstance(found, ModuleDict) and (len(found) > 0 if tensor_name is None else tensor_name in found)


def type_before_parametrizations(module):
    """The module's class without parametrizations."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def _property(name):
    def get(self):
        if not _caching:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cached:
            _cached[key] = self.parametrizations[name]()
        return _cached[key]

    def put(self, value):
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _deepcopy(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    made = self.__new__(type(self))
    memo[id(self)] = made
    made.__dict__ = copy.deepcopy(self.__dict__, memo)
    # The copy's class is its own: its parametrizations can be removed alone.
    made.__class__ = type(type(self).__name__, type(self).__bases__, dict(type(self).__dict__))
    return made


def _getstate(self):
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict(). See:\nhttps://pytorch.org/tutorials/beginner/"
                       "saving_loading_models.html#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training")


def _make_parametrized(module):
    cls = type(module)
    members = {"__getstate__": _getstate, "__module__": __name__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type("Parametrized" + cls.__name__, (cls,), members)
    module.parametrizations = ModuleDict()


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Makes module.<tensor_name> the parametrization's value of what was there.

    Args:
        module: Has a parameter or buffer of that name.
        parametrization: A module from tensor to tensor; with `right_inverse`, the tensor keeps its value and can be assigned to.
        unsafe: Allow it to change shape or dtype.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        listed = module.parametrizations[tensor_name]
        if unsafe:
            listed.unsafe = True
        else:
            with facula.no_grad():
                before = getattr(module, tensor_name)
                after = parametrization(before)
                if not isinstance(after, facula.Tensor):
                    raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
                _same(before, after, unsafe)
                if hasattr(parametrization, "right_inverse"):
                    back = parametrization.right_inverse(after)
                    if not isinstance(back, facula.Tensor):
                        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}")
                    _same(before, back, unsafe)
        listed.append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    listed = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _make_parametrized(module)
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = listed
    return module


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Takes the parametrizations of a tensor away, leaving their value or the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed = module.parametrizations[tensor_name]
    if not listed.is_tensor and not leave_parametrized:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors.")
    with facula.no_grad():
        value = getattr(module, tensor_name) if leave_parametrized else None
        if listed.is_tensor:
            kept = listed.original
            if leave_parametrized:
                kept.data = value.detach().clone() if value.data_ptr() == kept.data_ptr() else value.detach()
        else:
            was = listed.original0
            kept = Parameter(value.detach(), was.requires_grad) if isinstance(was, Parameter) else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(kept, Parameter):
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, kept)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Gives one module the parametrizations and the originals of another."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        for kept, value in zip(to_module.parametrizations[name]._originals(), source._originals(), strict=True):
            kept.data = value.data
    return to_module


