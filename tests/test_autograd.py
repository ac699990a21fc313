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


def test_hooks_of_many_tensors_after_many_passes():
    x, y = facula.ones(1, requires_grad=True), facula.ones(1, requires_grad=True)
    seen = []
    facula.autograd.graph.register_multi_grad_hook([x, y], lambda grads: seen.append(len(grads)))
    for _ in range(300):
        (x * y).backward()
    assert seen == [2] * 300


def test_writing_one_view_gives_the_others_its_history():
    whole = facula.ones(2).view(-1)
    w = facula.full((1,), 3.0, requires_grad=True)
    whole[:1].mul_(w)
    whole.sum().backward()
    assert w.grad.tolist() == [1.0]


def test_views_made_without_gradients_refuse_recorded_writes():
    x = facula.ones(2, requires_grad=True) * 1
    with facula.no_grad():
        view = x.view(-1)
    with pytest.raises(RuntimeError, match="no_grad mode"):
        view.mul_(2)
    with pytest.raises(RuntimeError, match="multiple views"):
        x.unbind()[0].mul_(2)


def test_checkpoints_can_be_differentiated_twice():
    from facula.utils.checkpoint import checkpoint

    x = facula.full((2,), 2.0, requires_grad=True)
    first, = facula.autograd.grad(checkpoint(lambda x: (x ** 3).sum(), x, use_reentrant=False), x, create_graph=True)
    assert facula.autograd.grad(first.sum(), x)[0].tolist() == [12.0, 12.0]


def test_gradient_edges_stand_for_tensors():
    x = facula.ones(1, requires_grad=True)
    y = x * 2
    edge = facula.autograd.graph.get_gradient_edge(y)
    assert facula.autograd.grad(y * 3, edge)[0].item() == 3
