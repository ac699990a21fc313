"""The hooks of modules: of all modules at once and of one, how they are registered, and the call that runs them."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict

from ..._hooks import RemovableHandle
from ..._native import core

Tensor = core.Tensor

# ---------------------------------------------------------------- hooks of all modules
_global_forward_pre_hooks = OrderedDict()
_global_forward_hooks = OrderedDict()
_global_forward_hooks_always_called = OrderedDict()
_global_forward_hooks_with_kwargs = OrderedDict()
_global_backward_hooks = OrderedDict()
_global_backward_pre_hooks = OrderedDict()
_kind = {"full": None}  # whether the global backward hooks are full ones
_global_buffer_registration_hooks = OrderedDict()
_global_module_registration_hooks = OrderedDict()
_global_parameter_registration_hooks = OrderedDict()
_global_call_hooks = []  # non-empty once any hook on calls of all modules was registered


def _register(hooks, hook, extra=(), prepend=False):
    """Adds a hook; `extra` are (dict, wanted) pairs of marks that go with it."""
    handle = RemovableHandle(hooks, extra_dict=[d for d, _ in extra])
    hooks[handle.id] = hook
    for marks, wanted in extra:
        if wanted:
            marks[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _register_global(hooks, hook, extra=(), calls=True):
    if calls:
        _global_call_hooks.append(1)
    return _register(hooks, hook, extra)


def register_module_buffer_registration_hook(hook):
    """Calls hook(module, name, buffer) whenever a buffer is registered anywhere."""
    return _register_global(_global_buffer_registration_hooks, hook, calls=False)


def register_module_module_registration_hook(hook):
    """Calls hook(module, name, submodule) whenever a submodule is registered anywhere."""
    return _register_global(_global_module_registration_hooks, hook, calls=False)


def register_module_parameter_registration_hook(hook):
    """Calls hook(module, name, parameter) whenever a parameter is registered anywhere."""
    return _register_global(_global_parameter_registration_hooks, hook, calls=False)


def register_module_forward_pre_hook(hook):
    """Calls hook(module, args) before every module's forward."""
    return _register_global(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Calls hook(module, args, output) after every module's forward."""
    return _register_global(_global_forward_hooks, hook, [(_global_forward_hooks_with_kwargs, with_kwargs),
                                                          (_global_forward_hooks_always_called, always_call)])


def _global_kind(full):
    if _kind["full"] is (not full):
        raise RuntimeError("Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only one of them.")
    _kind["full"] = full


def register_module_backward_hook(hook):
    """Calls hook(module, grad_input, grad_output) in backward of every module (deprecated form)."""
    _global_kind(False)
    return _register_global(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook):
    """Calls hook(module, grad_output) before the backward of every module."""
    return _register_global(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook):
    """Calls hook(module, grad_input, grad_output) in backward of every module."""
    _global_kind(True)
    return _register_global(_global_backward_hooks, hook)


def _has_any_global_hook():
    return bool(_global_backward_pre_hooks or _global_backward_hooks or _global_forward_hooks or _global_forward_pre_hooks
                or _global_forward_hooks_always_called or _global_forward_hooks_with_kwargs)


class _WrappedHook:
    """A load_state_dict pre-hook, optionally bound to its module."""

    def __init__(self, hook, module=None):
        self.hook = hook
        functools.update_wrapper(self, hook, updated=())
        self.with_module = module is not None
        self.module = weakref.ref(module) if module is not None else None

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state):
        self.hook, self.with_module = state["hook"], state["with_module"]
        self.module = weakref.ref(state["module"]) if self.with_module else None


def add_path(module, error):
    """Notes on an exception where in the module tree it arose: 'in module layer3.0.conv1'."""
    try:
        known = error.__dict__.get("_module_path")
        if known is None:
            error._module_path = (module, "")
            return
        child, path = known
        if child is not module:
            name = next((n for n, m in module.named_modules() if m is child), None)
            if name is None:
                return
            path = f"{name}.{path}" if path else name
        notes = error.__dict__.setdefault("__notes__", [])
        notes[:] = [n for n in notes if not n.startswith("in module ")]
        if path:
            notes.append(f"in module {path} ({type(_at(module, path)).__name__} of {type(module).__name__})")
        error._module_path = (module, path)
    except Exception:  # a note must never hide the error itself
        return


def _at(module, path):
    return functools.reduce(lambda m, n: m._modules.get(n) if m is not None else None, path.split("."), module)


class _Call:
    """A call on its way through the hooks."""

    __slots__ = ("args", "kwargs", "result", "called")

    def __init__(self, args, kwargs):
        self.args, self.kwargs, self.result, self.called = args, kwargs, None, set()


def _several(values):
    return values if isinstance(values, tuple) else (values,)


def _tensors_fault(values, does, missing):
    if all(isinstance(v, Tensor) for v in _several(values)):
        return None
    return f"on a Module that does not {does} a single Tensor or a tuple of Tensors", f"some of the {missing}"


