"""Special functions as formulas; special.py has those that are Python, and the names in facula.special."""

import math

from ._formula import Symbol, f
from ._table import pointwise

REAL, FLOATING = "fd", "fdcz"
_PI, _ROOT_HALF = 3.141592653589793, 0.7071067811865476


def _special(signature, formula, *, refuses=(), **options):
    pointwise(signature, formula, dtype="floating", types=REAL, refuses=refuses, **options)


def _refused(name):
    """The rule of an argument in which PyTorch does not differentiate either."""

    def rule(grad):
        if isinstance(grad, Symbol):
            return None
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return rule


# ---------------------------------------------------------------- the gamma function's family
_special("lgamma(Tensor input)", lambda input: f.lgamma(input), inplace=True, vjp={"input": lambda grad, input: grad * f.digamma(input)})
_special("digamma(Tensor input)", lambda input: f.digamma(input), inplace=True, vjp={"input": lambda grad, input: grad * f.polygamma(1, input)})
_special("_polygamma(Tensor input, Scalar n)", lambda input, n: f.polygamma(n, input), inplace=True, promote=("input",), node="PolygammaBackward0",
         vjp={"input": lambda grad, input, n: grad * f.polygamma(n + 1, input)})
for _name, _sign in (("igamma", 1), ("igammac", -1)):
    pointwise(f"{_name}(Tensor input, Tensor other)", (lambda n: lambda input, other: getattr(f, n)(input, other))(_name), types=REAL, inplace=True,
              refuses=(("integral", f"{_name}_cpu"),),
              vjp={"input": _refused(f"{_name}: input"), "other": (lambda s: lambda grad, input, other: grad * s * _igamma_slope(input, other))(_sign)})


def _igamma_slope(input, other):
    return f.exp((input - 1) * f.log(other) - other - f.lgamma(input))


for _signature, _node in (("Tensor input, Tensor|Scalar other", ("SpecialZetaBackward2", "SpecialZetaBackward0")), ("Scalar input, Tensor other", "SpecialZetaBackward1")):
    _rules = {"other": lambda grad, input, other: -grad * input * f.zeta(input + 1, other)}
    if not _signature.startswith("Scalar"):
        _rules["input"] = _refused("zeta")
    _special(f"special.zeta({_signature})", lambda input, other: f.zeta(input, other), promote=("input", "other"), refuses=(("half", "zeta_cpu"),),
             node=_node, vjp=_rules)

pointwise("_standard_gamma_grad(Tensor input, Tensor output)", lambda input, output: f.gamma_sample_slope(input, output), types=REAL, method=False,
          differentiable=False)
pointwise("_dirichlet_grad(Tensor x, Tensor alpha, Tensor total)", lambda x, alpha, total: f.beta_sample_slope(x, alpha, total), types=REAL, method=False,
          differentiable=False)

# ---------------------------------------------------------------- Bessel and Airy functions
def _safe(x):
    """A divisor: where x is 0 the quotient is not used, but its own gradient must not be NaN."""
    return f.where(x == 0, 1, x)


_special("i0(Tensor input)", lambda input: f.i0(input), inplace=True, vjp={"input": lambda grad, input: grad * f.i1(input)})
_special("special.i0e(Tensor input)", lambda input: f.i0e(input), node="SpecialI0EBackward0",
         vjp={"input": lambda grad, input, result: grad * (f.i1e(input) - f.sign(input) * result)})
_special("special.i1(Tensor input)", lambda input: f.i1(input), node="SpecialI1Backward0",
         vjp={"input": lambda grad, input, result: grad * f.where(input == 0, 0.5, f.i0(input) - result / _safe(input))})
_special("special.i1e(Tensor input)", lambda input: f.i1e(input), node="SpecialI1EBackward0",
         vjp={"input": lambda grad, input, result: grad * f.where(input == 0, 0.5, f.i0e(input) - result * (f.sign(input) + 1 / _safe(input)))})
