"""Live comparison with PyTorch, where it can be imported."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def both(shape, seed=0):
    """The same normal numbers on both sides: the streams agree."""
    facula.manual_seed(seed)
    torch.manual_seed(seed)
    return facula.randn(shape), torch.randn(shape)


def same(ours, theirs, **tolerance):
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs.detach(), **tolerance)


@pytest.mark.parametrize("shape", [(3,), (15,), (16,), (17,), (100,), (4, 33)])
def test_normal_streams(shape):
    ours, theirs = both(shape)
    same(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_permutations(n):
    facula.manual_seed(7)
    torch.manual_seed(7)
    assert facula.randperm(n).tolist() == torch.randperm(n).tolist()


@pytest.mark.parametrize("name", ["exp", "log1p", "tanh", "sigmoid", "erf", "sin", "expm1", "relu"])
def test_elementwise(name):
    ours, theirs = both((257,))
    ours, theirs = (ours.abs(), theirs.abs()) if name == "log1p" else (ours, theirs)
    same(getattr(facula, name)(ours), getattr(torch, name)(theirs))


@pytest.mark.parametrize("make", [lambda t: t.nn.Linear(5, 3), lambda t: t.nn.Conv2d(2, 4, 3), lambda t: t.nn.Embedding(6, 3),
                                  lambda t: t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3), t.nn.ReLU())])
def test_layers_start_alike_and_print_alike(make):
    facula.manual_seed(3)
    torch.manual_seed(3)
    ours, theirs = make(facula), make(torch)
    assert repr(ours) == repr(theirs)
    for (a, p), (b, q) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert a == b
        same(p, q)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_training_gives_the_same_losses(kind):
    def losses(t):
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Linear(8, 16), t.nn.ReLU(), t.nn.Linear(16, 4))
        optimizer = getattr(t.optim, kind)(model.parameters(), lr=0.01)
        x, y = t.randn(32, 8), t.randint(0, 4, (32,))
        found = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    assert losses(facula) == pytest.approx(losses(torch), rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "bfloat16", "complex64"])
def test_text(dtype):
    ours = facula.arange(12).reshape(3, 4).to(getattr(facula, dtype))
    theirs = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
    assert repr(ours).replace("facula.", "torch.") == repr(theirs)


def test_files_go_both_ways(tmp_path):
    state = {"w": facula.randn(3, 4), "n": 3}
    facula.save(state, tmp_path / "ours.pt")
    read = torch.load(tmp_path / "ours.pt")
    same(state["w"], read["w"])
    torch.save(read, tmp_path / "theirs.pt")
    assert facula.equal(facula.load(tmp_path / "theirs.pt")["w"], state["w"])
