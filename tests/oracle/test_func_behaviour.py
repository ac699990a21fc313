"""func, forward_ad and autograd.functional beside PyTorch's: options and errors."""

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


def vmap_options(t):
    vmap = t.func.vmap
    x, y = t.arange(6.0).view(2, 3), t.arange(3.0)
    yield vmap(t.sum)(x), vmap(t.sum, in_dims=1)(x), vmap(t.sum, in_dims=-1)(x), vmap(t.mul, in_dims=(0, None))(x, y), vmap(t.mul, in_dims=(1, 0))(x, y)
    yield vmap(lambda a: a * 2, out_dims=1)(x), vmap(lambda a: (a, a.sum()), out_dims=(1, 0))(x), vmap(lambda a: (a, y), out_dims=(0, None))(x)
    yield vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))({"a": x, "b": y}), vmap(lambda a, b: a + b, in_dims=([0, None]))(x, 1.0) if False else 0
    yield vmap(t.sum, chunk_size=1)(x), vmap(vmap(lambda a: a * 2))(x), vmap(vmap(t.dot, in_dims=(0, None)), in_dims=(None, 0))(x, x), vmap(lambda a, k=1: a * k)(x, k=3)
    for f, args, kwargs in ((t.mul, (x, t.ones(3)), {}), (t.sum, (1.0,), {}), (t.sum, (x,), {"in_dims": 5}), (t.sum, (x,), {"in_dims": None}), (t.sum, (t.ones(()),), {}),
                            (lambda a: 3, (x,), {}), (lambda a: a, (x,), {"out_dims": 7}), (lambda a: (a, a), (x,), {"out_dims": (0,)}),
                            (lambda a: a.item(), (x[0],), {}), (lambda a: bool(a > 0), (x[0],), {}), (lambda a: t.randn(2) + a.sum(), (x,), {}), (t.sum, (), {}),
                            (lambda a: a.nonzero(), (x,), {}), (t.sum, (x,), {"chunk_size": 0}), (t.sum, (x,), {"randomness": "odd"}), (t.mul, (x, x), {"in_dims": (0,)})):
        yield attempt(lambda: vmap(f, **kwargs)(*args))[:300]
    t.manual_seed(0)
    yield vmap(lambda a: t.rand(1) + a.sum() * 0, randomness="same")(x).unique().numel(), vmap(lambda a: t.rand(1) + a.sum() * 0, randomness="different")(x).unique().numel()
    yield vmap(lambda a: a.add_(1))(x.clone())


def derivatives(t):
    f = lambda x, y=2.0: (x ** 3 * y).sum()  # noqa: E731
    func, x = t.func, t.tensor([1.0, 2.0])
    yield func.grad(f)(x), func.grad(f, argnums=(0, 1))(x, t.tensor(2.0)), func.grad_and_value(f)(x), func.grad(lambda x: (f(x), x * 2), has_aux=True)(x)
    yield func.grad_and_value(lambda x: (f(x), x * 2), has_aux=True)(x), func.grad(func.grad(lambda x: x ** 3))(t.tensor(2.0))
    yield func.jacrev(t.sin)(x), func.jacfwd(t.sin)(x), func.hessian(f)(x), func.jacrev(lambda x: {"a": x ** 2, "b": x.sum()})(x)
    yield func.jacrev(lambda a, b: a * b, argnums=(0, 1))(x, x), func.jacfwd(lambda a, b: a * b, argnums=1)(x, x), func.jacrev(lambda x: (x ** 2, x), has_aux=True)(x)
    yield func.jacrev(t.sin, chunk_size=1)(x), func.jacfwd(lambda x: (x ** 2, x), has_aux=True)(x), func.jacfwd(t.sin, randomness="same")(x)
    out, back = func.vjp(lambda a, b: (a * b, a.sum()), x, x + 1)
    yield out, back((t.ones(2), t.tensor(2.0))), attempt(back, t.ones(2)), func.vjp(lambda x: (x.sin(), x), x, has_aux=True)[2]
    yield func.jvp(t.sin, (x,), (t.ones(2),)), func.jvp(lambda x: (x.sin(), x), (x,), (t.ones(2),), has_aux=True), func.jvp(t.mul, (x, x), (t.ones(2), x))
    out, push = func.linearize(lambda x: x.sin() * x, x)
    yield out, push(t.ones(2))
    for bad in (lambda: func.grad(t.sin)(x), lambda: func.grad(lambda x: 3)(x), lambda: func.grad(f, argnums=5)(x), lambda: func.grad(f)(3), lambda: func.grad(lambda x: x.sum())(t.ones(2, dtype=t.int64)),
                lambda: func.jvp(t.sin, x, (x,)), lambda: func.jvp(t.sin, (x,), (t.ones(3),)), lambda: func.jvp(t.sin, (x,), ()), lambda: func.jvp(lambda x: 3, (x,), (x,)),
                lambda: func.vjp(lambda x: 3, x), lambda: func.grad(lambda x: x.sum(), has_aux=True)(x), lambda: func.jacrev(lambda x: 3)(x), lambda: func.jacfwd(lambda x: 3)(x),
                lambda: func.grad(f, argnums=(0, 0))(x)):
        yield attempt(bad)[:250]


