"""Batching rules: how an operation runs on all examples at once.

A rule gets the level, the operation, its entry and the call's values, in which tensors are (value, batch dimension or None)
pairs inside `Part`. It gives the result(s), batch dimension in front, or NotImplemented: then the examples run one by one.
"""

from __future__ import annotations

import facula

from .._forward import map_tensors
from .._native import core

Tensor = core.Tensor


class Part:
    """A tensor of a batched call: its value over all examples, and where the examples are (None: the same for all)."""

    __slots__ = ("value", "dim", "rank")

    def __init__(self, value, dim):
        self.value, self.dim = value, dim
        self.rank = value.dim() - (dim is not None)

    def front(self, size=None):
        """The value with the examples in front; given their number, also where they were all the same."""
        if self.dim is None:
            return self.value if size is None else self.value.unsqueeze(0).expand(size, *self.value.shape)
        return self.value if self.dim == 0 else self.value.movedim(self.dim, 0)

    def padded(self, rank, size=None):
        """`front`, with dimensions of size 1 after the batch dimension so that examples have this rank."""
        x = self.front(size)
        if x.dim() == self.value.dim() and self.dim is None and size is None or self.rank >= rank:
            return x
        return x.reshape(x.shape[0], *[1] * (rank - self.rank), *x.shape[1:])


def parts_of(values):
    for v in values:
        if isinstance(v, Part):
            yield v
        elif isinstance(v, list):
            yield from (p for p in v if isinstance(p, Part))


def _run(op, entry, values):
    from .._dispatch import call

    return call(op, entry, tuple(values), None)


def _with(entry, values, **changes):
    values = list(values)
    for name, value in changes.items():
        values[entry.index(name)] = value
    return values


def _replace(values, function):
    return [function(v) if isinstance(v, Part) else [function(p) if isinstance(p, Part) else p for p in v] if isinstance(v, list) else v
            for v in values]


# ---------------------------------------------------------------- elementwise, broadcasting

def broadcasting(level, op, entry, values):
    """Examples in front, ranks made equal; 0-dim examples promote as 0-dim tensors do."""
    rank = max(p.rank for p in parts_of(values))
    common = None
    if any(p.rank == 0 and p.dim is not None for p in parts_of(values)) and rank:
        examples = [p.value if p.dim is None else core.wrap_batched(p.value, p.dim, None) for p in parts_of(values)]
        common = core.result_type(*examples)

    def place(p):
        x = p.padded(rank)
        return x.to(common) if common is not None and p.rank == 0 and p.dim is not None and entry.is_pointwise else x

    return _run(op, entry, _replace(values, place))


def _reducing(level, op, entry, values):
    """Elementwise losses that end in a mean or sum: that one is taken of each example."""
    at = entry.reduction
    kind = values[at]
    out = broadcasting(level, op, entry, [0 if k == at else v for k, v in enumerate(values)])
    if kind == 0:
        return out
    out = out.reshape(level.size, -1)
    return out.mean(1) if kind == 1 else out.sum(1)


def in_front(level, op, entry, values):
    """Operations of the trailing dimensions, with one tensor: leading ones are a batch already."""
    return _run(op, entry, _replace(values, lambda p: p.front(level.size)))


# ---------------------------------------------------------------- along dimensions

_DIMENSIONS = frozenset("dim dims dim0 dim1 dim2 axis0 axis1 dimension source destination start_dim end_dim".split())


def _shift(d):
    return d + 1 if d >= 0 else d


def along(level, op, entry, values):
    """Dimension arguments count one more; every tensor has examples, all of one rank."""
    rank = max(p.rank for p in parts_of(values))
    if any(p.rank == 0 for p in parts_of(values)):
        return NotImplemented
    shifted = []
    for (name, kind, *_), v in zip(entry.params, values):
        if name in _DIMENSIONS and kind in ("int", "int[]"):
            if v is None or isinstance(v, (list, tuple)) and not v:
                if entry.name in ("argmax", "argmin", "roll") or kind == "int":
                    return NotImplemented
                v = list(range(1, rank + 1))
            else:
                v = [_shift(d) for d in v] if isinstance(v, (list, tuple)) else _shift(v)
        shifted.append(v)
    return _run(op, entry, _replace(shifted, lambda p: p.front(level.size)))


def along_shared(level, op, entry, values):
    """`along` with an index that is the same for all examples."""
    at = entry.index("index")
    if not isinstance(values[at], Part) or values[at].dim is not None:
        return NotImplemented
    if any(p.rank == 0 for k, v in enumerate(values) if isinstance(v, Part) and k != at for p in [v]):
        return NotImplemented
    changed = [_shift(v) if name == "dim" else v.value if k == at else v for k, ((name, *_), v) in enumerate(zip(entry.params, values))]
    return _run(op, entry, _replace(changed, lambda p: p.front(level.size) if p.rank else p.value))


