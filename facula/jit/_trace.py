"""jit.trace: a function's operations on example inputs, as a program."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import facula

from .. import _capture
from .._capture import TracerWarning, Value
from ..nn import Module
from .._dispatch import RANDOM
from ._language import path_of
from ._modules import Program, ScriptFunction, ScriptModule, build
from ._script import script_module

Tensor = facula.Tensor


def trace(func, example_inputs=None, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5, strict=True,
          _force_outplace=False, _module_class=None, _compilation_unit=None, example_kwarg_inputs=None, _store_inputs=True):
    """Runs a function or module on example inputs and keeps the operations as a program.

    Sizes that are read stay symbolic, so other sizes work; Python control flow and values that were looked at are
    fixed to what the example did.

    Args:
        func: Function, method of a module, or module.
        example_inputs: A tensor, or a tuple of tensors and containers of tensors.
        check_trace: Run the program again and warn where it differs.
        check_tolerance: Largest difference that is not warned about.
        example_kwarg_inputs: Inputs by name.

    Returns:
        A ScriptModule for a module, else a ScriptFunction.
    """
    if isinstance(func, (ScriptModule, ScriptFunction)):
        warnings.warn("The input to trace is already a ScriptModule, tracing it is a no-op. Returning the object as is.", stacklevel=2)
        return func
    if isinstance(func, Module):
        return _trace_module(func, {"forward": example_inputs if example_kwarg_inputs is None else example_kwarg_inputs},
                             check_trace, check_tolerance, check_inputs, strict)
    if getattr(func, "__name__", "") == "forward" and isinstance(getattr(func, "__self__", None), Module):
        return _trace_module(func.__self__, {"forward": example_inputs}, check_trace, check_tolerance, check_inputs, strict)
    args, names = _arguments(func, example_kwarg_inputs if example_inputs is None else example_inputs)
    graph, _ = _run(func, args, names, getattr(func, "__self__", None), strict)
    name = getattr(func, "__name__", "function")
    name = name if name.isidentifier() else "_lambda" if name == "<lambda>" else "function"
    text, writer = program_text(name, graph, args, names, with_self=False)
    if name in writer.functions:
        raise RuntimeError(f"the traced function {name!r} calls a scripted one of the same name")
    made = ScriptFunction(Program(name, {}, {**writer.functions, name: text}, writer.constants, writer.classes, graph=graph), func)
    _warn_of_chance(graph, check_trace)
    if check_trace:
        _check(made, func, args, check_tolerance)
    return made


def trace_module(mod, inputs, optimize=None, check_trace=True, check_inputs=None, check_tolerance=1e-5, strict=True, _force_outplace=False,
                 _module_class=None, _compilation_unit=None, example_inputs_is_kwarg=False, _store_inputs=True):
    """Traces several methods of a module: `inputs` maps a method's name to its example inputs."""
    return _trace_module(mod, inputs, check_trace, check_tolerance, check_inputs, strict)


