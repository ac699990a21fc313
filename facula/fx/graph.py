"""Graphs: nodes in order, and the Python code they stand for."""

from __future__ import annotations

import builtins
import keyword
import math
import operator
import re
from contextlib import contextmanager
from dataclasses import dataclass, field

import facula

from .node import Node, map_arg, qualified_name

__all__ = ["Graph", "PythonCode", "CodeGen"]
_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "lshift": "<<", "rshift": ">>",
          "and_": "&", "or_": "|", "xor": "^", "matmul": "@", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
_PREFIX = {"neg": "-", "invert": "~", "pos": "+"}
_IN_PLACE = {f"i{n.rstrip('_')}": f"{s}=" for n, s in list(_INFIX.items())[:13]}


@dataclass
class PythonCode:
    """Generated text and the objects that it names."""

    src: str
    globals: dict = field(default_factory=dict)


class CodeGen:
    """How code is generated; the standard way."""

    def process_inputs(self, *args):
        """Inputs as placeholders take them."""
        return args

    def process_outputs(self, outputs):
        """Outputs as callers get them."""
        return outputs


class _Nodes:
    """The nodes of a graph, live."""

    def __init__(self, graph, backwards=False):
        self.graph, self.backwards = graph, backwards

    def __len__(self):
        return self.graph._count

    def __iter__(self):
        root = self.graph._root
        node = root._prev if self.backwards else root._next
        while node is not root:
            following = node._prev if self.backwards else node._next
            if not node._erased:
                yield node
            if node._erased or node._next is node:
                node = following
            else:
                node = node._prev if self.backwards else node._next

    def __reversed__(self):
        return _Nodes(self.graph, not self.backwards)

    def __repr__(self):
        return repr(list(self))


