"""What plain operations do where an argument is sparse: rules by name, called with the operation's parameters, without history.

A rule returns NotImplemented for what it does not know. The operation's own node is recorded, with the gradient that the
table gives; those are made of operations that come here again.
"""

from __future__ import annotations

import facula

from .._layouts import Compressed, Coo, is_other, own, parts, refuse, rules, wrap
from .._native import core
from ..ops.sparse import as_coo, coalesced, flat_index, with_values
from ..ops.sparse_products import check_product, multiply


def rule(*names):
    def add(function):
        for name in names:
            rules[name] = function
        return function

    return add


def _replace(x, new):
    """Gives a sparse tensor other parts, in place."""
    if x.dtype != new.dtype and not facula.can_cast(new.dtype, x.dtype):
        raise RuntimeError(f"result type {new.dtype} can't be cast to the desired output type {x.dtype}")
    made, mine = parts(new), parts(x)
    if new.layout != x.layout:
        raise RuntimeError(f"in-place: the result has the layout {new.layout}, the tensor {x.layout}")
    for name in made.__slots__:
        if name != "layout":
            setattr(mine, name, getattr(made, name))
    mine.values = mine.values.to(x.dtype)
    return x


def _both(name, function):
    """A rule for an operation and its in-place form."""
    rules[name] = function

    def in_place(x, *rest):
        if not is_other(x):
            return NotImplemented
        result = function(x, *rest)
        return result if result is NotImplemented else _replace(x, result)

    rules[name + "_"] = in_place


# ---------------------------------------------------------------- elementwise

_ZERO_TO_ZERO = """abs absolute asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan isneginf isposinf log1p neg negative
positive rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc conj_physical angle arcsin arctan fix""".split()


def _on_values(name):
    def apply(x, *rest):
        made = parts(x)
        if isinstance(made, Coo) and name not in ("neg", "negative", "positive"):
            made = coalesced(x)
        function = getattr(facula, name, None) or getattr(core.Tensor, name)
        made = made.copy()
        made.values = function(made.values, *rest)
        return wrap(made, x.shape)

    return apply


for _name in _ZERO_TO_ZERO:
    _both(_name, _on_values(_name))


def _pow(x, exponent):
    if is_other(exponent) or not isinstance(exponent, (int, float)) or exponent <= 0:
        return NotImplemented
    return _on_values("pow")(x, exponent)


_both("pow", _pow)


def _number(x):
    return isinstance(x, (int, float, complex)) or isinstance(x, core.Tensor) and not is_other(x) and x.dim() == 0


def _scaled(function):
    def scale(x, other):
        if is_other(x) and _number(other):
            return with_values(x, function(parts(x).values, other))
        return NotImplemented

    return scale


for _name in ("div", "true_divide", "floor_divide"):
    _both(_name, _scaled(getattr(facula, _name)))


def _mul(x, other):
    if is_other(x) and _number(other):
        return with_values(x, parts(x).values * other)
    if is_other(other) and _number(x):
        return with_values(other, parts(other).values * x)
    if is_other(x) and is_other(other):
        return _common(x, other)
    sparse, dense = (x, other) if is_other(x) else (other, x)
    size = facula.broadcast_shapes(x.shape, other.shape)
    if tuple(sparse.shape) != tuple(size):
        return NotImplemented
    at = dense.expand(size).sparse_mask(sparse)
    return with_values(sparse, parts(sparse).values * parts(at).values)


