"""Matrix products and what is made of them."""

from __future__ import annotations

import facula

from ._table import _copy_out, composite, op


def _adjoint(x):
    """The conjugate transpose of the last two dimensions."""
    x = x.transpose(-2, -1)
    return x.conj() if x.is_complex() else x


def _conj(x):
    return x.conj() if x.is_complex() else x


def _scaled(x, factor):
    """x * conj(factor), for gradients of scaled terms."""
    factor = factor.conjugate()
    return x if factor == 1 else x * factor


op("mm(Tensor input, Tensor mat2)", kernel="matmul.mm",
   vjp={"input": lambda grad, mat2: facula.mm(grad, _adjoint(mat2)),
        "mat2": lambda grad, input: facula.mm(_adjoint(input), grad)})
op("bmm(Tensor input, Tensor mat2)", kernel="matmul.bmm",
   vjp={"input": lambda grad, mat2: facula.bmm(grad, _adjoint(mat2)),
        "mat2": lambda grad, input: facula.bmm(_adjoint(input), grad)})
op("mv(Tensor input, Tensor vec)", kernel="matmul.mv",
   vjp={"input": lambda grad, vec: grad.unsqueeze(1) * _conj(vec),
        "vec": lambda grad, input: facula.mv(_adjoint(input), grad)})
op("dot(Tensor input, Tensor tensor)", kernel="matmul.dot",
   vjp={"input": lambda grad, tensor: grad * _conj(tensor), "tensor": lambda grad, input: grad * _conj(input)})
op("vdot(Tensor input, Tensor other)", kernel="matmul.vdot",
   vjp={"input": lambda grad, other: _conj(grad) * other, "other": lambda grad, input: grad * input})
op("addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)", kernel="matmul.addmm", inplace=True,
   vjp={"input": lambda grad, beta: _scaled(grad, beta),
        "mat1": lambda grad, mat2, alpha: _scaled(facula.mm(grad, _adjoint(mat2)), alpha),
        "mat2": lambda grad, mat1, alpha: _scaled(facula.mm(_adjoint(mat1), grad), alpha)})
op("addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1)", kernel="matmul.addmv", inplace=True,
   vjp={"input": lambda grad, beta: _scaled(grad, beta),
        "mat": lambda grad, vec, alpha: _scaled(grad.unsqueeze(1) * _conj(vec), alpha),
        "vec": lambda grad, mat, alpha: _scaled(facula.mv(_adjoint(mat), grad), alpha)})
op("baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)", kernel="matmul.baddbmm", inplace=True,
   vjp={"input": lambda grad, beta: _scaled(grad, beta),
        "batch1": lambda grad, batch2, alpha: _scaled(facula.bmm(grad, _adjoint(batch2)), alpha),
        "batch2": lambda grad, batch1, alpha: _scaled(facula.bmm(_adjoint(batch1), grad), alpha)})
op("addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)", kernel="matmul.addbmm", inplace=True,
   vjp={"input": lambda grad, beta: _scaled(grad, beta),
        "batch1": lambda grad, batch2, alpha: _scaled(facula.matmul(grad, _adjoint(batch2)), alpha),
        "batch2": lambda grad, batch1, alpha: _scaled(facula.matmul(_adjoint(batch1), grad), alpha)})
op("_matmul(Tensor input, Tensor other)", kernel="matmul.matmul", node="UnsafeViewBackward0",
   vjp={"input": lambda grad, other: facula._matmul(grad, _adjoint(other)),
        "other": lambda grad, input, other: _right_gradient(grad, input, other)})


def _right_gradient(grad, input, other):
    if other.dim() > 2:
        return facula._matmul(_adjoint(input), grad)
    return facula.mm(_adjoint(input.flatten(0, -2)), grad.flatten(0, -2))


def _linear_as_graph(input, weight, bias):
    """The nodes that PyTorch records: rows as a matrix, one product, and back."""
    if input.dim() < 2 or weight.dim() != 2 or bias is not None and bias.dim() != 1:
        return facula._linear(input, weight, bias)
    rows = input if input.dim() == 2 else input.reshape(-1, input.shape[-1])
    out = facula._linear_rows(rows, weight) if bias is None else facula._linear(rows, weight, bias)
    if input.dim() == 2:
        return out
    shape = (*input.shape[:-1], weight.shape[0])
    return facula._unsafe_view(out, shape) if bias is None else out.view(shape)


