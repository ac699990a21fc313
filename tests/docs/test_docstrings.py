"""Docstrings keep their word: their examples run, and they name every argument of the classes listed here."""

import doctest
import importlib
import inspect

import pytest

import facula

MODULES = ["optim." + name for name in ("_adafactor", "_muon", "adadelta", "adagrad", "adam", "adamax", "asgd", "lbfgs", "nadam", "radam", "rmsprop",
                                        "rprop", "sgd", "sparse_adam")]
MODULES += ["nn.modules." + name for name in ("batchnorm", "conv", "dropout", "normalization", "rnn", "sparse")]
DISTRIBUTIONS = {"normal": "Normal", "laplace": "Laplace", "cauchy": "Cauchy", "gumbel": "Gumbel", "uniform": "Uniform", "exponential": "Exponential",
                 "poisson": "Poisson", "gamma": "Gamma", "beta": "Beta", "bernoulli": "Bernoulli", "geometric": "Geometric", "half_normal": "HalfNormal",
                 "half_cauchy": "HalfCauchy"}
MODULES += ["distributions." + name for name in DISTRIBUTIONS]
MODULES += ["utils.data.dataset", "utils.data.sampler"]
WHOLE = [getattr(facula.optim, name) for name in ("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD", "LBFGS", "Muon", "NAdam",
                                                  "RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam")]
WHOLE += [getattr(facula.nn, name) for name in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d", "Dropout", "Embedding", "GroupNorm",
                                               "LayerNorm", "LocalResponseNorm", "RMSNorm", "RNN", "LSTM", "GRU")]
WHOLE += [getattr(facula.utils.data, name) for name in ("ConcatDataset", "Subset", "SequentialSampler", "RandomSampler", "SubsetRandomSampler",
                                                       "WeightedRandomSampler", "BatchSampler")]
WHOLE += [getattr(facula.distributions, name) for name in DISTRIBUTIONS.values()]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module("facula." + name)
    found = doctest.testmod(module, extraglobs={"facula": facula}, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.parametrize("kind", WHOLE, ids=lambda k: k.__name__)
def test_every_argument_is_explained(kind):
    text = inspect.getdoc(kind)
    parameters = inspect.signature(kind).parameters.values()
    missing = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name[0] != "_" and f"\n    {p.name}: " not in text]
    assert not missing and "Example:" in text