def _common(x, other):
    """The product of two sparse tensors: the coordinates that both have."""
    if x.shape != other.shape:
        raise RuntimeError(f"mul operands have incompatible sizes: {list(x.shape)} and {list(other.shape)}")
    if x.layout != core.sparse_coo:
        return _mul_compressed(x, other)
    a, b = coalesced(x), coalesced(other)
    if a.indices.shape == b.indices.shape and facula.equal(a.indices, b.indices):
        return wrap(Coo(a.indices, a.values * b.values, True), x.shape)
    sizes = tuple(x.shape[:a.indices.shape[0]])
    in_a, in_b = flat_index(a.indices, sizes), flat_index(b.indices, sizes)
    at = facula.searchsorted(in_b, in_a).clamp(max=max(in_b.shape[0] - 1, 0))
    kept = (in_b[at] == in_a) if in_b.shape[0] else facula.zeros_like(in_a, dtype=facula.bool)
    return wrap(Coo(a.indices[:, kept], a.values[kept] * b.values[at[kept]], True), x.shape)


def _mul_compressed(x, other):
    return (x.to_dense() * other.to_dense()).sparse_mask(x)


_both("mul", _mul)


def _add(x, other, alpha=1):
    if is_other(x) and is_other(other):
        return _sum_of_sparse(x, other, alpha)
    if is_other(x):
        if isinstance(other, core.Tensor) and parts(x).__class__ is Compressed:
            return other.mul(alpha) + x.to_dense()
        if isinstance(other, (int, float, complex)) and not other:
            return own(x)
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    return _add_to_dense(x.clone(memory_format=core.contiguous_format), other, alpha) if x.shape == other.shape and x.dtype == other.dtype \
        else x + other.to_dense() * alpha


def _sum_of_sparse(x, other, alpha):
    if x.shape != other.shape:
        raise RuntimeError(f"add: expected sizes of 'self' and 'other' to match, but {list(x.shape)} != {list(other.shape)}")
    a, b = (as_coo(t) for t in (x, other))
    if a.indices.shape[0] != b.indices.shape[0]:
        raise RuntimeError("add: expected 'self' and 'other' to have same number of sparse dimensions")
    second = b.values if alpha == 1 else b.values * alpha
    kind = facula.result_type(a.values, second)
    first, second = a.values.to(kind), second.to(kind)
    if a.indices is b.indices or a.coalesced and b.coalesced and a.indices.shape == b.indices.shape and facula.equal(a.indices, b.indices):
        out = wrap(Coo(a.indices, first + second, a.coalesced), x.shape)
    else:
        out = wrap(_merged(a, b, first, second, tuple(x.shape[:a.indices.shape[0]])), x.shape)
    return out if x.layout == core.sparse_coo else out.to_sparse(layout=x.layout)


def _merged(a, b, first, second, sizes):
    """Both lists of coordinates walked together: equal ones that meet become one."""
    to_a, to_b, count = facula._merge_places(flat_index(a.indices, sizes), flat_index(b.indices, sizes))
    indices = a.indices.new_zeros((len(sizes), int(count))).index_copy_(1, to_b, b.indices).index_copy_(1, to_a, a.indices)
    values = first.new_zeros((int(count), *first.shape[1:])).index_copy_(0, to_a, first)
    values = values.index_put_((to_b,), second, accumulate=True) if values.dtype == facula.bool else values.index_add_(0, to_b, second)
    return Coo(indices, values, a.coalesced and b.coalesced)


def _add_to_dense(x, other, alpha=1):
    """x += alpha * sparse: only the rows and places that the sparse tensor has."""
    if x.shape != other.shape:
        raise RuntimeError(f"add: expected 'self' and 'other' to have same size, but self has size {list(x.shape)} while other has size {list(other.shape)} "
                           "(FYI: dense-sparse addition does not currently support broadcasting)")
    if other.layout != core.sparse_coo:
        return x.add_(other.to_dense(), alpha=alpha)
    own_parts = parts(other)
    dims = own_parts.indices.shape[0]
    if dims == 1:
        return x.index_add_(0, own_parts.indices[0], own_parts.values.to(x.dtype), alpha=alpha)
    values = own_parts.values if alpha == 1 else own_parts.values * alpha
    return x.index_put_(tuple(own_parts.indices.unbind(0)), values.to(x.dtype), accumulate=True)


