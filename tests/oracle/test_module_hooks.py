"""Hooks of nn.Module beside PyTorch's: their order, what they see and what they change."""

import copy
from collections import OrderedDict

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


def net(t):
    return t.nn.Sequential(t.nn.Linear(2, 3), t.nn.Tanh(), t.nn.Linear(3, 1))


def log_of(log, name, result=None):
    def hook(module, *rest):
        log.append((name, type(module).__name__, *rest))
        return result(*rest) if result else None
    return hook


def forward_hooks_in_order(t):
    log, m = [], net(t)
    m[0].register_forward_pre_hook(log_of(log, "pre"))
    m[0].register_forward_pre_hook(log_of(log, "pre first"), prepend=True)
    m[0].register_forward_pre_hook(log_of(log, "pre kwargs"), with_kwargs=True)
    m[0].register_forward_hook(log_of(log, "post"))
    h = m[0].register_forward_hook(log_of(log, "post first", lambda args, out: out * 2), prepend=True)
    m[0].register_forward_hook(log_of(log, "post kwargs"), with_kwargs=True)
    yield m(t.ones(1, 2))
    yield log
    h.remove()
    h.remove()
    log.clear()
    yield m[0](input=t.ones(1, 2))
    yield log


def pre_hooks_change_arguments(t):
    m = t.nn.Linear(2, 2)
    with m.register_forward_pre_hook(lambda m, args: args[0] * 0):
        yield m(t.ones(1, 2))
    with m.register_forward_pre_hook(lambda m, args: (args[0] * 2,)):
        yield m(t.ones(1, 2))
    yield m(t.ones(1, 2))
    with m.register_forward_pre_hook(lambda m, args, kwargs: ((), {"input": t.zeros(1, 2)}), with_kwargs=True):
        yield m(t.ones(1, 2))
    with m.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True):
        yield attempt(m, t.ones(1, 2))
    with m.register_forward_pre_hook(lambda m, args: 3):
        yield attempt(m, "x")


def always_called_hooks(t):
    log = []

    class Fails(t.nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m = Fails()
    m.register_forward_hook(log_of(log, "sometimes"))
    m.register_forward_hook(log_of(log, "always"), always_call=True)
    m.register_forward_hook(log_of(log, "always kwargs"), always_call=True, with_kwargs=True)

    def broken(m, args, out):
        raise KeyError("hook")

    m.register_forward_hook(broken, always_call=True)
    yield attempt(m, 1)
    yield log
    good = t.nn.Identity()
    good.register_forward_hook(broken, always_call=True)
    good.register_forward_hook(log_of(log, "after broken"), always_call=True)
    log.clear()
    yield attempt(good, 1)
    yield log


def full_backward_hooks(t):
    log, m = [], net(t)
    for i, layer in enumerate(m):
        layer.register_full_backward_hook(log_of(log, f"back {i}"))
        layer.register_full_backward_pre_hook(log_of(log, f"pre {i}"))
        layer.register_full_backward_pre_hook(log_of(log, f"pre first {i}"), prepend=True)
        layer.register_full_backward_hook(log_of(log, f"back first {i}"), prepend=True)
    x = t.ones(1, 2, requires_grad=True)
    out = m(x)
    yield out
    out.sum().backward()
    yield from log
    yield x.grad
    log.clear()
    m(t.ones(1, 2)).sum().backward()
    yield from log


def backward_hooks_change_gradients(t):
    m = t.nn.Linear(2, 2)
    x = t.ones(1, 2, requires_grad=True)
    with m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,)):
        m(x).sum().backward()
    yield x.grad, m.weight.grad
    with m.register_full_backward_pre_hook(lambda m, go: (go[0] * 100,)):
        m(x).sum().backward()
    yield x.grad, m.weight.grad
    with m.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0])):
        yield attempt(lambda: m(x).sum().backward())
    with m.register_full_backward_pre_hook(lambda m, go: (go[0], go[0])):
        yield attempt(lambda: m(x).sum().backward())
    with m.register_full_backward_hook(lambda m, gi, go: gi[0] * 3):
        yield attempt(lambda: m(x).sum().backward())
    with m.register_full_backward_pre_hook(lambda m, go: go[0] * 3):
        yield attempt(lambda: m(x).sum().backward())
    with m.register_full_backward_hook(lambda m, gi, go: 3):
        yield attempt(lambda: m(x).sum().backward())
    yield x.grad


def backward_hooks_of_many_tensors(t):
    log = []

    class Many(t.nn.Module):
        def forward(self, a, b, c, k=None):
            return a * b, b + c, c.detach(), 5

    m = Many()
    m.register_full_backward_hook(log_of(log, "back"))
    m.register_full_backward_pre_hook(log_of(log, "pre"))
    a, b, c = (t.full((2,), float(i), requires_grad=i != 3) for i in (1, 2, 3))
    out = attempt(m, a, b, c)
    yield out
    out = m(a, b, c, k=a)
    out[0].sum().backward()
    yield log
    log.clear()
    m(a, b, 7.0)[1].sum().backward() if False else None
    x, y, _, _ = m(a, b, c)
    (x.sum() + y.sum()).backward()
    yield log
    log.clear()
    with t.no_grad():
        yield m(a, b, c)
    yield log


