"""The base of all optimizers: parameter groups, state, hooks."""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from copy import deepcopy
from itertools import chain

import facula

from .. import _dispatch
from ..autograd.graph import RemovableHandle


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()
_global_pre_hooks: dict = OrderedDict()
_global_post_hooks: dict = OrderedDict()


class Optimizer:
    """Updates parameters by their gradients.

    Args:
        params: Parameters, (name, parameter) pairs, or dicts with "params" and settings of their own.
        defaults: Settings of groups that do not give them.
    """

    def __init__(self, params, defaults):
        self.defaults = defaults
        self._clear_hooks()
        if isinstance(params, facula.Tensor):
            raise TypeError(f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {facula.typename(params)}")
        self.state, self.param_groups = defaultdict(dict), []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)

    def _clear_hooks(self):
        for moment in ("step", "state_dict", "load_state_dict"):
            for place in ("pre", "post"):
                setattr(self, f"_optimizer_{moment}_{place}_hooks", OrderedDict())

    def __setstate__(self, state):
        if "_optimizer_step_pre_hooks" not in self.__dict__:  # from a file: hooks are not saved
            self._clear_hooks()
        self.__dict__.update(state)
        self.defaults.setdefault("differentiable", False)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def add_param_group(self, param_group):
        """Adds a group with settings of its own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, facula.Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change between runs. "
                            "Please use a list instead.")
        params = list(params)
        if params and isinstance(params[0], tuple):
            param_group["param_names"] = [n for n, _ in params]
            params = [p for _, p in params]
        param_group["params"] = params
        for p in params:
            if not isinstance(p, facula.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {facula.typename(p)}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none=True):
        """Forgets (or with set_to_none=False zeros) the gradients."""
        if set_to_none:
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = None
            return
        filled, strided = [], facula.strided
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                if grad.requires_grad:
                    if grad.grad_fn is None:
                        grad.requires_grad_(False)
                    else:
                        grad.detach_()
                if grad.is_cpu and grad.layout is strided:
                    filled.append(grad)
                else:
                    grad.zero_()
        if filled:
            facula._optim_zero(filled)

    def step(self, closure=None):
        raise NotImplementedError

    @staticmethod
    def _closure(closure):
        if closure is None:
            return None
        with facula.enable_grad():
            return closure()

    # ------------------------------------------------------------ state
    def state_dict(self):
        """The state and settings, with parameters as numbers."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers, groups = {}, []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            numbers.update({id(p): i + len(numbers) for i, p in enumerate(p for p in group["params"] if id(p) not in numbers)})
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        result = {"state": {numbers.get(id(k), k) if isinstance(k, facula.Tensor) else k: v for k, v in self.state.items()}, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            new = hook(self, result)
            result = result if new is None else new
        return result

    def load_state_dict(self, state_dict):
        """Continues from a state_dict of the same shape of groups."""
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            new = hook(self, state_dict)
            state_dict = state_dict if new is None else new
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        by_number = dict(zip(chain.from_iterable(g["params"] for g in saved), chain.from_iterable(g["params"] for g in groups)))
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = {n: self._cast(by_number[key], n, v) for n, v in value.items()} if isinstance(value, dict) else value
            else:
                state[key] = value
        merged = []
        for own, new in zip(groups, saved):
            new["params"] = own["params"]
            if "param_names" in own and "param_names" not in new:
                new["param_names"] = own["param_names"]
            merged.append(new)
        self.__setstate__({"state": state, "param_groups": merged})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    @staticmethod
    def _cast(param, name, value):
        if not isinstance(value, facula.Tensor):
            return deepcopy(value)
        if name == "step":
            return value.clone()
        return value.to(dtype=param.dtype if param.is_floating_point() else value.dtype, device=param.device, copy=True)

    # ------------------------------------------------------------ hooks
    def register_step_pre_hook(self, hook):
        return RemovableHandle.add(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        return RemovableHandle.add(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        return RemovableHandle.add(self._optimizer_state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook, prepend=False):
        return RemovableHandle.add(self._optimizer_state_dict_post_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        return RemovableHandle.add(self._optimizer_load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        return RemovableHandle.add(self._optimizer_load_state_dict_post_hooks, hook)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n" + "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
        return text + ")"


def _with_hooks(step):
    @functools.wraps(step)
    def call(self, *args, **kwargs):
        if _dispatch._profiling:
            with _dispatch._profiling[-1].block(f"Optimizer.step#{type(self).__name__}.step"):
                return hooked(self, *args, **kwargs)
        return hooked(self, *args, **kwargs)

    def hooked(self, *args, **kwargs):
        if "_optimizer_step_pre_hooks" not in self.__dict__:  # a wrapper that never called __init__
            return step(self, *args, **kwargs)
        if self._optimizer_step_pre_hooks or _global_pre_hooks:
            for hook in chain(_global_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
                new = hook(self, args, kwargs)
                if new is not None:
                    args, kwargs = new
        result = step(self, *args, **kwargs)
        if self._optimizer_step_post_hooks or _global_post_hooks:
            for hook in chain(self._optimizer_step_post_hooks.values(), _global_post_hooks.values()):
                hook(self, args, kwargs)
        return result

    call.hooked = True
    return call


def register_optimizer_step_pre_hook(hook):
    """A hook before the step of every optimizer."""
    return RemovableHandle.add(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """A hook after the step of every optimizer."""
    return RemovableHandle.add(_global_post_hooks, hook)


# ---------------------------------------------------------------- what optimizers outside this package import

ParamsT = _params_t = Iterable  # parameters, (name, parameter) pairs, or dicts with "params"


def _use_grad_for_differentiable(func):
    """A `step` under no_grad, or with gradients where the optimizer's group asks for `differentiable`."""
    @functools.wraps(func)
    def call(self, *args, **kwargs):
        with facula.set_grad_enabled(self.defaults.get("differentiable", False)):
            return func(self, *args, **kwargs)

    return call


def _default_to_fused_or_foreach(params, differentiable, use_fused=False):
    """(fused, foreach) where neither was asked for: PyTorch takes them on GPUs only."""
    return False, False


def _get_capturable_supported_devices(supports_xla=True):
    return ["cuda", "xpu", "hpu", "privateuseone", *(["xla"] if supports_xla else [])]


def _group_tensors_by_device_and_dtype(tensorlistlist, with_indices=False):
    """{(device, dtype): ([parts of the lists], indices)}, grouped by the tensors of the first list."""
    groups = {}
    for i, row in enumerate(zip(*tensorlistlist)):
        key = row[0].device, row[0].dtype
        lists, places = groups.setdefault(key, ([[] for _ in row], []))
        for part, x in zip(lists, row):
            part.append(x)
        places.append(i)
    return groups


Optimizer._group_tensors_by_device_and_dtype = staticmethod(_group_tensors_by_device_and_dtype)


def _get_value(x):
    return x.item() if isinstance(x, facula.Tensor) else x


def _view_as_real(params, *state_and_grads):
    """Turns complex parameters, and the lists beside them, into pairs of real numbers in place."""
    for i, p in enumerate(params):
        if facula.is_complex(p):
            params[i] = facula.view_as_real(p)
            for values in state_and_grads:
                values[i] = facula.view_as_real(values[i])


def _stack_if_compiling(x):
    return x


def _get_scalar_dtype(is_fused=None):
    return facula.float32 if is_fused or facula.get_default_dtype() != facula.float64 else facula.float64


def _dispatch_sqrt(x):
    return x.sqrt() if isinstance(x, facula.Tensor) else x ** 0.5


def _disable_dynamo_if_unsupported(single_tensor_fn=None):
    """A mark for PyTorch's compiler."""
    return lambda function: function


_foreach_doc = _fused_doc = _maximize_doc = _capturable_doc = _differentiable_doc = _params_doc = ""
