"""Files made to harm: loading ends in a clear error or in tensors, runs nothing, crashes nothing and takes no more memory than the file has."""

import io
import os
import pickle
import struct
import zipfile

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import facula

FAULTS = (RuntimeError, pickle.UnpicklingError, EOFError)  # what a caller has to expect
BOUNDED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def state():
    shared = facula.arange(12.0).reshape(3, 4)
    return {"weight": shared, "part": shared[:, 1], "more": [facula.ones(2, dtype=facula.int64), {"k": (1, 2.5, None, "text")}],
            "conj": facula.ones(2, dtype=facula.complex64), "param": facula.nn.Parameter(facula.zeros(2))}


def saved(**options):
    buffer = io.BytesIO()
    facula.save(state(), buffer, **options)
    return buffer.getvalue()


def tensors_bytes():
    path = "hostile.safetensors"
    buffer = io.BytesIO()
    facula._safetensors.write({"a": facula.arange(6.0).reshape(2, 3), "b": facula.ones(3, dtype=facula.bool)}, buffer, {"by": path})
    return buffer.getvalue()


SEEDS = {"zip": saved(), "zip, protocol 4": saved(pickle_protocol=4), "legacy": saved(_use_new_zipfile_serialization=False),
         "safetensors": tensors_bytes()}


def walk(value):
    """Reads what came back as a program would."""
    if isinstance(value, facula.Tensor):
        if value.device.type == "cpu" and value.numel() < 1000:
            value.detach().clone().tolist()
    elif isinstance(value, dict):
        for v in value.values():
            walk(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            walk(v)


def attempt(data, **options):
    try:
        walk(facula.load(io.BytesIO(data), **options))
    except FAULTS as error:
        assert str(error)


@pytest.mark.parametrize("kind", SEEDS)
@BOUNDED
@given(data=st.data())
def test_flipped_bytes(kind, data):
    seed = bytearray(SEEDS[kind])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), min_size=1, max_size=4)):
        seed[place] = value
    attempt(bytes(seed))


@pytest.mark.parametrize("kind", SEEDS)
@BOUNDED
@given(data=st.data())
def test_cut_and_pasted_bytes(kind, data):
    seed = SEEDS[kind]
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 3)))
    attempt(data.draw(st.sampled_from([seed[:a], seed[a:], seed[:a] + seed[b:], seed[:b] + seed[a:], seed[:a] + seed[b:c] + seed[a:b] + seed[c:]])))


