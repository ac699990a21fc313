"""The base of all distributions."""

from __future__ import annotations

import warnings

import facula

from . import constraints
from .utils import lazy_property


class Distribution:
    """A distribution: `batch_shape` independent ones, each of events of `event_shape`.

    A subclass lists in `_parameters` the attributes that are tensors, with the number of their own last dimensions: `expand` needs no more.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _parameters: dict[str, int] = {}

    @staticmethod
    def set_default_validate_args(value):
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=facula.Size(), event_shape=facula.Size(), validate_args=None):
        self._batch_shape, self._event_shape = facula.Size(batch_shape), facula.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self):
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            arg_constraints = {}
            warnings.warn(f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the distribution with "
                          "`validate_args=False` to turn off validation.", stacklevel=3)
        for name, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint) or (name not in self.__dict__ and isinstance(_class_attribute(self, name), lazy_property)):
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} to satisfy "
                                 f"the constraint {constraint!r}, but found invalid values:\n{value}")

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        new = self._unset(_instance)
        batch_shape = facula.Size(batch_shape)
        for name in [n for n in self.__dict__ if n in self._parameters]:  # in the order in which they were set
            value = self.__dict__[name]
            new.__dict__[name] = value.expand(batch_shape + value.shape[value.dim() - self._parameters[name]:])
        self._expand_parts(new, batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _expand_parts(self, new, batch_shape):
        """Distributions that this one is made of, and plain numbers."""

    def _unset(self, _instance):
        """What `expand` fills: `_instance`, or an object of this class, unless a user's class takes other arguments than ours."""
        return self._get_checked_instance(next(c for c in type(self).__mro__ if c.__module__.startswith(__package__)), _instance)

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method must also define a "
                                      "custom .expand() method.")
        return self.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self):
        return self._batch_shape

    @property
    def event_shape(self):
        return self._event_shape

    @property
    def arg_constraints(self):
        raise NotImplementedError

    @property
    def support(self):
        raise NotImplementedError

    @property
    def mean(self):
        raise NotImplementedError

    @property
    def mode(self):
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self):
        raise NotImplementedError

    @property
    def stddev(self):
        return self.variance.sqrt()

    def sample(self, sample_shape=facula.Size()):
        """Draws without gradients."""
        with facula.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=facula.Size()):
        """Draws that move with the parameters: gradients reach them."""
        raise NotImplementedError

    def sample_n(self, n):
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(facula.Size((n,)))

    def log_prob(self, value):
        """The logarithm of the density or probability."""
        raise NotImplementedError

    def cdf(self, value):
        raise NotImplementedError

    def icdf(self, value):
        raise NotImplementedError

    def enumerate_support(self, expand=True):
        """All values, in a new first dimension."""
        raise NotImplementedError

    def entropy(self):
        raise NotImplementedError

    def perplexity(self):
        return facula.exp(self.entropy())

    def _extended_shape(self, sample_shape=facula.Size()):
        return facula.Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value):
        if not isinstance(value, facula.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        start = value.dim() - len(self._event_shape)
        if value.shape[start:] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {value.size()} vs {self._event_shape}.")
        expected = self._batch_shape + self._event_shape
        if any(i != 1 and j != 1 and i != j for i, j in zip(reversed(value.shape), reversed(expected))):  # noqa: B905 - the shorter decides
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.size()} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(f"{self.__class__} does not define `support` to enable sample validation. Please initialize the distribution with "
                          "`validate_args=False` to turn off validation.", stacklevel=3)
            return
        if not support.check(value).all():
            raise ValueError(f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support ({support!r}) of "
                             f"the distribution {self!r}, but found invalid values:\n{value}")

    def __repr__(self):
        known = {k: self.__dict__[k] for k in self.arg_constraints if k in self.__dict__}
        return f"{self.__class__.__name__}({', '.join(f'{k}: {v if v.numel() == 1 else v.size()}' for k, v in known.items())})"


def _class_attribute(instance, name):
    return next((c.__dict__[name] for c in type(instance).__mro__ if name in c.__dict__), None)
