"""Functional transforms."""

import facula
from facula.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp


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
