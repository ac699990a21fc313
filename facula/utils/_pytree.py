"""Nested containers as trees: flattening, rebuilding, mapping over the leaves."""

from __future__ import annotations

import json

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

_Kind = namedtuple("_Kind", ["flatten", "unflatten", "keys"])
NodeDef = _Kind


@dataclass(frozen=True)
class SequenceKey:
    """A step into a list or tuple."""

    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"

    def get(self, sequence):
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """A step into a dict."""

    key: object

    def __str__(self):
        return f"[{self.key!r}]"

    def get(self, mapping):
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """A step to an attribute."""

    name: str

    def __str__(self):
        return f".{self.name}"

    def get(self, obj):
        return getattr(obj, self.name)


def _by_position(children, context):
    return [SequenceKey(i) for i in range(len(children))]


def _by_key(children, context):
    return [MappingKey(k) for k in context]


SUPPORTED_NODES = {
    list: _Kind(lambda x: (list(x), None), lambda c, _: list(c), _by_position),
    tuple: _Kind(lambda x: (list(x), None), lambda c, _: tuple(c), _by_position),
    dict: _Kind(lambda x: (list(x.values()), list(x)), lambda c, keys: dict(zip(keys, c)), _by_key),
    OrderedDict: _Kind(lambda x: (list(x.values()), list(x)), lambda c, keys: OrderedDict(zip(keys, c)), _by_key),
    defaultdict: _Kind(lambda x: (list(x.values()), [x.default_factory, list(x)]), lambda c, k: defaultdict(k[0], zip(k[1], c)),
                       lambda c, k: _by_key(c, k[1])),
    deque: _Kind(lambda x: (list(x), x.maxlen), lambda c, n: deque(c, maxlen=n), _by_position),
}
_NAMED = _Kind(lambda x: (list(x), type(x)), lambda c, kind: kind(*c), lambda c, kind: [GetAttrKey(n) for n in kind._fields])
_RETURNED = _Kind(lambda x: (list(x), type(x)), lambda c, kind: kind(tuple(c)), _by_position)


