"""Views and in-place operations beside PyTorch's: histories through shared memory, leaves, modes, refusals."""

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


def name(x):
    return x.grad_fn.name() if x.grad_fn is not None else None


def views_follow_their_base(t):
    v = t.ones(2).view(-1)
    part, w = v[:1], t.full((1,), 3.0, requires_grad=True)
    part.mul_(w)
    yield name(v), v.requires_grad, v.is_leaf, name(part), name(v._base)
    v.sum().backward()
    yield w.grad
    base = t.ones(4)
    whole, tail = base.view(2, 2), base[1:]
    tail.mul_(w.detach().clone().requires_grad_())
    yield whole.requires_grad, whole
    x = t.ones(3, requires_grad=True)
    y = x * 1
    part = y[:2]
    y.mul_(3)
    yield name(part), name(y)
    part.mul_(2)
    yield name(part), name(y), [n.name() for n, _ in y.grad_fn.next_functions if n]
    y.sum().backward()
    yield x.grad
    x = t.ones(2, requires_grad=True)
    v = x.view(-1)
    with t.no_grad():
        x.add_(1)
    yield name(v), v._is_view(), x._is_view(), v._base is x


def views_made_without_gradients(t):
    x = t.ones(2, requires_grad=True)
    with t.no_grad():
        v = x.view(-1)
    yield v.requires_grad, v.is_leaf, v.grad_fn, v._base is x, attempt(lambda: v.mul_(2))
    with t.no_grad():
        x.add_(1)
    yield attempt(lambda: v.grad_fn), attempt(lambda: v * 2), repr(v)
    b = t.ones(2)
    v = b.view(-1)
    b.requires_grad_()
    yield v.requires_grad, v.is_leaf, v.grad_fn, attempt(lambda: v.mul_(2))
    (v * 3).sum().backward()
    yield b.grad, v.grad
    with t.no_grad():
        b = t.ones(4)
        v = b.view(2, 2)
        first, second = t.ones(2).chunk(2)
    w = t.ones(1, requires_grad=True)
    yield attempt(lambda: v.mul_(w)), attempt(lambda: first.mul_(w))


def one_of_many_views(t):
    x = t.ones(2, requires_grad=True)
    w = t.ones(1, requires_grad=True)
    for f in (lambda y: y.unbind(), lambda y: y.split(1), lambda y: y.chunk(2), lambda y: y.tensor_split(2), lambda y: list(y)):
        yield attempt(lambda: f(x * 1)[0].mul_(2))
    yield attempt(lambda: t.ones(2).chunk(2)[0].mul_(w)), t.ones(2).chunk(2)[0].mul_(2)
    b = x * 1
    a, _ = b.unbind()
    b.mul_(2)
    yield attempt(lambda: a.grad_fn), attempt(lambda: a * 2), a.requires_grad


def inference_tensors(t):
    w, n = t.ones(1, requires_grad=True), t.ones(2)
    with t.inference_mode():
        i = t.ones(2)
        vi, vn = i.view(-1), n.view(-1)
        yield n.add_(1), n._version, vn.is_inference(), i.is_inference(), vi.is_inference(), t.is_inference_mode_enabled(), t.is_grad_enabled()
        yield attempt(i.requires_grad_), attempt(lambda: i._version)
        j = t.ones(2)
        yield j.mul_(2), w * 2
    yield attempt(lambda: i.mul_(2)), attempt(lambda: i * w), attempt(lambda: i.mul_(w)), attempt(lambda: vi.add_(1)), attempt(lambda: i.requires_grad_())
    yield i.view(-1).is_inference(), i.clone().is_inference(), (i + 1).is_inference(), attempt(lambda: i._version), (i + 1).shape
    yield attempt(lambda: vn.mul_(w)), vn * w, vn.add_(1)
    with t.inference_mode(False):
        yield t.ones(1).is_inference()


def changing_leaves(t):
    a = t.ones(3)
    changes = [lambda x: x.fill_(1.0), lambda x: x.zero_(), lambda x: x.copy_(a), lambda x: x[0].fill_(1.0), lambda x: x.__setitem__(0, 1.0),
               lambda x: x.__setitem__(0, a[0]), lambda x: x.__setitem__(a > 0, 2.0), lambda x: x.__setitem__(t.tensor([0]), 2.0),
               lambda x: x.clamp_(0), lambda x: x.unsqueeze_(0).shape, lambda x: x.view(1, 3).transpose_(0, 1).shape, lambda x: t.relu_(x),
               lambda x: t.nn.functional.relu(x, inplace=True), lambda x: t.add(a, a, out=x), lambda x: x.view(-1).sub_(1), lambda x: x.set_(a).shape,
               lambda x: x.cumsum_(0), lambda x: x.resize_(2).shape, lambda x: x.map_(a, lambda p, q: p + q), lambda x: x.apply_(lambda p: p + 1),
               lambda x: t.nn.init.ones_(x)]
    for change in changes:
        for make in (lambda: t.ones(3, requires_grad=True), lambda: a.clone()):
            x = make()
            yield attempt(change, x), x._version, x.requires_grad
    x = t.ones(3, requires_grad=True)
    d = x.detach()
    yield d.mul_(2), x, x._version, d._is_view()
    k = x * 1
    yield attempt(setattr, k, "requires_grad", False), attempt(lambda: k.view(-1).detach_()), attempt(setattr, t.ones(1, dtype=t.int64), "requires_grad", True)
    yield attempt(t.ones(2, dtype=t.int64).requires_grad_), attempt(t.ones, 2, dtype=t.int64, requires_grad=True)
    yield attempt(lambda: t.ones(1).expand(3).mul_(2))


def saved_values_changed(t):
    q = t.ones(3, requires_grad=True)
    h = q.exp()
    h.mul_(2)
    yield attempt(h.sum().backward)
    p = q * 1
    o = p * p
    p[0] = 5
    yield attempt(o.sum().backward)
    r = q * 1
    s = r.sin()
    r.add_(1)
    yield attempt(s.sum().backward)
    w = t.ones(3, requires_grad=True)
    z = q * w
    with t.no_grad():
        w.add_(1)
    yield attempt(z.sum().backward)
    z = q * w
    w.data.add_(1)
    yield attempt(z.sum().backward)
    u = q.sigmoid()
    u.sum().backward()
    yield attempt(u.sum().backward)


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_views(scenario):
    compare(scenario)
