"""The graph and its engine beside PyTorch's: backward and grad with their options, hooks, anomalies, modes, threads."""

import threading
import warnings

import pytest

from transcripts import attempt, compare, scenarios, show

pytestmark = pytest.mark.oracle


# ---------------------------------------------------------------- backward, grad
def backward_options(t):
    x = t.ones(2, requires_grad=True)
    yield attempt((x * 2).backward), attempt(t.ones(1).backward), attempt(t.ones(1, dtype=t.int64).sum().backward)
    yield attempt((x * 2).backward, t.ones(3)), attempt((x * 2).backward, 3), attempt((x * 2).backward, t.ones(2, dtype=t.complex64))
    y = (x * 2).sum()
    y.backward(retain_graph=True)
    y.backward()
    yield x.grad, attempt(y.backward)
    y = (x ** 2).sum()
    y.backward()
    yield attempt(y.backward)
    x.grad = None
    (x ** 3).sum().backward(create_graph=True)
    yield x.grad.detach(), x.grad.requires_grad
    x.grad = None
    a, b = t.ones(1, requires_grad=True), t.ones(1, requires_grad=True)
    (a * b).backward(inputs=[a])
    yield a.grad, b.grad
    yield attempt((a * b).backward, inputs=[]), attempt((a * b).backward, inputs=[t.ones(1)]), attempt((a * b).backward, inputs=[a * 1])
    c = a * 2
    (c * b).backward(inputs=[c, a])
    yield a.grad, t.autograd.grad(c * b, c)
    t.autograd.backward([a * 1, b * 1], [t.ones(1), None])
    yield a.grad, b.grad
    yield attempt(t.autograd.backward, []), attempt(t.autograd.backward, [a * 1], [t.ones(1), t.ones(1)]), attempt(t.autograd.backward, a * 1, grad_tensors=t.ones(2))
    z = t.ones(2, dtype=t.complex64, requires_grad=True)
    yield attempt(z.sum().backward), attempt((z * 1).backward, t.ones(2))
    leaf = t.ones(1, requires_grad=True)
    leaf.backward()
    yield leaf.grad


def accumulation(t):
    x = t.ones(2, requires_grad=True)
    x.sum().backward()
    g = x.grad
    (x * 2).sum().backward()
    yield x.grad is g, g
    x.grad = None
    (x * x).sum().backward(create_graph=True)
    g = x.grad
    yield g.detach(), g.requires_grad
    (x * x).sum().backward()
    yield x.grad.detach()
    yield attempt(setattr, x, "grad", t.ones(3)), attempt(setattr, x, "grad", 3), attempt(setattr, x, "grad", t.ones(2, dtype=t.float64))
    yield attempt(setattr, x, "grad", x)
    del x.grad
    yield x.grad
    e = t.ones(1, requires_grad=True)
    e.expand(3).sum().backward()
    yield e.grad, (x * 1).grad


def grad_options(t):
    grad = t.autograd.grad
    x, y, z = (t.full((2,), float(i), requires_grad=True) for i in (1, 2, 3))
    f = lambda: (x * y).sum()  # noqa: E731
    yield grad(f(), x), grad(f(), [x, y]), attempt(grad, f(), z), grad(f(), z, allow_unused=True), grad(f(), [x, z], materialize_grads=True)
    yield attempt(grad, f(), [x, z], allow_unused=False, materialize_grads=True), attempt(grad, f(), t.ones(2)), attempt(grad, x * y, x)
    yield grad(x * y, x, t.full((2,), 5.0)), grad([x * y, (x + y).sum()], [x], [t.ones(2), None]), attempt(grad, x * y, x, t.ones(3))
    yield grad(x * y, x, t.eye(2), is_grads_batched=True), attempt(grad, x * y, x, t.ones(2), is_grads_batched=True)
    g, = grad((x ** 3).sum(), x, create_graph=True)
    yield g, grad(g.sum(), x)
    w = f()
    yield grad(w, x, retain_graph=True), grad(w, y), attempt(grad, w, x)
    yield x.grad, attempt(grad, t.ones(1), x), attempt(grad, f(), []), attempt(grad, [], x), attempt(grad, f(), x, only_inputs=False)
    h = x * 2
    yield grad((h * y).sum(), [h, x])
    yield grad(x.sum(), x), grad(x[0], x), grad((x * 2)[:1].sum(), x)
    a, b = t.ones(4, requires_grad=True).split(2)
    yield grad((a * 2).sum() + b.sum(), [a, b])
    edge = t.autograd.graph.get_gradient_edge(h)
    yield edge.node.name(), edge.output_nr, attempt(grad, (h * y).sum(), edge), attempt(t.autograd.graph.get_gradient_edge, t.ones(1))
    yield attempt(grad, f(), {"x": x})


