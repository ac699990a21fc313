"""Gradients of operations against finite differences in double precision."""

import pytest

import facula
from facula.autograd import gradcheck

F = facula.nn.functional


def positive(*shape):
    return (facula.rand(*shape, dtype=facula.float64) + 0.5).requires_grad_()


UNARY = ["exp", "log", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "log1p", "expm1", "atan", "sinh", "cosh", "square",
         "reciprocal", "abs", "lgamma", "asinh", "log2", "log10", "exp2"]


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    assert gradcheck(getattr(facula, name), (positive(3, 2),))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "atan2", "hypot"])
def test_binary_with_broadcasting(name):
    assert gradcheck(getattr(facula, name), (positive(3, 2), positive(2)))


@pytest.mark.parametrize("function", [
    lambda x: x.sum(1), lambda x: x.mean(0), lambda x: x.prod(1), lambda x: x.cumsum(1), lambda x: x.cumprod(1), lambda x: x.var(1),
    lambda x: x.std(), lambda x: x.amax(1), lambda x: x.max(1)[0], lambda x: x.logsumexp(1), lambda x: x.softmax(1), lambda x: x.log_softmax(0),
    lambda x: x.norm(), lambda x: x[1:, ::2], lambda x: x[facula.tensor([0, 0, 2])], lambda x: x.t(), lambda x: x.reshape(2, 6),
    lambda x: facula.cat([x, x * 2], 1), lambda x: facula.stack([x, x]), lambda x: x.flip(0), lambda x: x.gather(1, facula.tensor([[0, 1], [2, 0], [1, 1]])),
    lambda x: F.layer_norm(x, (4,)), lambda x: F.gelu(x), lambda x: F.softplus(x), lambda x: F.silu(x), lambda x: facula.where(x > 1, x, x * 2)])
def test_functions_of_a_matrix(function):
    assert gradcheck(function, (positive(3, 4),))


def test_products_and_layers():
    assert gradcheck(lambda a, b: a @ b, (positive(3, 4), positive(4, 2)))
    assert gradcheck(lambda x, w, b: F.linear(x, w, b), (positive(3, 4), positive(2, 4), positive(2)))
    assert gradcheck(lambda x, w, b: F.conv2d(x, w, b, padding=1), (positive(1, 2, 4, 4), positive(3, 2, 3, 3), positive(3)))
    assert gradcheck(lambda x: F.max_pool2d(x, 2), (positive(1, 2, 4, 4),))
    assert gradcheck(lambda x: F.avg_pool2d(x, 2), (positive(1, 2, 4, 4),))
    assert gradcheck(lambda x: F.cross_entropy(x, facula.tensor([1, 0, 3])), (positive(3, 4),))


def test_second_derivatives():
    for function in (lambda x: x.tanh(), lambda x: x.softmax(1), lambda x: x.log_softmax(1), lambda x: (x * x).sum(1)):
        assert facula.autograd.gradgradcheck(function, (positive(2, 3),))


def test_a_result_that_its_gradient_does_not_read_may_change_in_place():
    x = facula.randn(2, 3, 4, 4, requires_grad=True)
    normed = facula.nn.BatchNorm2d(3)(x)
    normed += x
    facula.nn.functional.max_pool2d(normed.relu_(), 2).mul_(2).sum().backward()
    assert x.grad is not None
    values, _ = (y := x.detach().requires_grad_()).max(1)
    values.mul_(3).sum().backward()
    assert y.grad.sum() == 3 * values.numel()
