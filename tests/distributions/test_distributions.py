"""Distributions: recorded samples and densities, and what must hold of any distribution."""

import math
import pickle

import pytest

import facula
from facula import distributions as D
from facula.autograd import gradcheck

V = [0.7, 1.3, 2.6]


def case(name):
    v = facula.tensor(V)
    arguments = {"Uniform": (v, v + 1), "Exponential": (v,), "Chi2": (v,), "StudentT": (v + 1, v, v), "HalfNormal": (v,), "HalfCauchy": (v,), "Dirichlet": (v,),
                 "Bernoulli": (v / 3,), "Geometric": (v / 3,), "Binomial": (10, v / 3), "NegativeBinomial": (5, v / 3), "Poisson": (v,), "Categorical": (v,),
                 "Multinomial": (9, v), "ContinuousBernoulli": (v / 3,), "RelaxedBernoulli": (v[:1], v / 3), "RelaxedOneHotCategorical": (v[:1], v),
                 "OneHotCategorical": (v,), "LKJCholesky": (2, v[:1]), "GeneralizedPareto": (v, v, v / 10), "MultivariateNormal": (v, facula.eye(3) + 0.2)}
    return getattr(D, name)(*arguments.get(name, (v, v)))


RECORDED = [  # of PyTorch 2.13 with seed 0
    ("Normal", [1.7787, 0.918542, -3.06485], [-1.7496, -1.22435, -4.24801]),
    ("Uniform", [1.19626, 2.06822, 2.68848], [0.0, 0.0, 0.0]),
    ("Exponential", [5.01189, 0.94645, 0.236555], [-3.865, -0.96802, 0.340467]),
    ("Laplace", [0.69474, 2.29948, -1.90284], [-0.343987, -1.72434, -3.38052]),
    ("Cauchy", [8.11841, 2.2942, 2.26642], [-5.5182, -1.8676, -2.11657]),
    ("Gamma", [0.0100293, 0.192299, 0.968001], [0.863113, -0.295351, -0.441921]),
    ("Beta", [0.0630129, 0.40958, 0.367359], [0.207503, 0.147898, 0.433987]),
    ("Chi2", [6.65857e-05, 0.175096, 2.83987], [5.07385, -0.2538, -1.89972]),
    ("StudentT", [1.89819, 0.932363, -1.99677], [-2.05542, -1.34351, -3.3806]),
    ("FisherSnedecor", [4.15387e-05, 0.211642, 0.567346], [4.94945, -0.465348, -0.764672]),
    ("Gumbel", [0.94901, 3.03294, 0.29683], [-0.699717, -1.85907, -2.49468]),
    ("HalfNormal", [1.0787, 0.381458, 5.66485], [-1.05645, -0.531206, -3.55486]),
    ("HalfCauchy", [7.41841, 0.994197, 0.333578], [-4.82505, -1.17445, -1.42342]),
    ("InverseGamma", [99.7079, 5.20023, 1.03306], [-8.34138, -3.59276, -0.506964]),
    ("Kumaraswamy", [0.51972, 0.271466, 0.825041], [-0.216727, 0.0727042, 0.110995]),
    ("LogNormal", [5.92214, 2.50564, 0.0466607], [-3.5283, -2.1429, -1.18316]),
    ("LogisticNormal", [0.663758, 0.186988, 0.00665383, 0.1426], [1.82486]),
    ("Pareto", [105.132, 3.34951, 3.29388], [-8.52022, -2.17683, -0.8516]),
    ("Weibull", [4.20545, 1.52477, 2.15667], [-4.04624, -1.18254, -0.914159]),
    ("Dirichlet", [0.002531, 0.0901247, 0.907344], [2.99995]),
    ("Bernoulli", [0.0, 0.0, 1.0], [-0.265703, -0.567984, -0.143101]),
    ("Geometric", [2.0, 0.0, 1.0], [-1.98669, -0.836248, -2.158]),
    ("Binomial", [6.0, 4.0, 9.0], [-4.44743, -1.40579, -1.00023]),
    ("NegativeBinomial", [2.0, 2.0, 19.0], [-1.53104, -1.80437, -3.70469]),
    ("Poisson", [2.0, 3.0, 2.0], [-2.1065, -2.30467, -1.38212]),
    ("Categorical", [2.0], [-0.570545]),
    ("Multinomial", [0.0, 2.0, 7.0], [-2.93768]),
    ("ContinuousBernoulli", [0.355972, 0.743207, 0.211833], [0.11305, -0.0682405, -0.681337]),
    ("RelaxedBernoulli", [0.151769, 0.790612, 0.3412], [0.306975, -0.283811, -1.3817]),
    ("RelaxedOneHotCategorical", [0.0841213, 0.822828, 0.0930511], [0.560071]),
    ("OneHotCategorical", [0.0, 0.0, 1.0], [-0.570545]),
    ("VonMises", [0.162551, 0.588783, 2.42446], [-1.35551, -1.23781, -0.545703]),
    ("LKJCholesky", [1.0, 0.0, -0.460281, 0.887773], [-0.847183]),
    ("GeneralizedPareto", [1.19169, 3.39318, 2.84379], [-0.377011, -1.9144, -1.07224]),
    ("MultivariateNormal", [2.38808, 1.26441, 0.506845], [-6.59576]),
]


