"""Functions under a second name (facula/ops/composite/torch_names.py) against PyTorch."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def _values(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()


X, Y, Z = _values(1, 4, 3), _values(2, 4, 3), _values(3, 4, 3)
SIGNS = [1.0, -1.0, 1.0, -1.0]
IMAGE = _values(4, 2, 4, 3, 3)
GATES = {"lstm_cell": 4, "gru_cell": 3, "rnn_tanh_cell": 1, "rnn_relu_cell": 1}


def _t(package, data):
    return package.tensor(data, dtype=package.float64)


def _cell(package, name):
    n = GATES[name]
    state = _t(package, _values(5, 4, 2))
    weights = [_t(package, _values(6 + i, *shape)) for i, shape in enumerate(((2 * n, 3), (2 * n, 2), (2 * n,), (2 * n,)))]
    out = getattr(package, name)(_t(package, X), (state, state * 2) if n == 4 else state, *weights)
    return package.cat(out) if n == 4 else out


def _segments(package, reduce, **options):
    for key in ("lengths", "offsets"):
        if key in options:
            options[key] = package.tensor(options[key])
    return package.segment_reduce(_t(package, X), reduce, **options)


CALLS = {
    **{f"conj_physical_ {k}": (lambda p: p.conj_physical_(p.complex(_t(p, X), _t(p, Y)))) for k in ("complex",)},
    "ldexp_": lambda p: p.ldexp_(_t(p, X), _t(p, [1, 2, 3])),
    "nan_to_num_": lambda p: p.nan_to_num_(_t(p, [float("nan"), float("inf"), -float("inf"), 1.0]), 2.0, posinf=5.0),
    "detach": lambda p: p.detach(_t(p, X).requires_grad_()),
    "kl_div log_target": lambda p: p.kl_div(_t(p, X), _t(p, Y), log_target=True),
    "no reduction by default": lambda p: p.stack([p.kl_div(_t(p, X), _t(p, Y)), p.hinge_embedding_loss(_t(p, X), _t(p, X).sign())])
                                         + p.margin_ranking_loss(_t(p, X), _t(p, Y), _t(p, X).sign()),
    "poisson_nll_loss": lambda p: p.poisson_nll_loss(_t(p, X), _t(p, Y).abs(), True, False, 1e-8, 2),
    "binary_cross_entropy_with_logits": lambda p: p.binary_cross_entropy_with_logits(_t(p, X), _t(p, Y).sigmoid(), None, _t(p, [1, 2, 3]), 0),
    "instance_norm": lambda p: p.instance_norm(_t(p, IMAGE), _t(p, SIGNS), None, None, None, True, 0.1, 1e-5, False),
    "native_channel_shuffle": lambda p: p.native_channel_shuffle(_t(p, IMAGE), 2),
    "norm_except_dim": lambda p: p.norm_except_dim(_t(p, IMAGE), 2, 1),
    "norm_except_dim all": lambda p: p.norm_except_dim(_t(p, IMAGE), 2, -1),
    "norm_except_dim of one dimension": lambda p: p.norm_except_dim(_t(p, SIGNS), 2, 0),
    **{f"hinge_embedding_loss {r}": (lambda r: lambda p: p.hinge_embedding_loss(_t(p, X), p.sign(_t(p, Y)), 1.5, r))(r) for r in range(3)},
    **{f"cosine_embedding_loss {r}": (lambda r: lambda p: p.cosine_embedding_loss(_t(p, X), _t(p, Y), _t(p, SIGNS), 0.1, r))(r) for r in range(3)},
    **{f"margin_ranking_loss {r}": (lambda r: lambda p: p.margin_ranking_loss(_t(p, X), _t(p, Y), p.sign(_t(p, Z)), 0.1, r))(r) for r in range(3)},
    **{f"triplet_margin_loss {r}": (lambda r: lambda p: p.triplet_margin_loss(_t(p, X), _t(p, Y), _t(p, Z), 1.0, 2.0, 1e-6, True, r))(r) for r in range(3)},
    **{f"kl_div {r}": (lambda r: lambda p: p.kl_div(_t(p, X), _t(p, Y).abs(), r))(r) for r in range(3)},
    **{name: (lambda name: lambda p: _cell(p, name))(name) for name in GATES},
    **{f"segment_reduce {r} {o}": (lambda r, o: lambda p: _segments(p, r, **o))(r, o) for r in ("sum", "mean", "prod", "max", "min")
       for o in ({"lengths": [1, 0, 3]}, {"offsets": [0, 2, 4]}, {"lengths": [0, 4, 0], "initial": 1.5}, {"lengths": [[1, 2], [3, 0], [0, 3], [2, 1]], "axis": 1},
                 {"lengths": [1, 1], "unsafe": True} if r == "never" else {"offsets": [0, 0, 4], "initial": 0.0})},
}


@pytest.mark.parametrize("name", CALLS)
def test_same_values(name):
    ours, theirs = CALLS[name](facula), CALLS[name](torch)
    assert str(ours.dtype).partition(".")[2] == str(theirs.dtype).partition(".")[2] and ours.requires_grad == theirs.requires_grad
    assert tuple(ours.shape) == tuple(theirs.shape)
    flat = [torch.view_as_real(t).resolve_conj() if t.is_complex() else t for t in (torch.tensor(ours.tolist(), dtype=theirs.dtype), theirs)]
    assert torch.allclose(*flat, rtol=1e-12, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
def test_gradients_of_segments(reduce):
    def gradient(package):
        x = _t(package, X).requires_grad_()
        package.segment_reduce(x, reduce, lengths=package.tensor([1, 0, 3]), initial=0.5 if reduce == "mean" else None)[[0, 2]].square().sum().backward()
        return x.grad.tolist()

    assert torch.allclose(torch.tensor(gradient(facula)), torch.tensor(gradient(torch)), rtol=1e-6)


@pytest.mark.parametrize(("reduce", "options"), [("sum", {"lengths": [1, 1]}), ("odd", {"lengths": [1, 3]}), ("sum", {}), ("sum", {"lengths": [-1, 5]}),
                                                 ("sum", {"lengths": [1, 3], "axis": 1})])
def test_same_refusals_of_segments(reduce, options):
    with pytest.raises(RuntimeError) as theirs:
        _segments(torch, reduce, **dict(options))
    with pytest.raises(RuntimeError) as ours:
        _segments(facula, reduce, **dict(options))
    assert str(ours.value) == str(theirs.value).splitlines()[0]


@pytest.mark.parametrize("make", [
    lambda p: p.ones(2, 3, 4, 5), lambda p: p.ones(2, 3, 4, 5).to(memory_format=p.channels_last), lambda p: p.ones(2, 3).t(), lambda p: p.ones(3, 1).expand(3, 2),
    lambda p: p.ones(3, 1), lambda p: p.ones(1, 1, 4, 4), lambda p: p.ones(()), lambda p: p.ones(5), lambda p: p.ones(2, 1, 3)])
@pytest.mark.parametrize("check", [False, True, "formats"])
def test_dim_order(make, check):
    def outcome(package):
        try:
            return make(package).dim_order(ambiguity_check=[package.contiguous_format, package.channels_last] if check == "formats" else check)
        except RuntimeError as error:
            return str(error)

    assert outcome(facula) == outcome(torch)


@pytest.mark.parametrize("pred", [True, False, "tensor", "tensors"])
def test_cond(pred):
    def outcome(package):
        p = {"tensor": package.tensor(True), "tensors": package.tensor([True, False])}.get(pred, pred)
        try:
            return package.cond(p, lambda x, y: x + y, lambda x, y: x - y, (_t(package, X), _t(package, Y))).tolist()
        except RuntimeError as error:
            return str(error)

    assert outcome(facula) == outcome(torch)


def test_while_loop():
    def outcome(package):
        return [t.tolist() for t in package.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2), (package.tensor(0), _t(package, SIGNS)))]

    assert outcome(facula) == outcome(torch)


@pytest.mark.parametrize("name", ["lstsq", "eig", "symeig", "matrix_rank", "solve"])
def test_removed_functions_say_so(name):
    with pytest.raises(RuntimeError) as theirs:
        getattr(torch, name)(torch.ones(2, 2), torch.ones(2, 2))
    with pytest.raises(RuntimeError, match=r"Use facula\.linalg\.") as ours:
        getattr(facula, name)(facula.ones(2, 2), facula.ones(2, 2))
    assert str(theirs.value)[:59] == str(ours.value)[:59]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}])
def test_gradients_of_convolutions(dims, options):
    groups = options.get("groups", 1)
    x, w = (2, 4) + (7,) * dims, (6, 4 // groups) + (3,) * dims

    def outcome(package):
        import importlib

        grad = importlib.import_module(f"{package.__name__}.nn.grad")
        data, weight = _t(package, _values(1, *x)), _t(package, _values(2, *w))
        shape = getattr(package.nn.functional, f"conv{dims}d")(data, weight, **options).shape
        out = _t(package, _values(3, *shape))
        found = getattr(grad, f"conv{dims}d_input")(x, weight, out, **options), getattr(grad, f"conv{dims}d_weight")(data, w, out, **options)
        return [torch.tensor(f.tolist()) for f in found]

    for ours, theirs in zip(outcome(facula), outcome(torch)):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
