"""One node of a graph: what it calls, with which nodes as arguments."""

from __future__ import annotations

import builtins
import inspect

__all__ = ["Node", "map_arg", "map_aggregate", "has_side_effect"]
_side_effects: set = {print}


def has_side_effect(fn):
    """Marks a function whose calls stay although nothing uses their results."""
    _side_effects.add(fn)
    return fn


def qualified_name(func):
    """The name under which generated code calls a function: "torch.relu", "operator.add"."""
    from ..ops._document import home_of

    if getattr(builtins, getattr(func, "__name__", ""), None) is func:
        return func.__name__
    name = func.__name__
    if type(func).__name__ == "operation" or type(func).__module__.startswith(("facula", "torch")):
        namespace, name = home_of(func)
        return ".".join(["torch", *filter(None, [namespace]), name])
    module = getattr(func, "__module__", None) or ""
    module = {"_operator": "operator"}.get(module, module)
    if module.startswith("facula"):
        module = "torch" + module[6:]
    return f"{module}.{name}"


def map_aggregate(a, fn):
    """Applies fn to the leaves of nested tuples, lists, dicts and slices."""
    if isinstance(a, tuple):
        made = tuple(map_aggregate(x, fn) for x in a)
        return type(a)(*made) if hasattr(a, "_fields") else made
    if isinstance(a, list):
        return [map_aggregate(x, fn) for x in a]
    if isinstance(a, dict):
        return {k: map_aggregate(v, fn) for k, v in a.items()}
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def map_arg(a, fn):
    """Applies fn to the nodes in nested arguments."""
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


class Node:
    """A node.

    Attributes:
        op: "placeholder", "get_attr", "call_function", "call_module", "call_method" or "output".
        target: The input's name, the attribute's or module's path, the method's name, or the function.
        args, kwargs: Arguments, with nodes in them.
        users: The nodes that use this one (a dict, for its order).
        meta: Whatever passes note.
    """

    def __init__(self, graph, name, op, target, args, kwargs, return_type=None):
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users, self._inputs, self.meta = {}, {}, {}
        self._prev = self._next = self
        self._erased = False
        self._set(args, kwargs)

    # ---- arguments
    def _set(self, args, kwargs):
        for old in self._inputs:
            old.users.pop(self, None)
        self._args, self._kwargs, self._inputs = map_aggregate(tuple(args), lambda x: x), dict(map_aggregate(kwargs, lambda x: x)), {}
        map_arg((self._args, self._kwargs), lambda n: self._inputs.setdefault(n))
        for n in self._inputs:
            n.users.setdefault(self)

    @property
    def args(self):
        """Arguments by position."""
        return self._args

    @args.setter
    def args(self, value):
        self._set(value, self._kwargs)

    @property
    def kwargs(self):
        """Arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value):
        self._set(self._args, value)

    @property
    def all_input_nodes(self):
        """The nodes among the arguments, in order."""
        return list(self._inputs)

    def update_arg(self, idx, arg):
        """Replaces an argument by position."""
        self.args = (*self._args[:idx], arg, *self._args[idx + 1:])

    def update_kwarg(self, key, arg):
        """Replaces an argument by name."""
        self.kwargs = {**self._kwargs, key: arg}

    def insert_arg(self, idx, arg):
        """Inserts an argument by position."""
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def replace_input_with(self, old_input, new_input):
        """Uses another node instead of one of its inputs."""
        self._set(*map_arg((self._args, self._kwargs), lambda n: new_input if n is old_input else n))

    def replace_all_uses_with(self, replace_with, delete_user_cb=lambda user: True, *, propagate_meta=False):
        """Lets the users of this node use another; gives the users that changed."""
        changed = [u for u in list(self.users) if delete_user_cb(u)]
        if propagate_meta:
            replace_with.meta.update(self.meta)
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    # ---- place in the list
    @property
    def next(self):
        """The node after this one."""
        return self._next

    @property
    def prev(self):
        """The node before this one."""
        return self._prev

    def prepend(self, x):
        """Moves x before this node."""
        if x is self:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x):
        """Moves x after this node."""
        self._next.prepend(x)

    def _remove_from_list(self):
        self._prev._next, self._next._prev = self._next, self._prev
        self._prev = self._next = self

    # ---- properties
    @property
    def stack_trace(self):
        """Where the node was made, if it was noted."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace):
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random=True):
        """Whether the node must stay although nothing uses it."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return self.target in _side_effects or str(getattr(self.target, "__name__", "")).endswith("_") and not self.target.__name__.endswith("__")
        return self.op == "call_method" and self.target.endswith("_") and not self.target.endswith("__")

    def normalized_arguments(self, root, arg_types=None, kwarg_types=None, normalize_to_only_use_kwargs=False):
        """(args, kwargs) by the names of the function's parameters; None where these are not known."""
        try:
            bound = inspect.signature(self.target if self.op == "call_function" else root.get_submodule(self.target).forward).bind(*self.args, **self.kwargs)
        except (TypeError, ValueError, AttributeError):
            return None
        bound.apply_defaults()
        return ((), dict(bound.arguments)) if normalize_to_only_use_kwargs else (tuple(bound.arguments.values()), {})

    # ---- text
    def __repr__(self):
        return self.name

    def __lt__(self, other):
        node = self._next
        while node is not self.graph._root:
            if node is other:
                return True
            node = node._next
        return False

    def __gt__(self, other):
        return other < self

    def _pretty_print_target(self, target):
        if isinstance(target, str):
            return target
        full = qualified_name(target)
        return full if "." in full else f"builtins.{full}"

    def format_node(self, placeholder_names=None, maybe_return_typename=None, *, include_tensor_metadata=False):
        """The node's line in a graph's text."""
        kind = f" : {self.type.__name__ if isinstance(self.type, type) else self.type}" if self.type else ""
        users = f"[num_users={len(self.users)}]"
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"%{self.name} : {users}{kind and f'[{kind[3:]}]'} = placeholder[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"%{self.name} : {users} = get_attr[target={self.target}]"
        if self.op == "output":
            return f"return {self.args[0]}"
        return (f"%{self.name} : {users} = {self.op}[target={self._pretty_print_target(self.target)}](args = {_shown(self.args)}, "
                f"kwargs = {_shown(self.kwargs)})")


def _shown(a):
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, tuple):
        return f"({', '.join(map(_shown, a))}{',' if len(a) == 1 else ''})"
    if isinstance(a, list):
        return f"[{', '.join(map(_shown, a))}]"
    if isinstance(a, dict):
        return f"{{{', '.join(f'{k}: {_shown(v)}' for k, v in a.items())}}}"
    if isinstance(a, slice):
        return f"slice({_shown(a.start)}, {_shown(a.stop)}, {_shown(a.step)})"
    return str(a)
