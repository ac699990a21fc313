"""Files written by PyTorch and read here, and the other way round."""

import collections
import io
import warnings

import pytest

import facula

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
DTYPES = "uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128 bool bfloat16 uint16 uint32 uint64".split()


def parameters(t):
    for i, p in enumerate(m for m in t):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            p.data.copy_(p.data.new_tensor([((i + j) % 7 - 3) / 8 for j in range(p.numel())]).reshape(p.shape))


def model(t, make):
    made = make(t.nn)
    parameters(made.parameters())
    return made


def optimizer(t):
    net = model(t, lambda nn: nn.Linear(2, 2))
    made = t.optim.Adam(net.parameters(), lr=0.1)
    net(t.ones(1, 2)).sum().backward()
    made.step()
    return made


def with_attribute(x):
    x.note = "kept"
    return x


def views(t):
    base = t.arange(24.0).reshape(2, 3, 4)
    return [base, base[0], base[:, 1], base.transpose(0, 2), base[..., ::2]]


PLAIN = {
    **{name: (lambda t, name=name: t.tensor([0, 1, 2, 1]).to(getattr(t, name))) for name in DTYPES},
    "views": views,
    "empty": lambda t: [t.empty(0, 3), t.tensor(3.5)],
    "channels last": lambda t: t.arange(48.0).reshape(1, 3, 4, 4).contiguous(memory_format=t.channels_last),
    "conjugated": lambda t: [t.tensor([1 + 2j, 3j]).conj(), t.tensor([1 + 2j, 3j]).conj().imag],
    "parameters": lambda t: [t.nn.Parameter(t.ones(3)), t.nn.Parameter(t.ones(3), requires_grad=False), t.ones(2, requires_grad=True)],
    "attribute": lambda t: with_attribute(t.ones(2)),
    "sparse": lambda t: t.sparse_coo_tensor(t.tensor([[0, 1], [1, 0]]), t.tensor([1.0, 2.0]), (2, 2)),
    "containers": lambda t: {"list": [1, 2.5, None, True, "s", (1,), {1, 2}, 2 ** 70, -5, 1j], "od": collections.OrderedDict(a=1), "b": b"by",
                             "c": collections.Counter("aab"), "size": t.Size([1, 2]), "dtype": t.float16},
    "state dict": lambda t: model(t, lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))).state_dict(),
    "optimizer state": lambda t: optimizer(t).state_dict(),
    "meta": lambda t: t.empty(3, 4, device="meta"),
}
MODULES = {
    "convolutions": (lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2)), (2, 1, 4, 4)),
    "lstm": (lambda nn: nn.LSTM(3, 4, 2, bidirectional=True), (2, 2, 3)),
    "gru": (lambda nn: nn.GRU(3, 2), (2, 2, 3)),
    "transformer": (lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), 2,
                                                     enable_nested_tensor=False), (1, 3, 8)),
    "normalization": (lambda nn: nn.Sequential(nn.LayerNorm(4), nn.GELU(), nn.PReLU(), nn.Unflatten(1, (2, 2))), (2, 4)),
    "shapes": (lambda nn: nn.Sequential(nn.PixelShuffle(2), nn.Upsample(scale_factor=2), nn.ChannelShuffle(1), nn.Unfold(2)), (1, 4, 2, 2)),
    "spectral norm": (lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2)), (1, 3)),
}


def written(t, value, **options):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t.save(value, buffer, **options)
    buffer.seek(0)
    return buffer


def described(t, x):
    if isinstance(x, t.Tensor):
        kind = (type(x).__name__, str(x.dtype).rpartition(".")[2], tuple(x.shape), x.requires_grad, str(x.device), getattr(x, "note", None))
        if x.device.type == "meta":
            return kind
        strided = x.layout is t.strided
        x = (x.detach() if strided else x.detach().to_dense()).resolve_conj().resolve_neg()
        return (*kind, x.stride() if strided else None, x.tolist())
    if isinstance(x, dict):
        return {k: described(t, v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, *(described(t, v) for v in x)]
    return x if isinstance(x, (set, frozenset)) else repr(x).replace("facula", "torch")


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("writer, reader", [(torch, facula), (facula, torch)], ids=["PyTorch's file", "our file"])
def test_plain_contents(writer, reader, name, options):
    if options and name.startswith("uint") and name != "uint8":
        pytest.skip("PyTorch does not read its own legacy files of this dtype")
    value = PLAIN[name](writer)
    read = reader.load(written(writer, value, **options))
    assert str(described(reader, read)) == str(described(writer, value))


@pytest.mark.parametrize("writer, reader", [(torch, facula), (facula, torch)], ids=["PyTorch's file", "our file"])
def test_sharing(writer, reader):
    whole, part, *_ = reader.load(written(writer, views(writer)))
    whole.zero_()
    assert part.sum() == 0


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}], ids=["zip", "legacy", "protocol 4"])
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("writer, reader", [(torch, facula), (facula, torch)], ids=["PyTorch's file", "our file"])
def test_whole_modules(writer, reader, name, options):
    make, shape = MODULES[name]
    value = model(writer, make).eval()
    read = reader.load(written(writer, value, **options), weights_only=False)
    data = [((i * 37) % 11 - 5) / 5 for i in range(int(torch.Size(shape).numel()))]
    results = [m(t.tensor(data).reshape(shape)) for t, m in ((writer, value), (reader, read))]
    ours, theirs = (r[0] if isinstance(r, tuple) else r for r in results)
    torch.testing.assert_close(torch.tensor(ours.tolist()), torch.tensor(theirs.tolist()), rtol=1e-4, atol=1e-5)
    assert str(reader.nn.Module.__repr__(read)) == repr(value)


@pytest.mark.parametrize("writer, reader", [(torch, facula), (facula, torch)], ids=["PyTorch's file", "our file"])
def test_objects_beside_modules(writer, reader):
    functions = [writer.relu, writer.nn.functional.gelu, writer.nn.functional.relu, writer.Tensor.add, writer.linalg.norm, writer.fft.fft]
    read = reader.load(written(writer, functions), weights_only=False)
    assert [f.__name__.rpartition("_")[2] for f in read] == ["relu", "gelu", "relu", "add", "norm", "fft"]
    generator = reader.load(written(writer, writer.Generator().manual_seed(3)), weights_only=False)
    assert generator.initial_seed() == 3
    read = reader.load(written(writer, optimizer(writer)), weights_only=False)
    for p in read.param_groups[0]["params"]:
        p.grad = p.detach()
    read.step()
    assert read.state_dict()["state"][0]["step"] == 2


def test_mapped_file_of_pytorch(tmp_path):
    torch.save({"a": torch.arange(1000.0), "b": torch.ones(3, dtype=torch.uint8)}, tmp_path / "a.pt")
    read = facula.load(tmp_path / "a.pt", mmap=True)
    read["a"][0] = 5
    assert read["a"][:3].tolist() == [5, 1, 2] and torch.load(tmp_path / "a.pt")["a"][0] == 0
    facula.save(read, tmp_path / "b.pt")
    assert torch.load(tmp_path / "b.pt", mmap=True)["a"][999] == 999