op("nn.functional.linear(Tensor input, Tensor weight, Tensor? bias=None)", kernel="matmul.linear", node="AddmmBackward0", composed=_linear_as_graph,
   vjp={"input, weight, bias": lambda grad, input, weight, bias, needs: _linear_gradients(grad, input, weight, bias, needs)})
op("_linear(Tensor input, Tensor weight, Tensor? bias)", kernel="matmul.linear", node="AddmmBackward0", method=False, edges=("bias", "input", "weight.t"),
   vjp={"input, weight, bias": lambda grad, input, weight, bias, needs: _linear_gradients(grad, input, weight, bias, needs)})
op("_linear_rows(Tensor input, Tensor weight, Tensor? bias=None)", kernel="matmul.linear", node="MmBackward0", method=False, edges=("input", "weight.t"),
   vjp={"input, weight": lambda grad, input, weight, needs: _linear_gradients(grad, input, weight, None, (*needs, False))[:2]})
op("_unsafe_view(Tensor input, int[] size)", compute=lambda input, size: input.reshape(size), method=False,
   vjp={"input": lambda grad, input_shape: grad.reshape(input_shape)})
op("_linear_backward(Tensor grad_output, Tensor input, Tensor weight, int needs) -> (_, _, _)", kernel="matmul.linear_backward",
   vjp={"grad_output, input, weight": lambda grads, grad_output, input, weight: _linear_gradients_twice(grads, grad_output, input, weight)})


def _linear_gradients(grad, input, weight, bias, needs):
    if weight.dim() == 1 or input.dim() == 1 or input.is_complex() or (bias is not None and bias.dim() != 1):
        matrix = weight.unsqueeze(0) if weight.dim() == 1 else weight
        wide = grad.unsqueeze(-1) if weight.dim() == 1 else grad
        rows = wide.reshape(-1, wide.shape[-1])
        return (facula.matmul(wide, _conj(matrix)).reshape(input.shape) if needs[0] else None,
                facula.mm(rows.t(), _conj(input.reshape(-1, input.shape[-1]))).reshape(weight.shape) if needs[1] else None,
                grad if needs[2] else None)
    if bias is not None and bias.shape[0] != weight.shape[0]:  # a bias that was broadcast
        a, b, _ = facula._linear_backward(grad, input, weight, needs[0] + 2 * needs[1])
        return a, b, grad
    return facula._linear_backward(grad, input, weight, needs[0] + 2 * needs[1] + 4 * needs[2])


def _linear_gradients_twice(grads, grad, input, weight):
    of_input, of_weight, of_bias = grads
    to_grad, to_input, to_weight = [], None, None
    if of_input is not None:
        to_grad.append(facula.matmul(of_input, weight.t()))
        to_weight = facula.mm(grad.reshape(-1, grad.shape[-1]).t(), of_input.reshape(-1, of_input.shape[-1]))
    if of_weight is not None:
        to_grad.append(facula.matmul(input, of_weight.t()))
        to_input = facula.matmul(grad, of_weight)
    if of_bias is not None:
        to_grad.append(of_bias.expand(grad.shape))
    total = sum(to_grad[1:], to_grad[0]) if to_grad else None
    return total, to_input, to_weight


@composite("matmul", method=True)
def matmul(input, other, *, out=None):
    """The matrix product of the last two dimensions; the others are broadcast. Vectors stay vectors."""
    try:
        n, m = input.ndim, other.ndim
    except AttributeError:
        raise TypeError(f"matmul(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}") from None
    if n == 2 and m == 2:
        return facula.mm(input, other) if out is None else facula.mm(input, other, out=out)
    result = _matmul_any(input, other, n, m)
    return result if out is None else _copy_out(out, result, "matmul")


def _matmul_any(input, other, n, m):
    if n == 0 or m == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D")
    if m == 1:
        if n == 1:
            return facula.dot(input, other)
        if n == 2:
            return facula.mv(input, other)
        return facula._matmul(input, other.unsqueeze(1)).squeeze(-1)
    if n == 1:
        return facula._matmul(input.unsqueeze(0), other).squeeze(-2) if m > 2 else facula.mm(input.unsqueeze(0), other).squeeze(0)
    return facula._matmul(input, other)


