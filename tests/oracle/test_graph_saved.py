"""What a graph saves beside PyTorch's: hooks of saved tensors, and checkpoints that compute them again."""

import pytest

from transcripts import attempt, compare, scenarios

pytestmark = pytest.mark.oracle


# ---------------------------------------------------------------- saved tensors
def saved_tensor_hooks(t):
    log = []
    graph = t.autograd.graph

    def pack(x):
        log.append(("pack", x.shape))
        return x * 2

    def unpack(x):
        log.append(("unpack", x))
        return x

    x = t.full((2,), 3.0, requires_grad=True)
    with graph.saved_tensors_hooks(pack, unpack):
        y = x * x
        z = y.exp()
    yield log
    log.clear()
    y.sum().backward(retain_graph=True)
    yield x.grad, log
    with graph.saved_tensors_hooks(lambda x: 3, lambda x: 3):
        z = x * x
    yield attempt(z.sum().backward)
    with graph.saved_tensors_hooks(lambda x: x.add_(1), lambda x: x):
        yield attempt(lambda: x.exp())
    with graph.save_on_cpu():
        z = (x * x).exp()
    z.sum().backward()
    yield x.grad
    with graph.disable_saved_tensors_hooks("not here"):
        yield attempt(lambda: graph.saved_tensors_hooks(pack, unpack).__enter__()), attempt(lambda: graph.save_on_cpu().__enter__())
    log.clear()
    with graph.saved_tensors_hooks(lambda x: (log.append("outer"), x)[1], lambda x: x):
        with graph.saved_tensors_hooks(lambda x: (log.append("inner"), x)[1], lambda x: x):
            x.exp()
        x.exp()
    yield log
    with graph.allow_mutation_on_saved_tensors():
        a = x * 1
        b = a.exp() * a.sin()
        a.mul_(0)
        b.sum().backward()
    yield x.grad
    fails = graph.saved_tensors_hooks(lambda x: 1 / 0, lambda x: x)
    with fails:
        yield attempt(lambda: x * x)


# ---------------------------------------------------------------- checkpoints
def checkpoints(t):
    checkpoint = t.utils.checkpoint.checkpoint
    runs = []

    def f(x, scale=1.0):
        runs.append(t.is_grad_enabled())
        return t.nn.functional.dropout(x * scale, 0.5).exp()

    for reentrant in (True, False):
        t.manual_seed(0)
        x = t.ones(6, requires_grad=True)
        y = checkpoint(f, x, use_reentrant=reentrant)
        state = t.get_rng_state().sum()
        y.sum().backward()
        yield y, x.grad, runs, bool(t.get_rng_state().sum() == state), y.grad_fn.name()
        runs.clear()
    yield attempt(checkpoint, f, x), attempt(checkpoint, f, x, use_reentrant=True, scale=2.0)
    yield attempt(lambda: checkpoint(f, x, use_reentrant=False, scale=2.0).shape), attempt(checkpoint, f, x, use_reentrant=False, nothing=2.0)
    y = checkpoint(f, t.ones(2), use_reentrant=True)
    yield y.requires_grad
    y = checkpoint(f, t.ones(2), use_reentrant=False)
    yield y.requires_grad, attempt(lambda: t.autograd.grad(checkpoint(f, x, use_reentrant=True).sum(), x))
    yield attempt(lambda: t.autograd.grad(checkpoint(lambda x: x * 2, x, use_reentrant=False).sum(), x))
    runs.clear()
    t.manual_seed(0)
    yield checkpoint(f, x, use_reentrant=False, preserve_rng_state=False).shape


def checkpoint_details(t):
    module = t.utils.checkpoint
    log = []

    def f(x):
        log.append("first")
        y = x.sin()
        log.append("second")
        z = y.exp()
        log.append("third")
        return z + 1

    x = t.ones(2, requires_grad=True)
    y = module.checkpoint(f, x, use_reentrant=False)
    log.clear()
    y.sum().backward()
    yield log
    log.clear()
    with module.set_checkpoint_early_stop(False):
        y = module.checkpoint(f, x, use_reentrant=False)
    log.clear()
    y.sum().backward()
    yield log, x.grad

    class Context:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append(self.name + " in")

        def __exit__(self, *exc):
            log.append(self.name + " out")

    log.clear()
    y = module.checkpoint(lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (Context("forward"), Context("again")))
    y.sum().backward()
    yield log
    yield attempt(module.checkpoint, f, x, use_reentrant=True, context_fn=lambda: (Context("a"), Context("b")))
    count = [0]

    def changes(x):
        count[0] += 1
        return x.exp().sin() if count[0] == 1 else x.exp()

    y = module.checkpoint(changes, x, use_reentrant=False)
    yield attempt(y.sum().backward)[:150]
    count[0] = 0

    def reshapes(x):
        count[0] += 1
        return (x if count[0] == 1 else x[:1]).exp().sum()

    y = module.checkpoint(reshapes, x, use_reentrant=False)
    yield attempt(y.backward)[:200]
    model = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Tanh(), t.nn.Linear(2, 1))
    z = t.ones(1, 2, requires_grad=True)
    for reentrant in (True, False):
        out = module.checkpoint_sequential(model, 2, z, use_reentrant=reentrant)
        out.sum().backward()
        yield out, z.grad, model[0].weight.grad
    nested = module.checkpoint(lambda x: module.checkpoint(lambda x: x.exp(), x, use_reentrant=False).sin(), x, use_reentrant=False)
    yield t.autograd.grad(nested.sum(), x)
    out = module.checkpoint(lambda d: {"a": d["x"] * 2}, {"x": x}, use_reentrant=False)
    yield out
    y = module.checkpoint(lambda x: (x ** 3).sum(), x, use_reentrant=False)
    g, = t.autograd.grad(y, x, create_graph=True)
    yield t.autograd.grad(g.sum(), x)
    y = module.checkpoint(lambda x: x.exp(), x, use_reentrant=False)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    yield x.grad


@pytest.mark.parametrize("scenario", scenarios(globals()), ids=lambda f: f.__name__)
def test_saved(scenario):
    compare(scenario)
