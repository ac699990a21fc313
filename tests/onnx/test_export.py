"""ONNX models checked by onnx.checker and equal through ONNX Runtime."""

import io

import pytest

import facula
from facula import nn
from facula.nn import functional as F

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(model, *inputs):
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: t.numpy() for i, t in zip(session.get_inputs(), inputs)})


def flat(result):
    return [x for r in result for x in flat(r)] if isinstance(result, (tuple, list)) else [result]


def check(model, *inputs, others=(), atol=1e-4, **options):
    """Exports, checks, and compares on the inputs and on others."""
    if isinstance(model, nn.Module):
        model.eval()
    file = io.BytesIO()
    facula.onnx.export(model, inputs, file, **options)
    proto = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(proto, full_check=True)
    for case in (inputs, *others):
        with facula.no_grad():
            wanted = flat(model(*case))
        got = run(file.getvalue(), *case)
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted):
            assert tuple(g.shape) == tuple(w.shape)
            assert facula.allclose(facula.from_numpy(g).double(), w.double(), atol=atol, rtol=1e-3), (facula.from_numpy(g).double() - w.double()).abs().max()
    return proto


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 4, 2, bidirectional=True), lambda: nn.LSTM(3, 4, batch_first=True, bias=False),
                                  lambda: nn.GRU(3, 4, 2), lambda: nn.RNN(3, 4, nonlinearity="relu", bidirectional=True)])
def test_recurrent_layers_of_any_length(make):
    model = make()
    check(model, facula.randn(5, 2, 3), others=[(facula.randn(7, 3, 3),)], dynamic_axes={"input": {0: "time", 1: "batch"}}, input_names=["input"])


def test_a_transformer_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
    check(nn.TransformerEncoder(layer, 2), facula.randn(2, 5, 8), others=[(facula.randn(3, 9, 8),)], dynamic_shapes=({0: "batch", 1: "time"},))


