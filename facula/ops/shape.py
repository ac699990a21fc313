"""Views, and copies that rearrange. Compositions of them stand in composite/shape.py."""

import facula

from ._table import op


def _like(grads, shapes):
    """The gradients that are missing, as zeros."""
    model = next(g for g in grads if g is not None)
    return [model.new_zeros(s) if g is None else g for g, s in zip(grads, shapes)]


def _cut_shapes(shape, dim, sizes):
    dim = dim % len(shape)
    return [(*shape[:dim], n, *shape[dim + 1:]) for n in sizes]


def _split_sizes(n, size):
    return [min(size, n - at) for at in range(0, n, size)] if n else [0]


def _chunk_sizes(n, chunks):
    size = -(-n // chunks)
    return _split_sizes(n, size) if size else [0] * chunks


def _joined(grads, shape, dim, sizes):
    return facula.cat(_like(grads, _cut_shapes(shape, dim, sizes)), dim)


def _as_strided_backward(grad, geometry, size, stride, storage_offset):
    offset = geometry[2] if storage_offset is None else storage_offset
    from ..autograd._strided import strided_backward

    return strided_backward(grad, geometry, (tuple(size), tuple(stride), offset))


def _reshape_back(grad, input_shape):
    return grad.reshape(input_shape)


def _permute_back(grad, dims):
    inverse = [0] * len(dims)
    for i, d in enumerate(dims):
        inverse[d % len(dims)] = i
    return grad.permute(inverse)


def _expand_back(grad, input_shape):
    lead = grad.dim() - len(input_shape)
    dims = [*range(lead), *(i + lead for i, n in enumerate(input_shape) if n == 1 and grad.shape[i + lead] != 1)]
    grad = grad.sum(dims, keepdim=True) if dims else grad
    return grad.reshape(input_shape) if lead else grad


def _slice_back(grad, input_shape, dim, start, step):
    n = input_shape[dim]
    start = 0 if start is None else min(max(start + n if start < 0 else start, 0), n)
    return facula._slice_backward(grad, input_shape, dim, start, step)


# name, signature after "Tensor input", result, kernel, rule.
_VIEWS = (
    ("view", "int[] size", "", "view", _reshape_back),
    ("transpose", "int dim0, int dim1", "", "transpose", lambda grad, dim0, dim1: grad.transpose(dim0, dim1)),
    ("t", "", "", "t", lambda grad: grad.t()),
    ("permute", "int[] dims", "", "permute", _permute_back),
    ("squeeze", "", "", "squeeze", _reshape_back),
    ("squeeze", "int dim", "", "squeeze_dim", _reshape_back),
    ("squeeze", "int[] dim", "", "squeeze_dims", _reshape_back),
    ("unsqueeze", "int dim", "", "unsqueeze", lambda grad, dim: grad.squeeze(dim)),
    ("expand", "int[] size, *, bool implicit=False", "", "expand", _expand_back),
    ("select", "int dim, int index", "", "select",
     lambda grad, input_shape, dim, index: facula._select_backward(grad, input_shape, dim, index)),
    ("_slice", "int dim=0, int? start=None, int? end=None, int step=1", "", "slice", _slice_back),
    ("split", "int split_size, int dim=0", "Tensor[]", "split",
     lambda grads, input_shape, split_size, dim: _joined(grads, input_shape, dim, _split_sizes(input_shape[dim], split_size))),
    ("split", "int[] split_size, int dim=0", "Tensor[]", "split_with_sizes",
     lambda grads, input_shape, split_size, dim: _joined(grads, input_shape, dim, split_size)),
    ("split_with_sizes", "int[] split_sizes, int dim=0", "Tensor[]", "split_with_sizes",
     lambda grads, input_shape, split_sizes, dim: _joined(grads, input_shape, dim, split_sizes)),
    ("unbind", "int dim=0", "Tensor[]", "unbind",
     lambda grads, input_shape, dim: facula.stack(
         _like(grads, [(*input_shape[:dim % len(input_shape)], *input_shape[dim % len(input_shape) + 1:])] * len(grads)), dim)),
    ("diagonal", "int offset=0, int dim1=0, int dim2=1", "", "diagonal",
     lambda grad, input_shape, offset, dim1, dim2: facula._diagonal_backward(grad, input_shape, offset, dim1, dim2)),
    ("unfold", "int dimension, int size, int step", "", "unfold", None),
    ("as_strided", "int[] size, int[] stride, int? storage_offset=None", "", "as_strided",
     lambda grad, input_geometry, size, stride, storage_offset: _as_strided_backward(grad, input_geometry, size, stride, storage_offset)),
    ("alias", "", "", "alias", lambda grad: grad),
    ("view_as_real", "", "", "view_as_real", lambda grad: facula.view_as_complex(grad.contiguous())),
    ("view_as_complex", "", "", "view_as_complex", lambda grad: facula.view_as_real(grad)),
)


def _unfold_back(grad, input_shape, dimension, size, step):
    shape = tuple(input_shape)
    if not shape:
        return grad.reshape(())
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * shape[d + 1]
    dimension %= len(shape)
    strides.append(strides[dimension])
    strides[dimension] *= step
    return facula._strided_put(grad, shape, strides, 0)


_METHODS = {"view_as_real": False, "view_as_complex": False, "alias": False, "_slice": False}
_NODES = {"squeeze_dim": "SqueezeBackward1", "squeeze_dims": "SqueezeBackward2"}
_FUNCTIONS = {"view": False, "expand": False, "unfold": False}

for _name, _rest, _result, _kernel, _rule in _VIEWS:
    _rule = _rule or _unfold_back
    _signature = f"(Tensor input{', ' + _rest if _rest else ''})" + (f" -> {_result}" if _result else "")
    op(_name + _signature, kernel="shape." + _kernel, view=True, vjp={"input": _rule}, method=_METHODS.get(_name), node=_NODES.get(_kernel),
       function=_FUNCTIONS.get(_name))

op("view(Tensor input, dtype dtype)", kernel="shape.view_dtype", view=True, function=False, differentiable=False)
op("reshape(Tensor input, int[] shape)", kernel="shape.reshape", view=True, node="ViewBackward0", vjp={"input": _reshape_back})
for _name in ("swapaxes", "swapdims"):
    _a, _b = ("axis0", "axis1") if _name == "swapaxes" else ("dim0", "dim1")
    op(f"{_name}(Tensor input, int {_a}, int {_b})", kernel="shape.transpose", view=True, node="TransposeBackward0",
       vjp={"input": (lambda grad, axis0, axis1: grad.transpose(axis0, axis1)) if _name == "swapaxes" else
            (lambda grad, dim0, dim1: grad.transpose(dim0, dim1))})
op("broadcast_to(Tensor input, int[] size)", kernel="shape.expand", view=True, node="ExpandBackward0", vjp={"input": _expand_back})
op("narrow(Tensor input, int dim, Tensor start, int length)", kernel="shape.narrow_tensor", view=True, node="SliceBackward0",
   vjp={"input": lambda grad, input_shape, dim, start: _slice_back(grad, input_shape, dim, int(start), 1)})
op("narrow(Tensor input, int dim, int start, int length)", kernel="shape.narrow", view=True, node="SliceBackward0",
   vjp={"input": lambda grad, input_shape, dim, start: _slice_back(grad, input_shape, dim, start, 1)})
op("chunk(Tensor input, int chunks, int dim=0) -> Tensor[]", kernel="shape.chunk", view=True, node="SplitBackward0",
   vjp={"input": lambda grads, input_shape, chunks, dim: _joined(grads, input_shape, dim, _chunk_sizes(input_shape[dim], chunks))})
op("contiguous(Tensor input, *, memory_format? memory_format=None)", kernel="shape.contiguous", view=True, function=False,
   node="CloneBackward0", vjp={"input": lambda grad: grad})
op("clone(Tensor input, *, memory_format? memory_format=None)", kernel="shape.clone", vjp={"input": lambda grad: grad})

# ---------------------------------------------------------------- gradients of views
op("_select_backward(Tensor input, int[] size, int dim, int index)", kernel="shape.select_backward", method=False,
   vjp={"input": lambda grad, dim, index: grad.select(dim, index)})
op("_slice_backward(Tensor input, int[] size, int dim, int start, int step=1)", kernel="shape.slice_backward", method=False,
   vjp={"input": lambda grad, input_shape, dim, start, step: facula._slice(
       grad, dim, start, start + max(input_shape[dim] - 1, 0) * step + (input_shape[dim] > 0), step)})
op("_diagonal_backward(Tensor input, int[] size, int offset, int dim1, int dim2)", kernel="shape.diagonal_backward", method=False,
   vjp={"input": lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2)})