def whole(name):
    """A reduction of all elements: of the flattened examples."""

    def rule(level, op, entry, values):
        x = values[0].front().reshape(level.size, -1)
        keyword = {"dtype": values[-1]} if len(values) > 1 else {}
        return getattr(facula, name)(x, 1, **keyword)

    return rule


# ---------------------------------------------------------------- shapes

def _sized(name, lead):
    def rule(level, op, entry, values):
        return _run(op, entry, _with(entry, _replace(values, lambda p: p.front(level.size)), **{name: [lead or level.size, *values[entry.index(name)]]}))

    return rule


def _expand(level, op, entry, values):
    size = values[1]
    return _run(op, entry, [values[0].padded(len(size)), [level.size, *size], *values[2:]])


def _repeat(level, op, entry, values):
    return _run(op, entry, [values[0].padded(len(values[1])), [1, *values[1]]])


def _permute(level, op, entry, values):
    rank = values[0].rank
    return _run(op, entry, [values[0].front(), [0, *(d % rank + 1 if rank else 1 for d in values[1])]])


def _squeeze(level, op, entry, values):
    x = values[0].front()
    if len(values) > 1:
        dims = values[1] if isinstance(values[1], (list, tuple)) else [values[1]]
        return facula.squeeze(x, [d % max(values[0].rank, 1) + 1 for d in dims]) if values[0].rank else x
    return facula.squeeze(x, [d for d in range(1, x.dim()) if x.shape[d] == 1])


def _transpose_all(level, op, entry, values):
    x = values[0].front()
    return x.transpose(1, 2) if x.dim() == 3 else x.alias() if hasattr(x, "alias") else x.view_as(x)


def _flatten(level, op, entry, values):
    if values[0].rank == 0:
        return values[0].front().reshape(level.size, 1)
    return along(level, op, entry, values)


def _same_place(level, op, entry, values):
    return _run(op, entry, _replace(values, lambda p: p.front())) if values[0].dim is not None else NotImplemented


# ---------------------------------------------------------------- matrix products

def _product(level, op, entry, values):
    a, b = values[:2]
    if entry.name == "vdot":
        a = Part(a.value.conj(), a.dim)
    x, y = a.front(), b.front()
    rank = max(a.rank, b.rank, 2)
    if a.rank == 1:
        x = x.unsqueeze(-2)
    if b.rank == 1:
        y = y.unsqueeze(-1)
    if a.dim is not None:
        x = x.reshape(x.shape[0], *[1] * (rank - max(a.rank, 2)), *x.shape[1:])
    if b.dim is not None:
        y = y.reshape(y.shape[0], *[1] * (rank - max(b.rank, 2)), *y.shape[1:])
    if entry.name in ("dot", "vdot") and a.value.shape[-1 if a.dim in (0, None) else 0] != b.value.shape[-1 if b.dim in (0, None) else 0]:
        return NotImplemented  # the plain operation has the words
    out = facula.matmul(x, y)
    if a.rank == 1:
        out = out.squeeze(-2)
    return out.squeeze(-1) if b.rank == 1 else out


def _linear_in_input(level, op, entry, values):
    if any(isinstance(v, Part) and v.dim is not None for v in values[1:]) or values[0].rank == 0:
        return NotImplemented
    return _run(op, entry, _replace(values, lambda p: p.front()))


# ---------------------------------------------------------------- images and sequences: (N, C, ...)

