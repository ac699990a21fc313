"""The table of operations: what one entry says, and how an entry becomes functions and methods.

An entry names its signature, its kernel or formula, and its gradient rules. Everything else
(function, method, in-place and `out=` forms, parsing, promotion, graph nodes) is derived.
"""

from __future__ import annotations

import inspect
import re
from functools import wraps

_TYPES = ("Tensor|Scalar", "Tensor[]", "Tensor", "Scalar", "int[]", "int", "bool", "float[]", "float", "str", "dtype",
          "device", "Generator", "memory_format", "any")
_PARAM = re.compile(r"^(?P<type>[\w|]+)(?P<inner>\?)?(?P<list>\[\d*\])?(?P<null>\?)?\s+(?P<name>\w+)(?:\s*=\s*(?P<default>.+))?$")
_SPECIAL = {"grad": -1, "grads": -2, "result": -3, "results": -4, "needs": -5, "others": -6}
_NAMESPACES = ("linalg", "fft", "special", "nn.functional", "masked", "signal.windows", "sparse")

entries: dict[str, list[Entry]] = {}     # qualified name -> overloads
composites: dict[str, Composite] = {}    # qualified name -> plain Python operations


def split_name(qualified: str) -> tuple[str, str]:
    """('linalg', 'qr') of 'linalg.qr'; ('', 'add') of 'add'."""
    namespace, _, name = qualified.rpartition(".")
    return namespace, name


