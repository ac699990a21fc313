"""Probability laws against PyTorch's: densities, moments, draws from the same streams, divergences, texts."""

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
PAIR = {"loc": [0.0, 1.0], "scale": [1.0, 2.0]}
LAWS = {
    "Normal": (PAIR, [0.3, -1.0]), "Laplace": (PAIR, [0.3, -1.0]), "Cauchy": (PAIR, [0.3, -1.0]), "Gumbel": (PAIR, [0.3, -1.0]),
    "LogNormal": (PAIR, [0.3, 1.0]), "Uniform": ({"low": [0.0, -1.0], "high": [1.0, 2.0]}, [0.3, 0.5]), "Exponential": ({"rate": [1.0, 2.0]}, [0.3, 0.5]),
    "Gamma": ({"concentration": [2.0, 0.7], "rate": [1.0, 2.0]}, [0.3, 1.0]), "Chi2": ({"df": [2.0, 3.0]}, [0.3, 1.0]),
    "StudentT": ({"df": [3.0, 5.0], **PAIR}, [0.3, -1.0]), "Beta": ({"concentration1": [2.0, 3.0], "concentration0": [1.5, 0.5]}, [0.3, 0.6]),
    "HalfNormal": ({"scale": [1.0, 2.0]}, [0.3, 1.0]), "HalfCauchy": ({"scale": [1.0, 2.0]}, [0.3, 1.0]), "Bernoulli": ({"probs": [0.3, 0.8]}, [0.0, 1.0]),
    "Geometric": ({"probs": [0.3, 0.8]}, [0.0, 3.0]), "Poisson": ({"rate": [1.5, 4.0]}, [0.0, 3.0]), "Binomial": ({"total_count": [5.0, 5.0], "probs": [0.3, 0.8]}, [0.0, 3.0]),
    "Categorical": ({"probs": [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]}, [0, 2]), "OneHotCategorical": ({"probs": [0.2, 0.3, 0.5]}, [0.0, 1.0, 0.0]),
    "Dirichlet": ({"concentration": [0.5, 2.0, 3.0]}, [0.2, 0.3, 0.5]), "MultivariateNormal": ({"loc": [0.0, 1.0], "covariance_matrix": [[2.0, 0.5], [0.5, 1.0]]}, [0.3, 0.1]),
    "Pareto": ({"scale": [1.0, 2.0], "alpha": [2.0, 3.0]}, [1.5, 4.0]), "Weibull": ({"scale": [1.0, 2.0], "concentration": [2.0, 3.0]}, [1.5, 4.0]),
}


def results(t, name):
    parameters, at = LAWS[name]
    law = getattr(t.distributions, name)(**{k: t.tensor(v) for k, v in parameters.items()})
    t.manual_seed(0)
    asked = {"log_prob": lambda: law.log_prob(t.tensor(at)), "cdf": lambda: law.cdf(t.tensor(at)), "icdf": lambda: law.icdf(t.tensor(0.3)),
             "sample": lambda: law.sample((3,)), "kl": lambda: t.distributions.kl_divergence(law, law), "entropy": law.entropy,
             "expanded": lambda: law.expand((3, *law.batch_shape)).log_prob(t.tensor(at)), "support": law.enumerate_support,
             **{k: (lambda k=k: getattr(law, k)) for k in ("mean", "variance", "stddev", "mode")}}
    found = {"text": repr(law).replace("facula", "torch"), "shapes": (tuple(law.batch_shape), tuple(law.event_shape), law.has_rsample)}
    for key, ask in asked.items():
        try:
            found[key] = ask().tolist()
        except NotImplementedError:
            found[key] = None
    return found


@pytest.mark.parametrize("name", LAWS)
def test_law(name):
    ours, theirs = results(facula, name), results(torch, name)
    for key, value in theirs.items():
        if isinstance(value, (list, float)):
            torch.testing.assert_close(torch.tensor(ours[key]), torch.tensor(value), rtol=1e-4, atol=1e-5, equal_nan=True)
        else:
            assert ours[key] == value, key


def test_gradients_of_gamma_draws():
    grads = []
    for t in (facula, torch):
        t.manual_seed(0)
        c = t.tensor([0.7, 2.0, 5.0], requires_grad=True)
        t.distributions.Gamma(c, 1.0).rsample().sum().backward()
        grads.append(c.grad.tolist())
    assert grads[0] == pytest.approx(grads[1], rel=1e-3)


@pytest.mark.parametrize("make", [lambda d, t: d.Normal(0.0, -1.0), lambda d, t: d.Uniform(1.0, 0.0), lambda d, t: d.Normal(0.0, 1.0).log_prob(3),
                                  lambda d, t: d.Categorical(t.tensor([0.1, -0.2])), lambda d, t: d.Bernoulli(0.3).log_prob(t.tensor(2.0))])
def test_faults(make):
    texts = []
    for t in (facula, torch):
        with pytest.raises(ValueError) as caught:
            make(t.distributions, t)
        texts.append(str(caught.value).replace("facula", "torch"))
    assert texts[0] == texts[1]
