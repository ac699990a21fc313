"""Derivatives as transforms of functions.

Reverse mode records in the graph of the current depth of vmaps (see `_levels.py`); forward mode opens a level.
"""

from __future__ import annotations

import functools

import facula

from .._levels import Level, current_vmap, dual, fresh, lift
from .._native import core
from ..autograd.forward_ad import unpacked
from ..utils import _pytree as pytree
from ._vmap import vmap

Tensor = core.Tensor


# ---------------------------------------------------------------- arguments

def _argnums(argnums, count):
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if isinstance(argnums, tuple):
        if not argnums or not all(isinstance(n, int) for n in argnums):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums}")
        if len(set(argnums)) != len(argnums):
            raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    for n in (argnums,) if isinstance(argnums, int) else argnums:
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")


def _pick(args, argnums):
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _put(args, argnums, value):
    args = list(args)
    for i, v in ((argnums, value),) if isinstance(argnums, int) else zip(argnums, value):
        args[i] = v
    return args


def _tensors(tree):
    """The leaves of a tree, which must all be tensors."""
    for leaf in pytree.tree_leaves(tree):
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
    return pytree.tree_leaves(tree)


def _only_tensors(tree, what):
    for leaf in pytree.tree_leaves(tree):
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}")


def _split_aux(out, has_aux, what):
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return out


# ---------------------------------------------------------------- reverse mode

class _Recording:
    """Inputs made fresh for one derivative, and what may be let go of when it is done."""

    def __init__(self, tree):
        self.vmap = current_vmap()
        _tensors(tree)
        self.inputs = pytree.tree_map(lambda x: fresh(x, self.vmap), tree)
        self.leaves = pytree.tree_leaves(self.inputs)

    def outside(self, outputs):
        """Whether something around this derivative (the user, another transform) follows the outputs too."""
        live = [o for o in outputs if isinstance(o, Tensor) and o.requires_grad]
        return bool(live) and (not all(x.is_leaf for x in self.leaves) or core.depends_on_others(live, self.leaves))

    def gradients(self, outputs, vectors, keep):
        live = [(o, v) for o, v in zip(outputs, vectors) if o.requires_grad]
        if not live:
            return [facula.zeros_like(x) for x in self.leaves]
        # Graphs below the wrappers of an outer vmap are recorded in grad mode only.
        found = facula.autograd.grad([o for o, _ in live], self.leaves, [v for _, v in live], create_graph=keep or self.vmap is not None,
                                     retain_graph=True, allow_unused=True)
        made = [facula.zeros_like(x) if g is None else g for g, x in zip(found, self.leaves)]
        return made if keep else [core.graphless(g) if g.requires_grad else g for g in made]


def _released(tree, keep):
    return tree if keep else pytree.tree_map_only(Tensor, lambda t: core.graphless(t) if t.requires_grad else t, tree)


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that gives (gradient, value) of a scalar function.

    Args:
        func: Gives a 0-dim tensor, or with `has_aux` a pair of one and anything.
        argnums: Which arguments (int or tuple of ints) to differentiate by; each may be a nested structure of tensors.
    """

    @functools.wraps(func) if hasattr(func, "__name__") else (lambda f: f)
    def call(*args, **kwargs):
        _argnums(argnums, len(args))
        with facula.enable_grad():
            own = _Recording(_pick(args, argnums))
            result = func(*_put(args, argnums, own.inputs), **kwargs)
            out, aux = _split_aux(result, has_aux, "grad_and_value(f)(*args)")
            if not isinstance(out, Tensor):
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}")
            if out.dim() != 0:
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {out.dim()} dims. Maybe you "
                                   "wanted to use the vjp or jacrev APIs instead?")
            keep = own.outside([out])
            found = pytree.tree_unflatten(own.gradients([out], [facula.ones_like(out)], keep), pytree.tree_structure(own.inputs))
        value = (_released(out, keep), _released(aux, keep)) if has_aux else _released(out, keep)
        return found, value

    return call


def grad(func, argnums=0, has_aux=False):
    """A function that gives the gradient of a scalar function (with `has_aux`: and what else it returned)."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func) if hasattr(func, "__name__") else (lambda f: f)
    def call(*args, **kwargs):
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return call


