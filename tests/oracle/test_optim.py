"""Optimizers beside PyTorch's, where the conformance databases' tolerance is not the whole story."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
SHAPES = [(3, 4), (5,), (2, 3, 2), (1,)]


def _losses(t, steps=8, **options):
    """Every loss and parameter that a quadratic with a moving target shows under LBFGS."""
    generator = t.Generator().manual_seed(3)
    parameters = [t.nn.Parameter(t.randn(s, generator=generator)) for s in SHAPES]
    optimizer = t.optim.LBFGS(parameters, **options)
    seen = []
    for _ in range(steps):
        targets = [t.randn(s, generator=generator) for s in SHAPES]

        def closure():
            optimizer.zero_grad()
            loss = sum(((p - q) ** 2).sum() for p, q in zip(parameters, targets))
            loss.backward()
            seen.append(loss.item())
            return loss

        optimizer.step(closure)
        seen += [p.detach().tolist() for p in parameters]
    return seen


@pytest.fixture
def correctly_rounded(monkeypatch):
    """PyTorch with a square root that is rounded right."""
    root = torch.Tensor.sqrt
    monkeypatch.setattr(torch.Tensor, "sqrt", lambda x: root(x.double()).to(x.dtype))
    return torch


def test_line_search_agrees_bit_for_bit_once_the_square_root_is_rounded_right(correctly_rounded):
    assert _losses(correctly_rounded, line_search_fn="strong_wolfe") == _losses(facula, line_search_fn="strong_wolfe")


@pytest.mark.parametrize("options", [{"max_eval": 3}, {"max_iter": 3, "history_size": 2}, {"lr": 0.5}])
def test_line_search_keeps_the_bounds_asked_for(options, correctly_rounded):
    for search in (None, "strong_wolfe"):
        assert _losses(correctly_rounded, line_search_fn=search, **options) == _losses(facula, line_search_fn=search, **options)


def test_square_roots_are_correctly_rounded():
    x = facula.rand(100_000, generator=facula.Generator().manual_seed(0)) * 100
    assert facula.equal(x.sqrt(), x.double().sqrt().float())
