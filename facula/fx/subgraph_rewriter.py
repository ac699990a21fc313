"""Replaces parts of a graph that look like a pattern."""

from __future__ import annotations

import copy
from typing import NamedTuple

from ..nn import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .node import Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """A place where the pattern was found: its last node, and the graph's nodes by the pattern's."""

    anchor: Node
    nodes_map: dict


def _graph_of(thing):
    if isinstance(thing, GraphModule):
        return thing.graph
    return thing if isinstance(thing, Graph) else symbolic_trace(thing).graph


def _same(pattern, node, found):
    """Whether the graph ending in `node` looks like the pattern ending in `pattern`; notes pairs in `found`."""
    if not isinstance(pattern, Node) or not isinstance(node, Node):
        if isinstance(pattern, (tuple, list)) and type(pattern) is type(node) and len(pattern) == len(node):
            return all(_same(p, n, found) for p, n in zip(pattern, node))
        return not isinstance(node, Node) and pattern == node and type(pattern) is type(node)
    if pattern in found:
        return found[pattern] is node
    if pattern.op == "placeholder":
        found[pattern] = node
        return True
    if (pattern.op, pattern.target, len(pattern.args), pattern.kwargs.keys()) != (node.op, node.target, len(node.args), node.kwargs.keys()):
        return False
    found[pattern] = node
    return all(_same(p, n, found) for p, n in zip((*pattern.args, *pattern.kwargs.values()), (*node.args, *(node.kwargs[k] for k in pattern.kwargs))))


def _closed(found, outputs):
    """Whether nothing outside uses what the pattern computes inside."""
    inside = {n for p, n in found.items() if p.op not in ("placeholder", "get_attr")}
    return all(u in inside for p, n in found.items() if p.op not in ("placeholder", "get_attr") and p not in outputs for u in n.users)


def replace_pattern(gm, pattern, replacement):
    """Replaces every part of gm's graph that does what `pattern` does by what `replacement` does.

    Args:
        gm: A GraphModule; it is changed.
        pattern, replacement: Functions or modules of the same inputs.

    Returns:
        A list of Match.
    """
    wanted, other = _graph_of(pattern), _graph_of(replacement)
    result = wanted.output_node().args[0]
    outputs = [result] if isinstance(result, Node) else list(result)
    inputs = [n for n in wanted.nodes if n.op == "placeholder"]
    matches, used = [], set()
    for node in reversed(gm.graph.nodes):
        found: dict[Node, Node] = {}
        if node.op in ("output", "placeholder") or not _same(outputs[-1], node, found) or not all(p in found for p in outputs):
            continue
        inner = {n for p, n in found.items() if p.op != "placeholder"}
        if inner & used or not _closed(found, outputs):
            continue
        used |= inner
        matches.append(Match(node, found))
    matches.reverse()
    for match in matches:
        _put(gm, match, wanted, other, inputs, outputs)
    gm.recompile()
    if isinstance(replacement, Module):
        for name, child in replacement.named_children():
            if not hasattr(gm, name):
                gm.add_submodule(name, copy.deepcopy(child))
    return matches


def _put(gm, match, wanted, other, inputs, outputs):
    values = {theirs: match.nodes_map.get(mine) for mine, theirs in zip(inputs, [n for n in other.nodes if n.op == "placeholder"])}
    with gm.graph.inserting_after(match.anchor):
        made = gm.graph.graph_copy(other, values)
    made = [made] if isinstance(made, Node) else list(made)
    copied = {n for theirs, n in values.items() if theirs.op != "placeholder"}
    for old, new in zip(outputs, made):
        match.nodes_map[old].replace_all_uses_with(new, lambda user: user not in copied)
    for mine in reversed(wanted.nodes):
        node = match.nodes_map.get(mine)
        if mine.op not in ("placeholder", "output") and node is not None and not node.users:
            gm.graph.erase_node(node)


