"""A program's text as a graph of nodes and blocks: what `.graph` shows.

Lowering follows the text: every expression becomes a node with typed results, `if` and loops become nodes with blocks that give
what changes in them. The graph is for reading; programs run from their text.
"""

from __future__ import annotations

import ast

from . import _types
from ._ir import Block, Graph, Node, Value
from ._language import parse_function

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "remainder", ast.Pow: "pow",
           ast.MatMult: "matmul", ast.BitAnd: "__and__", ast.BitOr: "__or__", ast.BitXor: "__xor__", ast.LShift: "__lshift__",
           ast.RShift: "__rshift__"}
_COMPARED = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Is: "__is__", ast.IsNot: "__isnot__",
             ast.In: "__contains__", ast.NotIn: "__contains__"}
_PAIRS = ("max", "min", "sort", "topk", "median", "mode", "kthvalue", "cummax", "cummin")
_TYPES_OF = {"size": "int[]", "shape": "int[]", "dim": "int", "numel": "int", "item": "Scalar", "tolist": "int[]", "len": "int", "int": "int",
             "float": "float", "bool": "bool", "str": "str", "is_floating_point": "bool", "dtype": "int", "device": "Device", "ndim": "int",
             "chunk": "Tensor[]", "split": "Tensor[]", "unbind": "Tensor[]", "format": "str", "isinstance": "bool", "range": "int[]"}


