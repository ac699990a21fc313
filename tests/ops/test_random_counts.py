"""Draws with a varying number of random numbers: recorded streams of PyTorch, moments, and what is refused."""

import facula
import pytest


def test_streams():
    rates = facula.tensor([0.0, 0.5, 1.0, 3.0, 9.0, 10.0, 12.0, 20.0, 100.0] * 3)
    facula.manual_seed(5)
    assert facula.poisson(rates).tolist() == [0, 1, 0, 3, 9, 9, 12, 19, 95, 0, 0, 0, 3, 10, 12, 12, 10, 101, 0, 1, 1, 2, 9, 10, 11, 17, 84]
    facula.manual_seed(5)
    drawn = facula.binomial(facula.full((20,), 10.0), facula.full((20,), 0.4))
    assert drawn.tolist() == [4, 6, 3, 5, 2, 2, 6, 3, 6, 1, 3, 4, 4, 2, 7, 2, 2, 6, 3, 6]
    facula.manual_seed(5)
    drawn = facula._standard_gamma(facula.tensor([0.3, 0.9, 1.0, 2.0, 7.0, 50.0], dtype=facula.float64))
    expected = [0.029668617901482564, 2.1774963578232347, 0.052179723242106346, 0.8633195309380508, 5.3276719122424385, 54.69524107932268]
    assert drawn.tolist() == pytest.approx(expected, rel=1e-14)
    facula.manual_seed(5)
    assert facula.zeros(12).geometric_(0.3).tolist() == [2, 4, 3, 4, 4, 1, 2, 1, 1, 3, 3, 4]


@pytest.mark.parametrize(("n", "p"), [(8.0, 0.3), (200.0, 0.35), (200.0, 0.8)])
def test_binomial_moments(n, p):
    facula.manual_seed(0)
    x = facula.binomial(facula.full((40000,), n), facula.tensor(p)).double()
    assert x.mean().item() == pytest.approx(n * p, rel=0.02)
    assert x.var().item() == pytest.approx(n * p * (1 - p), rel=0.05)


def test_what_is_refused():
    with pytest.raises(RuntimeError, match="invalid Poisson rate, expected rate to be non-negative"):
        facula.poisson(facula.tensor([-1.0]))
    with pytest.raises(NotImplementedError, match="\"poisson_cpu\" not implemented for 'Long'"):
        facula.poisson(facula.tensor([1]))
    with pytest.raises(ValueError, match="binomial only supports floating-point dtypes for count, got: Long"):
        facula.binomial(facula.tensor([1]), facula.tensor([0.5]))