@composite("linalg.matmul")
def linalg_matmul(input, other):
    """The same as `matmul`."""
    return facula.matmul(input, other)


@composite("outer", method=True, aliases=("ger",))
def outer(input, vec2):
    """All products of an element of `input` with one of `vec2`."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x.dim() != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.dim()}-D")
    return input.reshape(input.shape[0], 1) * vec2


def _addr(input, vec1, vec2, beta, alpha):
    for name, x in (("vec1", vec1), ("vec2", vec2)):
        if x.dim() != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {x.dim()}-D")
    size = (vec1.shape[0], vec2.shape[0])
    input = input.expand(size)
    dtype = facula.promote_types(facula.result_type(vec1, vec2), input.dtype)
    if dtype == facula.bool:
        product = facula.outer(vec1, vec2) if alpha else facula.zeros(size, dtype=dtype)
        return product | input if beta else product
    if not (dtype.is_floating_point or dtype.is_complex) and (isinstance(alpha, float) or isinstance(beta, float)):
        raise RuntimeError("For integral input tensors, argument beta must not be a floating point number."
                           if isinstance(beta, float) else
                           "For integral input tensors, argument alpha must not be a floating point number.")
    product = facula.outer(vec1 * alpha if alpha != 1 else vec1, vec2)  # halves round in this order
    return (product if beta == 0 else input * beta + product if beta != 1 else input + product).to(dtype)


op("addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1)", compute=_addr, inplace=True,
   doc="beta * input + alpha * outer(vec1, vec2).",
   vjp={"input": lambda grad, beta: _scaled(grad, beta), "vec1": lambda grad, vec2, alpha: _scaled(grad.mv(vec2.conj()), alpha),
        "vec2": lambda grad, vec1, alpha: _scaled(grad.t().mv(vec1.conj()), alpha)})


def _scaled(x, factor):
    return x if factor == 1 else x * (factor.conjugate() if isinstance(factor, complex) else factor)


@composite("inner", method=True)
def inner(input, other):
    """The sum of products along the last dimensions of both."""
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError("inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")
    return facula.tensordot(input, other, ([-1], [-1]))


@composite("linalg.vecdot")
def vecdot(x, y, *, dim=-1):
    """The dot product along one dimension, with x conjugated."""
    if x.dim() == 1 and y.dim() == 1:
        return facula.vdot(x, y)
    x, y = facula.broadcast_tensors(x, y)
    return facula.matmul(_conj(x).movedim(dim, -1).unsqueeze(-2), y.movedim(dim, -1).unsqueeze(-1)).squeeze(-1).squeeze(-1)


@composite("tensordot")
def tensordot(a, b, dims=2, out=None):
    """Sums products over pairs of dimensions: the last `dims` of a and first of b, or two lists of dimensions."""
    if isinstance(dims, facula.Tensor):
        dims = dims.tolist()
    if isinstance(dims, (int, float)):
        dims = int(dims)
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(-dims, 0)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for p, q in zip(left, right, strict=True):
        m, n = a.shape[p], b.shape[q]
        if m == n:
            continue
        if m == 1:
            b = b.sum(q, keepdim=True)
        elif n == 1:
            a = a.sum(p, keepdim=True)
        else:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {m} in dim {p} "
                               f"and second has size {n} in dim {q}")
    left, right = [d % a.dim() for d in left], [d % b.dim() for d in right]
    keep_a = [d for d in range(a.dim()) if d not in left]
    keep_b = [d for d in range(b.dim()) if d not in right]
    sizes = [a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b]
    rows = cols = depth = 1
    for d in keep_a:
        rows *= a.shape[d]
    for d in keep_b:
        cols *= b.shape[d]
    for d in left:
        depth *= a.shape[d]
    result = facula.mm(a.permute(keep_a + left).reshape(rows, depth), b.permute(right + keep_b).reshape(depth, cols)).view(sizes)
    return result if out is None else out.resize_(result.shape).copy_(result)


def _chain_order(sizes):
    """split[i][j]: where the cheapest product of matrices i..j is cut (Cormen et al., section 15.2)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))
    return split