for _name in ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
              "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0", "airy_ai"):
    _special(f"special.{_name}(Tensor input)", (lambda n: lambda input: getattr(f, n)(input))(_name.replace("modified_bessel_i", "i")),
             differentiable=False, refuses=(("half", _name + "_cpu"),))

# ---------------------------------------------------------------- the normal distribution
_special("special.erfcx(Tensor input)", lambda input: f.erfcx(input), node="SpecialErfcxBackward0", refuses=(("half", "erfcx_cpu"),),
         vjp={"input": lambda grad, input, result: grad * (2 * input * result - 1.1283791670955126)})
_special("special.log_ndtr(Tensor input)", lambda input: f.log_ndtr(input), node="SpecialLogNdtrBackward0", refuses=(("half", "log_ndtr_cpu"),),
         vjp={"input": lambda grad, input: grad / f.erfcx(input * -_ROOT_HALF) * 0.7978845608028654})
_special("special.ndtri(Tensor input)", lambda input: f.ndtri(input), node="SpecialNdtriBackward0", refuses=(("half", "ndtri_cpu"),),
         vjp={"input": lambda grad, result: grad * 2.5066282746310002 * f.exp(result * result / 2)})

# ---------------------------------------------------------------- entropies, log-odds, sinc
_special("special.entr(Tensor input)",
         lambda input: f.where(input > 0, -input * f.log(input), f.where(input == 0, 0, f.where(input < 0, -math.inf, input))), node="SpecialEntrBackward0",
         vjp={"input": lambda grad, input: grad * (-1 - f.log(input))})


def _logarithmic(name, node, logarithm, end, inplace):
    """x log(y) or x log(1 + y), in its three overloads; `end`: where the logarithm is minus infinity."""
    rules = {"input": lambda grad, input, other: f.where((input == 0) & (other <= end), 0, grad * logarithm(other)),
             "other": lambda grad, input, other: grad * input / (other - end)}
    options = {"promote": ("input", "other"), "inplace": inplace}

    def formula(input, other):
        return f.where((input == 0) & (other == other), 0, input * logarithm(other))

    _special(f"{name}(Tensor input, Tensor|Scalar other)", formula, node=(node + "Backward2", node + "Backward0"), vjp=rules, **options)
    _special(f"{name}(Scalar input, Tensor other)", formula, node=node + "Backward1", vjp={"other": rules["other"]}, **options)


_logarithmic("xlogy", "Xlogy", lambda y: f.log(y), 0, True)
_logarithmic("special.xlog1py", "SpecialXlog1Py", lambda y: f.log1p(y), -1, False)
_special("logit(Tensor input)", lambda input: f.log(input / (1 - input)), inplace=True, vjp={"input": lambda grad, input: grad / (input * (1 - input))})
_special("logit(Tensor input, Scalar eps)", lambda input, eps: _log_odds(f.minimum(f.maximum(input, eps), 1 - eps)), inplace=True, promote=("input",),
         vjp={"input": lambda grad, input, eps: f.where((input < eps) | (input > 1 - eps), 0, grad / (input * (1 - input)))})


def _log_odds(x):
    return f.log(x / (1 - x))


def _sinc(input):
    angle = _safe(input) * _PI
    return f.where(input == 0, 1, f.sin(angle) / angle)


pointwise("sinc(Tensor input)", _sinc, dtype="floating", types=FLOATING, inplace=True,
          vjp={"input": lambda grad, input, result: f.where(input == 0, grad * 0, grad * f.conj((f.cos(input * _PI) - result) / _safe(input)))})

# ---------------------------------------------------------------- orthogonal polynomials
for _name in (*(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
              "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p"):
    for _signature in ("Tensor x, Tensor|Scalar n", "Scalar x, Tensor n"):
        _special(f"special.{_name}({_signature})", (lambda name: lambda x, n: getattr(f, name)(x, n))(_name), promote=("x", "n"), differentiable=False,
                 refuses=(("half", _name + "_cpu"),))
