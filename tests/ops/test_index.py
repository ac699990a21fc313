"""Indexing, against loops in Python and the rule that reads and writes are each other's transpose."""

import pytest

import facula


def grid(*shape):
    n = 1
    for s in shape:
        n *= s
    return facula.arange(float(n)).reshape(*shape)


INDEX = facula.tensor([2, 0, 2])
MASK = facula.tensor([[True, False, True], [False, True, True]])


@pytest.mark.parametrize("index, shape", [
    (([0, 1],), (2, 3, 4)), ((slice(None), [0, 2]), (2, 2, 4)), (([0, 1], slice(None), [1, 2]), (2, 3)),
    ((MASK,), (4, 4)), ((None, INDEX - 1), (1, 3, 3, 4)), ((True,), (1, 2, 3, 4)), ((..., INDEX), (2, 3, 3)),
    ((0, slice(None), INDEX), (3, 3)), ((facula.tensor(1),), (3, 4)),
])
def test_shapes_of_mixed_indices(index, shape):
    assert grid(2, 3, 4)[index].shape == shape


def test_assignment_writes_what_reading_reads():
    x = grid(2, 3, 4)
    x[:, INDEX, 1] = facula.tensor([[7.0, 8.0, 9.0]])
    assert x[:, 0, 1].tolist() == [8.0, 8.0] and x[0, 2, 1] in (7.0, 9.0)
    x[MASK] = 0
    assert x[MASK].abs().sum() == 0 and x[0, 1].sum() != 0


LINEAR = {
    "index_select": lambda x: x.index_select(1, INDEX),
    "gather": lambda x: x.gather(1, facula.tensor([[2, 0], [1, 1]])),
    "take": lambda x: x.take(facula.tensor([0, 5, -1])),
    "index": lambda x: x[[0, 0, 1], [1, 1, 2]],
    "mask": lambda x: x[MASK],
    "masked_fill": lambda x: x.masked_fill(MASK, 0),
    "index_add": lambda x: facula.zeros(2, 3).double().index_add(1, INDEX, x, alpha=2),
    "scatter_add": lambda x: facula.zeros(2, 3).double().scatter_add(0, facula.tensor([[0, 0, 1], [0, 1, 1]]), x),
    "embedding": lambda x: facula.nn.functional.embedding(facula.tensor([[1, 1], [0, 1]]), x),
}


@pytest.mark.parametrize("name", LINEAR)
def test_gradient_is_the_transpose(name):
    f = LINEAR[name]
    x = grid(2, 3).double().requires_grad_()
    out = f(x)
    w = facula.arange(float(out.numel())).double().reshape(out.shape).sin()
    (g,) = facula.autograd.grad((out * w).sum(), x)
    y = (grid(2, 3).double() + 1).sin()
    assert facula.allclose((g * y).sum(), (f(y) * w).sum())


@pytest.mark.parametrize("reduce, include, expected", [
    ("sum", True, [11.0, 4.0, 8.0]), ("prod", False, [4.0, 4.0, 6.0]), ("mean", False, [2.5, 4.0, 2.5]),
    ("amax", True, [6.0, 4.0, 3.0]), ("amin", False, [1.0, 4.0, 2.0]),
])
def test_scatter_reduce(reduce, include, expected):
    x, index, src = facula.tensor([6.0, 0.0, 3.0]), facula.tensor([0, 2, 0, 2, 1]), facula.tensor([1.0, 2.0, 4.0, 3.0, 4.0])
    assert x.scatter_reduce(0, index, src, reduce, include_self=include).tolist() == expected


def test_sums_do_not_depend_on_threads():
    index, grad = facula.arange(5000) * 7919 % 100, grid(5000, 64).sin()
    before, found = facula.get_num_threads(), []
    for n in (1, 4):
        facula.set_num_threads(n)
        found.append(facula.zeros(100, 64).index_add(0, index, grad))
    facula.set_num_threads(before)
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("call, error, text", [
    (lambda x: x[5], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
    (lambda x: x[[5]], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
    (lambda x: x[0, 0, 0], IndexError, "too many indices for tensor of dimension 2"),
    (lambda x: x[facula.tensor([True, False, True])], IndexError, r"shape of the mask \[3\] at index 0 does not match"),
    (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"could not be broadcast together with shapes \[2\], \[3\]"),
    (lambda x: x[::-1], ValueError, "step must be greater than zero"),
    (lambda x: x.index_select(0, facula.tensor([2])), IndexError, "index out of range in self"),
    (lambda x: facula.nn.functional.embedding(facula.tensor([2]), x), IndexError, "index out of range in self"),
    (lambda x: x.gather(0, facula.tensor([[9]])), RuntimeError, "index 9 is out of bounds for dimension 0 with size 2"),
    (lambda x: x.masked_fill(facula.tensor([1, 0, 1]), 0), RuntimeError, "only supports boolean masks"),
])
def test_messages(call, error, text):
    with pytest.raises(error, match=text):
        call(grid(2, 3))
