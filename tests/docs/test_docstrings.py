"""Docstrings keep their word: their examples run, and they name every argument of the classes listed here."""

import doctest
import importlib
import inspect

import pytest

import facula

MODULES = ["optim." + name for name in ("_adafactor", "_muon", "adadelta", "adagrad", "adam", "adamax", "asgd", "lbfgs", "nadam", "radam", "rmsprop",
                                        "rprop", "sgd", "sparse_adam")]
WHOLE = [getattr(facula.optim, name) for name in ("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD", "LBFGS", "Muon", "NAdam",
                                                  "RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module("facula." + name)
    found = doctest.testmod(module, extraglobs={"facula": facula}, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.parametrize("kind", WHOLE, ids=lambda k: k.__name__)
def test_every_argument_is_explained(kind):
    text = inspect.getdoc(kind)
    missing = [a for a in inspect.signature(kind).parameters if f"\n    {a}: " not in text]
    assert not missing and "Example:" in text