class Hooked:
    """What `Module` does about hooks."""

    _hooked = False  # True on an instance once it had a hook on calls

    # ------------------------------------------------------------ calling
    def _wrapped_call_impl(self, *args, **kwargs):
        if self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args, **kwargs):
        """The call with hooks."""
        state = _Call(args, kwargs)
        try:
            return self._call_with_hooks(state)
        except Exception as error:
            self._always_call(state)
            add_path(self, error)
            raise

    def _call_with_hooks(self, state):
        self._run_pre_hooks(state)
        full, non_full = self._get_backward_hooks()
        pre = self._get_backward_pre_hooks()
        backward = None
        if full or pre:
            from ._backward_hooks import BackwardHook

            backward = BackwardHook(self, full, pre)
            state.args = backward.setup_input_hook(state.args)
        state.result = self.forward(*state.args, **state.kwargs)
        self._run_hooks(state)
        result = state.result
        if backward is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn("For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                              f"{type(result)}", stacklevel=4)
            result = backward.setup_output_hook(result)
        if non_full:
            self._attach_non_full(result, state.args, non_full)
        return result

    def _run_pre_hooks(self, state):
        for hook_id, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
            if hook_id in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, state.args, state.kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                state.args, state.kwargs = changed
            else:
                changed = hook(self, state.args)
                if changed is not None:
                    state.args = changed if isinstance(changed, tuple) else (changed,)

    def _run_hooks(self, state):
        for hook_id, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
            if hook_id in self._forward_hooks_always_called or hook_id in _global_forward_hooks_always_called:
                state.called.add(hook_id)
            if hook_id in self._forward_hooks_with_kwargs or hook_id in _global_forward_hooks_with_kwargs:
                changed = hook(self, state.args, state.kwargs, state.result)
            else:
                changed = hook(self, state.args, state.result)
            if changed is not None:
                state.result = changed

    def _always_call(self, state):
        """After a failure: the hooks that asked to run even then, and did not."""
        for kind, hooks, marks, with_kwargs in (
                ("global module", _global_forward_hooks, _global_forward_hooks_always_called, _global_forward_hooks_with_kwargs),
                ("module", self._forward_hooks, self._forward_hooks_always_called, self._forward_hooks_with_kwargs)):
            for hook_id, hook in hooks.items():
                if hook_id not in marks or hook_id in state.called:
                    continue
                try:
                    extra = (state.kwargs,) if hook_id in with_kwargs else ()
                    changed = hook(self, state.args, *extra, state.result)
                    if changed is not None:
                        state.result = changed
                except Exception as error:
                    warnings.warn(f"{kind} forward hook with ``always_call=True`` raised an exception that was silenced as another "
                                  f"error was raised in forward: {error}", stacklevel=3)

    def _get_backward_hooks(self):
        """(full, non-full) backward hooks, global ones first."""
        full, non_full = [], []
        if _kind["full"] is not None:
            (full if _kind["full"] else non_full).extend(_global_backward_hooks.values())
        if self._is_full_backward_hook is not None:
            (full if self._is_full_backward_hook else non_full).extend(self._backward_hooks.values())
        return full, non_full

    def _get_backward_pre_hooks(self):
        """Hooks before backward, global ones first."""
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _attach_non_full(self, result, args, hooks):
        """Old backward hooks sit on the last node of the forward pass."""
        var = result
        while not isinstance(var, Tensor):
            var = next(v for v in var.values() if isinstance(v, Tensor)) if isinstance(var, dict) else var[0]
        if var.grad_fn is not None:
            for hook in hooks:
                var.grad_fn.register_hook(functools.partial(hook, self))
            self._maybe_warn_non_full_backward_hook(args, result, var.grad_fn)

    def _maybe_warn_non_full_backward_hook(self, args, result, grad_fn):
        """Warns where an old backward hook will not see all gradients."""
        fault = _tensors_fault(args, "take as input", "grad_input") or _tensors_fault(result, "return", "grad_output")
        if fault is None:
            outputs = {t.grad_fn for t in _several(result) if t.grad_fn is not None}
            inputs = {t.grad_fn for t in _several(args) if t.grad_fn is not None}
            if len(outputs) == 0 or len(outputs) == 1 and grad_fn not in outputs:
                fault = "when outputs are nested in python data structure", "some grad_output"
            elif len(outputs) > 1:
                fault = "when outputs are generated by different autograd Nodes", "some grad_output"
            elif inputs != {node for node, _ in grad_fn.next_functions}:
                fault = "when the forward contains multiple autograd Nodes", "some grad_input"
        if fault is not None:
            where, missing = fault
            hook = "non-full backward hooks" if where.startswith("on a Module") else "a non-full backward hook"
            warnings.warn(f"Using {hook} {where} is deprecated and will be removed in future versions. This hook will be missing {missing}. "
                          "Please use register_full_backward_hook to get the documented behavior.", FutureWarning, stacklevel=5)

    # ------------------------------------------------------------ registering
    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Calls hook(module, grad_output) before the module's backward."""
        self._hooked = True
        return _register(self._backward_pre_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook):
        """The deprecated form of `register_full_backward_hook`."""
        if self._is_full_backward_hook is True:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them.")
        self._is_full_backward_hook = False
        self._hooked = True
        return _register(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook, prepend=False):
        """Calls hook(module, grad_input, grad_output) when gradients of the inputs are known."""
        if self._is_full_backward_hook is False:
            raise RuntimeError("Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them.")
        self._is_full_backward_hook = True
        self._hooked = True
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Calls hook(module, args) before forward; it may return changed arguments."""
        self._hooked = True
        return _register(self._forward_pre_hooks, hook, [(self._forward_pre_hooks_with_kwargs, with_kwargs)], prepend)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Calls hook(module, args, output) after forward; it may return a changed output."""
        self._hooked = True
        return _register(self._forward_hooks, hook, [(self._forward_hooks_with_kwargs, with_kwargs),
                                                     (self._forward_hooks_always_called, always_call)], prepend)

    def _register_state_dict_hook(self, hook):
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError("Cannot register the same function as the state dict post hook that was previously registered via "
                               "register_state_dict_post_hook")
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """Calls hook(module, state_dict, prefix, local_metadata) after the state dict is made."""
        hook._from_public_api = True
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        """Calls hook(module, prefix, keep_vars) before the state dict is made."""
        return _register(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return _register(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook):
        """Calls hook(module, state_dict, prefix, ...) before state is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook):
        """Calls hook(module, incompatible_keys) after state was loaded."""
        return _register(self._load_state_dict_post_hooks, hook)