def graph_of_nodes(t):
    x, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    y = (x * w + 1).exp().sum()

    def walk(node, depth=0):
        yield "  " * depth + node.name(), [(f.name() if f else None, i) for f, i in node.next_functions]
        for f, _ in node.next_functions:
            if f:
                yield from walk(f, depth + 1)

    yield from walk(y.grad_fn)
    node = y.grad_fn
    yield node.metadata, type(node).__name__, str(node), repr(type(node)), isinstance(node, t.autograd.graph.Node)
    node.metadata["key"] = "kept"
    yield y.grad_fn.metadata, y.grad_fn is node
    leaf = node.next_functions[0][0].next_functions[0][0].next_functions[0][0].next_functions[0][0]
    yield leaf.name(), leaf.variable is x, str(leaf)
    m = t.mm(t.ones(2, 2, requires_grad=True), t.ones(2, 2))
    yield m.grad_fn._saved_mat2, m.grad_fn._saved_self, attempt(lambda: m.grad_fn._saved_x)
    e = x.exp()
    yield e.grad_fn._saved_result, (x ** 3).grad_fn._saved_exponent, (x / w).grad_fn._saved_other
    e.sum().backward()
    yield attempt(lambda: e.grad_fn._saved_result)
    u = t.ones(4, requires_grad=True).unbind()
    yield [(v.output_nr, v.grad_fn is u[0].grad_fn) for v in u], x.output_nr, x.grad_fn
    yield y._sequence_nr if hasattr(y, "_sequence_nr") else None, y.grad_fn._sequence_nr() > e.grad_fn._sequence_nr() - 100
    yield hash(node) == hash(y.grad_fn), node == y.grad_fn


def long_chains(t):
    x = t.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 0
    y.backward()
    yield x.grad
    del y
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y
    yield "freed"


# ---------------------------------------------------------------- hooks
def tensor_hooks(t):
    log = []
    x = t.ones(2, requires_grad=True)
    y = x * 2
    h = y.register_hook(lambda g: log.append(("y1", g)))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: log.append(("y2", g)))
    x.register_hook(lambda g: log.append(("x", g)))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("post", p.grad)))
    y.sum().backward()
    yield log, x.grad
    h.remove()
    log.clear()
    (x * y.detach()).sum().backward()
    yield log
    yield attempt(t.ones(1).register_hook, print), attempt(t.ones(1).register_post_accumulate_grad_hook, print), attempt((x * 1).register_post_accumulate_grad_hook, print)
    yield type(h).__name__
    for bad in (lambda g: g[:1], lambda g: 3, lambda g: g.double(), lambda g: (g,)):
        z = x.detach().requires_grad_() * 1
        z.register_hook(bad)
        yield attempt(z.sum().backward)
    p = t.ones(1, requires_grad=True)
    p.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    (p * 2).backward()
    yield p.grad
    with p.register_hook(lambda g: g * 100):
        yield t.autograd.grad(p * 2, p)
    yield t.autograd.grad(p * 2, p)
    q = t.ones(1, requires_grad=True)
    q.register_hook(lambda g: g + 1)
    q.register_hook(lambda g: g * 2)
    q.backward()
    yield q.grad, q._backward_hooks is not None


def order_of_hooks(t):
    log = []
    x = t.ones(1, requires_grad=True)
    y = x * 2
    node = y.grad_fn
    node.register_prehook(lambda gs: log.append(("prehook", gs)))
    y.register_hook(lambda g: log.append(("tensor", g)))
    node.register_hook(lambda gi, go: log.append(("hook", gi, go)))
    y.retain_grad()
    y.register_hook(lambda g: g * 3)
    acc = node.next_functions[0][0]
    acc.register_prehook(lambda gs: log.append(("acc pre", gs)))
    acc.register_hook(lambda gi, go: log.append(("acc", gi, go)))
    x.register_hook(lambda g: log.append(("leaf", g)))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("post acc", p.grad)))
    y.backward(retain_graph=True)
    yield from log
    yield y.grad, x.grad
    log.clear()
    yield t.autograd.grad(y, x, retain_graph=True), log
    log.clear()
    yield t.autograd.grad(y, y), log


