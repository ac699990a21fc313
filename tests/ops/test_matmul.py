"""Matrix products: values against plain sums, gradients, messages."""

import pytest

import facula
from facula.nn.functional import linear


def numbers(*shape, dtype=None):
    n = 1
    for d in shape:
        n *= d
    return (facula.arange(n).reshape(shape) % 7 - 3).to(dtype or facula.float32)


def plain_product(a, b):
    a, b = a.double().tolist(), b.double().tolist()
    return facula.tensor([[sum(x * y for x, y in zip(row, col, strict=True)) for col in zip(*b, strict=True)] for row in a],
                         dtype=facula.float64)


@pytest.mark.parametrize("size", [(1, 1, 1), (5, 3, 7), (17, 33, 9), (1, 40, 70), (64, 1, 50), (13, 19, 300)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bfloat16"])
def test_mm_is_the_sum_of_products(size, dtype):
    m, n, k = size
    a, b = numbers(m, k, dtype=getattr(facula, dtype)), numbers(k, n, dtype=getattr(facula, dtype))
    expected = plain_product(a, b).to(a.dtype)
    assert facula.equal(a @ b, expected)
    assert facula.equal(a.t().contiguous().t() @ b.t().contiguous().t(), expected)


def test_threads_do_not_change_the_answer():
    a, b = facula.randn(130, 270), facula.randn(270, 190)
    threads, results = facula.get_num_threads(), []
    try:
        for n in (1, 2, 4):
            facula.set_num_threads(n)
            results.append(a @ b)
    finally:
        facula.set_num_threads(threads)
    assert all(facula.equal(results[0], r) for r in results)


def test_linear_adds_its_bias_and_has_gradients():
    x, w, b = (numbers(*s).requires_grad_() for s in ((4, 3), (5, 3), (5,)))
    y = linear(x, w, b)
    assert facula.equal(y, x.detach() @ w.detach().t() + b.detach())
    assert y.grad_fn.name() == "AddmmBackward0"
    y.sum().backward()
    assert facula.equal(x.grad, w.detach().sum(0).expand(4, 3))
    assert facula.equal(w.grad, x.detach().sum(0).expand(5, 3))
    assert facula.equal(b.grad, facula.full((5,), 4.0))


def test_batches_broadcast():
    a, b = numbers(2, 1, 3, 4), numbers(5, 4, 2)
    y = a @ b
    assert y.shape == (2, 5, 3, 2)
    assert facula.equal(y[1, 3], a[1, 0] @ b[3])


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(2, 2, 3), (2, 3, 4)]), ("ii->i", [(3, 3)]), ("...ij->...ji", [(2, 3, 4)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]), ("ij->", [(2, 3)])])
def test_einsum_sums_over_every_index(equation, shapes):
    terms, result = equation.replace("...", "z").split("->")
    operands = [numbers(*s) for s in shapes]
    sizes = {}
    for term, x in zip(terms.split(","), operands, strict=True):
        sizes.update(zip(term, x.shape, strict=True))
    expected = facula.zeros([sizes[c] for c in result])
    from itertools import product
    for index in product(*(range(n) for n in sizes.values())):
        at = dict(zip(sizes, index, strict=True))
        value = 1.0
        for term, x in zip(terms.split(","), operands, strict=True):
            value *= x[tuple(at[c] for c in term)].item()
        expected[tuple(at[c] for c in result)] += value
    assert facula.equal(facula.einsum(equation, *operands), expected)


@pytest.mark.parametrize("call, text", [
    (lambda: numbers(2, 3) @ numbers(2, 3), r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"),
    (lambda: facula.bmm(numbers(2, 3, 4), numbers(2, 3, 4)), r"to be: \[2, 4\] but got: \[2, 3\]"),
    (lambda: facula.mv(numbers(2, 3), numbers(2)), r"size mismatch, got input \(2\), mat \(2x3\), vec \(2\)"),
    (lambda: facula.mm(numbers(2, 2), numbers(2, 2).double()), "expected m1 and m2 to have the same dtype"),
    (lambda: facula.einsum("ij,jk->il", numbers(2, 2), numbers(2, 2)), "output subscript l does not appear")])
def test_messages(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
