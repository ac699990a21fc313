"""Nodes, values and blocks of a graph."""

from __future__ import annotations


class Value:
    """A result or an input of a node."""

    def __init__(self, name, kind, node=None):
        self._name, self._kind, self._node, self._uses = name, kind, node, []

    def debugName(self):  # noqa: N802
        """The name in the graph's text."""
        return self._name

    def type(self):
        """The type's text."""
        return self._kind

    def node(self):
        """The node it comes from."""
        return self._node

    def uses(self):
        """The nodes that read it."""
        return list(self._uses)

    def __repr__(self):
        return f"{self._name} defined in (%{self._name} : {self._kind} = {self._node.kind() if self._node else 'prim::Param'})"


class Node:
    """One operation, with blocks if it is an `if` or a loop."""

    def __init__(self, kind, inputs, owner, attributes=None):
        self._kind, self._inputs, self._owner, self._attributes = kind, list(inputs), owner, attributes or {}
        self._outputs, self._blocks = [], []
        for v in self._inputs:
            v._uses.append(self)

    def kind(self):
        """"aten::add", "prim::If" and so on."""
        return self._kind

    def inputs(self):
        """Values that are read."""
        return iter(self._inputs)

    def outputs(self):
        """Values that are given."""
        return iter(self._outputs)

    def inputsSize(self):  # noqa: N802
        """How many values are read."""
        return len(self._inputs)

    def outputsSize(self):  # noqa: N802
        """How many values are given."""
        return len(self._outputs)

    def output(self):
        """The only result."""
        if len(self._outputs) != 1:
            raise RuntimeError(f"output() of a node with {len(self._outputs)} outputs")
        return self._outputs[0]

    def blocks(self):
        """The blocks of an `if` or a loop."""
        return iter(self._blocks)

    def attributeNames(self):  # noqa: N802
        """Names of attributes: name, value."""
        return list(self._attributes)

    def hasAttribute(self, name):  # noqa: N802
        """Whether there is an attribute."""
        return name in self._attributes

    def s(self, name):
        """An attribute."""
        return self._attributes[name]

    i = f = t = s

    def scopeName(self):  # noqa: N802
        """Empty: the text has no scopes."""
        return ""

    def owningBlock(self):  # noqa: N802
        """The block it stands in."""
        return self._owner

    def lines(self, indent):
        """The text, one line and then those of the blocks."""
        left = ", ".join(f"%{v._name} : {v._kind}" for v in self._outputs)
        shown = ", ".join(f"{k}={_quoted(v)}" for k, v in self._attributes.items())
        yield f"{indent}{left} = {self._kind}{f'[{shown}]' if shown else ''}({', '.join('%' + v._name for v in self._inputs)})"
        for i, b in enumerate(self._blocks):
            yield f"{indent}  block{i}({', '.join(f'%{v._name} : {v._kind}' for v in b._inputs)}):"
            for n in b._nodes:
                yield from n.lines(indent + "    ")
            yield f"{indent}    -> ({', '.join('%' + v._name for v in b._outputs)})"

    def __str__(self):
        return "\n".join(self.lines("")) + "\n"

    __repr__ = __str__


def _quoted(v):
    return f'"{v}"' if isinstance(v, str) else str(int(v)) if isinstance(v, bool) else repr(v)


class Block:
    """Nodes in order."""

    def __init__(self):
        self._nodes, self._inputs, self._outputs = [], [], []

    def nodes(self):
        """Nodes in order."""
        return iter(self._nodes)

    def inputs(self):
        """What the block is given: a loop's count and carried values."""
        return iter(self._inputs)

    def outputs(self):
        """What the block gives."""
        return iter(self._outputs)

    def findAllNodes(self, kind, recurse=True):  # noqa: N802
        """The nodes of a kind, those of inner blocks included."""
        found = []
        for n in self._nodes:
            found += [n] if n._kind == kind else []
            for b in n._blocks if recurse else ():
                found += b.findAllNodes(kind)
        return found

    def findNode(self, kind, recurse=True):  # noqa: N802
        """The first node of a kind, or None."""
        found = self.findAllNodes(kind, recurse)
        return found[0] if found else None


class Graph(Block):
    """A function's graph."""

    def __str__(self):
        lead = ",\n      ".join(f"%{v._name} : {v._kind}" for v in self._inputs)
        lines = [f"graph({lead}):"]
        for n in self._nodes:
            lines += n.lines("  ")
        return "\n".join([*lines, f"  return ({', '.join('%' + v._name for v in self._outputs)})"]) + "\n"

    __repr__ = __str__

    def param_node(self):
        """A node whose results are the inputs."""
        made = Node("prim::Param", [], self)
        made._outputs = list(self._inputs)
        return made

    def return_node(self):
        """A node that reads the outputs."""
        made = Node("prim::Return", [], self)
        made._inputs = list(self._outputs)
        return made