@pytest.mark.parametrize("name, sample, log_prob", RECORDED)
def test_samples_and_densities(name, sample, log_prob):
    facula.manual_seed(0)
    d = case(name)
    drawn = d.sample()
    facula.testing.assert_close(drawn.flatten().double(), facula.tensor(sample, dtype=facula.float64), rtol=1e-4, atol=1e-5)
    facula.testing.assert_close(d.log_prob(drawn).flatten(), facula.tensor(log_prob), rtol=1e-3, atol=1e-4)
    wide = d.expand((2, *d.batch_shape))
    assert wide.batch_shape == (2, *d.batch_shape) and wide.sample((4,)).shape == (4, *wide.batch_shape, *wide.event_shape)
    assert d.support.check(drawn).all()


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Exponential", "Laplace", "Gamma", "Beta", "StudentT", "Gumbel", "HalfNormal", "Kumaraswamy", "LogNormal",
                                  "Weibull", "ContinuousBernoulli", "GeneralizedPareto", "InverseGamma"])
def test_densities_integrate(name):
    """The density's integral from the median is the distribution function."""
    d = case(name)
    probabilities = facula.tensor([[0.3], [0.7]])
    try:
        low, high = d.icdf(probabilities.expand(2, 3))
    except NotImplementedError:
        low, high = d.sample((200,)).double().quantile(facula.tensor([0.3, 0.7], dtype=facula.float64), 0).float()
        probabilities = None
    x = low + (high - low) * facula.linspace(0, 1, 2001).unsqueeze(1)
    integral = facula.trapezoid(d.log_prob(x).exp(), x, dim=0)
    if probabilities is not None:
        assert ((integral - 0.4).abs() < 2e-3).all()
    try:
        facula.testing.assert_close(d.cdf(high) - d.cdf(low), integral, rtol=2e-3, atol=2e-3)
    except NotImplementedError:
        pass


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Categorical"])
def test_probabilities_add_up(name):
    d = case(name)
    values = d.enumerate_support()
    probabilities = d.log_prob(values).exp()
    facula.testing.assert_close(probabilities.sum(0), facula.ones(d.batch_shape))
    facula.testing.assert_close(-(probabilities * d.log_prob(values)).sum(0), d.entropy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Normal", "Gamma", "Beta", "Laplace", "Gumbel", "Exponential", "Poisson", "Binomial", "Dirichlet"])
def test_moments_are_those_of_samples(name):
    facula.manual_seed(1)
    d = case(name)
    samples = d.sample((20000,))
    assert ((samples.mean(0) - d.mean).abs() < 0.1 * (d.mean.abs() + 0.5)).all()
    assert ((samples.var(0) - d.variance).abs() < 0.1 * (d.variance + 0.1)).all()


@pytest.mark.parametrize("p, q", [("Normal", "Laplace"), ("Normal", "Gumbel"), ("Exponential", "Gamma"), ("Gamma", "Gumbel"), ("Laplace", "Normal"),
                                  ("Gumbel", "Normal"), ("Exponential", "Gumbel"), ("Gamma", "Exponential"), ("Uniform", "Gamma"), ("Uniform", "Normal")])
def test_divergences_are_means(p, q):
    facula.manual_seed(2)
    p, q = case(p), case(q)
    x = p.sample((50000,))
    estimate = (p.log_prob(x) - q.log_prob(x)).mean(0)
    facula.testing.assert_close(D.kl_divergence(p, q), estimate, rtol=0.1, atol=0.05)
    assert (D.kl_divergence(p, p).abs() < 1e-5).all()


def test_divergences_of_vectors():
    loc, factor, diagonal = facula.tensor([0.5, 1.0]), facula.tensor([[1.0], [0.5]]), facula.tensor([0.3, 2.0])
    low = D.LowRankMultivariateNormal(loc, factor, diagonal)
    full = D.MultivariateNormal(loc, low.covariance_matrix)
    other = D.MultivariateNormal(facula.zeros(2), facula.eye(2) * 2)
    facula.testing.assert_close(D.kl_divergence(low, other), D.kl_divergence(full, other))
    facula.testing.assert_close(D.kl_divergence(other, low), D.kl_divergence(other, full))
    x = facula.tensor([[0.1, 0.2], [3.0, -1.0]])
    facula.testing.assert_close(low.log_prob(x), full.log_prob(x))
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(case("Cauchy"), case("Normal"))


def test_a_divergence_of_ones_own():
    class Mine(D.Normal):
        pass

    @D.register_kl(Mine, Mine)
    def _mine(p, q):
        return 42

    assert D.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == 42 and D.kl_divergence(Mine(0.0, 1.0), D.Normal(0.0, 1.0)) == 0
    del D.kl._KL_REGISTRY[Mine, Mine]


def test_samples_move_with_their_parameters():
    def moved(make, *parameters):
        def draw(*parameters):
            facula.manual_seed(0)
            return make(*parameters).rsample((2,))

        return gradcheck(draw, [facula.tensor(p, dtype=facula.float64, requires_grad=True) for p in parameters])

    assert moved(D.Normal, [0.0, 1.0], [1.0, 2.0]) and moved(D.Gumbel, [0.0, 1.0], [1.0, 2.0]) and moved(D.Weibull, [0.5, 1.0], [1.0, 2.0])
    assert moved(D.Laplace, [0.0, 1.0], [1.0, 2.0]) and moved(D.Uniform, [0.0, 1.0], [1.0, 2.0])
    # Against the slope of quantiles: gamma and beta numbers are drawn by rejection, where a sample itself jumps.
    a, x = facula.tensor([0.5, 2.0, 9.0], dtype=facula.float64), facula.tensor([0.3, 2.5, 7.0], dtype=facula.float64)
    step = 1e-6
    slope = (facula.igamma(a + step, x) - facula.igamma(a - step, x)) / (2 * step)
    density = D.Gamma(a, facula.ones_like(a)).log_prob(x).exp()
    facula.testing.assert_close(facula._standard_gamma_grad(a, x), -slope / density, rtol=1e-6, atol=1e-8)
    flat = facula._dirichlet_grad(facula.tensor([0.25]), facula.tensor([1.0]), facula.tensor([2.0]))  # P(x < t) = t^a: dx/da = -x log x
    assert math.isclose(flat.item() * 0.75, -0.25 * math.log(0.25), rel_tol=1e-5)


def test_texts():
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)" and repr(D.Normal(facula.zeros(2), 1.0)).startswith("Normal(loc: ")
    assert repr(D.Beta(1.0, 2.0)) == "Beta()" and repr(D.constraints.interval(0, 1)) == "Interval(lower_bound=0, upper_bound=1)"
    assert repr(D.Independent(D.Normal(facula.zeros(1), 1.0), 1)).endswith(", 1)")


@pytest.mark.parametrize("make, text", [
    (lambda: D.Normal(0.0, -1.0), "Expected parameter scale .* to satisfy the constraint GreaterThan"), (lambda: D.Categorical(), "Either `probs` or `logits`"),
    (lambda: D.Normal(0.0, 1.0).log_prob(facula.tensor(math.nan)), "to be within the support"), (lambda: D.Normal("a", 1.0), "Input arguments must all be"),
    (lambda: D.Dirichlet(facula.tensor(1.0)), "at least one-dimensional"), (lambda: D.LKJCholesky(1), "greater than or equal to 2"),
    (lambda: D.Normal(facula.zeros(2), 1.0).log_prob(facula.zeros(3)), "not broadcastable"), (lambda: D.Geometric(0.0), "to be positive"),
    (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), [3]), "transforms must be a Transform or a list of Transforms")])