def _split_commas(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "([{"
        depth -= c in ")]}"
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [p.strip() for p in parts if p.strip()]


def parse_signature(signature: str):
    """(name, params, result names, is a list) of "name(type param=default, ...) -> (a, b)"."""
    head, _, results = signature.partition("->")
    name, _, inside = head.strip().partition("(")
    params, keyword_only = [], False
    for part in _split_commas(inside.rstrip().removesuffix(")")):
        if part == "*":
            keyword_only = True
            continue
        m = _PARAM.match(part)
        if not m:
            raise ValueError(f"{name}: cannot read the parameter {part!r}")
        kind, one = m["type"], False
        if m["list"]:
            kind += "[]"
            one = m["list"] not in ("[]",)
        if kind not in _TYPES:
            raise ValueError(f"{name}: unknown type {kind!r} of {m['name']!r}")
        default = m["default"]
        value = eval(default, {}) if default is not None else None  # literals of our own table
        nullable = bool(m["null"]) or (default is not None and value is None)
        if m["inner"] and not m["list"]:
            nullable = True
        params.append((m["name"], kind, nullable, keyword_only, default is not None, value, one))
    results = results.strip()
    listed = results.endswith("[]")
    names = _split_commas(results.strip("()")) if results and not listed else []
    return name.strip(), params, names, listed


class Entry:
    """One overload of an operation, as the core reads it."""

    is_pointwise = False
    dtype = ""
    operands = promoting = ()

    def __init__(self, signature, *, kernel=None, vjp=None, view=False, node=None, differentiable=True,
                 batch=None, jvp=None, doc=None, compute=None, composed=None, edges=(), strict_out=False, in_place_node=None):
        self.signature = signature
        self.qualified, self.params, names, self.list_result = parse_signature(signature)
        self.namespace, self.name = split_name(self.qualified)
        # compute: in place of a kernel, Python made of other operations, where PyTorch has one node for the whole.
        self.kernel, self.compute = kernel or self.qualified, compute
        # composed: called instead where a gradient is wanted and PyTorch's graph shows several nodes.
        self.composed = composed
        self.strict_out = strict_out  # out= must have the dtype of the result
        # edges: the order of the node's edges, where it is not that of the parameters; "weight.t" passes a TBackward0.
        self.edges = [(self.index(e.removesuffix(".t")), e.endswith(".t")) for e in edges]
        self.view, self.differentiable, self.batch, self.jvp, self.doc = view, differentiable, batch, jvp, doc
        self.in_place = self.name.endswith("_") and not self.name.startswith("__")
        self.result_names = names
        self.results = len(names) if names else 1
        self.result_type = None
        self.vjp = self._retraced() if vjp == "retrace" else vjp or {}
        self.rules = [self._rule(key, rule) for key, rule in self.vjp.items()]
        camel = "".join(p[:1].upper() + p[1:] for p in self.name.strip("_").split("_"))
        camel = ("Linalg" if self.namespace == "linalg" else "") + camel
        # node: its name, or two: where an operand is a number, and where all are tensors.
        self.number_node, node = node if isinstance(node, tuple) else (None, node)
        self.in_place_node = in_place_node  # where PyTorch's in-place form has a node of its own
        self.node = (node or camel + "Backward0") if self.rules else (node or "NotImplemented")

    def index(self, name):
        for i, p in enumerate(self.params):
            if p[0] == name:
                return i
        raise ValueError(f"{self.signature}: a gradient rule names {name!r}, which is no parameter")

    def _rule(self, key, rule):
        inputs = [self.index(k.strip()) for k in key.split(",")]
        names = rule.__code__.co_varnames[: rule.__code__.co_argcount]
        arguments = [self._argument(n) for n in names]
        return inputs, "," in key, rule, arguments, self._fused(key)

    def _argument(self, name):
        """A rule's parameter: what is saved for it."""
        if name in _SPECIAL:
            return _SPECIAL[name]
        for suffix, first in (("_shape", -100), ("_geometry", -200)):  # of an input, without keeping the input
            if name.endswith(suffix) and any(p[0] == name.removesuffix(suffix) for p in self.params):
                return first - self.index(name.removesuffix(suffix))
        return self.index(name)

    def _fused(self, key):
        return None

    def _retraced(self):
        """The gradient rule of an entry whose forward pass is Python: run it again, recorded, and differentiate that."""
        names = [p[0] for p in self.params]
        tensors = [i for i, p in enumerate(self.params) if p[1] == "Tensor"]
        scope = {"rule": lambda grads, values, needs: retrace(self.compute, tensors, values, grads, needs)}
        exec(f"def joint(grads, {', '.join(names)}, needs):\n    return rule(grads, [{', '.join(names)}], needs)\n", scope)  # names of our own table
        return {", ".join(names[i] for i in tensors): scope["joint"]} if len(tensors) > 1 else \
            {names[tensors[0]]: self._single(names, scope["rule"])}

    @staticmethod
    def _single(names, rule):
        scope = {"rule": rule}
        exec(f"def only(grads, {', '.join(names)}):\n    return rule(grads, [{', '.join(names)}], (True,))[0]\n", scope)
        return scope["only"]


def retrace(compute, tensors, values, grads, needs):
    """Gradients of compute(*values) for the tensors at the given places, differentiable again where grad mode is on."""
    import facula

    again = facula.is_grad_enabled()
    with facula.enable_grad():
        for i, wanted in zip(tensors, needs, strict=True):
            if values[i] is not None and not again:
                values[i] = values[i].detach().requires_grad_(wanted)
        results = compute(*values)
    results = results if isinstance(results, (tuple, list)) else (results,)
    pairs = [(r, g) for r, g in zip(results, grads, strict=False) if g is not None and r.requires_grad]
    wanted = [i for i, need in zip(tensors, needs, strict=True) if need and values[i] is not None]
    found = facula.autograd.grad([r for r, _ in pairs], [values[i] for i in wanted], [g for _, g in pairs], create_graph=again, allow_unused=True)
    by_place = dict(zip(wanted, found, strict=True))
    return tuple(by_place.get(i) for i in tensors)


class PointwiseEntry(Entry):
    """An entry whose kernel is a formula, traced by codegen/formulas.py."""

    is_pointwise = True

    def __init__(self, signature, formula, *, dtype="promote", promote=None, types="fdicz", vjp_types=None, refuses=(), reduction=None, **options):
        # types: compute types with a loop (float, double, int64, complex64, complex128: f d i c z).
        # refuses: pairs of a case ("bool", "any bool", "two bools", "integral", "half", "float number", "negative number": of the
        # operands' common dtype or of a plain number) and PyTorch's text, or the kernel it names as not implemented.
        self.limits = tuple(refuses)
        self.formula, self.types, self.vjp_types = formula, types, vjp_types or types
        self._promote = promote
        super().__init__(signature, kernel=None, **options)
        self.kernel = "pointwise." + self.formula_name
        # reduction: names an int parameter: 0 for the values, 1 for their mean, 2 for their sum, in one pass.
        self.reduction = -1 if reduction is None else self.index(reduction)
        self.dtype = dtype
        names = formula.__code__.co_varnames[: formula.__code__.co_argcount]
        self.operands = [self.index(n) for n in names]
        taking = promote or [p[0] for p in self.params if p[1] in ("Tensor", "Tensor|Scalar")]
        self.promoting = [self.index(n) for n in taking]

    @property
    def formula_name(self):
        # Overloads of one name get a number.
        n = getattr(self, "overload_number", None)
        if n is None:
            n = self.overload_number = len([e for e in entries.get(self.qualified, ()) if e.is_pointwise])
        return self.qualified + (str(n) if n else "")

    def _fused(self, key):
        return f"pointwise.{self.formula_name}.vjp.{key}"


class Composite:
    """An operation written in Python out of other operations."""

    def __init__(self, qualified, function, method, inplace, aliases):
        self.qualified, self.function, self.method = qualified, function, method
        self.inplace, self.aliases = inplace, aliases
        self.namespace, self.name = split_name(qualified)


_options: dict[str, dict] = {}  # qualified name -> function/method/inplace/aliases


def _add(entry, function, method, inplace, aliases):
    entries.setdefault(entry.qualified, []).append(entry)
    dotted = bool(entry.namespace)
    known = _options.setdefault(entry.qualified, {"function": False, "method": False, "inplace": False, "aliases": ()})
    known["function"] |= not entry.in_place if function is None else function
    known["method"] |= (not dotted if method is None else method)
    known["inplace"] |= inplace
    known["aliases"] = tuple(dict.fromkeys((*known["aliases"], *aliases)))
    return entry


def op(signature, *, kernel=None, vjp=None, function=None, method=None, inplace=False, aliases=(), **options):
    """Adds an operation with a native kernel (see `Entry`); the same name again adds an overload."""
    return _add(Entry(signature, kernel=kernel, vjp=vjp, **options), function, method, inplace, aliases)


def pointwise(signature, formula, *, function=None, method=None, inplace=False, aliases=(), **options):
    """Adds an elementwise operation given by a formula; its kernels are made at build time."""
    return _add(PointwiseEntry(signature, formula, **options), function, method, inplace, aliases)


def composite(qualified, *, method=None, inplace=False, aliases=(), function=True):
    """Decorates a Python function that is an operation made of others."""

    def add(f):
        if qualified in composites:  # the later one would hide the earlier silently
            raise ValueError(f"{qualified}: defined twice in the table of operations")
        composites[qualified] = Composite(qualified, f, not split_name(qualified)[0] if method is None else method,
                                          inplace, aliases)
        composites[qualified].is_function = function
        return f

    return add


# ---------------------------------------------------------------- from entries to callables

def _with_out(function):
    """`out=` for a composite: the result is copied there, as operations with kernels do."""
    code = function.__code__
    if "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return function

    @wraps(function)
    def call(*args, out=None, **kwargs):
        result = function(*args, **kwargs)
        return result if out is None else _copy_out(out, result, function.__name__)

    return call


def _copy_out(out, result, name):
    if isinstance(result, tuple):
        for o, r in zip(out, result, strict=True):
            _copy_out(o, r, name)
        return out
    import facula

    if out.requires_grad or (facula.is_grad_enabled() and result.requires_grad):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, "
                           "but one of the arguments requires grad.")
    if not facula.can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    if out.shape != result.shape:
        out.resize_(result.shape)
    return out.copy_(result)


