"""What numbers become on the way in and between dtypes."""

import pytest

import facula

np = pytest.importorskip("numpy")


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("step", [1, 2])
def test_truths_of_any_byte_count_once(writable, step):
    array = np.array([0, 255, 7, 1, 0, 2], np.uint8).view(np.bool_)[::step]
    expected = array.astype(bool).tolist()
    array.flags.writeable = writable
    for t in (facula.tensor(array), facula.as_tensor(array)):
        assert t.tolist() == expected and t.view(facula.uint8).max() == 1
        assert t.sum() == sum(expected) and t.float().max() == 1 and (t == True).sum() == sum(expected)  # noqa: E712


def test_truths_share_their_memory():
    array = np.array([0, 255, 1], np.uint8).view(np.bool_)
    t = facula.from_numpy(array)
    array[0] = True
    assert t.tolist() == [True, True, True] and array.tolist() == [True, True, True]


@pytest.mark.parametrize("source", [facula.float32, facula.float64])
@pytest.mark.parametrize("target", [facula.uint8, facula.int8, facula.int16, facula.int32, facula.uint16])
def test_floats_are_truncated_and_wrap(source, target):
    values = facula.linspace(-40000.7, 70000.3, 2001, dtype=source)
    bits = 8 * facula.empty(0, dtype=target).element_size()
    signed = target not in (facula.uint8, facula.uint16)
    wrapped = [int(v) % 2 ** bits for v in values.tolist()]
    assert values.to(target).tolist() == [w - 2 ** bits if signed and w >= 2 ** (bits - 1) else w for w in wrapped]


def test_floats_far_away_do_not_disturb_their_neighbours():
    values = facula.arange(1500.0)
    values[700] = 1e30
    made = values.to(facula.int16).tolist()
    assert made[:700] == list(range(700)) and made[701:] == list(range(701, 1500))


@pytest.mark.parametrize("dtype", [facula.float32, facula.float64, facula.int64])
@pytest.mark.parametrize("count", [1, 7, 32, 63, 64, 129, 1000])
def test_extremes_of_rows(dtype, count):
    x = ((facula.arange(3 * count) * 7919) % 1009 - 500).to(dtype).reshape(3, count)
    rows = x.tolist()
    assert x.amax(-1).tolist() == [max(r) for r in rows] and x.amin(-1).tolist() == [min(r) for r in rows]
    assert x.argmax(-1).tolist() == [r.index(max(r)) for r in rows]
    if dtype is not facula.int64:
        x[1, count // 2] = float("nan")
        assert x.amax(-1).isnan().tolist() == [False, True, False] and x.argmin(-1)[1] == count // 2
        assert facula.full((2, count), float("-inf"), dtype=dtype).amax(-1).tolist() == [float("-inf")] * 2
