"""autograd.Function beside PyTorch's: styles, context attributes, marks, materialised gradients, higher derivatives, transforms."""

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


def of(t, forward, backward=None, setup=None, name="Own", **more):
    """A Function of plain functions."""
    body = {"forward": staticmethod(forward), **{k: staticmethod(v) if callable(v) else v for k, v in more.items()}}
    if backward:
        body["backward"] = staticmethod(backward)
    if setup:
        body["setup_context"] = staticmethod(setup)
    return type(name, (t.autograd.Function,), body)


def exp_of(t, **more):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    def backward(ctx, g):
        y, = ctx.saved_tensors
        return g * y

    return of(t, forward, backward, name="Exp", **more)


def both_styles(t):
    old = exp_of(t)

    def setup(ctx, inputs, output):
        x, = inputs
        ctx.save_for_backward(x)
        ctx.note = "seen"

    new = of(t, lambda x: x.exp(), lambda ctx, g: g * ctx.saved_tensors[0].exp(), setup, name="New")
    for kind in (old, new):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        y = kind.apply(x)
        yield y, type(y.grad_fn).__name__, y.grad_fn.name(), isinstance(y.grad_fn, kind._backward_cls)
        y.sum().backward()
        yield x.grad
        g, = t.autograd.grad(kind.apply(x).sum(), x, create_graph=True)
        yield g, t.autograd.grad(g.sum(), x)


def attributes(t):
    seen = []

    def forward(ctx, a, b, c, k):
        seen.append((ctx.needs_input_grad, type(ctx).__name__, k))
        ctx.k = k
        ctx.save_for_backward(a, None, b)
        return a * b, c

    def backward(ctx, g, h):
        seen.append((ctx.k, ctx.needs_input_grad, ctx.saved_tensors, g, h))
        return g * 2, None, None, None

    own = of(t, forward, backward)
    a, b = t.ones(1, requires_grad=True), t.ones(1)
    out = own.apply(a, b, "text", 5)
    yield out
    yield out[0].grad_fn.k, out[0].grad_fn.saved_tensors, out[0].grad_fn.needs_input_grad
    out[0].sum().backward()
    yield seen, a.grad
    yield attempt(lambda: out[0].grad_fn.saved_tensors)
    yield attempt(lambda: out[0].grad_fn.nothing)
    yield attempt(own.apply, a, b=b, c=1, k=2)


def counts_and_types_of_gradients(t):
    x = t.ones(2, requires_grad=True)
    for result in ((1, 2), (None, None), None, ("x",), t.ones(3), t.ones(1), t.ones(2, dtype=t.float64), t.ones(2, 2), (None,), (t.ones(2), None), []):
        own = of(t, lambda ctx, x: x * 2, lambda ctx, g, r=result: r)
        yield attempt(lambda: t.autograd.grad(own.apply(x).sum(), x, allow_unused=True))
    own = of(t, lambda ctx, x, y: x * y, lambda ctx, g: g)
    yield attempt(lambda: own.apply(x, x).sum().backward())
    own = of(t, lambda ctx, x, k: x * k, lambda ctx, g: (g, g))
    yield attempt(lambda: own.apply(x, 3).sum().backward())
    own = of(t, lambda ctx, x, k: x * k, lambda ctx, g: (g, g))
    yield attempt(lambda: own.apply(x, t.ones(2)).sum().backward())


def missing_methods(t):
    x = t.ones(2, requires_grad=True)
    yield attempt(of(t, lambda ctx, x: x * 2).apply(x).sum().backward)
    yield attempt(type("Bare", (t.autograd.Function,), {}).apply, x)
    yield attempt(type("Bare", (t.autograd.Function,), {})())
    yield attempt(of(t, lambda ctx, x: None).apply, x), attempt(of(t, lambda ctx, x: 3).apply, x), attempt(of(t, lambda ctx, x: [x]).apply, x)
    yield attempt(of(t, lambda ctx, x: (x * 2, None, "s")).apply, x)
    both = of(t, lambda ctx, x: x, lambda ctx, g: g, vjp=lambda ctx, g: g)
    yield attempt(lambda: both.apply(x * 1).sum().backward())
    only = of(t, lambda ctx, x: x * 2, vjp=lambda ctx, g: g * 2)
    only.apply(x).sum().backward()
    yield x.grad
    yield attempt(of(t, lambda x: x * 2, lambda ctx, g: g).apply, x)


