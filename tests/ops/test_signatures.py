"""What `inspect`, editors and type checkers are told of the operations."""

import ast
import importlib.util
import inspect
import os

import pytest

import facula
from facula.ops import functions

STUBS = os.path.join(os.path.dirname(os.path.dirname(facula.__file__)), "codegen", "stubs.py")


@pytest.mark.parametrize("op, text", [
    (facula.add, "(input, other, *, alpha=1, out=None)"), (facula.sum, "(input, dim=None, keepdim=False, *, dtype=None, out=None)"),
    (facula.linalg.qr, "(A, mode='reduced')"),
])
def test_signatures_join_the_overloads(op, text):
    assert str(inspect.signature(op)).replace('"', "'").startswith(text[:-1])


@pytest.mark.skipif(not os.path.exists(STUBS), reason="the sources are not there")
def test_stubs_are_python_and_name_every_function():
    spec = importlib.util.spec_from_file_location("stubs", STUBS)
    stubs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stubs)
    tree = ast.parse(stubs.package_stub())
    named = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert {n for n in functions[""] if n.isidentifier() and n not in ("lambda",)} <= named | {"and", "or", "not"}
    tensor = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor")
    assert {"add", "sum", "reshape", "shape", "requires_grad", "__add__"} <= {getattr(n, "name", getattr(getattr(n, "target", None), "id", None)) for n in tensor.body}
    for namespace in ("linalg", "fft", "special"):
        ast.parse(stubs.module_stub(namespace))