def _add_(x, other, alpha=1):
    return _replace(x, _add(x, other, alpha)) if is_other(x) else _add_to_dense(x, other, alpha)


rules.update({"add": _add, "add_": _add_, "sub": lambda x, other, alpha=1: _add(x, other, -alpha), "sub_": lambda x, other, alpha=1: _add_(x, other, -alpha)})


# ---------------------------------------------------------------- products

@rule("mm", "_sparse_mm")
def _mm(input, mat2):
    if is_other(input) and is_other(mat2):
        return facula._sparse_sparse_mm(input, mat2)
    check_product(input, mat2)
    if is_other(input):
        return multiply(input, mat2)
    return multiply(mat2.t(), input.t()).t()


@rule("mv")
def _mv(input, vec):
    if is_other(vec):
        return NotImplemented
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({input.shape[0]}), mat ({input.shape[0]}x{input.shape[1]}), vec ({vec.shape[0]})")
    return multiply(input, vec.unsqueeze(1)).squeeze(1)


@rule("addmm")
def _addmm(input, mat1, mat2, beta=1, alpha=1):
    product = _mm(mat1, mat2) * alpha
    return product if beta == 0 else _add(input, product, 1) * beta if is_other(input) or is_other(product) and beta == 1 else input * beta + product


@rule("bmm")
def _bmm(input, mat2):
    if not is_other(input) or is_other(mat2):
        return NotImplemented
    return facula.stack([multiply(a, b) for a, b in zip(_unbound(input), mat2.unbind(0), strict=True)])


def _unbound(x):
    return [_select(x, 0, i) for i in range(x.shape[0])]


# ---------------------------------------------------------------- sums, norms

@rule("sum")
def _sum(input, *rest):
    dim, keepdim, dtype = rest if len(rest) == 3 else (None, False, *rest)
    if dim is None or dim == ():
        return parts(input).values.sum(dtype=dtype)
    if input.layout != core.sparse_coo:
        return input.to_dense().sum(dim, keepdim, dtype=dtype)
    out = facula._sparse_sum(input, dim, dtype)
    if not keepdim:
        return out
    for d in sorted(n % input.dim() for n in ([dim] if isinstance(dim, int) else dim)):
        out = out.unsqueeze(d)
    return out


@rule("vector_norm")
def _norm(input, ord=2, dim=None, keepdim=False, dtype=None):
    if dim is not None or ord <= 0:
        return NotImplemented
    values = coalesced(input).values if input.layout == core.sparse_coo else parts(input).values
    return facula.linalg.vector_norm(values, ord, dtype=dtype) if values.numel() else values.abs().sum()


@rule("any")
def _any(input, *rest):
    return parts(input).values.any() if not rest else NotImplemented


# ---------------------------------------------------------------- copies

@rule("clone")
def _clone(input, memory_format=None):
    made = parts(input).copy()
    for name in made.__slots__:
        if isinstance(getattr(made, name), core.Tensor):
            setattr(made, name, getattr(made, name).clone())
    return wrap(made, input.shape)


@rule("_to_copy")
def _to_copy(input, dtype, device=None, memory_format=None):
    made = _clone(input)
    if device is not None:
        return NotImplemented
    own_parts = parts(made)
    own_parts.values = own_parts.values.to(dtype)
    return wrap(own_parts, input.shape)


@rule("contiguous", "alias", "view_as", "conj", "resolve_conj", "resolve_neg")
def _same(input, *rest):
    return own(input)


@rule("_new_like")
def _new_like(input, dtype=None, device=None, memory_format=None, fill=None):
    if fill not in (None, 0):
        refuse("fill_", (input,))
    return _nothing(input, dtype or input.dtype)


def _nothing(x, dtype):
    own_parts = parts(x)
    if isinstance(own_parts, Coo):
        return wrap(Coo(own_parts.indices[:, :0], own_parts.values[:0].to(dtype), own_parts.coalesced), x.shape)
    lead = own_parts.compressed.dim() - 1
    made = Compressed(own_parts.layout, facula.zeros_like(own_parts.compressed), own_parts.plain.narrow(lead, 0, 0), own_parts.values.narrow(lead, 0, 0).to(dtype))
    return wrap(made, x.shape)