def vjp(func, *primals, has_aux=False):
    """(output, function from a cotangent to the tuple of gradients of the primals).

    With `has_aux`, `func` gives (output, anything), and so does the result: (output, function, anything).
    """
    out, aux, pull, keep, _ = _pullback(func, primals, has_aux)
    spec = pytree.tree_structure(out)
    shown = _released(out, keep)

    def back(*cotangents, retain_graph=True, create_graph=None):
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        if pytree.tree_structure(given) != spec:
            raise RuntimeError("Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents: "
                               f"{pytree.treespec_pprint(pytree.tree_structure(given))}, primal output: {pytree.treespec_pprint(spec)}")
        return pull(_tensors(given))

    return (shown, back, _released(aux, keep)) if has_aux else (shown, back)


def _pullback(func, primals, has_aux=False, what="vjp(f, *primals)"):
    """(output, auxiliary output, list of cotangents -> tuple of gradients, whether the graph goes on outside, the recording)."""
    with facula.enable_grad():
        own = _Recording(primals)
        out, aux = _split_aux(func(*own.inputs), has_aux, what)
    _only_tensors(out, "vjp(f, *primals)")
    outputs = pytree.tree_leaves(out)
    keep = own.outside(outputs)
    spec = pytree.tree_structure(own.inputs)

    def pull(cotangents):
        with facula.enable_grad():
            goes_on = keep or any(c.requires_grad for c in cotangents)
            return pytree.tree_unflatten(own.gradients(outputs, [lift(c, own.vmap) for c in cotangents], goes_on), spec)

    return out, aux, pull, keep, own


# ---------------------------------------------------------------- forward mode

def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(output, its derivative in the direction `tangents`), by forward mode.

    Args:
        primals, tangents: Tuples of (nested structures of) tensors of the same shapes.
        strict: Raise where an output does not depend on the primals, instead of giving zeros.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    leaves, spec = pytree.tree_flatten(primals)
    directions, tangent_spec = pytree.tree_flatten(tangents)
    if spec != tangent_spec:
        raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if primals is a tuple "
                           f"of 3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure {tangent_spec}")
    if not leaves:
        raise RuntimeError("jvp(f, primals, tangents): Expected primals to contain at least one Tensor.")
    for x, what in [(x, "primals") for x in leaves] + [(t, "tangents") for t in directions]:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"jvp(f, primals, tangents): Expected {what} to contain only Tensors, got {type(x)}")
    for x, t in zip(leaves, directions):
        if x.shape != t.shape:
            raise RuntimeError("Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is "
                               f"of size {list(x.shape)} while the given forward gradient is of size {list(t.shape)}.")
    with Level("jvp") as level:
        duals = pytree.tree_unflatten([dual(level, x, t) for x, t in zip(leaves, directions)], spec)
        out, aux = _split_aux(func(*duals), has_aux, "jvp(f, primals, tangents)")
        _only_tensors(out, "jvp(f, primals, tangents)")
        flat, out_spec = pytree.tree_flatten(out)
        pairs = [unpacked(level, o) for o in flat]
        if strict and any(t is None for _, t in pairs):
            raise RuntimeError("jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with strict=True.")
        aux = pytree.tree_map_only(Tensor, lambda t: unpacked(level, t).primal, aux)
    value = pytree.tree_unflatten([p for p, _ in pairs], out_spec)
    slope = pytree.tree_unflatten([facula.zeros_like(p) if t is None else t for p, t in pairs], out_spec)
    return (value, slope, aux) if has_aux else (value, slope)