def marked_dirty(t):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    own = of(t, forward, lambda ctx, g: g * 2)
    leaf = t.ones(2, requires_grad=True)
    yield attempt(own.apply, leaf)
    x = leaf * 1
    version = x._version
    y = own.apply(x)
    yield y is x, x.grad_fn.name(), x._version - version
    y.sum().backward()
    yield leaf.grad
    v = (leaf * 1)[:1]
    yield attempt(own.apply, v)
    forgets = of(t, lambda ctx, x: (ctx.mark_dirty(x), x * 2)[1], lambda ctx, g: g)
    yield attempt(forgets.apply, leaf * 1)
    with t.no_grad():
        yield own.apply(leaf)
    z = t.ones(2)
    yield own.apply(z) is z, z


def marked_non_differentiable(t):
    def forward(ctx, x):
        a, b = x * 2, x.argmax()
        c = x * 3
        ctx.mark_non_differentiable(c)
        return a, b, c

    seen = []
    own = of(t, forward, lambda ctx, *gs: (seen.append(gs), gs[0])[1])
    x = t.tensor([1.0, 2.0], requires_grad=True)
    a, b, c = own.apply(x)
    yield a, b, c, a.output_nr, c.output_nr
    a.sum().backward()
    yield seen, x.grad
    same = of(t, lambda ctx, x: (ctx.mark_non_differentiable(x), x)[1], lambda ctx, g: g)
    out = same.apply(x)
    yield out, out is x


def materialised(t):
    seen = []

    def make(flag):
        def forward(ctx, x):
            ctx.set_materialize_grads(flag)
            return x * 1, x.new_ones(3) * x.sum(), (x * 2).double()

        return of(t, forward, lambda ctx, *gs: (seen.append(gs), t.ones(2))[1])

    for flag in (True, False):
        x = t.ones(2, requires_grad=True)
        make(flag).apply(x)[1].sum().backward()
        yield seen[-1]
    yield ["materialize_grads" in dir(make(True).apply(x)[0].grad_fn)]


def undefined_gradients_reach_functions(t):
    log = []
    stops = of(t, lambda ctx, x: x * 1, lambda ctx, g: None)
    sees = of(t, lambda ctx, x: x * 1, lambda ctx, g: (log.append(g), g)[1])

    def quiet_forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1

    quiet = of(t, quiet_forward, lambda ctx, g: (log.append(g), g)[1])
    for kind in (sees, quiet):
        x = t.ones(2, requires_grad=True)
        stops.apply(kind.apply(x)).sum().backward()
        yield log, x.grad
        log.clear()


def returned_inputs_and_views(t):
    same = of(t, lambda ctx, x: x, lambda ctx, g: g * 5)
    x = t.ones(2, requires_grad=True)
    y = same.apply(x)
    yield y is x, y, y.grad_fn.name(), y._is_view()
    y.sum().backward()
    yield x.grad
    yield attempt(lambda: y.mul_(2))
    z = same.apply(x * 1)
    yield attempt(lambda: z.mul_(2)), z._is_view()
    view = of(t, lambda ctx, x: x.view(-1), lambda ctx, g: g.view(2, 1))
    w = view.apply(t.ones(2, 1, requires_grad=True))
    yield w, w._is_view(), attempt(lambda: w.add_(1))
    twice = of(t, lambda ctx, x: (x * 2, x), lambda ctx, g, h: g + h)
    out = twice.apply(x)
    yield out, attempt(lambda: out[0].mul_(2)), attempt(lambda: out[1].mul_(2))
    several = of(t, lambda ctx, x: (x.view(-1), x.view(-1)), lambda ctx, g, h: g + h)
    out = several.apply(t.ones(2, requires_grad=True) * 1)
    yield attempt(lambda: out[0].mul_(2))
    plain = t.ones(2)
    yield same.apply(plain) is plain, same.apply(plain).requires_grad
    with t.no_grad():
        yield same.apply(x) is x, same.apply(x).requires_grad