@composite("linalg.multi_dot")
def multi_dot(tensors):
    """The product of matrices in the order that takes the fewest operations."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    for i, x in enumerate(tensors):
        ends = i in (0, len(tensors) - 1)
        if x.dim() != 2 and not (ends and x.dim() == 1):
            wanted = "1D or 2D" if ends else "2D"
            which = "the first tensor must be" if i == 0 else "the last tensor must be" if ends else f"tensor {i} must be"
            raise RuntimeError(f"multi_dot(): {which} {wanted} but got {x.dim()}D")
        if x.dtype != first.dtype:
            raise RuntimeError(f"multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                               f"{facula.typename(first)} and tensor {i} {facula.typename(x)}")
    if first.dim() == 1:
        tensors[0] = first.unsqueeze(0)
    if last.dim() == 1:
        tensors[-1] = last.unsqueeze(1)
    for i in range(len(tensors) - 1):
        if tensors[i].shape[-1] != tensors[i + 1].shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and "
                               f"{list(tensors[i + 1].shape)} cannot be multiplied")
    split = _chain_order([tensors[0].shape[0], *(x.shape[1] for x in tensors)])

    def product(i, j):
        return tensors[i] if i == j else facula.mm(product(i, split[i][j]), product(split[i][j] + 1, j))

    result = product(0, len(tensors) - 1)
    if first.dim() == 1:
        result = result.squeeze(0)
    return result.squeeze(-1) if last.dim() == 1 else result


@composite("chain_matmul")
def chain_matmul(*matrices):
    """The product of matrices; `linalg.multi_dot` is the same."""
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = matrices[0]
    if len(matrices) == 0:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for x in matrices:
        if x.dim() != 2:
            raise RuntimeError(f"Tensor dimension is {x.dim()}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else facula.linalg.multi_dot(list(matrices))


@composite("linalg.matrix_power")
def matrix_power(A, n):
    """A multiplied n times with itself; the inverse for negative n."""
    if A.dim() < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError("linalg.matrix_power: A must be batches of square matrices, but they are "
                           f"{A.shape[-2]} by {A.shape[-1]} matrices")
    if n < 0:
        A, n = facula.linalg.inv(A), -n
    if n == 0:
        return A.clone().copy_(facula.eye(A.shape[-1], dtype=A.dtype, device=A.device))
    if n == 1:
        return A.clone()
    result, power = None, A
    while n:
        if n & 1:
            result = power if result is None else facula.matmul(result, power)
        n >>= 1
        if n:
            power = facula.matmul(power, power)
    return result


@composite("matrix_power", method=True)
def torch_matrix_power(input, n):
    """The same as `linalg.matrix_power`."""
    return facula.linalg.matrix_power(input, n)


@composite("kron", method=True)
def kron(input, other):
    """The Kronecker product: each element of `input` times all of `other`."""
    rank = max(input.dim(), other.dim())
    a = (1,) * (rank - input.dim()) + tuple(input.shape)
    b = (1,) * (rank - other.dim()) + tuple(other.shape)
    left = input.reshape([n for size in a for n in (size, 1)])
    right = other.reshape([n for size in b for n in (1, size)])
    return (left * right).reshape([m * n for m, n in zip(a, b, strict=True)])


def _bilinear(input1, input2, weight, bias=None):
    """x1 @ W[k] @ x2 + bias[k] for each output feature k."""
    if input1.dim() != input2.dim():
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}")
    for d in range(input1.dim() - 1):
        if input1.shape[d] != input2.shape[d]:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {input1.shape[d]} "
                               f"and {input2.shape[d]}")
    for i, x in ((1, input1), (2, input2)):
        if x.shape[-1] != weight.shape[i]:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {x.shape[-1]} but "
                               f"expected {weight.shape[i]}")
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but "
                           f"expected {weight.shape[0]}")
    x = input1.reshape(-1, input1.shape[-1])                              # (rows, in1)
    y = input2.reshape(-1, input2.shape[-1])                              # (rows, in2)
    half = facula.matmul(x, weight.permute(1, 0, 2).reshape(x.shape[1], -1))  # (rows, out * in2)
    half = half.reshape(-1, weight.shape[0], weight.shape[2])
    result = facula.bmm(half, y.unsqueeze(2)).reshape(*input1.shape[:-1], weight.shape[0])
    return result if bias is None else result + bias


composite("bilinear", method=False)(_bilinear)
composite("nn.functional.bilinear")(_bilinear)
