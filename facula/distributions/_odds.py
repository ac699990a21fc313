"""What distributions share that are given by probabilities or by their log-odds."""

from __future__ import annotations

from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


class Odds:
    """Keeps whichever of `probs` and `logits` was given; makes the other when asked."""

    _parameters = {"probs": 0, "logits": 0}

    def _set_odds(self, probs, logits):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
        else:
            (self.logits,) = broadcast_all(logits)

    @property
    def _param(self):
        return self.__dict__["probs"] if "probs" in self.__dict__ and not self._by_logits() else self.__dict__["logits"]

    def _by_logits(self):
        """Whether logits were given and probs only made of them."""
        return next(k for k in self.__dict__ if k in ("probs", "logits")) == "logits"

    @property
    def param_shape(self):
        return self._param.size()

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, is_binary=True)


class OddsOfBase:
    """Properties of a transformed distribution whose base has them: its temperature and its odds."""

    _parameters = {}

    @property
    def temperature(self):
        return self.base_dist.temperature

    @property
    def logits(self):
        return self.base_dist.logits

    @property
    def probs(self):
        return self.base_dist.probs