def node_hooks(t):
    x, w = t.ones(2, requires_grad=True), t.full((2,), 3.0, requires_grad=True)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, gi[1]))
    y.sum().backward()
    yield x.grad, w.grad
    y = x * w
    h = y.grad_fn.register_prehook(lambda go: (go[0] * 7,))
    yield type(h).__name__
    y.sum().backward()
    yield x.grad, w.grad
    for bad in (lambda gi, go: gi[0], lambda gi, go: (gi[0],), lambda gi, go: (gi[0], gi[1], gi[0]), lambda gi, go: (gi[0][:1], gi[1]), lambda gi, go: 3,
                lambda gi, go: (None, gi[1])):
        y = x * w
        y.grad_fn.register_hook(bad)
        yield attempt(y.sum().backward)
    for bad in (lambda go: go[0], lambda go: (go[0], go[0]), lambda go: (go[0][:1],), lambda go: (None,)):
        y = x * w
        y.grad_fn.register_prehook(bad)
        yield attempt(y.sum().backward)
    y = x * t.ones(2)
    y.grad_fn.register_hook(lambda gi, go: (gi[0], t.ones(2)))
    yield attempt(y.sum().backward)


def retained_gradients(t):
    x = t.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    z = (y * 3).sum()
    z.backward(retain_graph=True)
    yield y.grad, y.retains_grad, x.retains_grad, x.grad
    z.backward()
    yield y.grad
    yield attempt(t.ones(1).retain_grad), x.retain_grad()
    v = x * 2
    v.retain_grad()
    v.mul_(5)
    v.sum().backward()
    yield v.grad, x.grad
    u = x * 2
    u.register_hook(lambda g: g * 10)
    u.retain_grad()
    u.sum().backward()
    yield u.grad


def hooks_and_in_place(t):
    log = []
    x = t.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: log.append(("before", g)))
    y.mul_(3)
    y.register_hook(lambda g: log.append(("after", g)))
    y.sum().backward()
    yield log


def many_tensors_one_hook(t):
    register = t.autograd.graph.register_multi_grad_hook
    a, b, c = (t.full((1,), float(i), requires_grad=True) for i in (1, 2, 3))
    log = []
    h = register([a, b, c], lambda gs: log.append(gs))
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    yield log
    h.remove()
    log.clear()
    (a * b * c).sum().backward()
    yield log
    register([a * 1, b], lambda g: log.append(g), mode="any")
    (a * b).sum().backward()
    yield log
    yield attempt(register, [a], print, mode="some"), attempt(register, [t.ones(1)], print)


def undefined_gradients(t):
    log = []
    x = t.ones(2, requires_grad=True)
    stop = type("Stop", (t.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1), "backward": staticmethod(lambda ctx, g: None)})
    y = x * 2
    y.register_hook(lambda g: log.append(("hook", g)))
    y.grad_fn.register_hook(lambda gi, go: log.append(("node", gi, go)))
    y.grad_fn.register_prehook(lambda go: log.append(("pre", go)))
    x.register_hook(lambda g: log.append(("leaf", g)))
    stop.apply(y).sum().backward()
    yield log, x.grad
    yield attempt(t.autograd.grad, stop.apply(x * 1).sum(), x), t.autograd.grad(stop.apply(x * 1).sum(), x, allow_unused=True)
    log.clear()
    x = t.ones(2, requires_grad=True)
    a, b = (x * 1).unbind()
    a.register_hook(lambda g: log.append(("a", g)))
    b.register_hook(lambda g: log.append(("b", g)))
    b.grad_fn.register_prehook(lambda go: log.append(("pre", go)))
    a.sum().backward()
    yield log, x.grad