def _in_place(function, name):
    """The in-place form of a composite: computes, then copies into the first argument."""

    @wraps(function)
    def call(self, *args, **kwargs):
        result = function(self, *args, **kwargs)
        if result.shape != self.shape:
            raise RuntimeError(f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}")
        return self.copy_(result)

    call.__name__ = call.__qualname__ = name
    return call


def _result_type(entry):
    if len(entry.result_names) < 2 or entry.result_names[0] == "_":
        return None
    from facula._return_types import named_result

    return named_result(entry.qualified.replace(".", "_").removeprefix("nn_functional_"), entry.result_names)


def build(core):
    """Makes every operation. Returns (functions by namespace, methods)."""
    functions: dict[str, dict] = {n: {} for n in ("", *_NAMESPACES)}
    methods: dict[str, object] = {}
    missing: list[str] = []
    for qualified, overloads in entries.items():
        usable = []
        for e in overloads:
            present = core.has_formula(e.kernel) if e.is_pointwise else e.compute or core.has_kernel(e.kernel)
            if present:
                e.result_type = _result_type(e)
                usable.append(e)
            else:
                missing.append(e.signature)
        if not usable:
            continue
        namespace, name = split_name(qualified)
        options = _options[qualified]
        in_place = usable[0].in_place
        # A composite of the same name takes the calls that no entry takes (a rare option, say).
        rest = composites.get(qualified)
        call = core.define(name, usable, in_place, rest and _with_out(rest.function))
        for e in usable:
            e.operation = call
        for n in (name, *options["aliases"]):
            if options["function"] or in_place:
                functions.setdefault(namespace, {})[n] = call
            if options["method"]:
                methods[n] = call
            if options["inplace"]:
                variant = core.variant(call, n + "_", rest and _in_place(rest.function, n + "_"))
                if options["method"]:
                    methods[n + "_"] = variant
                if namespace == "" or namespace == "nn.functional":
                    functions[namespace][n + "_"] = variant
    for qualified, c in composites.items():
        if qualified in entries:
            continue
        call = core.guard(c.name, _with_out(c.function) if c.is_function else c.function)
        for n in (c.name, *c.aliases):
            if c.is_function:
                functions.setdefault(c.namespace, {})[n] = call
            if c.method:
                methods[n] = core.guard(n, c.function)
            if c.inplace:
                methods[n + "_"] = core.guard(n + "_", _in_place(c.function, n + "_"))
    return functions, methods, missing
