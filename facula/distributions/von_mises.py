"""The von Mises distribution."""

from __future__ import annotations

import math

import facula

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


def _log_i(order, x):
    """log I_order(x) of the modified Bessel functions of order 0 and 1."""
    scaled = facula.special.i0e(x) if order == 0 else facula.special.i1e(x)
    return x + scaled.log()


class VonMises(Distribution):
    """Angles around `loc`, of density proportional to exp(concentration cos(x - loc))."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support, has_rsample = constraints.real, False
    _parameters = {"loc": 0, "concentration": 0}

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, facula.Size(), validate_args)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return self.concentration * facula.cos(value - self.loc) - math.log(2 * math.pi) - _log_i(0, self.concentration)

    @lazy_property
    def _proposal_r(self):
        """The parameter of the wrapped Cauchy distribution that samples are first drawn from, in double precision."""
        kappa = self.concentration.double()
        tau = 1 + (1 + 4 * kappa ** 2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        # Taylor's series where kappa is small
        return facula.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho ** 2) / (2 * rho))

    def sample(self, sample_shape=facula.Size()):
        """Best and Fisher's rejection of wrapped Cauchy numbers (1979)."""
        shape = self._extended_shape(sample_shape)
        with facula.no_grad():
            loc, kappa, r = self.loc.double(), self.concentration.double(), self._proposal_r
            x = facula.empty(shape, dtype=loc.dtype, device=loc.device)
            done = facula.zeros(shape, dtype=facula.bool, device=loc.device)
            while not done.all():
                u1, u2, u3 = facula.rand((3,) + tuple(shape), dtype=loc.dtype, device=loc.device).unbind()
                z = facula.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                if accept.any():
                    x = facula.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                    done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        """The circular variance."""
        return 1 - (_log_i(1, self.concentration) - _log_i(0, self.concentration)).exp()