def linearize(func, *primals):
    """(output, function from a direction to the derivative of `func` at the primals in that direction)."""
    out = func(*primals)

    def push(*tangents):
        if pytree.tree_structure(tangents) != pytree.tree_structure(primals):
            raise RuntimeError("Expected tangents to have the same structure as primals, got "
                               f"{pytree.tree_structure(tangents)} and {pytree.tree_structure(primals)}")
        return jvp(func, primals, tangents)[1]

    return out, push


# ---------------------------------------------------------------- Jacobians

def _basis(tensors):
    """For each tensor: unit vectors of all the tensors' elements together, (total, *shape)."""
    counts = [t.numel() for t in tensors]
    total, start, made = sum(counts), 0, []
    for t, n in zip(tensors, counts):
        block = facula.zeros(total, n, dtype=t.dtype, device=t.device)
        facula.diagonal(block, -start).fill_(1)
        made.append(block.reshape(total, *t.shape))
        start += n
    return made, counts


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that gives the Jacobian by reverse mode, all rows (or `chunk_size` at a time) at once.

    For each output and each input (nested as they are): a tensor of output shape + input shape.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func) if hasattr(func, "__name__") else (lambda f: f)
    def call(*args, **kwargs):
        _argnums(argnums, len(args))
        chosen = (_pick(args, argnums),) if isinstance(argnums, int) else _pick(args, argnums)
        out, aux, pull, keep, own = _pullback(
            lambda *xs: func(*_put(args, argnums, xs[0] if isinstance(argnums, int) else xs), **kwargs), chosen, has_aux, "jacrev(f)(*args)")
        outputs, out_spec = pytree.tree_flatten(out)
        vectors, counts = _basis(outputs)
        rows = vmap(lambda *v: tuple(pytree.tree_leaves(pull(v))), chunk_size=chunk_size, randomness="same")(*vectors) if sum(counts) else \
            tuple(x.new_zeros((0, *x.shape)) for x in own.leaves)
        rows = _released(rows, keep)
        made, start = [], 0
        for o, n in zip(outputs, counts):
            blocks = [r[start:start + n].reshape((*o.shape, *x.shape)) for r, x in zip(rows, own.leaves)]
            tree = pytree.tree_unflatten(blocks, pytree.tree_structure(own.inputs))
            made.append(tree[0] if isinstance(argnums, int) else tree)
            start += n
        result = pytree.tree_unflatten(made, out_spec)
        return (result, _released(aux, keep)) if has_aux else result

    return call


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function that gives the Jacobian by forward mode, all columns at once; nested as `jacrev` does."""

    @functools.wraps(func) if hasattr(func, "__name__") else (lambda f: f)
    def call(*args, **kwargs):
        _argnums(argnums, len(args))
        chosen = (_pick(args, argnums),) if isinstance(argnums, int) else _pick(args, argnums)
        inputs, spec = pytree.tree_flatten(chosen)
        vectors, counts = _basis(_tensors(chosen))

        def push(*tangents):
            found = jvp(lambda *xs: func(*_put(args, argnums, xs[0] if isinstance(argnums, int) else xs), **kwargs), chosen,
                        pytree.tree_unflatten(tangents, spec), has_aux=has_aux)
            return (found[1], found[2]) if has_aux else found[1]

        columns = vmap(push, out_dims=(-1, None) if has_aux else -1, randomness=randomness)(*vectors)
        columns, aux = columns if has_aux else (columns, None)

        def split(column):
            shape, start, blocks = column.shape[:-1], 0, []
            for x, n in zip(inputs, counts):
                blocks.append(column[..., start:start + n].reshape((*shape, *x.shape)))
                start += n
            tree = pytree.tree_unflatten(blocks, spec)
            return tree[0] if isinstance(argnums, int) else tree

        result = pytree.tree_map(split, columns)
        return (result, aux) if has_aux else result

    return call


def hessian(func, argnums=0):
    """A function that gives the matrix of second derivatives: forward over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


def debug_unwrap(tensor, *, recurse=True):
    """The value behind the wrappers of the transforms that are running."""
    while tensor._flags & 12:
        tensor = tensor._wrapped[1]
        if not recurse:
            break
    return tensor
