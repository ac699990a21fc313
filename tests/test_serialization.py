import io
import pickle

import pytest

import facula


def roundtrip(obj, zipped=True, **options):
    buffer = io.BytesIO()
    facula.save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return facula.load(buffer, **options)


@pytest.mark.parametrize("zipped", [True, False])
def test_views_share_memory_after_loading(zipped):
    x = facula.arange(6.0).reshape(2, 3)
    whole, part = roundtrip([x, x[:, 1]], zipped)
    whole[0, 1] = 9
    assert part.tolist() == [9.0, 4.0] and part.stride() == (3,)


@pytest.mark.parametrize("name", "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 uint16".split())
def test_every_dtype_comes_back(name):
    x = facula.tensor([1, 0, 1]).to(getattr(facula, name))
    y = roundtrip(x)
    assert y.dtype == x.dtype and y.tolist() == x.tolist()


def test_text_that_looks_like_a_global_stays():
    text = "cfacula.nn\nLinear\n"
    assert roundtrip([text, facula.float32]) == [text, facula.float32]


class Own:
    pass


def test_own_classes_need_permission():
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL .*Own was not an allowed global"):
        roundtrip(Own())
    with facula.serialization.safe_globals([Own]):
        assert isinstance(roundtrip(Own()), Own)


def test_functions_are_not_called_by_hostile_files():
    hostile = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
    buffer = io.BytesIO()
    writer = facula._zip.Writer(buffer, "archive")
    writer.record("data.pkl", hostile)
    writer.close()
    buffer.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="os.system"):
        facula.load(buffer)


def test_truncated_files_say_so():
    buffer = io.BytesIO()
    facula.save(facula.ones(100), buffer)
    with pytest.raises(RuntimeError, match="central directory"):
        facula.load(io.BytesIO(buffer.getvalue()[:300]))


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pt"
    facula.save([1], path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        facula.save(lambda: None, path)
    assert facula.load(path) == [1] and [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_views_outside_their_storage_are_refused():
    storage = facula.ones(2).storage()
    with pytest.raises(RuntimeError, match="out of bounds for storage of size 8"):
        facula._utils._rebuild_tensor_v2(storage, 0, (5,), (1,), False, None)