def register_pytree_node(cls, flatten_fn, unflatten_fn, *, serialized_type_name=None, to_dumpable_context=None,
                         from_dumpable_context=None, flatten_with_keys_fn=None):
    """Lets instances of a class be trees.

    Args:
        cls: The class.
        flatten_fn: From an instance to (children, context).
        unflatten_fn: From (children, context) back.
        flatten_with_keys_fn: From an instance to ([(key, child)], context), for paths.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node. Overwriting the previous registration is not allowed.")
    SUPPORTED_NODES[cls] = _Kind(flatten_fn, unflatten_fn, flatten_with_keys_fn)


def _register_pytree_node(cls, flatten_fn, unflatten_fn, **kwargs):
    register_pytree_node(cls, flatten_fn, unflatten_fn, **kwargs)


def _deregister_pytree_node(cls):
    SUPPORTED_NODES.pop(cls, None)


def register_dataclass(cls, *, field_names=None, drop_field_names=None, serialized_type_name=None):
    """Lets instances of a dataclass be trees of their fields."""
    names = [n for n in field_names or cls.__dataclass_fields__ if n not in (drop_field_names or ())]
    register_pytree_node(cls, lambda x: ([getattr(x, n) for n in names], None), lambda c, _: cls(**dict(zip(names, c))),
                         flatten_with_keys_fn=lambda x: ([(GetAttrKey(n), getattr(x, n)) for n in names], None))


def register_constant(cls):
    """Lets instances of a class be trees without leaves."""
    register_pytree_node(cls, lambda x: ([], x), lambda c, x: x, flatten_with_keys_fn=lambda x: ([], x))


def is_namedtuple_instance(obj):
    return is_namedtuple_class(type(obj))


def is_namedtuple_class(cls):
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple) and callable(getattr(cls, "_make", None))


is_namedtuple = is_namedtuple_instance


def _kind_of(tree):
    """(the class that says how it flattens, its rules), None for leaves."""
    cls = type(tree)
    if cls in SUPPORTED_NODES:
        return cls, SUPPORTED_NODES[cls]
    if is_namedtuple_class(cls):
        return namedtuple, _NAMED
    if isinstance(tree, tuple) and cls.__module__.endswith("return_types"):
        return cls, _RETURNED
    return None


@dataclass(frozen=True, eq=True)
class TreeSpec:
    """The shape of a tree: what remains when its leaves are taken out."""

    type: object
    context: object = None
    children_specs: tuple = ()

    @property
    def num_nodes(self):
        return 1 + sum(c.num_nodes for c in self.children_specs)

    @property
    def num_leaves(self):
        return 1 if self.type is None else sum(c.num_leaves for c in self.children_specs)

    @property
    def num_children(self):
        return len(self.children_specs)

    def children(self):
        return list(self.children_specs)

    def child(self, index):
        return self.children_specs[index]

    def is_leaf(self):
        return self.type is None

    def unflatten(self, leaves):
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree):
        """The subtrees of a tree that stand where this shape has leaves."""
        if self.type is None:
            return [tree]
        children, context = _children(tree)
        if len(children) != len(self.children_specs):
            raise ValueError(f"Node arity mismatch; expected {len(self.children_specs)}, but got {len(children)}.")
        return [leaf for spec, child in zip(self.children_specs, children) for leaf in spec.flatten_up_to(child)]

    def __repr__(self, indent=0):
        if self.type is None:
            return "*"
        inner = (",\n" + " " * (indent + 2)).join(c.__repr__(indent + 2) for c in self.children_specs)
        return f"TreeSpec({getattr(self.type, '__name__', self.type)}, {self.context}, [{inner}])"

    def __hash__(self):
        return hash((self.type, repr(self.context), self.children_specs))


PyTreeSpec = TreeSpec


def LeafSpec():  # noqa: N802
    return TreeSpec(None)


treespec_leaf = LeafSpec


def _children(tree):
    _, kind = _kind_of(tree)
    return kind.flatten(tree)


def tree_is_leaf(tree, is_leaf=None):
    """Whether nothing is inside."""
    return bool(is_leaf is not None and is_leaf(tree)) or _kind_of(tree) is None


_is_leaf = tree_is_leaf


def tree_flatten(tree, is_leaf=None):
    """(leaves, shape) of a tree."""
    leaves = []
    spec = _flatten_into(leaves, tree, is_leaf)
    return leaves, spec


# Functions of the module, not closures: one that calls itself would be a cycle, and keep the leaves until the next collection.
def _flatten_into(leaves, node, is_leaf):
    if tree_is_leaf(node, is_leaf):
        leaves.append(node)
        return TreeSpec(None)
    cls, kind = _kind_of(node)
    children, context = kind.flatten(node)
    return TreeSpec(cls, context, tuple(_flatten_into(leaves, c, is_leaf) for c in children))


def _build(spec, values):
    if spec.type is None:
        return next(values)
    kind = _NAMED if spec.type is namedtuple else SUPPORTED_NODES.get(spec.type, _RETURNED)
    return kind.unflatten([_build(c, values) for c in spec.children_specs], spec.context)


def tree_unflatten(leaves, treespec):
    """The tree of a shape with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of PyTreeSpec but got item of type {type(treespec)}.")
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree that holds "
                         f"{treespec.num_leaves} items ({treespec}).")
    return _build(treespec, iter(leaves))


def tree_iter(tree, is_leaf=None):
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree, is_leaf=None):
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def arg_tree_leaves(*args, **kwargs):
    return tree_leaves(args) + tree_leaves(kwargs)


def tree_structure(tree, is_leaf=None):
    """The shape without the leaves."""
    return tree_flatten(tree, is_leaf)[1]


class _Star:
    def __repr__(self):
        return "*"


def treespec_pprint(treespec):
    """A shape as the tree that it is, stars for leaves: `(*, [*])`."""
    return repr(tree_unflatten([_Star()] * treespec.num_leaves, treespec))