op("_strided_put(Tensor input, int[] size, int[] stride, int offset)", kernel="shape.strided_put", method=False,
   vjp={"input": lambda grad, input_shape, stride, offset: facula._strided_take(grad, input_shape, stride, offset)})
op("_strided_take(Tensor input, int[] size, int[] stride, int offset)", kernel="shape.strided_take", method=False,
   vjp={"input": lambda grad, input_shape, stride, offset: facula._strided_put(grad, input_shape, stride, offset)})

# ---------------------------------------------------------------- copies with a part replaced
op("select_scatter(Tensor input, Tensor src, int dim, int index)", kernel="shape.select_scatter",
   vjp={"input": lambda grad, src_shape, dim, index: grad.select_scatter(grad.new_zeros(src_shape), dim, index),
        "src": lambda grad, dim, index: grad.select(dim, index)})
op("slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)", kernel="shape.slice_scatter",
   vjp={"input": lambda grad, src_shape, dim, start, end, step: grad.slice_scatter(grad.new_zeros(src_shape), dim, start, end, step),
        "src": lambda grad, src_shape, dim, start, end, step: _expand_back(facula._slice(grad, dim, start, end, step), src_shape)})
op("diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1)", kernel="shape.diagonal_scatter",
   vjp={"input": lambda grad, src_shape, offset, dim1, dim2: grad.diagonal_scatter(grad.new_zeros(src_shape), offset, dim1, dim2),
        "src": lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2)})