def backward_hooks_of_odd_outputs(t):
    class Dict(t.nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    class List(t.nn.Module):
        def forward(self, x):
            return [x * 2, x]

    log = []
    for kind in (Dict, List):
        m = kind()
        m.register_full_backward_hook(log_of(log, "full"))
        out = m(t.ones(2, requires_grad=True))
        yield out
        (out["y"] if kind is Dict else out[0]).sum().backward()
        yield log
        log.clear()


def old_backward_hooks(t):
    log = []
    m = t.nn.Linear(2, 2)
    m.register_backward_hook(log_of(log, "old"))
    m(t.ones(1, 2, requires_grad=True)).sum().backward()
    yield log
    log.clear()

    class Two(t.nn.Module):
        def forward(self, a, b):
            return (a * 2 + b).exp()

    m2 = Two()
    m2.register_backward_hook(log_of(log, "old"))
    m2(t.zeros(1, requires_grad=True), t.zeros(1, requires_grad=True)).backward()
    yield log
    yield attempt(m.register_full_backward_hook, print)
    full = t.nn.Linear(2, 2)
    full.register_full_backward_hook(log_of(log, "full"))
    yield attempt(full.register_backward_hook, print)

    class Pair(t.nn.Module):
        def forward(self, a):
            return a * 2, a * 3

    log.clear()
    p = Pair()
    p.register_backward_hook(log_of(log, "pair"))
    sum(p(t.ones(1, requires_grad=True))).backward()
    yield log


def inputs_changed_in_place(t):
    class InPlace(t.nn.Module):
        def forward(self, x):
            x += 1
            return x

    m = InPlace()
    m.register_full_backward_hook(lambda *a: None)
    yield attempt(m, t.ones(2, requires_grad=True) * 1)
    n = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.ReLU(inplace=True))
    n[0].register_full_backward_hook(lambda *a: None)
    yield attempt(n, t.ones(1, 2, requires_grad=True))
    n = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.ReLU(inplace=True))
    n[1].register_full_backward_hook(lambda *a: None)
    yield attempt(n, t.ones(1, 2, requires_grad=True))


def global_hooks(t):
    log, module = [], t.nn.modules.module
    handles = [module.register_module_forward_pre_hook(log_of(log, "global pre")),
               module.register_module_forward_hook(log_of(log, "global post")),
               module.register_module_forward_hook(log_of(log, "global kwargs"), with_kwargs=True),
               module.register_module_full_backward_pre_hook(log_of(log, "global back pre")),
               module.register_module_full_backward_hook(log_of(log, "global back"))]
    try:
        m = net(t)
        m[0].register_forward_hook(log_of(log, "own"))
        m[0].register_full_backward_hook(log_of(log, "own back"))
        m(t.ones(1, 2, requires_grad=True)).sum().backward()
        yield from log
        yield attempt(module.register_module_backward_hook, print)
        log.clear()

        class Fails(t.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        handles.append(module.register_module_forward_hook(log_of(log, "global always"), always_call=True))
        yield attempt(Fails(), 1)
        yield log
    finally:
        for h in handles:
            h.remove()
    log.clear()
    m = net(t)
    m(t.ones(1, 2))
    yield log


def registration_hooks(t):
    log, module = [], t.nn.modules.module
    handles = [module.register_module_buffer_registration_hook(lambda m, n, b: log.append(("buffer", type(m).__name__, n, b))),
               module.register_module_module_registration_hook(lambda m, n, s: log.append(("module", type(m).__name__, n, type(s).__name__))),
               module.register_module_parameter_registration_hook(lambda m, n, p: log.append(("parameter", type(m).__name__, n, type(p).__name__)))]
    m = t.nn.Sequential(t.nn.Linear(1, 1), t.nn.BatchNorm1d(1))
    m.extra = t.nn.Parameter(t.ones(1))
    m.extra = None
    m.child = t.nn.ReLU()
    m.add_module("other", None)
    m.register_buffer("b", t.zeros(1))
    m.b = t.ones(1)
    for h in handles:
        h.remove()
    yield from log


def handles(t):
    m = t.nn.Linear(1, 1)
    h = m.register_forward_hook(lambda *a: None, with_kwargs=True, always_call=True)
    yield len(m._forward_hooks), len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called)
    copied = copy.deepcopy(m)
    yield len(copied._forward_hooks)
    h.remove()
    yield len(m._forward_hooks), len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called)
    yield type(h).__name__, t.utils.hooks.RemovableHandle is type(h)
    other = t.utils.hooks.RemovableHandle(OrderedDict())
    yield other.id > h.id
    with t.nn.Linear(1, 1).register_forward_hook(print) as entered:
        yield type(entered).__name__


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_hooks(scenario):
    compare(scenario)