class _Lowering(ast.NodeVisitor):
    """Lowers one function."""

    def __init__(self, name, text, owner, kinds):
        self.tree = parse_function(name, text).body[0]
        self.graph = self.block = Graph()
        self.count, self.names, self.used = 0, {}, set()
        self.kinds = kinds  # of attributes of self: name -> type
        arguments = [*self.tree.args.args, *self.tree.args.kwonlyargs]
        for i, a in enumerate(arguments):
            kind = owner if i == 0 and owner is not None else _types.short(_types.parsed(ast.unparse(a.annotation))) if a.annotation else "Tensor"
            value = self.fresh(kind, a.arg if i == 0 and owner else a.arg + ".1")
            self.graph._inputs.append(value)
            self.names[a.arg] = value
        self.result = None

    def run(self):
        """The graph."""
        self.body(self.tree.body)
        self.graph._outputs = [self.result or self.constant(None)]
        return self.graph

    # ---- values
    def fresh(self, kind, hint=None):
        """A value with a name that is not used yet."""
        if hint is None:
            self.count += 1
            hint = str(self.count)
        base, i = hint.partition(".")[0], 1
        while hint in self.used:
            i += 1
            hint = f"{base}.{i}"
        self.used.add(hint)
        return Value(hint, kind)

    def emit(self, kind, inputs=(), results=("Tensor",), hint=None, **attributes):
        """A node at the end of the block; its only result, or all."""
        node = Node(kind, inputs, self.block, attributes)
        node._outputs = [self.fresh(r, hint) for r in results]
        for v in node._outputs:
            v._node = node
        self.block._nodes.append(node)
        return node._outputs[0] if len(node._outputs) == 1 else tuple(node._outputs)

    def constant(self, value):
        """A constant."""
        kind = "NoneType" if value is None else {bool: "bool", int: "int", float: "float", str: "str"}.get(type(value), "Scalar")
        return self.emit("prim::Constant", (), (kind,), **({} if value is None else {"value": value}))

    def value(self, node):
        """The value of an expression."""
        made = self.visit(node)
        if isinstance(made, tuple):
            made = self.emit("prim::TupleConstruct", made, (f"({', '.join(v._kind for v in made)})",))
        return made

    # ---- expressions
    def generic_visit(self, node):
        if not isinstance(node, ast.expr):
            return super().generic_visit(node)
        return self.emit(f"prim::{type(node).__name__}", [self.value(c) for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)])

    def visit_Constant(self, node):
        return self.constant(node.value)

    def visit_Name(self, node):
        return self.names[node.id] if node.id in self.names else self.emit("prim::Constant", (), ("Function",), name=node.id)

    def visit_Attribute(self, node):
        path = ast.unparse(node)
        if path.startswith(("torch.", "math.", "constants.", "classes.", "functions.")):
            return self.emit("prim::Constant", (), ("Tensor" if path.startswith("constants.") else "int" if path.startswith("torch.") else "float",), name=path)
        owner = self.value(node.value)
        if node.attr in _TYPES_OF:
            return self.emit(f"{'aten::size' if node.attr == 'shape' else 'prim::' + node.attr}", [owner], (_TYPES_OF[node.attr],))
        kind = self.kinds.get(node.attr, "Tensor") if isinstance(node.value, ast.Name) and node.value.id == "self" else "Tensor"
        return self.emit("prim::GetAttr", [owner], (kind,), hint=node.attr if node.attr.isidentifier() else None, name=node.attr)

    def _result(self, operands):
        kinds = [v._kind for v in operands]
        for kind in ("Tensor", "float", "str"):
            if kind in kinds:
                return kind
        return kinds[0] if kinds else "Tensor"

    def visit_BinOp(self, node):
        operands = [self.value(node.left), self.value(node.right)]
        result = self._result(operands)
        if isinstance(node.op, ast.Div) and result == "int":
            result = "float"
        if isinstance(node.op, (ast.Add, ast.Sub)) and operands[0]._kind == "Tensor":
            operands.append(self.constant(1))
        return self.emit(f"aten::{_BINARY[type(node.op)]}", operands, (result,))

    def visit_UnaryOp(self, node):
        operand = self.value(node.operand)
        names = {ast.USub: "neg", ast.Not: "__not__", ast.Invert: "bitwise_not", ast.UAdd: "positive"}
        return self.emit(f"aten::{names[type(node.op)]}", [operand], ("bool" if isinstance(node.op, ast.Not) else operand._kind,))

    def visit_Compare(self, node):
        left, found = self.value(node.left), None
        for op, right in zip(node.ops, node.comparators):
            right = self.value(right)
            kind = "Tensor" if "Tensor" in (left._kind, right._kind) and not isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) else "bool"
            operands = [right, left] if isinstance(op, (ast.In, ast.NotIn)) else [left, right]
            test = self.emit(f"aten::{_COMPARED[type(op)]}", operands, (kind,))
            if isinstance(op, ast.NotIn):
                test = self.emit("aten::__not__", [test], ("bool",))
            found = test if found is None else self.emit("aten::__and__", [found, test], ("bool",))
            left = right
        return found

    def visit_BoolOp(self, node):
        values = [self.value(v) for v in node.values]
        name = "aten::__and__" if isinstance(node.op, ast.And) else "aten::__or__"
        out = values[0]
        for v in values[1:]:
            out = self.emit(name, [out, v], ("bool",))
        return out

    def visit_IfExp(self, node):
        return self._branches(self.value(node.test), lambda: [self.value(node.body)], lambda: [self.value(node.orelse)])[0]

    def visit_Tuple(self, node):
        return tuple(self.value(e) for e in node.elts)

    def visit_List(self, node):
        items = [self.value(e) for e in node.elts]
        return self.emit("prim::ListConstruct", items, ((items[0]._kind if items else "Tensor") + "[]",))

    def visit_Dict(self, node):
        pairs = [(self.value(k), self.value(v)) for k, v in zip(node.keys, node.values)]
        kind = f"Dict({pairs[0][0]._kind}, {pairs[0][1]._kind})" if pairs else "Dict(str, Tensor)"
        return self.emit("prim::DictConstruct", [v for pair in pairs for v in pair], (kind,))

    def visit_JoinedStr(self, node):
        return self.emit("aten::format", [self.value(v.value if isinstance(v, ast.FormattedValue) else v) for v in node.values], ("str",))

    def visit_ListComp(self, node):
        kept = dict(self.names)
        sources = [self.value(g.iter) for g in node.generators]
        for g, s in zip(node.generators, sources):
            self._bind(g.target, self._element(s))
        element = self.value(node.elt)
        self.names = kept
        return self.emit("prim::ListComprehension", [*sources, element], (element._kind + "[]",))

    visit_GeneratorExp = visit_ListComp

    def visit_Subscript(self, node):
        owner = self.value(node.value)
        if owner._kind != "Tensor":
            kind = owner._kind.removesuffix("[]") if owner._kind.endswith("[]") else "Tensor"
            if isinstance(node.slice, ast.Slice):
                return self.emit("aten::slice", [owner, *(self._bound(b) for b in (node.slice.lower, node.slice.upper, node.slice.step))], (owner._kind,))
            return self.emit("aten::__getitem__", [owner, self.value(node.slice)], (kind,))
        dim = 0
        for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
            if isinstance(part, ast.Slice):
                bounds = [self._bound(b) for b in (part.lower, part.upper, part.step)]
                owner, dim = self.emit("aten::slice", [owner, self.constant(dim), *bounds]), dim + 1
            elif isinstance(part, ast.Constant) and part.value is None:
                owner, dim = self.emit("aten::unsqueeze", [owner, self.constant(dim)]), dim + 1
            elif isinstance(part, ast.Constant) and part.value is Ellipsis:
                dim = -1
            else:
                place = self.value(part)
                owner = self.emit("aten::index" if place._kind == "Tensor" else "aten::select", [owner, self.constant(dim), place])
        return owner

    def _bound(self, node):
        return self.constant(None) if node is None else self.value(node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            if not isinstance(node.args[1], ast.Constant):  # in the library's own modules only
                return self.emit("prim::Constant", (), ("Function",), name=ast.unparse(node.args[1]))
            return self.visit_Attribute(ast.Attribute(node.args[0], node.args[1].value, ast.Load()))
        inputs = [self.value(a.value if isinstance(a, ast.Starred) else a) for a in node.args] + [self.value(k.value) for k in node.keywords]
        called = node.func
        if isinstance(called, ast.Name):
            if called.id in self.names:
                return self.emit("prim::CallMethod", [self.names[called.id], *inputs], name="forward")
            return self.emit("prim::Print" if called.id == "print" else f"aten::{ {'int': 'Int', 'float': 'Float', 'bool': 'Bool'}.get(called.id, called.id)}",
                             inputs, (_TYPES_OF.get(called.id, "Tensor"),) if called.id != "print" else ())
        path = ast.unparse(called)
        if path.startswith("functions."):
            return self.emit("prim::CallFunction", [self.emit("prim::Constant", (), ("Function",), name=path[10:]), *inputs])
        if path.startswith("classes."):
            return self.emit("prim::CreateObject", inputs, (path[8:],))
        if path.startswith(("torch.", "math.", "F.", "facula.")):
            return self._operation(path.rpartition(".")[2], inputs)
        if not isinstance(called, ast.Attribute):
            return self.emit("prim::CallMethod", [self.value(called), *inputs], name="forward")
        if isinstance(called.value, ast.Name) and called.value.id == "self":
            if called.attr in self.kinds:
                return self.emit("prim::CallMethod", [self.visit_Attribute(called), *inputs], name="forward")
            return self.emit("prim::CallMethod", [self.names["self"], *inputs], name=called.attr)
        owner = self.value(called.value)
        if owner._kind.startswith("__torch__") or owner._kind == "self":
            return self.emit("prim::CallMethod", [self.visit_Attribute(called), *inputs], name="forward")
        return self._operation(called.attr, [owner, *inputs])

    def _operation(self, name, inputs):
        if name in ("add", "sub", "add_", "sub_") and len(inputs) == 2:
            inputs = [*inputs, self.constant(1)]
        if name in _PAIRS and len(inputs) > 1 and inputs[1]._kind in ("int", "bool"):
            return self.emit(f"aten::{name}", inputs, ("Tensor", "Tensor"))
        kind = "int" if name == "size" and len(inputs) > 1 else _TYPES_OF.get(name, inputs[0]._kind if name in ("append", "extend") else "Tensor")
        return self.emit(f"aten::{name}", inputs, (kind,))

    # ---- statements
    def body(self, statements):
        """Lowers statements; gives whether a return ended them."""
        for i, s in enumerate(statements):
            if isinstance(s, ast.Return):
                self.result = self.value(s.value) if s.value is not None else self.constant(None)
                return True
            if isinstance(s, ast.If) and any(isinstance(n, ast.Return) for n in ast.walk(s)):
                self._returning_if(s, statements[i + 1:])
                return True
            self.visit(s)
        return False

    def _returning_if(self, node, rest):
        """`if` with a return inside: what follows belongs to the branches that go on."""
        def branch(statements):
            def run():
                self.result = None
                self.body([*statements, *rest])
                return [self.result or self.constant(None)]

            return run

        self.result = self._branches(self.value(node.test), branch(node.body), branch(node.orelse))[0]

    def _branches(self, test, *bodies):
        node = Node("prim::If", [test], self.block)
        outer = self.block
        kept = dict(self.names)
        for run in bodies:
            self.block, self.names = Block(), dict(kept)
            self.block._outputs = list(run())
            node._blocks.append(self.block)
        self.block, self.names = outer, kept
        node._outputs = [self.fresh(v._kind) for v in node._blocks[0]._outputs]
        outer._nodes.append(node)
        return node._outputs

    def _written(self, *parts):
        return [n for n in dict.fromkeys(t.id for statements in parts for s in statements for t in ast.walk(s)
                                         if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store))]

    def visit_If(self, node):
        changed = [n for n in self._written(node.body, node.orelse) if n in self.names or n in self._written(node.body) and n in self._written(node.orelse)]

        def branch(statements):
            def run():
                self.body(statements)
                return [self.names.get(n) or self.constant(None) for n in changed]

            return run

        outputs = self._branches(self.value(node.test), branch(node.body), branch(node.orelse))
        for name, value in zip(changed, outputs):
            self._rename(value, name)
            self.names[name] = value

    def _rename(self, value, name):
        self.used.discard(value._name)
        value._name = self.fresh(value._kind, name)._name

    def _loop(self, count, test, statements, target=None, source=None):
        carried = [n for n in self._written(statements) if n in self.names]
        node = Node("prim::Loop", [count, test, *(self.names[n] for n in carried)], self.block)
        outer, kept = self.block, dict(self.names)
        self.block = Block()
        step = self.fresh("int", target.id if isinstance(target, ast.Name) and source is None else None)
        self.block._inputs = [step, *(self.fresh(self.names[n]._kind, n) for n in carried)]
        self.names.update(zip(carried, self.block._inputs[1:]))
        if target is not None:
            self._bind(target, step if source is None else self.emit("aten::__getitem__", [source, step], (self._element(source)._kind,)))
        self.body([s for s in statements if not isinstance(s, (ast.Break, ast.Continue))])
        self.block._outputs = [self.constant(True) if isinstance(test, Value) and node._inputs[1] is test and count._kind == "int" and not self.again
                               else self.value(self.again), *(self.names[n] for n in carried)]
        node._blocks.append(self.block)
        self.block, self.names = outer, kept
        node._outputs = [self.fresh(self.names[n]._kind, n) for n in carried]
        outer._nodes.append(node)
        self.names.update(zip(carried, node._outputs))

    again = None

    def visit_For(self, node):
        call = node.iter
        self.again = None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range" and len(call.args) == 1:
            self._loop(self.value(call.args[0]), self.constant(True), node.body, node.target)
            return
        source = self.value(call)
        self._loop(self.emit("aten::len", [source], ("int",)), self.constant(True), node.body, node.target, source)

    def visit_While(self, node):
        test = self.value(node.test)
        limit = self.constant(2 ** 63 - 1)
        self.again = node.test
        self._loop(limit, test, node.body)
        self.again = None

    def _element(self, source):
        kind = source._kind
        return Value("_", kind.removesuffix("[]") if kind.endswith("[]") else "Tensor")

    def _bind(self, target, value):
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = value
            if not isinstance(value, tuple):
                kinds = value._kind.strip("()").split(", ") if value._kind.startswith("(") else []
                kinds = kinds if len(kinds) == len(target.elts) else ["Tensor"] * len(target.elts)
                unpack = "prim::TupleUnpack" if value._kind.startswith("(") else "prim::ListUnpack"
                values = self.emit(unpack, [value], kinds)
                values = values if isinstance(values, tuple) else (values,)
            for t, v in zip(target.elts, values):
                self._bind(t, v)
        elif isinstance(target, ast.Attribute):
            self.emit("prim::SetAttr", [self.value(target.value), value], (), name=target.attr)
        elif isinstance(target, ast.Subscript):
            self.emit("aten::_set_item", [self.value(target.value), self.value(target.slice) if not isinstance(target.slice, (ast.Slice, ast.Tuple))
                                          else self.emit("prim::Slices", ()), value], ())

    def visit_Assign(self, node):
        value = self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name) and isinstance(value, tuple):
                value = self.emit("prim::TupleConstruct", value, (f"({', '.join(v._kind for v in value)})",))
            if isinstance(target, ast.Name) and value._node is not None and value._name.isdigit():
                self._rename(value, target.id + ".1")
            self._bind(target, value)

    def visit_AugAssign(self, node):
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node) if isinstance(node.target, ast.Name) else node.target
        value = self.visit_BinOp(ast.BinOp(read, node.op, node.value))
        if value._kind == "Tensor" and value._node._kind in ("aten::add", "aten::sub", "aten::mul", "aten::div"):
            value._node._kind += "_"
        self._bind(node.target, value)

    def visit_Expr(self, node):
        self.visit(node.value)

    def visit_Raise(self, node):
        self.emit("prim::RaiseException", [self.value(a) for a in node.exc.args] if isinstance(node.exc, ast.Call) else [], ())

    def visit_Assert(self, node):
        self._branches(self.value(node.test), lambda: [], lambda: self.visit_Raise(ast.Raise(ast.Call(ast.Name("AssertionError"), [node.msg] if node.msg else [],
                                                                                                      []))) or [])

    def visit_With(self, node):
        scopes = [self.value(i.context_expr) for i in node.items]
        self.emit("prim::Enter", scopes, ())
        self.body(node.body)
        self.emit("prim::Exit", scopes, ())

    def visit_Delete(self, node):
        pass

    visit_Pass = visit_Break = visit_Continue = visit_Delete


def long(kind):
    """A type's text as in the source: "List[int]" of "int[]"; None where it has none."""
    if kind.endswith("[]"):
        inside = long(kind[:-2])
        return inside and f"List[{inside}]"
    if kind.endswith("?"):
        inside = long(kind[:-1])
        return inside and f"Optional[{inside}]"
    if kind.startswith("(") and "(" not in kind[1:]:
        parts = [long(k) for k in kind.strip("()").split(", ")]
        return None if None in parts else f"Tuple[{', '.join(parts)}]"
    return kind if kind in ("Tensor", "int", "float", "bool", "str") else "None" if kind == "NoneType" else None


def graph_of(name, text, owner=None, kinds=None):
    """The graph of a function's text.

    Args:
        owner: The type of `self`; None for a function.
        kinds: Types of the attributes of `self`.
    """
    return _Lowering(name, text, owner, kinds or {}).run()
