"""Models by name, and their trained weights."""

from __future__ import annotations

import fnmatch
import functools
import json
import os
import sys
import warnings
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Weights", "WeightsEnum", "get_model", "get_model_builder", "get_model_weights", "get_weight", "list_models"]
BUILDERS = {}


@dataclass(eq=False)
class Weights:
    """Where trained weights are, the transforms of their inputs, and facts about them."""

    url: str
    transforms: object
    meta: dict = field(default_factory=dict)

    def __eq__(self, other):
        return isinstance(other, Weights) and (self.url, self.meta) == (other.url, other.meta)


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
        """The weights, from the cache of `facula.hub` or downloaded."""
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


# ---------------------------------------------------------------- the table of weights

@functools.lru_cache(None)
def _table(name="weights"):
    """weights.json: model -> enum, default, members; categories.json: lists of class names."""
    with open(os.path.join(os.path.dirname(__file__), f"{name}.json"), encoding="utf-8") as file:
        return json.load(file)


def _weights(entry):
    from ..transforms import _presets
    from ..transforms.functional import InterpolationMode

    preset, settings = entry["transforms"]
    settings = {k: InterpolationMode(v) if k == "interpolation" else tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    meta = {k: tuple(v) if k == "min_size" else v for k, v in entry["meta"].items()}
    for key in ("categories", "keypoint_names"):
        if isinstance(meta.get(key), str):
            meta[key] = list(_table("categories")[meta[key]])
    return Weights(entry["url"], functools.partial(getattr(_presets, preset), **settings), meta)


@functools.lru_cache(None)
def _enum(model):
    entry = _table()[model]
    members = {name: _weights(e) for name, e in entry["members"].items()}
    if entry["default"]:
        members["DEFAULT"] = members[entry["default"]]
    return WeightsEnum(entry["enum"], members, module=BUILDERS[model].__module__ if model in BUILDERS else __name__)


@functools.lru_cache(None)
def _enum_names():
    return {entry["enum"]: model for model, entry in _table().items()}


def weights_attribute(module):
    """A module's `__getattr__` that makes enums of weights when they are asked for: most programs want none."""
    def attribute(name):
        if name.endswith("_Weights") and name in _enum_names():
            return _enum(_enum_names()[name])
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return attribute


def weights_names(package):
    """Names of the enums of a package's models."""
    return [enum for enum, model in _enum_names().items() if model in BUILDERS and BUILDERS[model].__module__.rpartition(".")[0] == package]


def get_model_weights(name):
    """The enum of a model's trained weights."""
    name = name if isinstance(name, str) else name.__name__
    get_model_builder(name)
    if name not in _table():
        raise ValueError(f"The model {name} has no trained weights")
    return _enum(name)


def get_weight(name):
    """A member by its full name, such as "ResNet50_Weights.IMAGENET1K_V2"."""
    enum, _, member = name.partition(".")
    if not member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    if enum not in _enum_names():
        raise ValueError(f"The weight enum '{enum}' for the specific method couldn't be retrieved.")
    return _enum(_enum_names()[enum])[member]


# ---------------------------------------------------------------- models

def _legacy(name, weights, parameter):
    """True and False, what `pretrained` was, as weights of today."""
    enum = _enum(name)
    voc = "COCO_WITH_VOC_LABELS_V1"
    old = next((m for m in ("IMAGENET1K_V1", voc, "COCO_LEGACY", "COCO_V1", "KINETICS400_V1") if m in enum.__members__), "DEFAULT")
    equal = enum[old] if weights else None
    tail = "." if equal is None else f" You can also use `{parameter}={enum.__name__}.DEFAULT` to get the most up-to-date weights."
    warnings.warn(f"Arguments other than a weight enum or `None` for '{parameter}' are deprecated since 0.13 and may be removed in the future. "
                  f"The current behavior is equivalent to passing `{parameter}={equal}`{'.' if equal is not None else ''}{tail}", stacklevel=4)
    return equal


def _resolved(name, kwargs, parameter="weights", old="pretrained"):
    """Takes a parameter out of the arguments: a member of the model's enum, or None."""
    if old in kwargs and parameter not in kwargs:
        warnings.warn(f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, please use '{parameter}' instead.",
                      stacklevel=3)
        kwargs[parameter] = bool(kwargs.pop(old))
    weights = kwargs.pop(parameter, None)
    if weights is None or isinstance(weights, (str, WeightsEnum)):
        return weights if weights is None else _enum(name).verify(weights)
    return _legacy(name, weights, parameter)


def _positional(args, names):
    """What was given by position, as keywords: every parameter of a model was positional once."""
    given = names[:len(args)]
    if given:
        listed = " and ".join(f"'{n}'" for n in given) if len(given) < 3 else \
            ", ".join(f"'{n}'" for n in given[:-1]) + f", and '{given[-1]}'"
        warnings.warn(f"Using {listed} as positional parameter(s) is deprecated since 0.13 and may be removed in the future. Please use "
                      f"keyword parameter(s) instead.", stacklevel=3)
    return dict(zip(given, args))


def fix(kwargs, name, value):
    """Sets an argument that the weights decide; a different one from the caller is an error."""
    if kwargs.get(name) is None:
        kwargs[name] = value
    elif kwargs[name] != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {kwargs[name]} instead.")


def load(model, weights, progress):
    """Fills a model with trained weights."""
    state = weights.get_state_dict(progress=progress, check_hash=True)
    model.load_state_dict(getattr(model, "_renamed", dict)(state))
    return model


def register(function=None, *, loads=False, backbone=None, positional=()):
    """Makes a function that builds a model known by its name, and gives it `weights`, `progress` and the old `pretrained`.

    Args:
        function: Takes `weights`, resolved, and the model's arguments.
        loads: Whether the function also takes `progress` and loads the weights itself.
        backbone: A model that it starts from: the function also takes `weights_backbone`, which are None where the whole model has
            weights, and by default ImageNet's, or the member of a pair (model, member; None for none).
        positional: Parameters that could be given by position once, after `weights` and `progress`.
    """
    if function is None:
        return functools.partial(register, loads=loads, backbone=backbone, positional=positional)
    name = function.__name__
    backbone, default = backbone if isinstance(backbone, tuple) else (backbone, "IMAGENET1K_V1")

    @functools.wraps(function)
    def build(*args, **kwargs):
        kwargs = {**_positional(args, ("weights", "progress", *positional)), **kwargs}
        progress = kwargs.pop("progress", True)
        weights = _resolved(name, kwargs)
        if backbone is not None:
            if not {"weights_backbone", "pretrained_backbone"} & set(kwargs):
                kwargs["weights_backbone"] = default and _enum(backbone)[default]
            own = _resolved(backbone, kwargs, "weights_backbone", "pretrained_backbone")
            kwargs["weights_backbone"] = own if weights is None else None
        if loads:
            return function(weights=weights, progress=progress, **kwargs)
        if weights is not None and weights.meta["categories"] is not None:
            fix(kwargs, "num_classes", len(weights.meta["categories"]))
        model = function(weights=weights, **kwargs)
        return model if weights is None else load(model, weights, progress)

    BUILDERS[name] = build
    module = sys.modules[function.__module__]
    vars(module).setdefault("__getattr__", weights_attribute(module.__name__))
    return build


def _bound(builder, values):
    def function(*, weights=None, progress=True, **kwargs):
        return builder(*values, weights=weights, **kwargs)

    return function


def register_all(module, builder, settings, **options):
    """Registers `builder(name, *settings)` for every name, in the module's namespace.

    Args:
        module: The module's `globals()`.
        builder: Takes the name's settings, `weights` and the caller's arguments, and returns the model.
        settings: Dict from name to a tuple.
        options: What `register` takes; a callable option is called with the name's settings.
    """
    for name, values in settings.items():
        function = _bound(builder, values)
        function.__name__ = function.__qualname__ = name
        function.__module__, function.__doc__ = module["__name__"], f"The model {name}; see the class for its arguments."
        module[name] = register(function, **{k: v(*values) if callable(v) else v for k, v in options.items()})


def register_model(name=None):
    """A decorator that makes a function known as a model by its own name, or by `name`."""
    def wrapper(function):
        key = name or function.__name__
        if key in BUILDERS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILDERS[key] = function
        return function

    return wrapper


def list_models(module=None, include=None, exclude=None):
    """Names of all models, sorted; `include` and `exclude` are patterns such as "resnet*"."""
    def match(name, globs):
        return any(fnmatch.fnmatch(name, g) for g in ([globs] if isinstance(globs, str) else globs))

    return sorted(name for name, build in BUILDERS.items()
                  if (module is None or build.__module__.rpartition(".")[0] == module.__name__)
                  and (not include or match(name, include)) and not (exclude and match(name, exclude)))


def get_model_builder(name):
    """The function that builds a model."""
    try:
        return BUILDERS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name, **config):
    """The model of that name, built with the given arguments."""
    return get_model_builder(name)(**config)
