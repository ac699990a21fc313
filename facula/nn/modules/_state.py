"""Conversion of modules, and their state as a dictionary."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import facula

from ..._native import core
from ...autograd.graph import RemovableHandle
from ..parameter import Parameter, is_lazy


class StateMixin:
    """What of `Module` is about moving, saving and loading its tensors."""

    def _apply(self, fn, recurse=True):
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with facula.no_grad():
                param.data = fn(param.data)
                if param.grad is not None:
                    grad, param.grad = param.grad, None
                    param.grad = fn(grad.data)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, device=None, dtype=None, non_blocking=False, memory_format=None):
        """Moves and converts floating parameters and buffers in place."""
        for a in args:
            if isinstance(a, core.Tensor):
                device, dtype = a.device, a.dtype
            elif isinstance(a, core.dtype):
                dtype = a
            elif isinstance(a, core.memory_format):
                memory_format = a
            elif not isinstance(a, bool) and a is not None:
                device = a
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")

        def convert(t):
            if t.device.type == "meta" and device is not None and core.device(device).type != "meta":
                raise NotImplementedError("Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() "
                                          "when moving module from meta to a different device.")
            kind = dtype if dtype is not None and (t.is_floating_point() or t.is_complex()) else None
            fmt = memory_format if memory_format is not None and t.dim() in (4, 5) else None
            return t.to(device=device, dtype=kind, memory_format=fmt)

        return self._apply(convert)

    def _floats(self, convert):
        return self._apply(lambda t: convert(t) if t.is_floating_point() else t)

    def float(self):
        return self._floats(lambda t: t.float())

    def double(self):
        return self._floats(lambda t: t.double())

    def half(self):
        return self._floats(lambda t: t.half())

    def bfloat16(self):
        return self._floats(lambda t: t.bfloat16())

    def type(self, dst_type):
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self):
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device, recurse=True):
        return self._apply(lambda t: facula.empty_like(t, device=device), recurse)

    # ------------------------------------------------------------ state_dict
    def get_extra_state(self):
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state):
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def _has_extra(self, name):
        return getattr(type(self), name) is not getattr(StateMixin, name)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Parameters and persistent buffers by dotted name, sharing memory with the module."""
        if args:
            destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args):])
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local)
            if result is not None:
                destination = result
        return destination

    def _register_state_dict_hook(self, hook):
        return RemovableHandle.add(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        return RemovableHandle.add(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        return RemovableHandle.add(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return RemovableHandle.add(self._load_state_dict_pre_hooks, (lambda *a: hook(self, *a)) if with_module else hook)

    def register_load_state_dict_pre_hook(self, hook):
        return RemovableHandle.add(self._load_state_dict_pre_hooks, lambda *a: hook(self, *a))

    def register_load_state_dict_post_hook(self, hook):
        return RemovableHandle.add(self._load_state_dict_post_hooks, hook)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        persistent = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, own in itertools.chain(self._parameters.items(), persistent.items()):
            if own is None:
                continue
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            self._load_one(name, own, key, state_dict[key], assign, error_msgs)
        extra = prefix + "_extra_state"
        if self._has_extra("set_extra_state"):
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    part, *rest = key[len(prefix):].split(".", 1)
                    if part not in self._modules if rest else part not in self._parameters and part not in persistent:
                        unexpected_keys.append(key)

    def _load_one(self, name, own, key, given, assign, error_msgs):
        if not isinstance(given, core.Tensor):
            error_msgs.append(f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint but received {type(given)}')
            return
        if is_lazy(own):
            own.materialize(given.shape)
        if own.shape != given.shape and not (own.dim() == 0 and given.dim() == 1 and given.shape[0] == 1):
            error_msgs.append(f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in current model is {own.shape}.")
            return
        try:
            with facula.no_grad():
                if assign:
                    setattr(self, name, Parameter(given, own.requires_grad) if isinstance(own, Parameter) and not isinstance(given, Parameter) else given)
                else:
                    own.copy_(given[0] if own.dim() == 0 and given.dim() == 1 else given)
        except Exception as error:
            error_msgs.append(f'While copying the parameter named "{key}", whose dimensions in the model are {own.size()} and whose dimensions in the checkpoint '
                              f"are {given.size()}, an exception occurred : {error.args}.")

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies (or with `assign` takes over) the tensors of a state_dict.

        Raises:
            RuntimeError: Lists every missing, unexpected and mismatched key.
        """
        from collections.abc import Mapping

        from .module import _Incompatible

        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)

        def load(module, local, prefix):
            meta = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                meta = {**meta, "assign_to_params_buffers": True}
            module._load_from_state_dict(local, prefix, meta, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    head = prefix + name + "."
                    load(child, {k: v for k, v in local.items() if k.startswith(head)}, head)
            found = _Incompatible(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                hook(module, found)

        load(self, state_dict, "")
        if strict:
            if unexpected:
                errors.insert(0, "Unexpected key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in unexpected)))
            if missing:
                errors.insert(0, "Missing key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in missing)))
        if errors:
            raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(errors)))
        return _Incompatible(missing, unexpected)
