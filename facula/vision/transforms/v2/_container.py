"""Transforms made of transforms."""

from __future__ import annotations

import facula
from facula import nn

from ._transform import Transform

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]


class _Several(Transform):
    def __init__(self, transforms):
        super().__init__()
        if not isinstance(transforms, (list, tuple, nn.ModuleList)):
            raise TypeError("Argument transforms should be a sequence of callables")
        self.transforms = transforms

    @staticmethod
    def _chain(transforms, inputs):
        several = len(inputs) > 1
        for transform in transforms:
            made = transform(*inputs)
            inputs = made if several else (made,)
        return made if transforms else inputs if several else inputs[0]


def _lines(transforms):
    return "\n".join(f"    {t}" for t in transforms)


class Compose(_Several):
    """Transforms one after the other."""

    def __init__(self, transforms):
        super().__init__(transforms)
        if not transforms:
            raise ValueError("Pass at least one transform")

    def forward(self, *inputs):
        return self._chain(self.transforms, inputs)

    def extra_repr(self):
        return _lines(self.transforms)


class RandomApply(_Several):
    """All the given transforms, with probability p, or none."""

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs):
        return self._chain(() if facula.rand(1) >= self.p else self.transforms, inputs)

    def extra_repr(self):
        return _lines(self.transforms)


class RandomChoice(_Several):
    """One of the given transforms."""

    def __init__(self, transforms, p=None):
        if p is None:
            p = [1] * len(transforms)
        elif len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        super().__init__(transforms)
        self.p = [v / sum(p) for v in p]

    def forward(self, *inputs):
        return self.transforms[int(facula.multinomial(facula.tensor(self.p), 1))](*inputs)


class RandomOrder(_Several):
    """All the given transforms in random order."""

    def forward(self, *inputs):
        return self._chain([self.transforms[i] for i in facula.randperm(len(self.transforms))], inputs)
