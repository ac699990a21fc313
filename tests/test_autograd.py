"""Backward, grad, hooks, in-place checks."""

import gc

import pytest

import facula
from facula.autograd import Function, gradcheck


def leaf(*shape):
    return facula.randn(*shape, dtype=facula.float64).requires_grad_()


def test_backward_adds_to_grad():
    x = facula.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0, 12.0]


def test_second_derivative():
    x = facula.tensor([1.0, 2.0], requires_grad=True)
    g, = facula.autograd.grad((x ** 3).sum(), x, create_graph=True)
    h, = facula.autograd.grad(g.sum(), x)
    assert h.tolist() == [6.0, 12.0]


def test_second_backward_says_what_to_do():
    x = leaf(3)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_in_place_change_of_a_saved_value_is_noticed():
    x = leaf(3)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_in_place_on_a_leaf_is_refused():
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        leaf(2).add_(1)


def test_in_place_on_a_view_reaches_the_base():
    x = leaf(4)
    y = x * 1
    y[1:3].mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 3.0, 3.0, 1.0]


def test_a_million_nodes():
    x = facula.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1.0
    del y
    gc.collect()


def test_hooks_change_gradients():
    x = facula.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    handle = x.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert x.grad.tolist() == [21.0, 21.0]
    handle.remove()


def test_no_grad_and_inference_record_nothing():
    x = leaf(2)
    with facula.no_grad():
        assert not (x * 2).requires_grad
    with facula.inference_mode():
        assert not (x * 2).requires_grad


def test_function_with_its_own_backward():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, grad):
            x, = ctx.saved_tensors
            return grad * 3 * x ** 2

    assert gradcheck(Cube.apply, (leaf(3),))


def test_grad_of_unused_input():
    x, y = leaf(2), leaf(2)
    with pytest.raises(RuntimeError, match="appears to not have been used"):
        facula.autograd.grad(x.sum(), (x, y))
    assert facula.autograd.grad(x.sum(), (x, y), allow_unused=True)[1] is None


def test_names_of_nodes():
    x = leaf(2, 2)
    assert (x + 1).grad_fn.name() == "AddBackward0"
    assert (x @ x).grad_fn.name() == "MmBackward0"
    assert x.sum().grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
    assert x.sum().grad_fn.next_functions[0][0].variable is x