def modules_as_functions(t):
    model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.BatchNorm1d(2))
    x = t.ones(3, 2)
    params = {k: v.detach() * 0 for k, v in model.named_parameters()}
    yield t.func.functional_call(model, params, (x,)), t.func.functional_call(model, params, x), t.func.functional_call(model, (params, dict(model.named_buffers())), (x,))
    yield attempt(t.func.functional_call, model, 3, (x,))
    models = [t.nn.Linear(2, 1) for _ in range(3)]
    stacked, buffers = t.func.stack_module_state(models)
    yield {k: (tuple(v.shape), v.requires_grad) for k, v in stacked.items()}, buffers, attempt(t.func.stack_module_state, []), attempt(t.func.stack_module_state, [t.nn.Linear(1, 1), t.nn.ReLU()])
    base = t.nn.Linear(2, 1, device="meta")
    yield t.func.vmap(lambda p, x: t.func.functional_call(base, p, (x,)), in_dims=(0, None))(stacked, x).shape
    grads = t.func.vmap(t.func.grad(lambda p, x: t.func.functional_call(models[0], p, (x,)).sum()), in_dims=(None, 0))(dict(models[0].named_parameters()), x)
    yield grads


def dual_numbers(t):
    fwd = t.autograd.forward_ad
    x = t.tensor([1.0, 2.0])
    yield attempt(fwd.make_dual, x, x)
    with fwd.dual_level():
        d = fwd.make_dual(x, t.ones(2))
        y = d.sin() * d
        yield fwd.unpack_dual(y), fwd.unpack_dual(x), type(fwd.unpack_dual(y)).__name__, d
        yield attempt(fwd.make_dual, x, t.ones(3)), attempt(fwd.make_dual, t.ones(2, dtype=t.int64), x), attempt(lambda: fwd.dual_level().__enter__())
        z = x.clone()
        z.mul_(d)
        yield fwd.unpack_dual(z), fwd.unpack_dual(d.view(2, 1)[0]), fwd.unpack_dual(d.detach())
    yield fwd.unpack_dual(y).tangent


def functional(t):
    F = t.autograd.functional
    x = t.tensor([1.0, 2.0])
    f, g = (lambda x: (x ** 3).sum()), (lambda x: x ** 2)  # noqa: E731
    yield F.jacobian(g, x), F.hessian(f, x), F.vjp(g, x, t.ones(2)), F.jvp(g, x, t.ones(2)), F.vhp(f, x, t.ones(2)), F.hvp(f, x, t.ones(2))
    yield F.jacobian(lambda a, b: a * b, (x, x)), F.hessian(lambda a, b: (a * b).sum(), (x, x)), F.jacobian(g, x, create_graph=True), F.jacobian(g, x, vectorize=True)
    yield F.jacobian(g, x, strategy="forward-mode", vectorize=True), attempt(F.jacobian, g, x, strategy="forward-mode"), F.hessian(f, x, vectorize=True), F.jvp(g, x, t.ones(2), create_graph=True)
    for bad in (lambda: F.vjp(g, x), lambda: F.vjp(g, x, t.ones(3)), lambda: F.jacobian(lambda x: 3, x), lambda: F.hessian(g, x),
                lambda: F.jacobian(g, 3), lambda: F.jvp(g, x), lambda: F.hvp(f, x), lambda: F.jacobian(g, x, strategy="odd")):
        yield attempt(bad)[:250]
    yield F.jacobian(lambda x: t.ones(2), x), attempt(F.hvp, f, x)


def checking_gradients(t):
    check, again = t.autograd.gradcheck, t.autograd.gradgradcheck
    x = t.rand(3, dtype=t.float64, requires_grad=True)
    yield check(t.sin, (x,)), check(t.sin, x, fast_mode=True), again(t.sin, (x,)), again(t.sin, (x,), fast_mode=True), check(t.sin, (x,), check_forward_ad=True), check(t.mul, (x, x), check_batched_grad=True)
    wrong = type("Wrong", (t.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 2), "backward": staticmethod(lambda ctx, g: g * 3)}).apply
    yield attempt(check, wrong, (x,))[:60], attempt(check, wrong, (x,), fast_mode=True)[:60], check(wrong, (x,), raise_exception=False), attempt(check, t.sin, (t.rand(2),))[:200]
    z = t.rand(2, dtype=t.complex128, requires_grad=True)
    yield check(lambda z: (z * z.conj()).real.sum(), (z,)), check(t.exp, (z,)), check(t.exp, (z,), fast_mode=True)


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_func(scenario):
    compare(scenario)
