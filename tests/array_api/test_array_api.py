"""The standard's namespace against the strict reference implementation of the standard."""

import warnings

import numpy as np
import pytest

import facula
from facula import array_api as xp
from facula.array_api import _arithmetic

strict = pytest.importorskip("array_api_strict")
strict.set_array_api_strict_flags(api_version="2024.12")
_rng = np.random.default_rng(0)
ARRAYS = {
    "f4": _rng.random((2, 3)).astype("f4"), "f8": _rng.random((2, 3)), "i4": _rng.integers(1, 5, (2, 3)).astype("i4"), "i8": _rng.integers(1, 5, (2, 3)),
    "u1": _rng.integers(1, 5, (2, 3)).astype("u1"), "b": _rng.random((2, 3)) > 0.5, "c8": (_rng.random((2, 3)) + 1j).astype("c8"),
}


def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, facula.Tensor):
        return value.numpy()
    return np.asarray(value._array) if hasattr(value, "_array") else value


def assert_same(expected, actual):
    if isinstance(expected, list):
        assert len(expected) == len(actual)
        for e, a in zip(expected, actual):
            assert_same(e, a)
    elif isinstance(expected, np.ndarray):
        assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    else:
        assert expected == actual


def compare(function, *arrays):
    """What the reference refuses is undefined by the standard; the rest must agree. The result: whether it was defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = plain(function(strict, *map(strict.asarray, arrays)))
        except (TypeError, ValueError):
            return False
    assert_same(expected, plain(function(xp, *map(xp.asarray, arrays))))
    return True


def test_no_name_is_missing():
    ignored = {"Device", "__version__"}
    assert [n for n in strict.__all__ if "flags" not in n.lower() and n not in ignored and not hasattr(xp, n)] == []
    for part in ("linalg", "fft"):
        assert [n for n in getattr(strict, part).__all__ if not hasattr(getattr(xp, part), n)] == []


@pytest.mark.parametrize("name", _arithmetic._UNARY)
def test_unary(name):
    assert any([compare(lambda m, x: getattr(m, name)(x), a) for a in ARRAYS.values()])


@pytest.mark.parametrize("name", _arithmetic._BINARY)
def test_binary(name):
    def kinds(kind, a):
        number = True if kind == "b" else 2
        yield compare(lambda m, x: getattr(m, name)(x, x), a)
        yield compare(lambda m, x: getattr(m, name)(x, number), a)
        yield compare(lambda m, x: getattr(m, name)(number, x), a)

    assert any([done for kind, a in ARRAYS.items() for done in kinds(kind, a)])


REDUCTIONS = ("sum", "prod", "max", "min", "mean", "std", "var", "all", "any", "argmax", "argmin", "count_nonzero")


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1, "keepdims": True}, {"axis": (0, 1)}, {"axis": ()}], ids=str)
def test_reductions(name, options):
    for a in ARRAYS.values():
        compare(lambda m, x: getattr(m, name)(x, **options), a)


@pytest.mark.parametrize("name", ("cumulative_sum", "cumulative_prod", "sort", "argsort", "diff", "flip", "unstack"))
@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}], ids=str)
def test_along_an_axis(name, options):
    for a in ARRAYS.values():
        compare(lambda m, x: getattr(m, name)(x, **options), a)


@pytest.mark.parametrize("name", ("unique_all", "unique_counts", "unique_inverse", "unique_values", "nonzero"))
def test_sets(name):
    assert all(compare(lambda m, x: getattr(m, name)(x), ARRAYS[k]) for k in ("i8", "f8", "b", "u1"))


SHAPES = {
    "concat": lambda m, x: m.concat([x, x], axis=1), "concat flat": lambda m, x: m.concat([x, x], axis=None), "stack": lambda m, x: m.stack([x, x]),
    "matrix_transpose": lambda m, x: m.matrix_transpose(x), "matmul": lambda m, x: x @ m.matrix_transpose(x),
    "tensordot": lambda m, x: m.tensordot(x, m.matrix_transpose(x), axes=1), "vecdot": lambda m, x: m.vecdot(x, x),
    "take": lambda m, x: m.take(x, m.asarray([1, 0]), axis=1), "take_along_axis": lambda m, x: m.take_along_axis(x, m.asarray([[0], [1]]), axis=1),
    "roll": lambda m, x: m.roll(x, 1, axis=0), "tile": lambda m, x: m.tile(x, (2, 1)), "repeat": lambda m, x: m.repeat(x, 2, axis=1),
    "expand_dims": lambda m, x: m.expand_dims(x, axis=1), "tril": lambda m, x: m.tril(x), "clip": lambda m, x: m.clip(x, min=2, max=3),
    "where": lambda m, x: m.where(x == x, x, x), "astype": lambda m, x: m.astype(x, m.float64), "zeros_like": lambda m, x: m.zeros_like(x),
    "full_like": lambda m, x: m.full_like(x, 1), "trace": lambda m, x: m.linalg.trace(x),
    "mT": lambda m, x: x.mT, "imag": lambda m, x: m.imag(x),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    assert any([compare(SHAPES[name], a) for a in ARRAYS.values()])


@pytest.mark.parametrize("function", [
    lambda m: m.arange(5), lambda m: m.arange(5, 2), lambda m: m.arange(1, 9, 3), lambda m: m.full(3, 2), lambda m: m.full(3, True),
    lambda m: m.linspace(0, 1, 5, endpoint=False, dtype=m.float64), lambda m: m.eye(3, 4, k=1, dtype=m.float64), lambda m: m.ones((2, 2), dtype=m.int8),
    lambda m: m.meshgrid(m.arange(2), m.arange(3)), lambda m: m.isdtype(m.int8, "integral"), lambda m: m.isdtype(m.float32, ("integral", "real floating")),
    lambda m: m.can_cast(m.int8, m.int16), lambda m: m.can_cast(m.int16, m.int8),
    lambda m: m.searchsorted(m.asarray([1.0, 2.0, 3.0]), m.asarray([1.5, 3.0]), side="right"), lambda m: m.asarray([1, 2]) ** 2])
def test_creation_and_types(function):
    assert compare(function)


def test_namespace_and_info():
    assert facula.ones(1).__array_namespace__(api_version="2024.12") is xp
    info = facula.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] is facula.float32 and "float64" in info.dtypes()
    with pytest.raises(ValueError, match="array API version"):
        facula.ones(1).__array_namespace__(api_version="1999.01")