@rule("zero_")
def _zero_(x):
    return _replace(x, _nothing(x, x.dtype))


@rule("fill_")
def _fill_(x, value):
    return _zero_(x) if is_other(x) and isinstance(value, (int, float)) and value == 0 else NotImplemented


@rule("copy_")
def _copy_(x, src, non_blocking=False):
    if not is_other(x):
        return x.copy_(src.to_dense())
    if not is_other(src):
        src = src.to_sparse(layout=x.layout)
    return _replace(x, _clone(src)) if src.shape == x.shape else NotImplemented


# ---------------------------------------------------------------- shapes

@rule("t")
def _t(input):
    if input.dim() > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.dim()}D")
    return _transpose(input, 0, 1) if input.dim() == 2 else own(input)


_FLIPPED = {core.sparse_csr: core.sparse_csc, core.sparse_csc: core.sparse_csr, core.sparse_bsr: core.sparse_bsc, core.sparse_bsc: core.sparse_bsr}


@rule("transpose")
def _transpose(input, dim0, dim1):
    made, a, b = parts(input).copy(), dim0 % input.dim(), dim1 % input.dim()
    size = list(input.shape)
    size[a], size[b] = size[b], size[a]
    if isinstance(made, Compressed):
        lead = made.compressed.dim() - 1
        if {a, b} != {lead, lead + 1}:
            return NotImplemented
        made.layout = _FLIPPED[made.layout]
        if made.layout in (core.sparse_bsr, core.sparse_bsc):
            made.values = made.values.transpose(-2, -1)
        return wrap(made, size)
    sparse = made.indices.shape[0]
    if a >= sparse and b >= sparse:
        made.values = made.values.transpose(a - sparse + 1, b - sparse + 1)
    elif a < sparse and b < sparse:
        order = list(range(sparse))
        order[a], order[b] = order[b], order[a]
        made.indices, made.coalesced = made.indices[order], made.coalesced and a == b
    else:
        raise RuntimeError("transpose: cannot exchange a sparse and a dense dimension of a sparse tensor")
    return wrap(made, size)


@rule("permute")
def _permute(input, dims):
    made, dims = parts(input).copy(), [d % input.dim() for d in dims]
    if isinstance(made, Compressed):
        return NotImplemented
    sparse = made.indices.shape[0]
    if any(d >= sparse for d in dims[:sparse]):
        raise RuntimeError("permute: cannot exchange a sparse and a dense dimension of a sparse tensor")
    made.coalesced = made.coalesced and dims[:sparse] == list(range(sparse))
    made.indices, made.values = made.indices[dims[:sparse]], made.values.permute(0, *(d - sparse + 1 for d in dims[sparse:]))
    return wrap(made, [input.shape[d] for d in dims])


@rule("unsqueeze")
def _unsqueeze(input, dim):
    if not isinstance(parts(input), Coo):
        return NotImplemented
    made, dim = parts(input).copy(), dim % (input.dim() + 1)
    sparse = made.indices.shape[0]
    if dim <= sparse:
        made.indices = facula.cat((made.indices[:dim], made.indices.new_zeros((1, made.indices.shape[1])), made.indices[dim:]))
    else:
        made.values = made.values.unsqueeze(dim - sparse + 1)
    return wrap(made, (*input.shape[:dim], 1, *input.shape[dim:]))


