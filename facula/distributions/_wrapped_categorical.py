"""What distributions share that hold a categorical one."""

from __future__ import annotations

from .categorical import Categorical


class WrappedCategorical:
    """Hands on the parameters of `_categorical`."""

    _parameters = {}

    def _wrap(self, probs, logits):
        self._categorical = Categorical(probs=probs, logits=logits)

    def _expand_parts(self, new, batch_shape):
        new._categorical = self._categorical.expand(batch_shape)

    @property
    def _param(self):
        return self._categorical._param

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def param_shape(self):
        return self._categorical.param_shape
