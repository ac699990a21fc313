"""Special functions: values from mpmath at 30 digits, ends of their domains, gradients, errors."""

import math

import pytest

import facula
from facula.autograd import gradcheck, gradgradcheck

S = facula.special
INF, NAN = math.inf, math.nan


def double(*values):
    return facula.tensor(values, dtype=facula.float64)


def close(got, expected, **tolerance):
    facula.testing.assert_close(got, double(*expected), equal_nan=True, **({"rtol": 3e-14, "atol": 3e-15} | tolerance))


AT = (0.3, 2.5, 7, 19)


@pytest.mark.parametrize("name, expected", [
    ("bessel_j0", [0.9776262465382961, -0.048383776468198, 0.3000792705195556, 0.1466294396596512]),
    ("bessel_j1", [0.148318816273104, 0.497094102464274, -0.004682823482345833, -0.1057014311424093]),
    ("bessel_y0", [-0.8072735778045195, 0.4980703596152319, -0.02594974396720926, -0.1095196913853415]),
    ("bessel_y1", [-2.293105138388529, 0.1459181379667858, -0.3026672370241849, -0.1495601138626533]),
    ("modified_bessel_i0", [1.022626879351597, 3.289839144050123, 168.5939085102897, 16446190.44061171]),
    ("modified_bessel_i1", [0.1516938400035928, 2.516716245288698, 156.0390928699555, 16007373.785837]),
    ("modified_bessel_k0", [1.372460060544297, 0.06234755320036619, 0.0004247957418692318, 1.600671286929361e-9]),
    ("modified_bessel_k1", [3.055992033457325, 0.07389081634774706, 0.000454182486884897, 1.642266970382279e-9]),
    ("scaled_modified_bessel_k0", [1.852627300772014, 0.7595486903280996, 0.4658450960930159, 0.2856914943768586]),
    ("scaled_modified_bessel_k1", [4.12515776224447, 0.9001744239078781, 0.4980715750954765, 0.2931155876696717]),
    ("spherical_bessel_j0", [0.9850673555377986, 0.2393888576415826, 0.09385522838839844, 0.007888274192786965]),
    ("airy_ai", [0.2788064819550049, 0.01572592338047049, 7.492128863997167e-7, 1.417704377793353e-25]),
    ("i0e", [0.7575806251825479, 0.2700464416122027, 0.1537377446728812, 0.09214465721171876]),
    ("i1e", [0.1123775606398388, 0.2065846495312666, 0.1422892347095987, 0.08968605682161496]),
    ("erfcx", [0.7345993345676551, 0.2108063640611436, 0.07980005432915293, 0.02965323064126216]),
    ("log_ndtr", [-0.4814101615884812, -0.006229025485860002, -1.279812543886654e-12, -0.0]),
    ("digamma", [-3.502524222200133, 0.7031566406452432, 1.872784335098467, 2.917892413294781]),
    ("gammaln", [1.095797994818076, 0.2846828704729192, 6.579251212010101, 36.39544520803305]),
    ("entr", [0.3611918412977808, -2.290726829685388, -13.62137104338719, -55.94434060416237]),
])
def test_values(name, expected):
    close(getattr(S, name)(double(*AT)), expected)
    facula.testing.assert_close(getattr(S, name)(facula.tensor(AT)), facula.tensor(expected), rtol=1e-6, atol=1e-7)


def test_functions_with_an_order():
    close(S.ndtri(double(1e-12, 0.001, 0.3, 0.999)), [-7.034483825301132, -3.090232306167814, -0.5244005127080408, 3.090232306167814])
    at = double(0.3, -1.5, 12)
    close(facula.polygamma(1, at), [12.24536454610773, 9.379246644989124, 0.08690187287176839])
    close(at.polygamma(2), [-75.27253658872604, -0.2362040516417274, -0.007547205368998912], rtol=1e-12)
    close(S.polygamma(5, at), [164634.846099223, 15381.6485280263, 0.0001182082905108149])
    close(S.zeta(1.5, double(0.2, 4, 30)), [13.45963232439138, 1.066371868362339, 0.3682166281870004])
    close(S.zeta(double(3, 12), 4), [0.04001986612255725, 6.425188488937789e-8])


@pytest.mark.parametrize("a, x, lower, upper", [
    (0.2, 0.1, 0.6760432038153432, 0.3239567961846568), (3, 1, 0.0803013970713942, 0.9196986029286058), (3, 9, 0.9937678048936227, 0.006232195106377317),
    (50, 45, 0.2468020344001703, 0.7531979655998297), (200, 210, 0.7639696745011539, 0.2360303254988461), (30, 90, 0.9999999999999361, 6.3926569911375e-14)])
def test_incomplete_gamma(a, x, lower, upper):
    close(facula.igamma(double(a), double(x)), [lower])
    close(facula.igammac(double(a), double(x)), [upper], rtol=1e-13, atol=0)


