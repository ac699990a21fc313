"""Operations of one's own: functions with a schema, reachable as `facula.ops.<namespace>.<name>`, with gradients and shapes given beside them."""

from __future__ import annotations

import functools
import inspect
import re
import typing

import facula

__all__ = ["CustomOpDef", "Library", "custom_op", "define", "get_ctx", "impl", "impl_abstract", "infer_schema", "register_autocast", "register_autograd",
           "register_fake", "register_kernel", "register_torch_dispatch", "register_vmap", "triton_op", "wrap_triton"]
_registry: dict[str, CustomOpDef] = {}
_TYPES = {"Tensor": "Tensor", "int": "SymInt", "float": "float", "bool": "bool", "str": "str", "Number": "Scalar", "dtype": "ScalarType", "device": "Device"}


def _type_text(kind):
    """A schema's word for an annotation."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        inner = [a for a in args if a is not type(None)]
        if set(inner) == {int, float, bool}:
            return "Scalar" + ("?" if len(inner) < len(args) else "")
        return _type_text(inner[0]) + "?"
    if isinstance(origin, type) and args:
        return _type_text(args[0]) + "[]"
    name = getattr(kind, "__name__", str(kind)).rpartition(".")[2]
    if name not in _TYPES:
        raise ValueError(f"infer_schema(func): Parameter has unsupported type {kind}. The valid types are: {sorted(_TYPES)}")
    return _TYPES[name]


def infer_schema(prototype_function, /, *, mutates_args=(), op_name=None):
    """The schema that a function's annotations say: "(Tensor x, SymInt n=2) -> Tensor"."""
    hints = typing.get_type_hints(prototype_function)
    parts, star = [], False
    for name, p in inspect.signature(prototype_function).parameters.items():
        if name not in hints:
            raise ValueError(f"infer_schema(func): Parameter {name} must have a type annotation. Got func with signature "
                             f"{inspect.signature(prototype_function)})")
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        text = _type_text(hints[name])
        if mutates_args == "unknown" and text.startswith("Tensor") or name in mutates_args:
            text = text.replace("Tensor", f"Tensor(a{len(parts)}!)")
        default = "" if p.default is p.empty else f"={_default(p.default)}"
        parts.append(f"{text} {name}{default}")
    result = hints.get("return", type(None))
    if result is type(None):
        returns = "()"
    elif typing.get_origin(result) is tuple:
        returns = "(" + ", ".join(map(_type_text, typing.get_args(result))) + ")"
    else:
        returns = _type_text(result)
    return f"{op_name or ''}({', '.join(parts)}) -> {returns}"


def _default(value):
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).rpartition(".")[2] if isinstance(value, (facula.dtype, facula.device)) else str(value)


class _WithGradient(facula.autograd.Function):
    """One call of an operation as a node of the graph."""

    @staticmethod
    def forward(ctx, op, kwargs, *args):
        ctx.op = op
        out = op._compute(args, kwargs)
        if op._setup is not None:
            op._setup(ctx, args, out, **({"keyword_only_inputs": kwargs} if kwargs else {}))
        return out

    @staticmethod
    def backward(ctx, *grads):
        if ctx.op._backward is None:
            raise RuntimeError(f"Trying to backward through {ctx.op._qualname}.default but no autograd formula was registered. "
                               "Please use register_autograd to add one.")
        found = ctx.op._backward(ctx, *grads)
        return (None, None, *(found if isinstance(found, tuple) else (found,)))


