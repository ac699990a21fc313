"""Functional transforms."""

import pytest

import facula
from facula.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from facula.nn import functional as F


def test_grad_and_hessian_of_a_cubic():
    x = facula.tensor([1.0, 2.0])
    assert grad(lambda x: (x ** 3).sum())(x).tolist() == [3.0, 12.0]
    assert hessian(lambda x: (x ** 3).sum())(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_both_jacobians_agree():
    x = facula.randn(3, dtype=facula.float64)
    f = lambda x: facula.stack([x.sin().sum(), (x * x).prod()])  # noqa: E731
    assert facula.allclose(jacrev(f)(x), jacfwd(f)(x))


def test_vjp_and_jvp_are_transposes():
    x, u, v = facula.randn(3, dtype=facula.float64), facula.randn(3, dtype=facula.float64), facula.randn(3, dtype=facula.float64)
    _, back = vjp(facula.tanh, x)
    _, forward = jvp(facula.tanh, (x,), (u,))
    assert facula.allclose((back(v)[0] * u).sum(), (forward * v).sum())


def test_functional_call_leaves_the_module_alone():
    layer = facula.nn.Linear(2, 2)
    before = layer.weight
    out = functional_call(layer, {"weight": facula.zeros(2, 2), "bias": facula.ones(2)}, (facula.randn(1, 2),))
    assert out.tolist() == [[1.0, 1.0]]
    assert layer.weight is before


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_are_reduced_for_each_example(reduction):
    x, y = facula.randn(3, 4, 5), facula.randn(3, 4, 5)
    loop = facula.stack([F.mse_loss(a, b, reduction=reduction) for a, b in zip(x, y)])
    assert facula.allclose(vmap(lambda a, b: F.mse_loss(a, b, reduction=reduction))(x, y), loop)


TANGENTS = {"logcumsumexp": lambda x: x.logcumsumexp(1), "svdvals": facula.linalg.svdvals, "max_pool": lambda x: F.max_pool2d(x, 2),
            "cumprod": lambda x: x.cumprod(1), "as_strided": lambda x: x.as_strided((2, 2), (1, 2)), "loss": lambda x: F.mse_loss(x, x.sin()),
            "fill": lambda x: facula.fill(x, x[0, 0, 0] * 2)}


@pytest.mark.parametrize("name", sorted(TANGENTS))
def test_forward_mode_agrees_with_differences(name):
    f = TANGENTS[name]
    x, t = facula.randn(2, 4, 5, dtype=facula.float64), facula.randn(2, 4, 5, dtype=facula.float64)
    step = 1e-6
    assert facula.allclose(jvp(f, (x,), (t,))[1], (f(x + step * t) - f(x - step * t)) / (2 * step), atol=1e-5)


def test_jacobians_of_numbers():
    x = facula.tensor(2.0)
    for jacobian in (facula.func.jacfwd, facula.func.jacrev):
        assert jacobian(lambda x: x * x)(x).item() == 4