def tree_map(func, tree, *rests, is_leaf=None):
    """The tree with a function applied to each leaf (of several trees of the same shape: to the leaves together)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return tree_unflatten([func(*together) for together in zip(leaves, *(spec.flatten_up_to(r) for r in rests))], spec)


def tree_map_(func, tree, *rests, is_leaf=None):
    """Calls a function for each leaf; gives the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(type_or_types_or_pred, /):
    """Decorates a function of leaves: other kinds of leaves stay as they are."""
    fits = _test_of(type_or_types_or_pred)

    def decorate(func):
        return lambda leaf: func(leaf) if fits(leaf) else leaf

    return decorate


def _test_of(kinds):
    if isinstance(kinds, (type, tuple)) or not callable(kinds):
        return lambda leaf: isinstance(leaf, kinds)
    return kinds


def tree_map_only(type_or_types_or_pred, /, func, tree, is_leaf=None):
    """`tree_map` on leaves of some types only."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred, /, func, tree, is_leaf=None):
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None):
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(type_or_types, /, pred, tree, is_leaf=None):
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types, /, pred, tree, is_leaf=None):
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))


def tree_flatten_with_path(tree, is_leaf=None):
    """([(path, leaf)], shape)."""
    found = []

    def visit(node, path):
        if tree_is_leaf(node, is_leaf):
            found.append((path, node))
            return
        _, kind = _kind_of(node)
        children, context = kind.flatten(node)
        if node.__class__ not in (list, tuple, dict, OrderedDict, defaultdict, deque) and kind not in (_NAMED, _RETURNED):
            if kind.keys is None:
                raise ValueError(f"Did not find a flatten_with_keys_fn for type: {type(node)}. Please pass a flatten_with_keys_fn argument to register_pytree_node.")
            pairs = kind.keys(node)[0]
            for key, child in pairs:
                visit(child, (*path, key))
            return
        for key, child in zip(kind.keys(children, context), children):
            visit(child, (*path, key))

    visit(tree, ())
    return found, tree_structure(tree, is_leaf)


def tree_leaves_with_path(tree, is_leaf=None):
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    """`tree_map` of a function that also gets the leaf's path."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    rest = [spec.flatten_up_to(r) for r in rests]
    return tree_unflatten([func(path, leaf, *more) for (path, leaf), *more in zip(pairs, *rest)], spec)


def keystr(kp):
    """A path as text: `['layer'][0].weight`."""
    return "".join(str(k) for k in kp)


def key_get(obj, kp):
    """What stands at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


def _broadcast_to_and_flatten(tree, treespec, is_leaf=None):
    """Leaves of a tree that is a prefix of a shape, each as often as it stands for; None if it is no prefix."""
    if treespec.type is None or tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves if tree_is_leaf(tree, is_leaf) else None
    cls, kind = _kind_of(tree)
    children, context = kind.flatten(tree)
    if cls is not treespec.type or context != treespec.context or len(children) != len(treespec.children_specs):
        return None
    found = []
    for child, spec in zip(children, treespec.children_specs):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        found += part
    return found


# ---------------------------------------------------------------- names that libraries import

PyTree = Context = object


def _get_node_type(tree):
    """The class by which a tree flattens; its own for leaves."""
    kind = _kind_of(tree)
    return type(tree) if kind is None else kind[0]


def _is_leaf(tree, is_leaf=None):
    return tree_is_leaf(tree, is_leaf)


def treespec_dumps(treespec, protocol=None):
    """A tree's shape as JSON: classes by name, contexts as they are."""
    def plain(spec):
        if not isinstance(spec.type, type) and spec.type is not namedtuple:
            return None
        kind = f"{spec.type.__module__}.{spec.type.__qualname__}"
        return {"type": kind, "context": list(spec.context) if isinstance(spec.context, (list, tuple)) else spec.context,
                "children_spec": [plain(child) for child in spec.children_specs]}

    return json.dumps([1, plain(treespec)])


def _list_flatten(d):
    return list(d), None


def _list_unflatten(values, context):
    return list(values)


def _tuple_flatten(d):
    return list(d), None


def _tuple_unflatten(values, context):
    return tuple(values)


def _dict_flatten(d):
    return list(d.values()), list(d)


def _dict_unflatten(values, context):
    return dict(zip(context, values))


def _dict_flatten_with_keys(d):
    values, keys = _dict_flatten(d)
    return [(MappingKey(k), v) for k, v in zip(keys, values)], keys