class CustomOpDef:
    """An operation: callable, with kernels by device, a rule for shapes and one for gradients."""

    def __init__(self, namespace, name, schema, fn=None, device_types=None):
        self._namespace, self._name, self._qualname = namespace, name, f"{namespace}::{name}"
        self._schema, self._kernels, self._autocast, self.__name__ = f"{self._qualname}{schema}", {}, {}, name
        self._fake = self._backward = self._setup = self._vmap = self._composite = self._autograd = None
        if fn is not None:
            functools.update_wrapper(self, fn)
            for kind in [None] if device_types is None else [device_types] if isinstance(device_types, str) else device_types:
                self._kernels[kind] = fn
        self.default = _Overload(self)
        _registry[self._qualname] = self

    def __repr__(self):
        return f"<CustomOpDef({self._qualname})>"

    def _device(self, values):
        for value in values:
            for x in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(x, facula.Tensor):
                    return x.device.type
        return None

    def _compute(self, args, kwargs):
        """The result below gradients: by the kernel of the device, or by the rule for shapes."""
        device = self._device((*args, *kwargs.values()))
        if device == "meta" and self._fake is not None:
            return self._fake(*args, **kwargs)
        kernel = self._kernels.get(device) or self._kernels.get(None)
        if kernel is None:
            raise NotImplementedError(f"Could not run '{self._qualname}' with arguments from the '{(device or 'cpu').upper()}' backend: no kernel was "
                                      "registered for it")
        return kernel(*args, **kwargs)

    def _bound(self, args, kwargs):
        """The arguments in the order of the signature, defaults filled in; what is keyword-only stays apart."""
        function = getattr(self, "__wrapped__", None) or next(iter(self._kernels.values()), None)
        if function is None:
            return args, kwargs
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def __call__(self, *args, **kwargs):
        if self._composite is not None:
            return self._composite(*args, **kwargs)
        if self._autograd is not None:
            return self._autograd(*args, **kwargs)
        if facula.is_grad_enabled() and any(isinstance(x, facula.Tensor) and x.requires_grad for x in (*args, *kwargs.values())):
            args, kwargs = self._bound(args, kwargs)
            return _WithGradient.apply(self, kwargs, *args)
        return self._compute(args, kwargs)

    def register_kernel(self, device_types, func=None, /):
        """Gives the kernel of a device, or of several; a decorator without `func`."""
        def register(function):
            for kind in [device_types] if isinstance(device_types, str) or device_types is None else device_types:
                self._kernels[kind] = function
            return function

        return register if func is None else register(func)

    def register_fake(self, fn, /):
        """Gives the function that makes results without data, from tensors on the device "meta"."""
        self._fake = fn
        return fn

    def register_autograd(self, backward, /, *, setup_context=None):
        """Gives `backward(ctx, *grads)`, one gradient for each argument, and `setup_context(ctx, inputs, output)`, which saves what it needs."""
        self._backward, self._setup = backward, setup_context

    def register_vmap(self, func=None):
        """Gives `func(info, in_dims, *args)` -> (result, out_dims): kept, vmap runs the operation element by element."""
        def register(function):
            self._vmap = function
            return function

        return register if func is None else register(func)

    def register_torch_dispatch(self, torch_dispatch_class, fn=None, /):
        return (lambda f: f) if fn is None else fn

    def register_autocast(self, device_type, cast_inputs):
        self._autocast[device_type] = cast_inputs

    def set_kernel_enabled(self, device_type, enabled=True):
        raise NotImplementedError("set_kernel_enabled: kernels are there or not")


class _Overload:
    """`facula.ops.ns.name.default`."""

    def __init__(self, op):
        self._op, self._schema, self.__name__, self.overloadpacket = op, op._schema, f"{op._name}.default", op

    def __call__(self, *args, **kwargs):
        return self._op(*args, **kwargs)

    def name(self):
        return self._op._qualname

    def __repr__(self):
        return f"<OpOverload(op='{self._op._namespace}.{self._op._name}', overload='default')>"


def _split(qualname):
    parts = qualname.split("::")
    if len(parts) != 2 or "." in parts[1]:
        raise ValueError(f"Expected `name` to be of the form `namespace::name`, got {qualname}")
    return parts


def custom_op(name, fn=None, /, *, mutates_args, device_types=None, schema=None, tags=None):
    """Makes an operation of a function with annotations; a decorator without `fn`.

    Args:
        name: "namespace::name".
        mutates_args: Names of the arguments that the function writes to.
        device_types: Devices that the function is for; None for all.
        schema: Instead of the annotations.
    """
    def make(function):
        return CustomOpDef(*_split(name), schema or infer_schema(function, mutates_args=mutates_args), function, device_types)

    return make if fn is None else make(fn)


triton_op = custom_op


def wrap_triton(kernel, /):
    return kernel


def _find(op):
    if isinstance(op, CustomOpDef):
        return op
    if isinstance(op, _Overload):
        return op._op
    name = op.removesuffix(".default")
    if name not in _registry:
        raise RuntimeError(f"operator {op} does not exist")
    return _registry[name]


def define(qualname, schema, *, lib=None, tags=()):
    """Declares an operation: "ns::name" and "(Tensor x) -> Tensor"."""
    if not isinstance(qualname, str):
        raise ValueError(f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}")
    CustomOpDef(*_split(qualname), schema)


def impl(qualname, types, func=None, *, lib=None):
    """Gives the kernel of a declared operation for devices; also `impl(library, name, dispatch_key)` as a decorator."""
    if isinstance(qualname, Library):
        return lambda function: (qualname.impl(types, function, func or ""), function)[1]
    kinds = [types] if isinstance(types, str) else list(types)
    kinds = [None if k == "default" else k for k in kinds]
    return _find(qualname).register_kernel(kinds, func) if func is not None else _find(qualname).register_kernel(kinds)