def archive(pickled, records=(), **options):
    """A zip archive around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        file.writestr("archive/data.pkl", pickled)
        for name, data in records:
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


@BOUNDED
@given(data=st.data())
def test_pickles_of_changed_operations(data):
    """Mutates the pickle inside a sound archive, whose checksums would otherwise catch it."""
    seed = zipfile.ZipFile(io.BytesIO(SEEDS["zip"]))
    root = seed.namelist()[0].partition("/")[0]
    pickled = bytearray(seed.read(f"{root}/data.pkl"))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(pickled) - 1), st.integers(0, 255)), min_size=1, max_size=5)):
        pickled[place] = value
    records = [(n.partition("/")[2], seed.read(n)) for n in seed.namelist() if "/data/" in n]
    attempt(archive(bytes(pickled), records))


@BOUNDED
@given(st.lists(st.sampled_from([bytes([c]) for c in range(256)] + [b"\x80\x02", b"K\x01", b"X\x01\x00\x00\x00a", b"ctorch\nTensor\n", b"cbuiltins\nset\n",
                                                                    b"ctorch._utils\n_rebuild_tensor_v2\n", b"(", b"t", b"R", b"q\x00", b"h\x00",
                                                                    b"ccollections\nOrderedDict\n", b"}", b"]", b")", b"b", b"\x81", b"Q"]), max_size=40))
def test_random_programs(parts):
    attempt(archive(b"\x80\x02" + b"".join(parts) + b"."))


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def call(name, *arguments):
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def number(n):
    data = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


HUGE = number(1 << 50)
HOSTILE = {
    "a command": call("os.system", text("touch /tmp/facula_was_run")),
    "a command by another way": call("builtins.eval", text("open('facula_was_run', 'w')")),
    "getattr": call("builtins.getattr", b"ctorch\nTensor\n", text("__class__")),
    "an import": b"cantigravity\nfly\n",
    "a submodule's global": b"ctorch.serialization.os\nsystem\n",
    "a dotted global": b"ctorch\nserialization.os.system\n" + b"(" + text("true") + b"tR",
    "a giant tensor": call("torch.Tensor", HUGE),
    "a giant storage": call("torch.FloatStorage", HUGE),
    "giant bytes": call("builtins.bytearray", HUGE),
    "a giant parameter": b"ctorch.nn.parameter\nParameter\n(" + HUGE + b"t\x81",
    "a giant text": b"\x8d" + struct.pack("<Q", 1 << 50),
    "giant bytes in a pickle": b"\x8e" + struct.pack("<Q", 1 << 62),
    "a long integer": b"\x8b" + struct.pack("<I", 0x7FFFFFFF),
    "a codec that imports": call("_codecs.encode", text("x"), text("antigravity")),
    "attributes of a class": b"ctorch\nTensor\n}" + text("shape") + b"K\x01sb",
    "a frame too long": b"\x95" + struct.pack("<Q", 1 << 60),
    "keys that take forever": b"}" + b"K\x01" + b"\x85" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(100)) + b"K\x01s",
    "sets that take forever": call("builtins.set", b"](" + b"K\x01\x85" + b"2\x86" * 100 + b"e"),
    "deep lists": b"]" * 100_000 + b"a" * 99_999,
    "an unknown storage": call("torch._utils._rebuild_tensor_v2", b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("../../etc/passwd") + text("cpu") + b"K\x01tQ",
                               b"K\x00", b"K\x01\x85", b"K\x01\x85", b"\x89", b"N"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bombs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = archive(b"\x80\x02" + HOSTILE[name] + b".")
    if name == "deep lists":
        attempt(data)
    else:
        with pytest.raises(FAULTS):
            facula.load(io.BytesIO(data))
    assert not os.listdir(tmp_path) and not os.path.exists("/tmp/facula_was_run")


@pytest.mark.parametrize("name", HOSTILE)
def test_bombs_in_the_legacy_format(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = b"".join(pickle.dumps(part, 2) for part in (facula._legacy.MAGIC, facula._legacy.VERSION, facula._legacy._SYSTEM))
    with pytest.raises(FAULTS):
        facula.load(io.BytesIO(start + b"\x80\x02" + HOSTILE[name] + b"."))
    assert not os.listdir(tmp_path)


def view(size, stride, offset=number(0), key="0", numel=number(4), kind="FloatStorage", extra=b"N"):
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + numel + b"tQ"
    sizes, strides = (b"(" + b"".join(map(number, part)) + b"t" for part in (size, stride))
    return b"\x80\x02" + call("torch._utils._rebuild_tensor_v2", storage, offset, sizes, strides, b"\x89", extra) + b"."


@pytest.mark.parametrize("pickled", [
    view([5], [1]), view([2, 2], [1, 3]), view([4], [1], number(1)), view([4], [-1], number(3)), view([4], [1], number(-1)), view([-4], [1]),
    view([1 << 40, 1 << 40], [0, 0]), view([1 << 70], [0]), view([4], [1, 1]), view([4], [1], numel=number(5)), view([4], [1], numel=number(1 << 60)),
    view([4], [1], numel=number(-4)), view([4], [1], key="../0"), view([4], [1], key="1"), view([2], [1], kind="DoubleStorage"),
], ids=range(15))
def test_views_that_do_not_fit(pickled):
    with pytest.raises(FAULTS):
        walk(facula.load(io.BytesIO(archive(pickled, [("data/0", bytes(16))]))))


def test_sound_view_loads():
    assert facula.load(io.BytesIO(archive(view([2, 2], [2, 1]), [("data/0", bytes(16))]))).tolist() == [[0, 0], [0, 0]]


def test_sizes_in_the_directory_are_checked():
    data = bytearray(archive(view([4], [1], numel=number(1 << 28)), [("data/0", bytes(16))]))
    place = data.rindex(b"PK\1\2")
    for at in (place + 20, place + 24):
        data[at:at + 4] = struct.pack("<I", 1 << 30)
    with pytest.raises(RuntimeError, match="does not fit into the file"):
        facula.load(io.BytesIO(bytes(data)))


def test_records_must_not_overlap():
    data = bytearray(archive(view([4], [1]), [("data/0", bytes(16)), ("data/1", bytes(16))]))
    places = [i for i in range(len(data)) if data[i:i + 4] == b"PK\1\2"]
    data[places[2] + 42:places[2] + 46] = data[places[1] + 42:places[1] + 46]
    with pytest.raises(RuntimeError, match="overlaps"):
        facula.load(io.BytesIO(bytes(data)))


def directory(text, data=b""):
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize("data", [
    directory(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"abc"),
    directory(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)),
    directory(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', bytes(4)),
    directory(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}}', bytes(4)),
    directory(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    directory(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":1}'),
    directory(b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    directory(b'{"a":{"dtype":["F32"],"shape":[1.0],"data_offsets":[0,4]}}', bytes(4)),
    directory(b'{"a":' * 3000), directory(b'{"a":[' + b"[" * 100_000), struct.pack("<Q", 1 << 20) + b"{}", directory(b"{", b""),
], ids=range(12))
def test_safetensors_claims_are_checked(data):
    with pytest.raises(FAULTS):
        facula.load(io.BytesIO(data))
