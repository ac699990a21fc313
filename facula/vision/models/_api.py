"""Models by name, and names of trained weights."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from enum import Enum

BUILDERS = {}
WEIGHTS = {}


@dataclass
class Weights:
    """Where trained weights are, the transforms of their inputs, and facts about them."""

    url: str
    transforms: object
    meta: dict = field(default_factory=dict)


class WeightsEnum(Enum):
    """Names of a model's trained weights."""

    @property
    def url(self):
        return self.value.url

    @property
    def transforms(self):
        return self.value.transforms

    @property
    def meta(self):
        return self.value.meta

    def get_state_dict(self, *args, **kwargs):
        from facula.hub import load_state_dict_from_url

        return load_state_dict_from_url(self.url, *args, **kwargs)

    @classmethod
    def verify(cls, obj):
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            return cls[obj.replace(f"{cls.__name__}.", "")]
        raise TypeError(f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}.")

    def __repr__(self):
        return f"{type(self).__name__}.{self.name}"


def register(function):
    """Makes a function that builds a model known by its name."""

    @functools.wraps(function)
    def build(*args, pretrained=None, **kwargs):
        return function(*args, **kwargs)

    BUILDERS[function.__name__] = build
    return build


def list_models(module=None, include=None, exclude=None):
    """Names of all models, sorted."""
    import fnmatch

    match = lambda name, globs: any(fnmatch.fnmatch(name, g) for g in ([globs] if isinstance(globs, str) else globs))  # noqa: E731
    names = [n for n in BUILDERS if (include is None or match(n, include)) and not (exclude and match(n, exclude))]
    return sorted(names)


def get_model_builder(name):
    try:
        return BUILDERS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name, **config):
    """The model of that name, built with the given arguments."""
    return get_model_builder(name)(**config)


def get_model_weights(name):
    """The enum of a model's trained weights."""
    name = name if isinstance(name, str) else name.__name__
    return WEIGHTS[name]


def get_weight(name):
    enum, _, member = name.partition(".")
    for weights in WEIGHTS.values():
        if weights.__name__ == enum:
            return weights[member]
    raise ValueError(f"The weight enum '{enum}' for the specific method couldn't be retrieved.")