def _arguments(function, example):
    import inspect

    try:
        parameters = [p for p in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    if isinstance(example, dict):
        names = [p.name for p in parameters if p.name in example] or list(example)
        return tuple(example[n] for n in names), names
    if not isinstance(example, (tuple, list)):
        example = (example,)
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [names[i] if i < len(names) else f"argument_{i + 1}" for i in range(len(example))]
    return tuple(example), names


def _fresh(tree):
    # Captured inputs must be objects of their own: the same tensor may come twice.
    return _capture.map_tree(lambda t: t.view_as(t) if isinstance(t, Tensor) and t.requires_grad else t.detach() if isinstance(t, Tensor) else t, tree)


def _run(function, args, names, root=None, strict=True):
    inputs = _fresh(args)
    flat_names = []
    for name, a in zip(names, inputs):
        count = len(list(_capture._tensors(a)))
        flat_names += [name] if count == 1 and isinstance(a, Tensor) else [f"{name}_{i}" for i in range(count)]
    graph, result = _capture.capture(function, inputs, flat_names, root if isinstance(root, Module) else None, keeps_calls=True)
    graph.prune()
    if strict and isinstance(result, (dict, list)):
        kind = type(result).__name__
        raise RuntimeError(f"Encountering a {kind} at the output of the tracer might cause the trace to be incorrect, this is only valid if the container "
                           f"structure does not change based on the module's inputs. Consider using a constant container instead (e.g. for `list`, use a "
                           "`tuple` instead. for `dict`, use a `NamedTuple` instead). If you absolutely need this and know the side effects, pass "
                           "strict=False to trace() to allow this behavior.")
    for value in _capture.values_in([n.arguments for n in graph.nodes]):
        if value.kind == "constant" and value.tensor.requires_grad and not value.tensor.is_leaf:
            raise RuntimeError("Cannot insert a Tensor that requires grad as a constant. Consider making it a parameter or input, or detaching "
                               f"the gradient\nTensor:\n{value.tensor}")
    return graph, result


def _trace_module(module, inputs, check_trace, tolerance, check_inputs, strict):
    before = module.training
    methods, graphs, parts = {}, {}, Program("", {})
    for method, example in inputs.items():
        function = module if method == "forward" else getattr(module, method)
        args, names = _arguments(module.forward if method == "forward" else function, example)
        graph, _ = _run(function, args, names, module, strict)
        text, writer = program_text(method, graph, args, names, with_self=True, prefix=f"{method}_" if len(inputs) > 1 else "")
        methods[method], graphs[method] = text, graph
        for table in ("constants", "functions", "classes"):
            getattr(parts, table).update(getattr(writer, table))
        _warn_of_chance(graph, check_trace)
    program = Program(type(module).__name__, methods, parts.functions, parts.constants, parts.classes, graph=graphs.get("forward"),
                      kind="TopLevelTracedModule")
    made = _shell(module, program, {})
    made.training = before
    if check_trace and "forward" in inputs:
        args, _ = _arguments(module.forward, inputs["forward"])
        for example in (args, *(_arguments(module.forward, c)[0] for c in check_inputs or ())):
            _check(made, module, example, tolerance)
    return made


def _shell(module, program, memo):
    """A module of the same tree with the same tensors; parts of the library run by themselves."""
    if id(module) in memo:
        return memo[id(module)]
    state = {k: v for k, v in module.__dict__.items() if k in ("training", "_parameters", "_buffers", "_non_persistent_buffers_set")}
    made = memo[id(module)] = build(program, state)
    for name, child in module._modules.items():
        if child is None:
            made._modules[name] = None
            continue
        try:
            quiet = script_module(child) if isinstance(child, ScriptModule) or not list(child.children()) else None
        except Exception:  # noqa: BLE001 - a part that cannot run alone still holds its tensors
            quiet = None
        made._modules[name] = memo.setdefault(id(child), quiet) if quiet is not None else \
            _shell(child, Program(type(child).__name__, {}, kind="TracedModule"), memo)
    return made


def _warn_of_chance(graph, wanted):
    drawn = [n for n in graph.nodes if n.op in RANDOM]
    if drawn and wanted:
        lines = "\n".join(f"\t{', '.join(map(repr, n.results))} = aten::{n!r}" for n in drawn)
        warnings.warn(f"Trace had nondeterministic nodes. Did you forget call .eval() on your model? Nodes:\n{lines}\nThis may cause errors in trace "
                      "checking. To disable trace checking, pass check_trace=False to torch.jit.trace()", TracerWarning, stacklevel=4)


def _check(made, function, args, tolerance):
    """Warns where the program gives other values than the function."""
    with facula.random.fork_rng(devices=[]) if hasattr(facula.random, "fork_rng") else nullcontext():
        state = facula.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = function(*_fresh(args))
            facula.set_rng_state(state)
            got = made(*_fresh(args))
    for w, g in zip(_capture._tensors(wanted), _capture._tensors(got), strict=False):
        if w.shape != g.shape or not facula.allclose(w.detach().double() if not w.is_complex() else w.detach(),
                                                     g.detach().double() if not g.is_complex() else g.detach(), rtol=tolerance, atol=tolerance,
                                                     equal_nan=True):
            warnings.warn("Output nr 1. of the traced function does not match the corresponding output of the Python function: the trace did not "
                          "follow something (random draws, state, control flow)", TracerWarning, stacklevel=4)
            return


# ---------------------------------------------------------------- from a graph to text

class _Writer:
    def __init__(self, graph, prefix):
        self.graph, self.prefix = graph, prefix
        self.names: dict[int, str] = {}
        self.constants: dict[str, object] = {}
        self.functions: dict[str, str] = {}
        self.classes: dict[str, object] = {}
        self.lines: list[str] = []
        self.modules: dict[str, str] = {"": "self"}

    def name(self, value):
        if id(value) not in self.names:
            self.names[id(value)] = self._path(value.name) if value.kind == "attribute" else self._constant(value)
        return self.names[id(value)]

    def _constant(self, value):
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants[name] = value.tensor.detach() if value.tensor.requires_grad and not value.tensor.is_leaf else value.tensor
        return f"constants.{name}"

    def _path(self, path):
        owner, _, last = path.rpartition(".")
        return self._attribute(self._module(owner), last)

    def _module(self, path):
        if path not in self.modules:
            owner, _, last = path.rpartition(".")
            text = self._attribute(self._module(owner), last)
            self.modules[path] = f"m{len(self.modules)}"
            self.lines.append(f"{self.modules[path]} = {text}")
        return self.modules[path]

    @staticmethod
    def _attribute(owner, name):
        return f'getattr({owner}, "{name}")'

    def text(self, a):
        if isinstance(a, Value):
            return self.name(a)
        if isinstance(a, facula.Size):
            a = tuple(a)
        if isinstance(a, tuple):
            return "(" + "".join(self.text(x) + ", " for x in a) + ")"
        if isinstance(a, list):
            return "[" + ", ".join(self.text(x) for x in a) + "]"
        if isinstance(a, dict):
            return "{" + ", ".join(f"{k!r}: {self.text(v)}" for k, v in a.items()) + "}"
        return literal(a)

    def adopt(self, scripted):
        """The name of a scripted function that is called."""
        program = scripted._program
        for mine, theirs in ((self.functions, program.functions), (self.classes, program.classes), (self.constants, program.constants)):
            for name, thing in theirs.items():
                if mine.setdefault(name, thing) is not thing and mine[name] != thing:
                    raise RuntimeError(f"two scripted functions in one trace use the name {name!r}")
        return program.name

    def node(self, node, position):
        names = []
        if node.op.startswith("prim::Call"):
            for value, place in zip(node.results, node.places):
                self.names[id(value)] = f"v{position}{place}"
            return f"v{position}"
        for value in node.results:
            self.names[id(value)] = f"v{position}" if len(node.results) == 1 else f"v{position}_{len(names)}"
            names.append(self.names[id(value)])
        return ", ".join(names)


def literal(a):
    """The text of a plain argument.

    Raises:
        RuntimeError: It has none, a generator for example.
    """
    if isinstance(a, (facula.dtype, facula.memory_format, facula.layout)):
        return "torch." + str(a).rpartition(".")[2]
    if isinstance(a, facula.device):
        return f'torch.device("{a}")'
    if isinstance(a, float) and (a != a or a in (float("inf"), float("-inf"))):
        return "torch.nan" if a != a else "torch.inf" if a > 0 else "-torch.inf"
    if isinstance(a, slice):
        return f"slice({literal(a.start)}, {literal(a.stop)}, {literal(a.step)})"
    if a is None or isinstance(a, (bool, int, float, complex, str)):
        return repr(a)
    path = path_of(a)
    if path:
        return "torch." + path
    raise RuntimeError(f"a trace cannot keep an argument of type {type(a).__name__}: {a!r:.80}")


_INT = {"int.add": "+", "int.sub": "-", "int.mul": "*", "int.floordiv": "//", "int.mod": "%"}


def _program_call(writer, node):
    target, method, args, kwargs = node.arguments
    called = f"functions.{writer.adopt(target)}" if node.op == "prim::CallFunction" else writer._module(target) + ("" if method == "forward" else f".{method}")
    return f"{called}({', '.join([*map(writer.text, args), *(f'{k}={writer.text(v)}' for k, v in kwargs.items())])})"


def type_of(value):
    """The text of an example's type."""
    if isinstance(value, Tensor):
        return "Tensor"
    if isinstance(value, (bool, int, float, str)):
        return type(value).__name__
    if isinstance(value, tuple):
        return f"Tuple[{', '.join(map(type_of, value))}]"
    if isinstance(value, list) and value:
        return f"List[{type_of(value[0])}]"
    if isinstance(value, dict) and value:
        return f"Dict[str, {type_of(next(iter(value.values())))}]"
    return "Any"


def _call_text(writer, node):
    if node.op.startswith("prim::Call"):
        return _program_call(writer, node)
    if node.op == "size":
        return f"{writer.text(node.arguments[0])}.size({node.arguments[1]})"
    if node.op in _INT:
        a, b = map(writer.text, node.arguments)
        return f"{a} {_INT[node.op]} {b}"
    path = path_of(node.callable)
    if path is None:
        raise RuntimeError(f"internal error: the operation {node.op} has no name in programs; please report this text")
    parts, by_name = [], False
    for (name, _, _, keyword_only, has_default, default, _), value in zip(node.entry.params, node.arguments):
        if has_default and not isinstance(value, Value) and type(value) is type(default) and value == default:
            by_name = True
            continue
        by_name = by_name or keyword_only
        parts.append(f"{name}={writer.text(value)}" if by_name else writer.text(value))
    return f"torch.{path}({', '.join(parts)})"


def _unpack_inputs(writer, graph, args, names):
    """Lines that take nested inputs apart; names of the arguments."""
    inputs = iter(graph.inputs)

    def walk(a, text):
        if isinstance(a, Tensor):
            writer.names[id(next(inputs))] = text
        elif isinstance(a, (tuple, list)):
            for i, x in enumerate(a):
                walk(x, f"{text}[{i}]")
        elif isinstance(a, dict):
            for k, x in a.items():
                walk(x, f"{text}[{k!r}]")

    for name, a in zip(names, args):
        walk(a, name)


def program_text(name, graph, args, names, with_self, prefix=""):
    """(the text of a function that does what the graph does, the writer with the constants, functions and classes it needs)"""
    writer = _Writer(graph, prefix)
    _unpack_inputs(writer, graph, args, names)
    body = []
    last_use: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        for value in node.inputs:
            last_use[id(value)] = i
    for value in _capture.values_in(graph.outputs):
        last_use[id(value)] = len(graph.nodes)
    for i, node in enumerate(graph.nodes):
        call = _call_text(writer, node)
        targets = writer.node(node, i)
        comma = "," if len(node.results) == 1 and node.entry is not None and node.entry.list_result else ""
        body.append(f"{targets}{comma} = {call}" if targets else call)
        gone = [writer.names[id(v)] for v in {id(v): v for v in node.inputs}.values()
                if last_use.get(id(v)) == i and v.kind == "result" and "[" not in writer.names[id(v)]]
        if gone:  # let go of memory as early as Python would
            body.append(f"del {', '.join(gone)}")
    result = writer.text(graph.outputs)
    arguments = ", ".join((["self"] if with_self else []) + [f"{n}: {type_of(a)}" for n, a in zip(names, args)])
    lines = [f"def {name}({arguments}):", *("    " + line for line in (*writer.lines, *body)), f"    return {result}"]
    return "\n".join(lines) + "\n", writer