class Graph:
    """Nodes in the order in which they run.

    Args:
        owning_module: The GraphModule that the graph belongs to.
    """

    def __init__(self, owning_module=None, tracer_cls=None, tracer_extras=None):
        self._root = Node(self, "", "root", "", (), {})
        self._count, self._names, self._insert = 0, {}, self._root.prepend
        self.owning_module, self._tracer_cls, self._codegen = owning_module, tracer_cls, CodeGen()

    @property
    def nodes(self):
        """The nodes in order."""
        return _Nodes(self)

    def find_nodes(self, *, op, target=None, sort=True):
        """The nodes of a kind and target."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    # ---- making nodes
    def _name(self, candidate):
        base = re.sub(r"\W+", "_", candidate) or "_unnamed"
        base = f"_{base}" if base[0].isdigit() else base
        match = re.match(r"(.*)_(\d+)$", base)
        number = 0
        if match and base in self._names:
            base, number = match[1], int(match[2])
        name = base if not number else f"{base}_{number}"
        while name in self._names or keyword.iskeyword(name) or hasattr(builtins, name) or name in ("torch", "self", "inf", "nan", "device", "NoneType"):
            number = max(number, self._names.get(base, 0)) + 1
            self._names[base] = number
            name = f"{base}_{number}"
        self._names.setdefault(name, 0)
        return name

    def create_node(self, op, target, args=None, kwargs=None, name=None, type_expr=None):
        """Adds a node where the graph inserts."""
        if op not in ("placeholder", "get_attr", "call_function", "call_module", "call_method", "output"):
            raise AssertionError(f"unknown op {op!r}")
        node = Node(self, self._name(name or _candidate(target)), op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        self._count += 1
        return node

    def placeholder(self, name, type_expr=None, default_value=None):
        """An input."""
        return self.create_node("placeholder", name, () if default_value is None else (default_value,), type_expr=type_expr)

    def get_attr(self, qualified_name, type_expr=None):
        """A parameter, buffer or attribute of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name, args=None, kwargs=None, type_expr=None):
        """A call of a submodule."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name, args=None, kwargs=None, type_expr=None):
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(self, the_function, args=None, kwargs=None, type_expr=None, name=None):
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result, type_expr=None):
        """What the graph gives."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def output_node(self):
        """The node that gives the result."""
        return next(n for n in reversed(self.nodes) if n.op == "output")

    def node_copy(self, node, arg_transform=lambda x: x):
        """A copy of another graph's node, its arguments given by `arg_transform`."""
        made = self.create_node(node.op, node.target, map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform), node.name, node.type)
        made.meta = dict(node.meta)
        return made

    def graph_copy(self, g, val_map, return_output_node=False):
        """Copies another graph's nodes here; gives what its output node holds."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo=None):
        made = Graph(tracer_cls=self._tracer_cls)
        val_map: dict = {}
        found = made.graph_copy(self, val_map, return_output_node=True)
        if found is not None:
            result, old = found
            made.output(result, old.type).meta = dict(old.meta)
        return made

    # ---- changing
    @contextmanager
    def _inserting(self, place):
        before, self._insert = self._insert, place
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n=None):
        """Inside, nodes are made before n (or at the beginning)."""
        return self._inserting(self._root._next.prepend if n is None else n.prepend)

    def inserting_after(self, n=None):
        """Inside, nodes are made after n, in order."""
        place = [self._root._prev if n is None else n]

        def insert(node):
            place[0].append(node)
            place[0] = node

        return self._inserting(insert)

    def erase_node(self, to_erase):
        """Removes a node that nothing uses.

        Raises:
            RuntimeError: Something uses it.
        """
        if to_erase.users:
            raise RuntimeError(f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: {to_erase.users}!")
        if to_erase._erased:
            return
        to_erase._set((), {})
        to_erase._remove_from_list()
        to_erase._erased = True
        self._count -= 1

    def eliminate_dead_code(self, is_impure_node=None):
        """Removes nodes whose results nothing uses; gives whether there were any."""
        impure = is_impure_node or Node.is_impure
        before = self._count
        for node in reversed(self.nodes):
            if not node.users and not impure(node):
                self.erase_node(node)
        return self._count != before

    def lint(self):
        """Checks that nodes come before their users, names are unique and targets exist.

        Raises:
            RuntimeError: They do not.
        """
        seen, names = set(), set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that Nodes in the graph "
                                       f"are topologically ordered\n{self}")
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            if node.op in ("call_module", "get_attr") and self.owning_module is not None:
                _attribute(self.owning_module, node)
            seen.add(node)
            names.add(node.name)

    def set_codegen(self, codegen):
        """Accepted: code is generated in the standard way."""
        self._codegen = codegen

    def process_inputs(self, *args):
        """Inputs as placeholders take them."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out):
        """Outputs as callers get them."""
        return self._codegen.process_outputs(out)

    # ---- text
    def python_code(self, root_module, *, verbose=False, **options):
        """The function `forward` that does what the graph does, as text."""
        return _Writer(self, root_module).code()

    def __str__(self):
        lines = ["graph():"]
        lines += [f"    {n.format_node()}" for n in self.nodes]
        return "\n".join(lines)

    def print_tabular(self):
        """Prints the nodes as a table."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(len(r[i]) for r in rows) for i in range(5)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip() for r in rows]
        print("\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]]))


def _attribute(module, node):
    found = module
    for part in node.target.split("."):
        if not hasattr(found, part):
            raise RuntimeError(f"Node {node} target {node.target} references nonexistent attribute {part} of {found}")
        found = getattr(found, part)
    return found


def _resolved(path):
    """What a dotted name below `torch` stands for, or None."""
    found = facula
    for part in path.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def _candidate(target):
    """What a node is called: the function's or attribute's name in lower case, words apart."""
    name = target if isinstance(target, str) else target.__name__
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
    name = name.replace(".", "_")
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


class _Writer:
    """Writes a graph's code."""

    def __init__(self, graph, root):
        self.graph, self.root = graph, root
        self.globals = {"torch": facula, "device": facula.device, "inf": math.inf, "nan": math.nan}
        self.last: dict[Node, Node] = {}

    def code(self):
        uses: dict[Node, list[Node]] = {}
        for node in reversed(self.graph.nodes):
            for used in node.all_input_nodes:
                if used not in self.last:
                    self.last[used] = node
                    uses.setdefault(node, []).append(used)
        arguments, body = [], []
        for node in self.graph.nodes:
            if node.op == "placeholder":
                default = f" = {self.text(node.args[0])}" if node.args else ""
                arguments.append(f"{node.target}{default}")
                free = node.target.lstrip("*")
                if free != node.name:
                    body.append(f"{node.name} = {free}")
                continue
            line = self.line(node)
            if node.op == "output":
                body.append(line)
                break
            dead = [] if node.users else [node]
            gone = [*uses.get(node, []), *dead]
            body.append(line + (f";  {' = '.join(n.name for n in gone)} = None" if gone else ""))
        first = ", ".join([self.root, *arguments])
        return PythonCode(f"\n\n\ndef forward({first}):\n    " + "\n    ".join(body or ["pass"]) + "\n    ", self.globals)

    def line(self, node):
        if node.op == "output":
            return f"return {self.text(node.args[0])}"
        if node.op == "get_attr":
            return f"{node.name} = {self.path(node.target)}"
        if node.op == "call_module":
            return f"{node.name} = {self.path(node.target)}({self.arguments(node.args, node.kwargs)})"
        if node.op == "call_method":
            owner = self.text(node.args[0])
            return f"{node.name} = {owner}.{node.target}({self.arguments(node.args[1:], node.kwargs)})"
        return self.function(node)

    def function(self, node):
        target, args = node.target, node.args
        name = getattr(target, "__name__", "")
        if getattr(operator, name, None) is target and not node.kwargs:
            texts = [self.text(a) for a in args]
            if name in _INFIX:
                return f"{node.name} = {texts[0]} {_INFIX[name]} {texts[1]}"
            if name in _PREFIX:
                return f"{node.name} = {_PREFIX[name]}{texts[0]}"
            if name in _IN_PLACE:
                return f"{node.name} = {texts[0]};  {node.name} {_IN_PLACE[name]} {texts[1]}"
            if name == "getitem":
                return f"{node.name} = {texts[0]}[{self.index(args[1])}]"
        if target is getattr and isinstance(args[1], str) and args[1].isidentifier() and len(args) == 2:
            return f"{node.name} = {self.text(args[0])}.{args[1]}"
        return f"{node.name} = {self.bound(target)}({self.arguments(args, node.kwargs)})"

    def bound(self, target):
        """The text that names a function; functions of the user's become globals."""
        full = qualified_name(target)
        if "." not in full or full.startswith("torch.") and _resolved(full) is target:
            return full
        root, _, rest = full.partition(".")
        if root in ("operator", "math") and "." not in rest:
            self.globals.setdefault(root, __import__(root))
            return full
        name = base = full.replace(".", "_").replace("<", "_").replace(">", "_")
        number = 0
        while self.globals.get(name, target) is not target:
            number += 1
            name = f"{base}_{number}"
        self.globals[name] = target
        return name

    def path(self, target):
        parts = target.split(".")
        text = self.root
        for p in parts:
            text = f"{text}.{p}" if p.isidentifier() and not keyword.iskeyword(p) else f'getattr({text}, "{p}")'
        return text

    def arguments(self, args, kwargs):
        return ", ".join([*map(self.text, args), *(f"{k} = {self.text(v)}" for k, v in kwargs.items())])

    def index(self, a):
        if isinstance(a, tuple) and a:
            return f"({', '.join(map(self.text, a))}{',' if len(a) == 1 else ''})"
        return self.text(a)

    def text(self, a):
        if isinstance(a, Node):
            return a.name
        if isinstance(a, tuple):
            if hasattr(a, "_fields"):
                return f"{self.bound(type(a))}({', '.join(map(self.text, a))})"
            return f"({', '.join(map(self.text, a))}{',' if len(a) == 1 else ''})"
        if isinstance(a, list):
            return f"[{', '.join(map(self.text, a))}]"
        if isinstance(a, dict):
            return f"{{{', '.join(f'{k!r}: {self.text(v)}' for k, v in a.items())}}}"
        if isinstance(a, slice):
            return f"slice({self.text(a.start)}, {self.text(a.stop)}, {self.text(a.step)})"
        if isinstance(a, (facula.dtype, facula.memory_format, facula.layout)):
            return "torch." + str(a).rpartition(".")[2]
        return repr(a)
