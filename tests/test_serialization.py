import io
import os
import pickle
import subprocess
import sys
import types

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


# ---------------------------------------------------------------- names in files

def pickled(obj, protocol=2):
    import zipfile

    buffer = io.BytesIO()
    facula.save(obj, buffer, pickle_protocol=protocol)
    with zipfile.ZipFile(buffer) as archive:
        return archive.read("archive/data.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_name_pytorchs_modules(protocol):
    things = [facula.nn.Flatten(), facula.nn.MSELoss(), facula.relu, facula.Tensor.add, facula.float16, facula.nn.Linear(1, 1), facula.Generator()]
    data = pickled(things, protocol)
    assert b"facula" not in data
    for name in (b"torch.nn.modules.flatten", b"torch.nn.modules.loss", b"torch.nn.modules.linear", b"torch"):
        assert name in data
    assert [type(x) for x in roundtrip(things, pickle_protocol=protocol, weights_only=False)] == [type(x) for x in things]


def test_names_in_pytorchs_library_are_found():
    for data, found in [(b"ctorch._C._nn\ngelu\n.", facula.nn.functional.gelu), (b"ctorch._C._linalg\nlinalg_norm\n.", facula.linalg.norm),
                        (b"c__builtin__\ngetattr\nctorch._C\n_VariableFunctionsClass\nX\x04\x00\x00\x00relu\x86R.", facula.relu)]:
        buffer = io.BytesIO()
        writer = facula._zip.Writer(buffer, "archive")
        writer.record("data.pkl", b"\x80\x02" + data)
        writer.close()
        buffer.seek(0)
        assert facula.load(buffer, weights_only=False) is found


# ---------------------------------------------------------------- .safetensors

@pytest.mark.parametrize("mmap", [False, True])
def test_safetensors_come_back(tmp_path, mmap):
    saved = {"a": facula.randn(3, 4), "t": facula.randn(3, 4).t(), "none": facula.empty(0, 3), "flag": facula.tensor(True),
             "half": facula.ones(3, dtype=facula.bfloat16), "long": facula.arange(5)}
    facula.save(saved, tmp_path / "a.safetensors")
    loaded = facula.load(tmp_path / "a.safetensors", mmap=mmap)
    assert sorted(loaded) == sorted(saved)
    for name, x in saved.items():
        assert loaded[name].dtype == x.dtype and loaded[name].shape == x.shape and facula.equal(loaded[name], x)
    loaded["a"].zero_()
    assert facula.equal(facula.load(tmp_path / "a.safetensors")["a"], saved["a"])


def test_safetensors_are_written_as_specified(tmp_path):
    facula.save({"b": facula.tensor([1, 2], dtype=facula.int16), "a": facula.tensor([0.5])}, tmp_path / "a.safetensors")
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I16","shape":[2],"data_offsets":[4,8]}}'
    header += b" " * (-len(header) % 8)
    data = (tmp_path / "a.safetensors").read_bytes()
    assert data == len(header).to_bytes(8, "little") + header + b"\0\0\0\x3f\1\0\2\0"


def test_safetensors_refuse_what_they_cannot_hold(tmp_path):
    x = facula.ones(4)
    with pytest.raises(RuntimeError, match=r"\['a', 'b'\] share memory"):
        facula.save({"a": x, "b": x[1:]}, tmp_path / "a.safetensors")
    with pytest.raises(TypeError, match="names to tensors"):
        facula.save({"a": 1}, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- where and how

def test_map_location_takes_every_form():
    x = facula.ones(2)
    for where in ("cpu", facula.device("cpu"), {"cpu": "cpu"}, lambda storage, place: storage, lambda storage, place: None):
        assert roundtrip(x, map_location=where).device.type == "cpu"
    assert roundtrip(x, map_location="meta").device.type == "meta"


def test_names_that_would_be_refused_are_listed(tmp_path):
    facula.save({"x": Own(), "w": facula.ones(1)}, tmp_path / "a.pt")
    assert facula.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "a.pt") == [f"{Own.__module__}.Own"]


def test_other_pickle_modules_are_used(tmp_path):
    class module(types.ModuleType):
        Pickler, Unpickler = pickle.Pickler, pickle.Unpickler

    facula.save([Own()], tmp_path / "a.pt", pickle_module=module("other"))
    assert isinstance(facula.load(tmp_path / "a.pt", pickle_module=module("other"), weights_only=False)[0], Own)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        facula.load(tmp_path / "a.pt", pickle_module=module("other"), weights_only=True)


def test_a_crash_while_writing_leaves_the_old_file(tmp_path):
    facula.save([1], tmp_path / "a.pt")
    program = ("import os, facula\n"
               "class Crash:\n    def __reduce__(self): os._exit(3)\n"
               f"facula.save([facula.ones(1000), Crash()], {str(tmp_path / 'a.pt')!r})\n")
    assert subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(facula.__file__))}).returncode == 3
    assert facula.load(tmp_path / "a.pt") == [1]


def test_mapped_files_stay_as_they_are(tmp_path):
    facula.save({"w": facula.arange(100.0)}, tmp_path / "a.pt")
    loaded = facula.load(tmp_path / "a.pt", mmap=True)["w"]
    loaded.zero_()
    assert facula.load(tmp_path / "a.pt")["w"][99] == 99