def test_what_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
    if "-1.0" in text:
        D.Normal(0.0, -1.0, validate_args=False)


@pytest.mark.parametrize("transform", [D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.SoftplusTransform(), D.AffineTransform(1.0, -2.0),
                                       D.PowerTransform(facula.tensor(3.0)), D.StickBreakingTransform(), D.CorrCholeskyTransform(), D.ExpTransform().inv,
                                       D.ComposeTransform([D.TanhTransform(), D.AffineTransform(0.0, 3.0)])])
def test_transforms_go_back_and_measure_volume(transform):
    x = facula.tensor([0.3, 0.7, 1.2], dtype=facula.float64)
    y = transform(x)
    facula.testing.assert_close(transform.inv(y), x)
    assert transform.codomain.check(y).all() and transform.inv.inv is transform or isinstance(transform, D.ComposeTransform)
    if transform.domain.event_dim == 0:
        slope = facula.autograd.functional.jacobian(lambda x: transform(x), x).diagonal()
        facula.testing.assert_close(transform.log_abs_det_jacobian(x, y), slope.abs().log())


def test_a_cache_keeps_the_way_back():
    transform, x = D.TanhTransform(cache_size=1), facula.tensor([30.0])
    assert transform.inv(transform(x)) is x and pickle.loads(pickle.dumps(D.ExpTransform())) == D.ExpTransform()