def test_ends():
    assert S.bessel_y0(double(0, -1)).tolist()[0] == -INF and facula.isnan(S.bessel_y0(double(-1))).all()
    assert S.modified_bessel_k0(double(0, INF)).tolist() == [INF, 0]
    assert S.ndtri(double(0, 1)).tolist() == [-INF, INF] and facula.isnan(S.ndtri(double(-0.1, 1.1))).all()
    assert S.zeta(double(1, 2), double(3, 0)).tolist() == [INF, INF] and math.isnan(S.zeta(double(0.5), 2).item())
    assert S.log_ndtr(double(-INF, INF)).tolist() == [-INF, 0]
    assert S.erfcx(double(INF, -INF)).tolist() == [0, INF]
    assert S.i0e(double(0, INF)).tolist() == [1, 0] and S.i1e(double(0, INF)).tolist() == [0, 0]
    assert facula.digamma(double(0.0, -0.0)).tolist() == [-INF, INF] and math.isnan(facula.digamma(double(-3)).item())
    assert S.entr(double(0, -1)).tolist() == [0, -INF] and facula.xlogy(0, double(0)).item() == 0
    assert facula.igamma(double(0, 2, INF), double(1, INF, 2)).tolist() == [1, 1, 0]


@pytest.mark.parametrize("name, weights", [("legendre_polynomial_p", [-3 / 2, 5 / 2]), ("hermite_polynomial_h", [-12, 8]), ("hermite_polynomial_he", [-3, 1]),
                                           ("chebyshev_polynomial_t", [-3, 4]), ("chebyshev_polynomial_u", [-4, 8])])
def test_cubic_polynomials(name, weights):
    x = facula.linspace(-2, 2, 9, dtype=facula.float64)
    facula.testing.assert_close(getattr(S, name)(x, 3), weights[0] * x + weights[1] * x ** 3)
    assert getattr(S, name)(x, facula.tensor([[0], [-1]]))[:, 0].tolist() == [1, 0]


def test_polynomials_agree_with_each_other():
    x, n = facula.linspace(0.01, 0.99, 7, dtype=facula.float64), facula.arange(12).unsqueeze(1)
    close_ = facula.testing.assert_close
    close_(S.shifted_chebyshev_polynomial_w(x, n), S.chebyshev_polynomial_w(2 * x - 1, n))
    close_(S.chebyshev_polynomial_v(x, n) + S.chebyshev_polynomial_w(x, n), 2 * S.chebyshev_polynomial_u(x, n))
    close_(S.laguerre_polynomial_l(x, 2), (x * x - 4 * x + 2) / 2)
    assert S.chebyshev_polynomial_t(3, facula.tensor([2])).item() == 17


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e", "erfcx", "log_ndtr", "ndtr", "entr", "sinc", "digamma", "gammaln"])
def test_gradients(name):
    x = double(0.4, 1.3, 2.2).requires_grad_()
    assert gradcheck(getattr(S, name), (x,)) and gradgradcheck(getattr(S, name), (x,))


def test_gradients_of_two_arguments():
    x, y = double(0.4, 1.3, 2.2).requires_grad_(), double(0.7, 2, 9).requires_grad_()
    for f in (facula.xlogy, S.xlog1py):
        assert gradcheck(f, (x, y)) and gradgradcheck(f, (x, y))
    for f in (lambda y: facula.igamma(x.detach(), y), lambda y: facula.igammac(x.detach(), y), lambda y: S.zeta(2.5, y), lambda y: facula.polygamma(2, y),
              lambda y: facula.mvlgamma(y + 2, 3), lambda y: facula.logit(y / 10), lambda y: S.ndtri(y / 10)):
        assert gradcheck(f, (y,)) and gradgradcheck(f, (y,))


def test_what_is_not_differentiable():
    x = double(1.5).requires_grad_()
    assert not S.bessel_j0(x).requires_grad
    with pytest.raises(NotImplementedError, match="the derivative for 'igamma: input' is not implemented"):
        facula.igamma(x, x.detach()).backward()
    with pytest.raises(NotImplementedError, match="'zeta'"):
        S.zeta(x, 2).backward()


def test_errors():
    with pytest.raises(RuntimeError, match="does not support negative n"):
        facula.polygamma(-1, double(1))
    with pytest.raises(NotImplementedError, match="\"bessel_j0_cpu\" not implemented for 'Half'"):
        S.bessel_j0(facula.ones(1, dtype=facula.float16))
    with pytest.raises(NotImplementedError, match="\"igamma_cpu\" not implemented for 'Long'"):
        facula.igamma(facula.tensor([1]), facula.tensor([1]))
    with pytest.raises(RuntimeError, match="p has to be greater than or equal to 1"):
        facula.mvlgamma(double(1), 0)
    with pytest.raises(TypeError):
        S.chebyshev_polynomial_t(3.0, 2.0)


def test_hash():
    assert facula.hash_tensor(facula.arange(4.0)).item() == 4609434218613702656
    assert facula.hash_tensor(facula.arange(4).reshape(2, 2), 0).tolist() == [2, 2]
    assert facula.hash_tensor(facula.tensor([-1], dtype=facula.int8)).item() == 2**64 - 1
    with pytest.raises(RuntimeError, match="Unknown hash_tensor mode: 1"):
        facula.hash_tensor(facula.ones(1), mode=1)
