"""Every distribution beside PyTorch's: samples of one seed, densities, moments, divergences, texts and errors."""

import warnings

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
V, M = [0.7, 1.3, 2.6], [[2.0, 0.3], [0.3, 1.0]]

# name: positional arguments; lists become tensors.
CASES = {
    "Bernoulli": [([0.2, 0.5, 0.9],), {"logits": [-1.0, 0.0, 2.0]}], "Beta": [(V, [2.0, 0.5, 1.0]), (1.5, 2.5)],
    "Binomial": [(5, [0.2, 0.5, 0.9]), {"total_count": 4, "logits": [-1.0, 0.5, 2.0]}], "Categorical": [([0.2, 0.5, 0.3],), {"logits": [[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]}],
    "Cauchy": [(V, V)], "Chi2": [(V,)], "ContinuousBernoulli": [([0.2, 0.5, 0.9],), {"logits": [-1.0, 0.0, 2.0]}], "Dirichlet": [(V,), ([V, [1.0, 1.0, 5.0]],)],
    "Exponential": [(V,), (2.0,)], "FisherSnedecor": [([2.5, 3.5, 4.5], [5.0, 6.0, 7.0])], "Gamma": [(V, [2.0, 1.0, 0.5])],
    "GeneralizedPareto": [(V, V, [0.2, -0.3, 0.0])], "Geometric": [([0.2, 0.5, 0.9],), {"logits": [-1.0, 0.0, 2.0]}], "Gumbel": [(V, V)],
    "HalfCauchy": [(V,)], "HalfNormal": [(V,)], "InverseGamma": [([2.5, 3.5, 1.5], V)], "Kumaraswamy": [(V, [2.0, 1.5, 1.2])], "LKJCholesky": [(3, [0.5, 2.0])],
    "Laplace": [(V, V)], "LogNormal": [(V, V)], "LogisticNormal": [(V, V)],
    "LowRankMultivariateNormal": [([0.0, 1.0], [[1.0], [0.5]], [0.3, 2.0])], "Multinomial": [(7, [0.2, 0.5, 0.3])],
    "MultivariateNormal": [([0.0, 1.0], M), {"loc": [[0.0, 1.0], [2.0, 3.0]], "precision_matrix": M}, {"loc": [0.0, 1.0], "scale_tril": [[1.0, 0.0], [0.5, 2.0]]}],
    "NegativeBinomial": [(3, [0.2, 0.5, 0.9]), {"total_count": 2.5, "logits": [-1.0, 0.0, 1.0]}], "Normal": [(V, V), (0.0, 2.0)],
    "OneHotCategorical": [([0.2, 0.5, 0.3],)], "OneHotCategoricalStraightThrough": [([0.2, 0.5, 0.3],)], "Pareto": [(V, [1.5, 2.5, 3.5])],
    "Poisson": [(V,)], "RelaxedBernoulli": [([0.7], [0.2, 0.5, 0.9])], "RelaxedOneHotCategorical": [([0.7], [0.2, 0.5, 0.3])],
    "StudentT": [([1.5, 2.5, 30.0], V, V), (3.0,)], "Uniform": [([0.0, 1.0, 2.0], [1.0, 3.0, 3.0])], "VonMises": [([0.0, 1.0, 2.0], V)],
    "Weibull": [(V, V)], "Wishart": [([4.5], M), {"df": [3.0, 5.0], "scale_tril": [[1.0, 0.0], [0.5, 2.0]]}],
}
PAIRS = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]


def make(package, name, case, grad=False):
    def value(x):
        return package.tensor(x, requires_grad=grad) if isinstance(x, list) else x

    case = CASES[name][case]
    if isinstance(case, dict):
        return getattr(package.distributions, name)(**{k: value(v) for k, v in case.items()})
    return getattr(package.distributions, name)(*[value(v) for v in case])


def both(function):
    """function(package) of both, or the types of their errors."""
    results = []
    for package in (facula, torch):
        package.manual_seed(3)
        try:
            result = function(package)
            results.append(result.replace("facula.", "torch.") if isinstance(result, str) else result)
        except Exception as error:  # noqa: BLE001 - compared below
            results.append((type(error).__name__, str(error).replace("facula.", "torch.")))
    return results


def same(ours, theirs, **tolerance):
    if isinstance(theirs, tuple):
        assert ours == theirs
        return
    assert not isinstance(ours, tuple), ours
    torch.testing.assert_close(torch.from_numpy(ours.detach().numpy()), theirs.detach(), equal_nan=True, **({"rtol": 2e-5, "atol": 2e-6} | tolerance))


@pytest.mark.parametrize("name, case", PAIRS)
def test_samples(name, case):
    for shape in ((), (4,), (2, 3)):
        same(*both(lambda t: make(t, name, case).sample(shape)))
        same(*both(lambda t: make(t, name, case).rsample(shape)))
    same(*both(lambda t: make(t, name, case).expand((2, *make(t, name, case).batch_shape)).sample((2,))))


