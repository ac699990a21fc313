"""Indexing: reads and writes at computed places."""

import facula

from ._table import op


def both(signature, *, kernel, vjp, node=None, function=None, method=None):
    """The operation and its in-place form, which writes the input instead of a copy."""
    name, rest = signature.split("(", 1)
    node = node or "".join(p[:1].upper() + p[1:] for p in name.strip("_").split("_")) + "Backward0"
    op(signature, kernel=kernel, vjp=vjp, node=node, function=function, method=method)
    op(f"{name}_({rest}", kernel=kernel, vjp=vjp, node=node, function=False, method=method)


def _cleared(grad, dim, index):
    return grad.index_fill(dim, index, 0)


# ---------------------------------------------------------------- along a dimension
op("index_select(Tensor input, int dim, Tensor index)", kernel="index.select",
   vjp={"input": lambda grad, input_shape, dim, index: grad.new_zeros(input_shape).index_add(dim, index, grad)})
both("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1)", kernel="index.add",
     vjp={"input": lambda grad: grad,
          "source": lambda grad, source_shape, dim, index, alpha: grad.index_select(dim, index).expand(source_shape) * alpha
          if source_shape else grad.index_select(dim, index).reshape(()) * alpha})
both("index_copy(Tensor input, int dim, Tensor index, Tensor source)", kernel="index.copy",
     vjp={"input": lambda grad, dim, index: _cleared(grad, dim, index),
          "source": lambda grad, source_shape, dim, index: grad.index_select(dim, index).reshape(source_shape)})
_INDEX_FILL = {"input": lambda grad, dim, index: _cleared(grad, dim, index)}
# Tensor first: a number's parameter takes 0-dim tensors, too.
both("index_fill(Tensor input, int dim, Tensor index, Tensor value)", kernel="index.fill",
     vjp={**_INDEX_FILL, "value": lambda grad, dim, index: (grad * facula.zeros_like(grad).index_fill(dim, index, 1)).sum()})
both("index_fill(Tensor input, int dim, Tensor index, Scalar value)", kernel="index.fill", vjp=_INDEX_FILL)


class _Along:
    """How a reducing write spreads source to places and picks places for the source."""

    def __init__(self, dim, index, rows):
        self.dim, self.index, self.rows = dim, index, rows

    def pick(self, x):
        return x.index_select(self.dim, self.index) if self.rows else x.gather(self.dim, self.index)

    def add(self, x, source):
        return (x.index_add if self.rows else x.scatter_add)(self.dim, self.index, source)

    def clear(self, x):
        return (x.index_fill if self.rows else x.scatter)(self.dim, self.index, 0)

    def reduce(self, x, source, reduce, include_self):
        if self.rows:
            return x.index_reduce(self.dim, self.index, source, reduce, include_self=include_self)
        return x.scatter_reduce(self.dim, self.index, source, reduce, include_self=include_self)

    def matching(self, source):
        """The part of the source that takes part (scatter's may be larger than its index)."""
        if self.rows:
            return source
        for d, n in enumerate(self.index.shape):
            source = source.narrow(d, 0, n)
        return source

    def fitted(self, grad, source):
        if grad.shape == source.shape:
            return grad
        pad = [p for n, m in zip(reversed(source.shape), reversed(grad.shape)) for p in (0, n - m)]
        return facula.constant_pad_nd(grad, pad)


def _reduce_back(grad, result, input, source, along, reduce, include_self, needs):
    part = along.matching(source)
    if reduce == "sum":
        to_input, to_source = grad, along.pick(grad)
    elif reduce == "mean":
        n = facula.ones_like(grad) if include_self else facula.zeros_like(grad)
        n = along.add(n, facula.ones_like(part))
        n = n.masked_fill(n == 0, 1)
        to_input, to_source = grad / n, along.pick(grad / n)
    elif reduce == "prod":
        to_input, to_source = _prod_back(grad, result, input, part, along, include_self)
    else:
        from_input, from_source = (input == result).to(grad.dtype), (part == along.pick(result)).to(grad.dtype)
        if not include_self:
            from_input = along.clear(from_input)
        n = along.add(from_input, from_source)
        share = grad / n.masked_fill(n == 0, 1)
        to_input = share * from_input
        to_source = along.pick(share) * from_source
        if not include_self:
            untouched = along.clear(facula.ones_like(grad))
            return facula.where(untouched == 1, grad, facula.zeros_like(grad)), along.fitted(to_source, source)
        return to_input, along.fitted(to_source, source)
    if not include_self:
        to_input = along.clear(to_input)
    return to_input, along.fitted(to_source, source)


def _prod_back(grad, result, input, part, along, include_self):
    # A factor's gradient is the product of the others: by division, but for zeros.
    without = along.reduce(input.masked_fill(input == 0, 1), part, "prod", include_self)
    to_input = grad * without / input.masked_fill(input == 0, 1)
    zero = part == 0
    zeros = along.pick(along.add(facula.zeros_like(input), zero.to(input.dtype)))
    lone = zero & (zeros == 1)
    others = along.reduce(input, part.masked_fill(lone, 1), "prod", include_self)
    to_source = facula.where(lone, along.pick(grad * others), along.pick(grad * result) / part.masked_fill(zero, 1))
    return to_input, to_source.masked_fill(zeros > 1, 0)


both("index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)", kernel="index.reduce",
     vjp={"input, source": lambda grad, result, input, source, dim, index, reduce, include_self, needs: _reduce_back(
         grad, result, input, source, _Along(dim, index, True), reduce, include_self, needs)})

# ---------------------------------------------------------------- one index per element
op("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)", kernel="index.gather", strict_out=True,
   vjp={"input": lambda grad, input_shape, dim, index: grad.new_zeros(input_shape).scatter_add(dim, index, grad)})


