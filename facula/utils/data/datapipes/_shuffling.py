"""What shufflers of streams and of maps share."""

from __future__ import annotations

import random

import facula

from .datapipe import IterDataPipe


class Shuffling(IterDataPipe):
    """Shuffles unless told not to, from a seed that is drawn anew for each pass unless one was set."""

    def __init__(self):
        self._enabled, self._seed, self._rng = True, None, random.Random()

    def set_shuffle(self, shuffle=True):
        """Whether to shuffle."""
        self._enabled = shuffle
        return self

    def set_seed(self, seed):
        """The seed of the next pass."""
        self._seed = seed
        return self

    def reset(self):
        if self._enabled:
            if self._seed is None:
                self._seed = int(facula.empty((), dtype=facula.int64).random_().item())
            self._rng.seed(self._seed)
            self._seed = None