@pytest.mark.parametrize("name, case", PAIRS)
@pytest.mark.parametrize("what", ["mean", "mode", "variance", "stddev"])
def test_moments(name, case, what):
    same(*both(lambda t: getattr(make(t, name, case), what)))


@pytest.mark.parametrize("name, case", PAIRS)
def test_densities(name, case):
    torch.manual_seed(1)
    value = make(torch, name, case).sample((5,))
    for what in ("log_prob", "cdf"):
        same(*both(lambda t: getattr(make(t, name, case), what)(value if t is torch else facula.from_numpy(value.numpy()))), rtol=1e-4, atol=1e-5)
    probability = torch.linspace(0.1, 0.9, 5).reshape(-1, *[1] * (value.dim() - 1)).expand(value.shape).contiguous()
    same(*both(lambda t: make(t, name, case).icdf(probability if t is torch else facula.from_numpy(probability.numpy()))), rtol=1e-4, atol=1e-5)
    same(*both(lambda t: make(t, name, case).entropy()), rtol=1e-4)
    same(*both(lambda t: make(t, name, case).enumerate_support()))


@pytest.mark.parametrize("name, case", PAIRS)
def test_gradients(name, case):
    def slopes(t):
        d = make(t, name, case, grad=True)
        parameters = [p for p in (getattr(d, k, None) for k in d.arg_constraints) if isinstance(p, t.Tensor) and p.is_leaf and p.requires_grad]
        value = d.rsample((3,)) if d.has_rsample else d.sample((3,))
        total = d.log_prob(value.detach()).sum() + (value.sin().sum() if d.has_rsample else 0)
        found = t.autograd.grad(total, parameters, allow_unused=True) if parameters else []
        return t.cat([g.reshape(-1) for g in found if g is not None] or [t.zeros(1)])

    same(*both(slopes), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("name, case", PAIRS)
def test_texts(name, case):
    def text(t):
        d = make(t, name, case)
        return f"{d!r} {d.batch_shape} {d.event_shape} {d.support!r} {d.has_rsample} {d.has_enumerate_support} {d.arg_constraints}"

    ours, theirs = both(text)
    assert ours == theirs


def test_divergences():
    """All pairs of classes for which PyTorch has one."""
    for p_name, p_case in PAIRS:
        for q_name, q_case in PAIRS:
            ours, theirs = both(lambda t: t.distributions.kl_divergence(make(t, p_name, p_case), make(t, q_name, q_case)))  # noqa: B023
            if isinstance(theirs, tuple):
                assert isinstance(ours, tuple) and ours[0] == theirs[0], (p_name, q_name, ours, theirs)
            else:
                try:
                    same(ours, theirs, rtol=2e-4, atol=1e-4)
                except AssertionError as problem:
                    raise AssertionError(f"{p_name} {p_case}, {q_name} {q_case}") from problem


ERRORS = ["Normal(0., -1.)", "Normal(0., 1.).log_prob(1.)", "Normal(torch.zeros(2), 1.).log_prob(torch.zeros(3))", "Normal('a', 1.)", "Categorical()",
          "Categorical(torch.tensor(.5))", "Categorical(torch.tensor([-.5, .5]))", "Categorical(torch.ones(3)).log_prob(torch.tensor(3))", "Bernoulli(.3, .4)",
          "Bernoulli(1.5)", "Uniform(1., 0.)", "Dirichlet(torch.tensor(1.))", "Dirichlet(torch.ones(2)).log_prob(torch.tensor([.5, .6]))",
          "MultivariateNormal(torch.tensor(0.), torch.eye(2))", "MultivariateNormal(torch.zeros(2))", "MultivariateNormal(torch.zeros(2), -torch.eye(2))",
          "LowRankMultivariateNormal(torch.zeros(2), torch.ones(3, 1), torch.ones(2))", "Multinomial(2.5, torch.ones(2))", "Geometric(0.)", "LKJCholesky(1)",
          "Multinomial(2, torch.ones(2)).log_prob(torch.tensor([1., 2.]))", "Independent(D.Normal(torch.zeros(2), 1.), 2)",
          "TransformedDistribution(D.Normal(0., 1.), 3)", "TransformedDistribution(D.Normal(0., 1.), [3])", "Wishart(torch.tensor(.5), torch.eye(2))",
          "TransformedDistribution(D.Normal(0., 1.), [D.StickBreakingTransform()])", "MixtureSameFamily(D.Categorical(torch.ones(3)), D.Normal(torch.zeros(2), 1.))",
          "MixtureSameFamily(D.Normal(0., 1.), D.Normal(torch.zeros(2), 1.))", "NegativeBinomial(-1, torch.tensor(.4))", "register_kl(3, 4)",
          "Distribution.set_default_validate_args(3)", "kl_divergence(D.Cauchy(0., 1.), D.Normal(1., 1.))", "HalfNormal(1.).log_prob(torch.tensor(-1.))"]


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression):
    ours, theirs = both(lambda t: eval(f"D.{expression}", {"torch": t, "D": t.distributions}))  # noqa: S307 - texts of this file
    assert isinstance(theirs, tuple) and ours == theirs