class Block(nn.Module):
    """A GPT-like block over tokens."""

    def __init__(self, vocabulary=11, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(16, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.register_buffer("mask", facula.tril(facula.ones(16, 16, dtype=facula.bool)))

    def forward(self, tokens):
        b, t = tokens.shape
        x = self.token(tokens) + self.position(facula.arange(t))
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(x.size(-1), dim=-1))
        scores = (q @ k.transpose(-2, -1)) / k.size(-1) ** 0.5
        scores = scores.masked_fill(~self.mask[:t, :t], float("-inf")).softmax(-1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(b, t, -1))
        x = x + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return (x + self.mlp(self.norm2(x))) @ self.token.weight.t()


def test_a_gpt_like_block_of_any_length():
    check(Block(), facula.randint(0, 11, (2, 5)), others=[(facula.randint(0, 11, (3, 9)),)],
          dynamic_shapes={"tokens": {0: facula.export.Dim("batch"), 1: facula.export.Dim("time")}})


X = facula.tensor([[[0.5, -1.25, 2.0, 0.0], [1.5, 0.25, -0.75, 3.0], [-2.0, 0.1, 0.2, 0.3]], [[1.0, 2.0, 3.0, 4.0], [0.7, -0.1, 0.9, -3.0],
                                                                                          [0.0, 1.0, -1.0, 0.5]]])


def writes(x):
    y = x.clone()
    y[:, 0] = 5
    y[0].mul_(2)
    y[..., 1:3] += 1
    a, b = y.chunk(2, -1)
    a.zero_()
    y.view(-1)[::5].fill_(9)
    return y, b


EXPRESSIONS = {
    "activations": lambda x: sum(f(x) for f in (F.gelu, F.elu, F.selu, F.silu, F.softplus, F.hardtanh, F.leaky_relu, F.mish, F.hardswish,
                                                F.hardsigmoid, F.logsigmoid, F.relu6, F.softsign, F.tanhshrink, F.softshrink, F.celu)),
    "glu": lambda x: F.glu(x, -1), "arithmetic": lambda x: (x * 2 - 1) / (x.abs() + 3) ** 1.5 + (x // 0.7) + (x % 0.3) - facula.rsub(x, 2),
    "compare": lambda x: facula.where((x > 0) & (x <= 2) | (x == -2), x, 0.0), "norms": lambda x: (x.norm(), x.norm(dim=-1), F.normalize(x)),
    "moments": lambda x: (x.var(), x.std(-1, keepdim=True), x.mean((0, 2)), x.sum(), x.amax(1), x.prod(-1), x.logsumexp(1)),
    "extremes": lambda x: (x.argmax(), x.argmin(-1, keepdim=True), *x.max(1), *x.min(-1), x.max(), *x.topk(2), *x.sort(1, descending=True)),
    "layers": lambda x: F.layer_norm(x, (4,)) + F.group_norm(x, 3) + F.instance_norm(x) + x.softmax(-1) + x.log_softmax(0),
    "shapes": lambda x: facula.cat([x.flatten(1).view(2, 4, 3).permute(0, 2, 1), facula.stack([x, x], 1)[:, 1], x.repeat(1, 2, 1)], 1),
    "views": lambda x: (x[:, 1:, ::2], x[..., None], x[0, -1], x.transpose(0, 2), x.unfold(2, 2, 1), x.roll(1, 1), x.flip(-1), x.diagonal(0, 1, 2),
                        x.tril(), x.triu(1), x.movedim(0, -1), x.expand(3, 2, 3, 4), x.squeeze(), x.unbind(1)[2], F.pad(x, (1, 2, 0, 1), value=3.0)),
    "indexing": lambda x: (x[:, [0, 2]], x[x > 1], x[[0, 1], [2, 1]], x.gather(2, x.argsort(-1)), x.index_select(1, facula.tensor([2, 0])),
                           x.masked_fill(x > 1, 7.0), F.one_hot(x.argmax(-1), 4), x[:, [0, 1], [2, 3]]),
    "scatter": lambda x: facula.zeros(2, 3, 4).scatter_add(2, x.argsort(-1), x), "einsum": lambda x: facula.einsum("bij,bkj->bik", x, x),
    "cumsum": lambda x: x.cumsum(1), "casts": lambda x: ((x > 0).sum(), x.int() * 2, x.double() + 1, x.long() // 2, (x > 0).float().any(-1)),
    "new": lambda x: x + facula.ones_like(x) + facula.full((4,), 2.0) + facula.arange(4) + x.new_zeros(3, 1), "writes": writes,
    "losses": lambda x: (F.mse_loss(x, x.abs()), F.l1_loss(x, x * 2, reduction="sum"), F.smooth_l1_loss(x, x * 3, reduction="none"), F.huber_loss(x, x.exp()),
                         F.binary_cross_entropy_with_logits(x, x.sigmoid()), F.soft_margin_loss(x, x.sign()), F.kl_div(x, x.softmax(-1)),
                         F.nll_loss(x.log_softmax(1), facula.tensor([[0, 1, 2, 0], [1, 1, 0, 2]])), F.cross_entropy(x[0], facula.tensor([1, 0, 3]))),
    "pairs": lambda x: (facula.hypot(x, x + 1), facula.logaddexp(x, x * 2), facula.atan2(x, x - 0.1), facula.copysign(x, x - 1), x.angle(), x.sgn(),
                        facula.logaddexp2(x, x - 1), x.signbit(), facula.xlogy(x.abs(), x.abs()), facula.heaviside(x, x), x.frac(), facula.rad2deg(x),
                        facula.cdist(x, x.flip(1)), facula.cdist(x, x + 1, p=1.0), facula.linalg.cross(x[..., :3], x[..., 1:])),
    "scatters": lambda x: (x.index_add(1, facula.tensor([2, 0]), x[:, :2]), x.index_copy(-1, facula.tensor([0]), x[..., :1] * 2), x.put(facula.tensor([3, 1]),
                           x[0, 0, :2]), x.index_fill(0, facula.tensor([1]), 2.5), x.scatter_reduce(2, x.argsort(-1), x, "amax"), x.take(facula.tensor([[1, 5]])),
                           x.scatter_reduce(2, x.argsort(-1), x, "sum", include_self=False), x.masked_select(x > 0.4), x.masked_scatter(x > 1, x.flip(0)),
                           facula.select_scatter(x, x[:, 0], 1, 2), facula.slice_scatter(x, x[:, :1], 1, 1, 2), facula.diagonal_scatter(x, x[:, 0, :3], 0, 1, 2)),
    "order": lambda x: (*x.kthvalue(2), *x.median(1), x.logcumsumexp(1), facula.searchsorted(x.sort(-1)[0], x * 1.1), x.as_strided((2, 2), (5, 1), 1)),
    "addbmm": lambda x: facula.addbmm(x[0], x[:, :, :3], x, beta=0.5, alpha=2),
    "pools": lambda x: (F.max_pool2d(x, 2, 1), F.avg_pool2d(x, 2, padding=1), F.adaptive_avg_pool2d(x, (2, 3)), F.adaptive_max_pool2d(x, 1)),
}


IMAGE = facula.arange(2 * 3 * 6 * 5).reshape(2, 3, 6, 5).mul(0.7).sin()
POINTS = facula.stack(facula.meshgrid(facula.linspace(-1.2, 1.1, 4), facula.linspace(-0.9, 1.3, 3), indexing="ij"), -1).expand(2, 4, 3, 2)
IMAGES = {
    "pads": lambda x: (F.pad(x, (1, 2, 2, 0), mode="reflect"), F.pad(x, (1, 2, 2, 0), mode="replicate"), F.pad(x, (1, 2, 2, 0), mode="circular")),
    "nearest": lambda x: (F.interpolate(x, (9, 4)), F.interpolate(x, scale_factor=2.5), F.interpolate(x, (9, 4), mode="nearest-exact")),
    "linear": lambda x: (F.interpolate(x, (9, 4), mode="bilinear"), F.interpolate(x, scale_factor=1.5, mode="bilinear"), F.interpolate(x[0], 7, mode="linear"),
                         F.interpolate(x, (9, 4), mode="bilinear", align_corners=True), F.interpolate(x, (4, 3), mode="bilinear", antialias=True)),
    "cubic": lambda x: (F.interpolate(x, (9, 4), mode="bicubic"), F.interpolate(x, (4, 3), mode="bicubic", antialias=True)),
    "samples": lambda x: [F.grid_sample(x, POINTS, mode, padding, align) for mode in ("bilinear", "nearest") for padding in ("zeros", "border", "reflection")
                          for align in (False, True)],
    "patches": lambda x: (F.unfold(x, (2, 3), dilation=2, padding=1, stride=(1, 2)), F.fold(F.unfold(x, 2), (6, 5), 2), F.unfold(x[0], 2)),
    "shuffles": lambda x: (F.pixel_shuffle(x[:, :1].expand(2, 4, 6, 5), 2), F.pixel_unshuffle(x[..., :4], 2), F.channel_shuffle(x, 3)),
    "places": lambda x: (*F.max_pool2d(x, 2, return_indices=True), F.max_unpool2d(*F.max_pool2d(x[..., :4], 2, return_indices=True), 2),
                         F.adaptive_avg_pool1d(x[0], 3), F.lp_pool2d(x, 2, 2), F.avg_pool2d(x, 3, 1, 1, divisor_override=2)),
    "convolutions": lambda x: (F.conv2d(x, x[:, :, :3, :3], padding="same"), F.conv1d(x[0], x[0, :, :, :3].transpose(0, 1)[:2].transpose(0, 1)[:, :, :3].repeat(1, 3, 1), stride=2, padding=1),
                               F.conv_transpose2d(x, x[0].reshape(3, 1, 6, 5)[..., :3, :2], stride=2, padding=1, output_padding=1)),
    "batch": lambda x: (F.batch_norm(x, facula.zeros(3), facula.ones(3), training=True), F.local_response_norm(x, 2), F.rms_norm(x, (5,))),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    check(IMAGES[name], IMAGE, atol=1e-3)


WITHOUT_FORM = """_cholesky _cholesky_inverse _cholesky_solve _ctc_loss _deform_columns _fft_c2c _fft_c2r _fft_r2c _fractional_max_pool1d _fractional_max_pool2d
    _fractional_max_pool3d _linalg_cholesky _linalg_eig _linalg_eigh _linalg_householder_product _linalg_inv _linalg_lu_factor _linalg_lu_solve _linalg_qr
    _linalg_solve _linalg_solve_triangular _linalg_svd_full _multi_margin_loss _multilabel_margin_loss _nanmedian _ormqr _pdist _standard_gamma _strided_put _strided_take
    _triangular_solve _upsample_lanczos_aa2d as_strided_scatter binomial cauchy_ cummax cummin cumprod digamma erfinv exponential_ geometric_ geqrf i0 igamma igammac lgamma log_normal_ mode
    nextafter poisson view_as_complex view_as_real""".split()


def test_every_differentiable_operation_has_a_mapping():
    """An operation that is new or renamed needs a mapping in facula/onnx/ops, or a place among those that ONNX cannot write."""
    from facula.onnx import _builder, ops  # noqa: F401
    from facula.ops._table import entries

    def missing(name, entry):
        python = _builder._python_of(entry)
        inverted = name.endswith(("_back", "_backward"))  # gradients are not exported
        calls_itself = entry.is_pointwise and name in (*entry.formula.__code__.co_names, *(c.cell_contents for c in entry.formula.__closure__ or ()))
        return (entry.rules or entry.view) and not inverted and name not in _builder.mappings and (
            name.removesuffix("_") not in _builder.mappings) and (python is None or calls_itself)

    assert sorted({n for n, overloads in entries.items() for e in overloads if missing(n, e)}) == sorted(WITHOUT_FORM)
    assert [n for n in (*_builder.mappings, *_builder.inverses) if n not in entries and n.removesuffix("_") not in entries] == []


def test_boxes_and_regions():
    from facula.vision import ops

    class Pooled(nn.Module):
        def forward(self, x, rows, scores):
            kept = ops.nms(rows[:, 1:], scores, 0.5)
            return ops.roi_align(x, rows, (3, 2), 0.5, 2), ops.roi_align(x, rows, 2, aligned=True), ops.roi_pool(x, rows, 2), kept

    facula.manual_seed(0)
    corner = facula.rand(6, 2) * 6
    rows = facula.cat([facula.tensor([0.0, 1, 1, 0, 1, 0])[:, None], corner, corner + facula.rand(6, 2) * 5], 1)
    check(Pooled(), facula.randn(2, 3, 12, 10), rows, facula.rand(6), opset_version=18)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name):
    check(EXPRESSIONS[name], X)


def test_names_sizes_and_weights():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    proto = check(model, facula.randn(2, 4), input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=20)
    graph = proto.graph
    assert [i.name for i in graph.input] == ["x"] and [o.name for o in graph.output] == ["y"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n" == graph.output[0].type.tensor_type.shape.dim[0].dim_param
    assert {i.name for i in graph.initializer} >= {"0.weight", "0.bias"} and proto.opset_import[0].version == 20


def test_modes_are_restored_and_scripts_export(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)).train()
    x = facula.randn(2, 4)
    program = facula.onnx.export(facula.jit.script(model), (x,), tmp_path / "m.onnx", verify=True)
    assert model.training and facula.allclose(program(x)[0], model[0](x), atol=1e-6)
    program.apply_weights({"0.weight": facula.zeros(3, 4)})
    program.release()
    assert facula.allclose(program(x)[0], model[0].bias.expand(2, 3))
    used = {n for node in program.model_proto.graph.node for n in node.input}
    assert all(i.name in used for i in program.model_proto.graph.initializer)


def test_exported_programs_are_models():
    model, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh()).eval(), facula.randn(2, 4)
    assert facula.allclose(facula.onnx.export(facula.export.export(model, (x,)))(x)[0], model(x), atol=1e-6)


def test_an_operation_without_mapping_is_named():
    with pytest.raises(facula.onnx.UnsupportedOperatorError, match="lgamma"):
        facula.onnx.export(facula.lgamma, (facula.ones(2),))