def saved_intermediates(t):
    x = t.ones(2, requires_grad=True)
    own = exp_of(t)
    y = own.apply(x)
    y.detach().mul_(2)
    yield attempt(y.sum().backward)

    def saves_input(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    own = of(t, saves_input, lambda ctx, g: g * ctx.saved_tensors[0])
    a = x * 1
    y = own.apply(a)
    a.mul_(2)
    yield attempt(y.sum().backward)
    y = exp_of(t).apply(x)
    y.sum().backward()
    yield attempt(y.sum().backward)
    yield attempt(of(t, lambda ctx, x: (ctx.save_for_backward(3), x)[1], lambda ctx, g: g).apply, x)
    yield attempt(of(t, lambda ctx, x: (ctx.save_for_backward([x]), x)[1], lambda ctx, g: g).apply, x)
    inner = of(t, lambda ctx, x: (ctx.save_for_backward(x.exp()), x * 2)[1], lambda ctx, g: g * ctx.saved_tensors[0])
    g, = t.autograd.grad(inner.apply(x).sum(), x, create_graph=True)
    yield g
    yield [type(s).__name__ for s in y.grad_fn.next_functions[0]]


def once(t):
    once_differentiable = t.autograd.function.once_differentiable
    own = of(t, lambda ctx, x: x.exp(), once_differentiable(lambda ctx, g: g * 2))
    x = t.ones(2, requires_grad=True)
    y = own.apply(x)
    yield t.autograd.grad(y.sum(), x)
    g, = t.autograd.grad(own.apply(x).sum(), x, create_graph=True)
    yield g.requires_grad, g.grad_fn is None
    yield attempt(lambda: t.autograd.grad((own.apply(x) * x).sum(), x, create_graph=True)[0].sum().backward())
    h, = t.autograd.grad((own.apply(x) ** 2).sum(), x, create_graph=True)
    yield h, attempt(lambda: h.sum().backward())


def in_other_modes(t):
    seen = []
    own = of(t, lambda ctx, x: (seen.append((t.is_grad_enabled(), x.requires_grad, x.grad_fn is None)), x * 2)[1],
             lambda ctx, g: (seen.append(t.is_grad_enabled()), g * 2)[1])
    x = t.ones(2, requires_grad=True)
    own.apply(x * 1).sum().backward()
    t.autograd.grad(own.apply(x * 1).sum(), x, create_graph=True)
    with t.no_grad():
        yield own.apply(x)
    yield seen
    with t.inference_mode():
        yield own.apply(t.ones(2)).is_inference()
    plain = own.apply(t.ones(2))
    yield plain, plain.grad_fn


def forward_mode(t):
    def forward(ctx, x, k):
        ctx.k = k
        ctx.save_for_forward(x)
        ctx.save_for_backward(x)
        return x ** k

    own = of(t, forward, lambda ctx, g: (g * ctx.k * ctx.saved_tensors[0] ** (ctx.k - 1), None),
             jvp=lambda ctx, gx, gk: gx * ctx.k * ctx.saved_tensors[0] ** (ctx.k - 1))
    fwd = t.autograd.forward_ad
    x = t.tensor([1.0, 2.0])
    with fwd.dual_level():
        yield fwd.unpack_dual(own.apply(fwd.make_dual(x, t.ones(2)), 3))
        yield attempt(exp_of(t).apply, fwd.make_dual(x, t.ones(2)))
        wrong = of(t, lambda ctx, x: x * 2, lambda ctx, g: g, jvp=lambda ctx, g: (g, g))
        yield attempt(wrong.apply, fwd.make_dual(x, t.ones(2)))
        wrong = of(t, lambda ctx, x: x * 2, lambda ctx, g: g, jvp=lambda ctx, g: t.ones(3))
        yield attempt(wrong.apply, fwd.make_dual(x, t.ones(2)))


def with_transforms(t):
    def setup(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def vmapped(info, dims, x):
        seen.append((info.batch_size, info.randomness, dims))
        return x.exp(), dims[0]

    seen = []
    body = (lambda x: x.exp(), lambda ctx, g: g * ctx.saved_tensors[0].exp(), setup)
    rule = of(t, *body, jvp=lambda ctx, g: g * ctx.saved_tensors[0].exp(), vmap=vmapped, name="Rule")
    generated = of(t, *body, generate_vmap_rule=True, name="Generated")
    neither = of(t, *body, name="Neither")
    both = of(t, *body, vmap=vmapped, generate_vmap_rule=True, name="BothRules")
    x = t.tensor([[1.0, 2.0], [0.0, 1.0]])
    yield attempt(t.func.vmap(exp_of(t).apply), x), attempt(t.func.jvp, exp_of(t).apply, (x,), (x,))
    for kind in (rule, generated, neither, both):
        yield attempt(t.func.vmap(kind.apply), x), attempt(t.func.vmap(kind.apply, in_dims=1, out_dims=1), x)
        yield attempt(t.func.grad(lambda x: kind.apply(x).sum()), x)
        yield attempt(t.func.vmap(t.func.grad(lambda x: kind.apply(x).sum())), x)
        yield attempt(t.func.grad(lambda x: t.func.vmap(kind.apply)(x).sum()), x)
        yield attempt(t.func.grad(lambda x: t.func.grad(lambda x: kind.apply(x).sum())(x).sum()), x)
        yield attempt(t.func.jvp, kind.apply, (x,), (x,))
        yield attempt(t.func.jacrev(kind.apply), x[0]), attempt(t.func.jacfwd(kind.apply), x[0])
    yield seen
    wrong = of(t, *body, vmap=lambda info, dims, x: x.exp(), name="Wrong")
    yield attempt(t.func.vmap(wrong.apply), x)


def names_and_classes(t):
    own = exp_of(t)
    y = own.apply(t.ones(1, requires_grad=True))
    node = y.grad_fn
    yield own._backward_cls.__name__, [c.__name__ for c in type(node).__mro__[:2]], node.next_functions[0][0].name(), node.metadata, node.name()
    yield repr(node), str(type(node)), repr(y), node._forward_cls is own
    node.metadata["k"] = 1
    yield y.grad_fn.metadata, y.grad_fn is node
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        own()
    yield [str(w.message) for w in caught], [w.category.__name__ for w in caught]


def double_backward_through_saved_outputs(t):
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    own = of(t, forward, lambda ctx, g: g * (1 - ctx.saved_tensors[0] ** 2))
    x = t.tensor([0.5], dtype=t.float64, requires_grad=True)
    yield t.autograd.gradcheck(own.apply, (x,)), t.autograd.gradgradcheck(own.apply, (x,))
    y = own.apply(x)
    yield y.grad_fn.saved_tensors[0].grad_fn is y.grad_fn, y.grad_fn.saved_tensors[0].requires_grad
    third = y
    for _ in range(3):
        third, = t.autograd.grad(third.sum(), x, create_graph=True)
    yield third


def nested_and_reentrant(t):
    def backward(ctx, g):
        with t.enable_grad():
            z = ctx.saved_tensors[0].detach().requires_grad_()
            (z ** 3).sum().backward()
        return g * z.grad

    own = of(t, lambda ctx, x: (ctx.save_for_backward(x), x ** 3)[1], backward)
    x = t.tensor([2.0], requires_grad=True)
    own.apply(own.apply(x)).sum().backward()
    yield x.grad

    def fails(ctx, g):
        raise ValueError("in backward")

    bad = of(t, lambda ctx, x: x * 2, fails)
    yield attempt(bad.apply(x).sum().backward)


def complex_numbers(t):
    own = of(t, lambda ctx, x: x.real ** 2, lambda ctx, g: g * 2)
    z = t.tensor([1 + 1j], requires_grad=True)
    yield attempt(lambda: (own.apply(z).sum().backward(), z.grad)[1])
    real = of(t, lambda ctx, x: x * 1j, lambda ctx, g: g * 2j)
    x = t.ones(1, requires_grad=True)
    yield attempt(lambda: (real.apply(x).abs().sum().backward(), x.grad)[1])


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_function(scenario):
    compare(scenario)