def _picked(grad, src_shape, dim, index):
    return _Along(dim, index, False).fitted(grad.gather(dim, index), _Shape(src_shape))


class _Shape:
    def __init__(self, shape):
        self.shape = shape


_SCATTER = {"input": lambda grad, dim, index: grad.scatter(dim, index, 0)}
both("scatter(Tensor input, int dim, Tensor index, Tensor src)", kernel="index.scatter_src_plain",
     vjp={**_SCATTER, "src": _picked})
both("scatter(Tensor input, int dim, Tensor index, Scalar value)", kernel="index.scatter_value_plain", vjp=_SCATTER, node="ScatterBackward1")
both("scatter(Tensor input, int dim, Tensor index, Tensor src, *, str reduce)", kernel="index.scatter_src", vjp={})
both("scatter(Tensor input, int dim, Tensor index, Scalar value, *, str reduce)", kernel="index.scatter_value", vjp={})
both("scatter_add(Tensor input, int dim, Tensor index, Tensor src)", kernel="index.scatter_add",
     vjp={"input": lambda grad: grad, "src": _picked})
both("scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)", kernel="index.scatter_reduce",
     vjp={"input, src": lambda grad, result, input, src, dim, index, reduce, include_self, needs: _reduce_back(
         grad, result, input, src, _Along(dim, index, False), reduce, include_self, needs)})

# ---------------------------------------------------------------- as if flat
op("take(Tensor input, Tensor index)", kernel="index.take",
   vjp={"input": lambda grad, input_shape, index: grad.new_zeros(input_shape).put(index, grad, True)})


def _put_input(grad, index, accumulate):
    return grad if accumulate else grad.put(index, grad.new_zeros(index.shape), False)


both("put(Tensor input, Tensor index, Tensor source, bool accumulate=False)", kernel="index.put",
     vjp={"input": _put_input, "source": lambda grad, index, source_shape: grad.take(index).reshape(source_shape)})

# ---------------------------------------------------------------- by tensors
op("_index(Tensor input, Tensor?[] indices)", kernel="index.index", method=False,
   vjp={"input": lambda grad, input_shape, indices: facula._index_put(grad.new_zeros(input_shape), indices, grad, True)})


def _put_at_input(grad, values_shape, indices, accumulate):
    return grad if accumulate else facula._index_put(grad, indices, grad.new_zeros(()), False)


_INDEX_PUT = {"input": _put_at_input, "values": lambda grad, indices: facula._index(grad, indices)}
for _name in ("_index_put", "index_put"):
    both(f"{_name}(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)", kernel="index.index_put", vjp=_INDEX_PUT,
         method=_name == "index_put", node="IndexPutBackward0")

# ---------------------------------------------------------------- by masks
_MASKED_FILL = {"input": lambda grad, mask: grad.masked_fill(mask, 0)}
both("masked_fill(Tensor input, Tensor mask, Tensor value)", kernel="index.masked_fill",
     vjp={**_MASKED_FILL, "value": lambda grad, mask: facula.where(mask, grad, facula.zeros_like(grad)).sum()})
both("masked_fill(Tensor input, Tensor mask, Scalar value)", kernel="index.masked_fill", vjp=_MASKED_FILL)


def _masked_select_back(grad, input_shape, mask):
    shape = facula.broadcast_shapes(input_shape, mask.shape)
    return grad.new_zeros(shape).masked_scatter(mask, grad)


op("masked_select(Tensor input, Tensor mask)", kernel="index.masked_select", vjp={"input": _masked_select_back})


def _masked_scatter_source(grad, mask, source_shape):
    picked = grad.masked_select(mask)
    n = 1
    for s in source_shape:
        n *= s
    return facula.constant_pad_nd(picked, [0, n - picked.numel()]).reshape(source_shape)


both("masked_scatter(Tensor input, Tensor mask, Tensor source)", kernel="index.masked_scatter",
     vjp={"input": lambda grad, mask: grad.masked_fill(mask, 0), "source": _masked_scatter_source})
op("_nonzero(Tensor input)", kernel="index.nonzero", differentiable=False, method=False)

# ---------------------------------------------------------------- embeddings
op("embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)",
   kernel="index.embedding", method=False,
   vjp={"weight": lambda grad, weight_shape, indices, padding_idx, scale_grad_by_freq, sparse: _embedding_gradient(
       grad, indices, weight_shape, padding_idx, scale_grad_by_freq, sparse)})


def _embedding_gradient(grad, indices, size, padding_idx, scale_grad_by_freq, sparse):
    if not sparse:
        return facula._embedding_backward(grad, indices, size[0], padding_idx, scale_grad_by_freq)
    if scale_grad_by_freq:
        raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    rows, values = indices.reshape(-1), grad.reshape(-1, *size[1:])
    if padding_idx >= 0:
        kept = facula._nonzero(rows != padding_idx).reshape(-1)
        rows, values = rows.index_select(0, kept), values.index_select(0, kept)
    return facula._coo(rows.unsqueeze(0), values, size, False)


def _embedding_backward_back(grad, indices, padding_idx, scale_grad_by_freq):
    picked = facula.embedding(grad, indices)
    if padding_idx >= 0:
        picked = picked.masked_fill((indices == padding_idx).unsqueeze(-1), 0)
    if scale_grad_by_freq:
        flat = indices.reshape(-1)
        counts = grad.new_zeros(grad.shape[0]).index_add(0, flat, grad.new_ones(flat.shape))
        picked = picked / counts[indices].unsqueeze(-1)
    return picked


op("_embedding_backward(Tensor input, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq)",
   kernel="index.embedding_backward", method=False, node="EmbeddingDenseBackwardBackward0", vjp={"input": _embedding_backward_back})
