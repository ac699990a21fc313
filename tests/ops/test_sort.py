"""Sorting, selection, scans and statistics: recorded values and properties."""

import math

import pytest

import facula


def test_sort_puts_nan_last_and_keeps_equals_in_order():
    values, indices = facula.sort(facula.tensor([3.0, 1.0, float("nan"), 2.0, 1.0]))
    assert values[:4].tolist() == [1, 1, 2, 3] and math.isnan(values[4].item())
    assert indices.tolist() == [1, 4, 3, 0, 2]


@pytest.mark.parametrize("dtype", [facula.float32, facula.float64, facula.int64, facula.int32, facula.bfloat16])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_of_many_agrees_with_python(dtype, descending):
    x = ((facula.arange(5000) * 7919) % 1009 - 500).to(dtype)
    expected = sorted(x.tolist(), reverse=descending)
    values, indices = x.sort(descending=descending)
    assert values.tolist() == expected
    assert x[indices].tolist() == expected


def test_topk_is_the_head_of_the_sorted():
    x = facula.rand(4, 1000)
    values, indices = x.topk(10, 1)
    assert facula.equal(values, x.sort(1, True).values[:, :10])
    assert facula.equal(x.gather(1, indices), values)


def test_selection():
    x = facula.tensor([[4.0, 1.0, 3.0, 1.0]])
    assert x.median(1).values.item() == 1 and x.kthvalue(3).values.item() == 3 and x.mode().values.item() == 1
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        x.topk(5)


def test_unique_counts_and_inverse():
    x = facula.tensor([[2, 1], [2, 3]])
    values, inverse, counts = facula.unique(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3] and inverse.tolist() == [[1, 0], [1, 2]] and counts.tolist() == [1, 2, 1]
    assert facula.unique(facula.tensor([[1, 2], [1, 2], [0, 5]]), dim=0).tolist() == [[0, 5], [1, 2]]


def test_searching_and_counting():
    edges = facula.tensor([1, 3, 5])
    assert facula.searchsorted(edges, facula.tensor([0, 3, 9])).tolist() == [0, 1, 3]
    assert facula.bucketize(facula.tensor([3]), edges, right=True).tolist() == [2]
    assert facula.bincount(facula.tensor([1, 1, 3])).tolist() == [0, 2, 0, 1]
    assert facula.histc(facula.tensor([0.0, 1.0, 1.5, 2.0]), 2, 0, 2).tolist() == [1, 3]


def test_scans():
    values, indices = facula.cummax(facula.tensor([1.0, 3.0, 2.0, 3.0]), 0)
    assert values.tolist() == [1, 3, 3, 3] and indices.tolist() == [0, 1, 1, 3]
    x = facula.rand(6, dtype=facula.float64)
    assert facula.allclose(x.logcumsumexp(0), x.exp().cumsum(0).log())


def test_quantile_and_masked():
    assert facula.quantile(facula.arange(5.0), 0.5).item() == 2
    mask = facula.tensor([True, False, True])
    assert facula.masked.mean(facula.tensor([1.0, 9.0, 3.0]), mask=mask).item() == 2