def test_mixtures_and_independence():
    def run(t):
        D = t.distributions
        mixture = D.MixtureSameFamily(D.Categorical(t.tensor([[0.2, 0.8], [0.5, 0.5]])), D.Independent(D.Normal(t.zeros(2, 2, 3), t.tensor(V)), 1))
        x = mixture.sample((4,))
        return t.cat([x.reshape(-1), mixture.log_prob(x).reshape(-1), mixture.mean.reshape(-1), mixture.variance.reshape(-1),
                      mixture.expand((3, 2)).sample().reshape(-1)])

    same(*both(run))


TRANSFORMS = ["AbsTransform()", "AffineTransform(1., torch.tensor([-2., 3., .5]))", "AffineTransform(1., 2., event_dim=1)", "ExpTransform()", "ExpTransform().inv",
              "SigmoidTransform()", "SoftplusTransform()", "TanhTransform()", "PowerTransform(torch.tensor(2.))", "SoftmaxTransform()", "StickBreakingTransform()",
              "CorrCholeskyTransform()", "ReshapeTransform((3,), (3, 1))", "LowerCholeskyTransform()", "PositiveDefiniteTransform()",
              "CumulativeDistributionTransform(D.Normal(0., 1.))", "IndependentTransform(D.ExpTransform(), 1)",
              "ComposeTransform([D.AffineTransform(1., 2.), D.TanhTransform()])", "CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2])",
              "StackTransform([D.ExpTransform(), D.TanhTransform(), D.AffineTransform(0., 2.)], dim=-1)"]


@pytest.mark.parametrize("expression", TRANSFORMS)
def test_transforms(expression):
    def run(t, what):
        f = eval(f"D.{expression}", {"torch": t, "D": t.distributions})  # noqa: S307
        x = t.tensor([[0.3, 0.7, 1.9], [0.1, 0.2, 0.4], [0.5, 0.6, 0.8]])
        y = f(x)
        return {"forward": lambda: y, "inverse": lambda: f.inv(y), "volume": lambda: f.log_abs_det_jacobian(x, y),
                "shape": lambda: t.tensor([*f.forward_shape(x.shape), 0, *f.inverse_shape(y.shape)]),
                "facts": lambda: t.tensor([float(f.bijective), f.domain.event_dim, f.codomain.event_dim]), "sign": lambda: t.as_tensor(f.sign)}[what]()

    for what in ("forward", "inverse", "volume", "shape", "facts", "sign"):
        ours, theirs = both(lambda t: run(t, what))  # noqa: B023
        if isinstance(theirs, tuple):
            assert isinstance(ours, tuple) and ours[0] == theirs[0]
        else:
            same(ours, theirs, rtol=1e-4, atol=1e-5)
    ours, theirs = both(lambda t: repr(eval(f"D.{expression}", {"torch": t, "D": t.distributions})))  # noqa: S307
    assert ours == theirs


CONSTRAINTS = ["real", "positive", "nonnegative", "greater_than(1.)", "less_than(2.)", "interval(1., 3.)", "unit_interval", "half_open_interval(0., 2.)", "simplex",
               "lower_cholesky", "corr_cholesky", "positive_definite", "positive_semidefinite", "real_vector", "independent(D.constraints.positive, 1)",
               "boolean", "integer_interval(0, 3)", "one_hot", "symmetric", "square", "lower_triangular", "multinomial(2)", "positive_integer", "dependent",
               "cat([D.constraints.positive, D.constraints.real], 0, [1, 2])", "stack([D.constraints.positive] * 3)"]


@pytest.mark.parametrize("expression", CONSTRAINTS)
def test_constraints(expression):
    def run(t, what):
        c = eval(f"D.constraints.{expression}", {"torch": t, "D": t.distributions})  # noqa: S307
        x = t.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 1.0, 2.0]])
        return {"text": lambda: repr(c) + str((c.is_discrete, c.event_dim)), "check": lambda: c.check(x),
                "biject": lambda: t.distributions.biject_to(c)(x), "transform": lambda: t.distributions.transform_to(c)(x)}[what]()

    for what in ("text", "check", "biject", "transform"):
        ours, theirs = both(lambda t: run(t, what))  # noqa: B023
        if isinstance(theirs, (tuple, str)):
            assert ours == theirs or (isinstance(ours, tuple) and ours[0] == theirs[0])
        else:
            same(ours, theirs)


def test_names():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = facula.distributions, torch.distributions
    assert set(theirs.__all__) <= set(ours.__all__)
    assert [n for n in theirs.constraints.__all__ if not hasattr(ours.constraints, n)] == []
    assert len(ours.kl._KL_REGISTRY) == len(theirs.kl._KL_REGISTRY)