def register_kernel(op, device_types, func=None, /, *, lib=None):
    return _find(op).register_kernel(device_types, func) if func is not None else _find(op).register_kernel(device_types)


def register_fake(op, func=None, /, *, lib=None, _stacklevel=1, allow_override=False):
    """Gives the function that makes an operation's results without data; a decorator without `func`."""
    return _find(op).register_fake if func is None else _find(op).register_fake(func)


impl_abstract = register_fake


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    """Gives an operation's gradients; see `CustomOpDef.register_autograd`."""
    _find(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op, func=None, /, *, lib=None):
    return _find(op).register_vmap(func)


def register_torch_dispatch(op, torch_dispatch_class, func=None, /, *, lib=None, allow_override=False):
    return _find(op).register_torch_dispatch(torch_dispatch_class, func)


def register_autocast(op, device_type, cast_inputs, /, *, lib=None):
    _find(op).register_autocast(device_type, cast_inputs)


class _Context:
    def new_dynamic_size(self, *, min=0, max=None):  # noqa: A002
        raise NotImplementedError("new_dynamic_size: sizes are plain numbers here")


def get_ctx():
    return _Context()


class Library:
    """Declares operations of a namespace (`define`) and gives their kernels (`impl`)."""

    def __init__(self, ns, kind, dispatch_key=""):
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema, alias_analysis="", *, tags=()):
        """Declares "name(Tensor x) -> Tensor"; gives the name."""
        match = re.match(r"\s*([\w.]+)\s*(\(.*)", schema, re.S)
        if match is None:
            raise RuntimeError(f"expected a schema such as 'name(Tensor x) -> Tensor', got {schema!r}")
        name = match[1].partition(".")[0]
        CustomOpDef(self.ns, name, match[2])
        return name

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False, allow_override=False):
        """Gives what a declared operation does: for "CPU", "Meta", "Autograd...", or, as "Composite...", everywhere."""
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        name = op_name if isinstance(op_name, str) else getattr(op_name, "_qualname", str(op_name))
        op = _find(name if "::" in name else f"{self.ns}::{name.partition('.')[0]}")
        if key == "Meta":
            op._fake = fn
        elif key.startswith("Autograd"):
            op._autograd = fn
        elif key == "CompositeImplicitAutograd":
            op._composite = fn
        else:
            op._kernels[None if key.startswith("Composite") else key.lower()] = fn

    def fallback(self, fn, dispatch_key="", *, with_keyset=False):
        raise NotImplementedError("Library.fallback: operations are called directly, there is nothing to fall back from")

    def _destroy(self):
        for name in [n for n in _registry if n.startswith(self.ns + "::")]:
            del _registry[name]


class _scoped_library:  # noqa: N801
    def __init__(self, *args):
        self.library = Library(*args)

    def __enter__(self):
        return self.library

    def __exit__(self, *exc):
        self.library._destroy()


# ---------------------------------------------------------------- facula.ops.<namespace>

class _Aten:
    """`facula.ops.aten.add.Tensor`: our operation of that name, whatever the overload."""

    def __init__(self, function, name):
        self._function, self.__name__ = function, name

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __getattr__(self, overload):
        if overload.startswith("__"):
            raise AttributeError(overload)
        return _Aten(self._function, f"{self.__name__}.{overload}")

    def overloads(self):
        return ["default"]

    def __eq__(self, other):
        return isinstance(other, _Aten) and self.__name__ == other.__name__

    def __hash__(self):
        return hash(self.__name__)

    def __repr__(self):
        return f"<OpOverload(op='aten.{self.__name__}')>"


def _aten(name):
    homes = [(facula, name), (facula.nn.functional, name), (facula.Tensor, name)]
    for prefix, module in (("linalg_", "linalg"), ("fft_", "fft"), ("special_", "special")):
        if name.startswith(prefix):
            homes.insert(0, (getattr(facula, module), name.removeprefix(prefix)))
    for home, word in homes:
        if hasattr(home, word):
            return _Aten(getattr(home, word), name)
    return None


class Namespace:
    """The operations of one namespace as attributes."""

    def __init__(self, name):
        self.name = self.__name__ = name

    def __getattr__(self, name):
        found = _registry.get(f"{self.name}::{name}") if not name.startswith("__") else None
        if found is None and self.name in ("aten", "prims") and not name.startswith("__"):
            found = _aten(name)
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        return found

    def __dir__(self):
        return sorted(n.partition("::")[2] for n in _registry if n.startswith(self.name + "::"))

    def __repr__(self):
        return f"<module 'torch.ops.{self.name}'>"


@functools.cache
def namespace(name):
    """The object behind `facula.ops.<name>`."""
    return Namespace(name)