# ---------------------------------------------------------------- anomalies
def anomalies(t):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with t.autograd.detect_anomaly():
            x = t.zeros(1, requires_grad=True)
            y = x.sqrt() * 0
            line = attempt(y.sum().backward)
        yield line, [type(w.category).__name__ for w in caught]
        texts = [str(w.message) for w in caught]
        yield texts[0], texts[1].split(". ")[0], "y = x.sqrt() * 0" in texts[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with t.autograd.detect_anomaly(check_nan=False):
            x = t.zeros(1, requires_grad=True)
            (x.sqrt() * 0).sum().backward()
            yield x.grad, t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()
    yield t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()
    t.autograd.set_detect_anomaly(True)
    yield t.is_anomaly_enabled()
    t.autograd.set_detect_anomaly(False)
    yield t.is_anomaly_enabled()
    with t.autograd.set_detect_anomaly(True):
        yield t.is_anomaly_enabled()
    yield t.is_anomaly_enabled()

    def fails(ctx, g):
        raise ValueError("in backward")

    bad = type("Bad", (t.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1), "backward": staticmethod(fails)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with t.autograd.set_detect_anomaly(True):
            out = bad.apply(t.ones(1, requires_grad=True))
            yield attempt(out.sum().backward)
        yield str(caught[0].message).split(". ")[0], "out = bad.apply" in str(caught[0].message)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = t.ones(2, requires_grad=True)
        y = x.exp()
        y.mul_(2)
        with t.autograd.set_detect_anomaly(True):
            yield attempt(y.sum().backward)
        yield [str(w.message) for w in caught]


def anomalies_in_double_backward(t):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with t.autograd.set_detect_anomaly(True):
            x = t.zeros(1, requires_grad=True)
            y = x ** 1.5
            g, = t.autograd.grad(y.sum(), x, create_graph=True)
            yield attempt(lambda: (g * 1).sum().backward())
        text = [str(w.message) for w in caught]
        yield len(text), [line.split(". ")[0] for line in text]


# ---------------------------------------------------------------- modes, threads
def modes(t):
    x = t.ones(1, requires_grad=True)
    with t.no_grad():
        yield t.is_grad_enabled(), (x * 2).requires_grad
        with t.enable_grad():
            yield (x * 2).requires_grad
        with t.set_grad_enabled(True):
            yield t.is_grad_enabled()
    t.set_grad_enabled(False)
    yield t.is_grad_enabled()
    t.set_grad_enabled(True)

    @t.no_grad()
    def f():
        return t.is_grad_enabled()

    @t.no_grad
    def g():
        return t.is_grad_enabled()

    @t.inference_mode()
    def h():
        return t.is_inference_mode_enabled()

    @t.no_grad()
    def numbers():
        for i in range(2):
            yield i, t.is_grad_enabled()

    @t.set_grad_enabled(False)
    def k():
        return t.is_grad_enabled()

    yield f(), g(), h(), list(numbers()), t.is_grad_enabled(), k(), t.is_grad_enabled(), f.__name__
    for _ in numbers():
        yield t.is_grad_enabled()
    yield attempt(t.set_grad_enabled, 3)
    yield attempt(lambda: t.autograd.set_multithreading_enabled(False) and None)
    t.autograd.set_multithreading_enabled(True)


def threads(t):
    x = t.zeros(3, requires_grad=True)
    seen = []

    def work():
        seen.append(t.is_grad_enabled())
        for _ in range(20):
            (x * 2).sum().backward()

    with t.no_grad():
        ts = [threading.Thread(target=work) for _ in range(4)]
        [w.start() for w in ts]
        [w.join() for w in ts]
    yield x.grad, seen


def reentrant_backward(t):
    x = t.ones(1, requires_grad=True)

    def backward(ctx, g):
        with t.enable_grad():
            y = t.ones(1, requires_grad=True)
            deep = own.apply(y) if ctx.depth > 0 else y * 2
            deep.backward()
        return g * y.grad

    own = type("Own", (t.autograd.Function,), {
        "forward": staticmethod(lambda ctx, x: (setattr(ctx, "depth", depth.pop() if depth else 0), x * 1)[1]), "backward": staticmethod(backward)})
    depth = list(range(20))[::1]
    own.apply(x).backward()
    yield x.grad


def kept_and_freed(t):
    import gc
    import weakref

    class Probe:
        pass

    x = t.ones(2, requires_grad=True)
    y = x.exp()
    probe = Probe()
    y.grad_fn.metadata["probe"] = probe
    ref = weakref.ref(probe)
    del probe
    z = y.sum()
    del y
    yield ref() is not None
    del z
    gc.collect()
    yield ref() is None
    v = t.ones(1, requires_grad=True)
    w = v * 2
    v.hook = w
    r = weakref.ref(w)
    del v, w
    gc.collect()
    yield r() is None


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_graph(scenario):
    compare(scenario)


def test_show():
    assert show({"a": (1, [2.0])}) == "{a: tuple(1, list(2.0))}"