def _scatter_relative(grad, geometry, size, stride, storage_offset):
    """The gradient laid out as the input was, and the offset into it."""
    offset = geometry[2] if storage_offset is None else storage_offset
    laid = facula.empty_strided(geometry[0], geometry[1], dtype=grad.dtype, device=grad.device).copy_(grad) \
        if tuple(geometry[1]) != grad.stride() else grad
    return laid, laid.storage_offset() + offset - geometry[2]


def _as_strided_scatter_input(grad, input_geometry, size, stride, storage_offset):
    # PyTorch gives the input the gradient of the part that was replaced; so do we.
    laid, offset = _scatter_relative(grad, input_geometry, size, stride, storage_offset)
    return facula.as_strided_scatter(facula.zeros_like(laid), laid.as_strided(size, stride, offset), size, stride,
                                     offset - laid.storage_offset())


def _as_strided_scatter_src(grad, input_geometry, size, stride, storage_offset):
    laid, offset = _scatter_relative(grad, input_geometry, size, stride, storage_offset)
    return laid.as_strided(size, stride, offset)


op("as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None)", kernel="shape.as_strided_scatter",
   jvp=lambda primals, tangents, results: facula.as_strided_scatter(
       *(facula.zeros_like(p) if t is None else t for p, t in zip(primals[:2], tangents)), *primals[2:]),
   vjp={"input": _as_strided_scatter_input, "src": _as_strided_scatter_src})

op("flatten(Tensor input, int start_dim=0, int end_dim=-1)", kernel="shape.flatten", view=True, node="ViewBackward0",
   vjp={"input": _reshape_back})
for _name in ("movedim", "moveaxis"):
    op(f"{_name}(Tensor input, int[1] source, int[1] destination)", kernel="shape.movedim", view=True, node="PermuteBackward0",
       vjp={"input": lambda grad, source, destination: grad.movedim(destination, source)})