def _folded(p, spatial, size):
    """Examples and images in one dimension, (size * N, C, ...); p may lack the image dimension."""
    x = p.front(size)
    return x if p.rank == spatial + 1 else x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _spread(y, had_images, size):
    return y.reshape(size, y.shape[0] // size, *y.shape[1:]) if had_images else y


def images(spatial, shared=()):
    """Folds the examples into the dimension of images; tensors named in `shared` must be the same for all."""

    def rule(level, op, entry, values):
        n = spatial if isinstance(spatial, int) else spatial(entry, values)
        given = []
        for (name, *_), v in zip(entry.params, values):
            if isinstance(v, Part) and name in shared:
                if v.dim is not None:
                    return NotImplemented
                v = v.value
            elif isinstance(v, Part):
                v = _folded(v, n, level.size)
            given.append(v)
        had_images = values[0].rank == n + 2
        if level.size == 0 or not had_images and values[0].rank != n + 1:
            return NotImplemented
        result = _run(op, entry, given)
        if isinstance(result, tuple):
            return tuple(_spread(y, had_images, level.size) for y in result)
        return _spread(result, had_images, level.size)

    return rule


def _convolution(level, op, entry, values):
    """Different weights for each example: a group each."""
    n = values[1].rank - 2
    x, w = values[0], values[1]
    groups = entry.index("groups")
    if w.dim is None and not (isinstance(values[2], Part) and values[2].dim is not None):
        return images(n, ("weight", "bias"))(level, op, entry, values)
    transposed = "transpose" in entry.name or entry.name == "convolution" and values[entry.index("transposed")]
    if transposed or x.rank != n + 2:
        return NotImplemented
    size, count = level.size, values[groups]
    a = x.front(size).movedim(0, 1)  # (N, size, C, ...)
    a = a.reshape(a.shape[0], -1, *a.shape[3:])
    b = w.front(size)
    given = _with(entry, values, input=a, weight=b.reshape(-1, *b.shape[2:]), groups=count * size, bias=None)
    out = _run(op, entry, given)
    out = out.reshape(out.shape[0], size, -1, *out.shape[2:]).movedim(1, 0)
    if isinstance(values[2], Part):
        bias = values[2].front(size)
        out = out + bias.reshape(size, 1, -1, *[1] * n)
    return out


# ---------------------------------------------------------------- indexing

def _index(level, op, entry, values):
    """x[indices]: examples of x, of indices, or of both."""
    x, indices = values[0], values[1]
    given = [i for i in indices if isinstance(i, Part)]
    if any(i.value.dtype in (core.bool, core.uint8) for i in given):
        return NotImplemented
    places = [k for k, i in enumerate(indices) if isinstance(i, Part)]
    together = places == list(range(places[0], places[-1] + 1))
    rank = max(i.rank for i in given)
    own = [i.padded(rank) if isinstance(i, Part) else None for i in indices]
    if all(i.dim is None for i in given):
        out = _run(op, entry, [x.front(), [None, *own]])
        return out if together else out.movedim(rank, 0)
    if x.dim is None:
        out = _run(op, entry, [x.value, own])
        return out.movedim(places[0], 0) if together else out
    example = facula.arange(level.size, device=x.value.device).reshape(-1, *[1] * rank)
    out = _run(op, entry, [x.front(), [example, *own]])
    if together and places[0] > 0:
        return out.movedim(tuple(range(1, 1 + rank)), tuple(range(1 + places[0], 1 + places[0] + rank)))
    return out


def _embedding(level, op, entry, values):
    if values[0].dim is not None:
        return NotImplemented
    return _run(op, entry, [values[0].value, values[1].front(), *values[2:]])


# ---------------------------------------------------------------- in terms of other operations, on the wrappers

def _linear_backward(grad_output, input, weight, needs):
    rows, features = grad_output.reshape(-1, grad_output.shape[-1]), input.reshape(-1, input.shape[-1])
    return (facula.matmul(grad_output, weight) if needs & 1 else None, facula.matmul(rows.t(), features) if needs & 2 else None,
            rows.sum(0) if needs & 4 else None)


def _linear(input, weight, bias=None):
    out = facula.matmul(input, weight.t() if weight.dim() == 2 else weight)
    return out if bias is None else out + bias


def _addmm(input, a, b, beta=1, alpha=1):
    product = facula.matmul(a, b)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


DECOMPOSED = {"_linear_backward": _linear_backward, "linear": _linear, "addmm": _addmm, "addmv": _addmm, "baddbmm": _addmm}


def _names(text, rule):
    return {name: rule for name in text.split()}


def _masked_fill(level, op, entry, values):
    value = values[2]
    if not isinstance(value, Part) or value.dim is None:
        return broadcasting(level, op, entry, values)
    if op.in_place:
        return NotImplemented
    x, mask, fill = values
    rank = max(x.rank, mask.rank)
    return facula.where(mask.padded(rank), fill.padded(rank).to(x.value.dtype), x.padded(rank))


def _as_strided(level, op, entry, values):
    """Of each example's memory: the same steps, from the example's beginning."""
    x, size, stride, offset = values
    front = x.front()
    return front.as_strided([level.size, *size], [front.stride(0), *stride], front.storage_offset() if offset is None else offset)


def _as_strided_scatter(level, op, entry, values):
    """Each example by itself, from the beginning of memory of its own."""
    front = [v.front(level.size).contiguous() if isinstance(v, Part) else v for v in values]
    return facula.stack([_run(op, entry, [v[i].clone() if isinstance(v, Tensor) else v for v in front]) for i in range(level.size)]) \
        if level.size else NotImplemented


RULES = {
    "as_strided_scatter": _as_strided_scatter,
    "masked_fill": _masked_fill, "masked_fill_": _masked_fill, "as_strided": _as_strided,
    **_names("copy_ fill_ lerp where", broadcasting),
    **_names("clone _to_copy alias contiguous zero_ view_as_real view_as_complex _new_like tril triu tril_ triu_ constant_pad_nd", _same_place),
    **_names("sum mean prod amax amin argmax argmin any all max min _var_mean cumsum cumprod cummax cummin logcumsumexp transpose swapaxes "
             "swapdims unsqueeze select _slice split split_with_sizes unbind diagonal unfold narrow chunk movedim moveaxis gather scatter "
             "scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ cat concat concatenate flip roll _softmax_back "
             "_log_softmax_back softmax log_softmax _sort topk kthvalue mode _median _nanmedian", along),
    **_names("select_scatter slice_scatter diagonal_scatter", along),
    **_names("index_select index_add index_add_ index_copy index_copy_ index_reduce index_reduce_", along_shared),
    **_names("view reshape", _sized("size", 0)),
    "reshape": _sized("shape", 0),
    **_names("_select_backward _slice_backward _diagonal_backward", None),
    **_names("expand broadcast_to", _expand),
    "repeat": _repeat, "permute": _permute, "squeeze": _squeeze, "t": _transpose_all, "flatten": _flatten,
    **_names("mm bmm mv dot vdot _matmul", _product),
    "linear": _linear_in_input,
    **_names("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution", _convolution),
    **_names("_max_pool1d _max_pool2d _max_pool3d _avg_pool1d _avg_pool2d _avg_pool3d _avg_pool1d_back _avg_pool2d_back _avg_pool3d_back", images(lambda entry, values: values[entry.index("n")])),
    "_index": _index, "embedding": _embedding,
    **_names("cholesky cholesky_ex inv inv_ex det slogdet eigvalsh eigh eig eigvals svdvals qr matrix_exp", in_front),
}


def _backward_of_view(level, op, entry, values):
    """Zeros of `size` with the gradient where a view was: size and dimensions count one more."""
    if values[0].dim is None:
        return NotImplemented
    changed = [[level.size, *v] if name == "size" else v for (name, *_), v in zip(entry.params, values)]
    rank = len(values[entry.index("size")])
    changed = [v % rank + 1 if name in _DIMENSIONS else v for (name, *_), v in zip(entry.params, changed)]
    return _run(op, entry, _replace(changed, lambda p: p.front()))


for _name in ("_select_backward", "_slice_backward", "_diagonal_backward"):
    RULES[_name] = _backward_of_view


_unfold_images = images(2)


def _stack(level, op, entry, values):
    dim = values[1]
    return _run(op, entry, [[p.front(level.size) for p in values[0]], _shift(dim)])


RULES["stack"] = _stack
WHOLE = {"sum": whole("sum"), "mean": whole("mean"), "prod": whole("prod"), "max": whole("amax"), "min": whole("amin"), "any": whole("any"),
         "all": whole("all")}


def rule_of(entry):
    """The rule for an entry; None: the examples run one by one."""
    if entry.batch is not None:
        return entry.batch
    if entry.is_pointwise:
        return broadcasting if entry.reduction < 0 else _reducing
    if entry.qualified == "nn.functional.unfold":
        return _unfold_images
    if entry.name in WHOLE and not any(p[0] == "dim" for p in entry.params):
        return WHOLE[entry.name]
    if entry.name == "view" and any(p[0] == "dtype" for p in entry.params):
        return _same_place
    return RULES.get(entry.name)


def one_by_one(level, op, entry, values):
    """Runs the examples separately and stacks what they give: right for every operation."""
    if level.size == 0:
        raise RuntimeError(f"vmap: {entry.qualified} has no batching rule, and there is no example to run it on")
    runs = [_run(op, entry, map_parts(values, lambda p, i=i: p.value if p.dim is None else p.value.select(p.dim, i))) for i in range(level.size)]
    if op.in_place:
        return None
    if not isinstance(runs[0], (tuple, list)):
        return facula.stack(runs)
    made = [None if column[0] is None else facula.stack(column) for column in zip(*runs)]
    return type(runs[0])(made) if type(runs[0]) in (tuple, list) else type(runs[0])(tuple(made))


def map_parts(values, function):
    return tuple(_replace(values, function))


def as_parts(level, values):
    def part(t):
        if t._flags & 4 and t._wrapped[0] is level:
            return Part(t._wrapped[1], t._wrapped[2])
        return Part(t, None)

    return list(map_tensors(part, values))