@pytest.mark.parametrize("constraint", [D.constraints.positive, D.constraints.greater_than(2.0), D.constraints.interval(-1.0, 4.0), D.constraints.less_than(1.0),
                                        D.constraints.simplex, D.constraints.corr_cholesky, D.constraints.lower_cholesky, D.constraints.positive_definite])
def test_transforms_lead_into_their_sets(constraint):
    facula.manual_seed(0)
    assert constraint.check(D.transform_to(constraint)(facula.randn(3, 3))).all()


def test_the_distribution_of_a_transformed_number():
    d = D.TransformedDistribution(D.Uniform(facula.zeros(2), facula.ones(2)), [D.SigmoidTransform().inv, D.AffineTransform(loc=1.0, scale=2.0)])
    x = facula.tensor([0.5, 3.0])
    logistic = -((x - 1) / 2) - 2 * facula.log1p(facula.exp(-(x - 1) / 2)) - math.log(2)
    facula.testing.assert_close(d.log_prob(x), logistic)
    facula.testing.assert_close(d.cdf(d.icdf(facula.tensor([0.2, 0.9]))), facula.tensor([0.2, 0.9]))


def test_mixtures():
    mixture = D.MixtureSameFamily(D.Categorical(facula.tensor([0.25, 0.75])), D.Normal(facula.tensor([-1.0, 3.0]), facula.tensor([0.5, 1.0])))
    assert math.isclose(mixture.mean.item(), 2.0, rel_tol=1e-6) and mixture.sample((3, 2)).shape == (3, 2)
    at = facula.tensor(0.3)
    parts = [0.25 * D.Normal(-1.0, 0.5).log_prob(at).exp() + 0.75 * D.Normal(3.0, 1.0).log_prob(at).exp()]
    facula.testing.assert_close(mixture.log_prob(at).exp(), parts[0])