@rule("squeeze")
def _squeeze(input, *dims):
    if not isinstance(parts(input), Coo):
        return NotImplemented
    wanted = range(input.dim()) if not dims else [dims[0]] if isinstance(dims[0], int) else dims[0]
    gone = [d % input.dim() for d in wanted if input.shape[d] == 1]
    made = parts(input).copy()
    sparse = made.indices.shape[0]
    made.indices = made.indices[[d for d in range(sparse) if d not in gone]]
    made.values = made.values.reshape(made.values.shape[0], *(n for d, n in enumerate(input.shape) if d >= sparse and d not in gone))
    return wrap(made, [n for d, n in enumerate(input.shape) if d not in gone])


# ---------------------------------------------------------------- picking, joining

@rule("select")
def _select(input, dim, index):
    dim = dim % input.dim()
    if not -input.shape[dim] <= index < input.shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}")
    index = index % input.shape[dim]
    size = [n for d, n in enumerate(input.shape) if d != dim]
    if input.layout != core.sparse_coo:
        return input.to_dense().select(dim, index)
    made = parts(input)
    sparse = made.indices.shape[0]
    if dim >= sparse:
        return wrap(Coo(made.indices, made.values.select(dim - sparse + 1, index), made.coalesced), size)
    kept = made.indices[dim] == index
    left = [d for d in range(sparse) if d != dim]
    if not left:
        return made.values[kept].sum(0)
    return wrap(Coo(made.indices[left][:, kept], made.values[kept], made.coalesced), size)


@rule("narrow")
def _narrow(input, dim, start, length):
    if input.layout != core.sparse_coo:
        return NotImplemented
    made, dim, start = parts(input), dim % input.dim(), int(start)
    sparse, size = made.indices.shape[0], list(input.shape)
    size[dim] = length
    if dim >= sparse:
        return wrap(Coo(made.indices, made.values.narrow(dim - sparse + 1, start, length), made.coalesced), size)
    kept = (made.indices[dim] >= start) & (made.indices[dim] < start + length)
    indices = made.indices[:, kept].clone()
    indices[dim] -= start
    return wrap(Coo(indices, made.values[kept], made.coalesced), size)


@rule("_slice")
def _slice(input, dim, start, end, step=1):
    size = input.shape[dim]
    begin, stop, _ = slice(start, end).indices(size)
    return _narrow(input, dim, begin, max(stop - begin, 0)) if step == 1 else \
        _index_select(input, dim, facula.arange(begin, max(stop, begin), step))


@rule("index_select")
def _index_select(input, dim, index):
    if input.layout != core.sparse_coo:
        return NotImplemented
    made, dim = parts(input), dim % input.dim()
    sparse, size = made.indices.shape[0], list(input.shape)
    size[dim] = index.shape[0]
    if dim >= sparse:
        return wrap(Coo(made.indices, made.values.index_select(dim - sparse + 1, index), made.coalesced), size)
    at = facula._nonzero(index.unsqueeze(1) == made.indices[dim].unsqueeze(0))  # (found, 2): place in index, element
    indices = made.indices[:, at[:, 1]].clone()
    indices[dim] = at[:, 0]
    return wrap(Coo(indices, made.values[at[:, 1]]), size)


@rule("cat")
def _cat(tensors, dim=0):
    if any(not is_other(t) or t.layout != core.sparse_coo for t in tensors):
        return NotImplemented
    first, dim = tensors[0], dim % tensors[0].dim()
    sparse, size = parts(first).indices.shape[0], list(first.shape)
    size[dim] = sum(t.shape[dim] for t in tensors)
    if dim >= sparse:
        return facula.cat([t.to_dense() for t in tensors], dim).to_sparse(sparse)
    indices, done = [], 0
    for t in tensors:
        moved = parts(t).indices.clone()
        moved[dim] += done
        done += t.shape[dim]
        indices.append(moved)
    return wrap(Coo(facula.cat(indices, 1), facula.cat([parts(t).values for t in tensors]), False), size)


@rule("stack")
def _stack(tensors, dim=0):
    if any(not is_other(t) or t.layout != core.sparse_coo for t in tensors):
        return NotImplemented
    return _cat([_unsqueeze(t, dim) for t in tensors], dim)
