"""Programs: traced, scripted, saved, loaded without their source, and hostile ones."""

import io
import json
import os
import subprocess
import sys
import zipfile
from enum import Enum
from typing import Any, List, NamedTuple, Optional, Tuple

import pytest

import facula
from facula import jit, nn


def small_net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


class Branch(nn.Module):
    scale = 3

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Tanh()])
        self.register_buffer("calls", facula.zeros(()))
        self.names = {"a": 2}

    def forward(self, x, flip: bool = False):
        """Docstrings go."""
        if not jit.is_scripting():
            import os  # noqa: F401
        if bool(x.sum() > 0):
            for layer in self.layers:
                x = layer(x)
            return x
        out = [self.lin(x) * self.scale]
        if flip:
            out.append(helper(x, self.names["a"]))
        return facula.stack(out).sum(0)

    @jit.export
    def double(self, k: int):
        return 2 * k


def helper(x, n: int):
    while n > 0:
        n -= 1
        x = facula.nn.functional.relu(x) + n
    return x


def test_a_trace_keeps_sizes_symbolic():
    net, x = small_net(), facula.randn(2, 1, 8, 8)
    traced = jit.trace(net, x)
    other = facula.randn(7, 1, 8, 8)
    assert facula.equal(traced(other), net(other))
    assert [n for n, _ in traced.named_parameters()] == [n for n, _ in net.named_parameters()]
    function = jit.trace(lambda a: a.view(a.size(0) // 2, -1) + a.shape[1], facula.ones(4, 3))
    assert function(facula.ones(6, 5)).tolist() == [[6.0] * 10] * 3


def test_a_trace_takes_nested_inputs_and_gives_nested_outputs():
    traced = jit.trace(lambda a, pair: (a + pair[0], {"b": pair[1] * 2}), (facula.ones(2), (facula.ones(2), facula.ones(2))))
    first, rest = traced(facula.zeros(2), (facula.ones(2), facula.ones(2)))
    assert first.tolist() == [1, 1] and rest["b"].tolist() == [2, 2]


def test_a_trace_replays_writes_in_place():
    def f(x):
        y = x.clone()
        y[:, 0] = 5
        y[1].mul_(2)
        return y

    x = facula.randn(3, 4)
    assert facula.equal(jit.trace(f, facula.randn(3, 4))(x), f(x))


def test_a_trace_warns_of_values_that_python_looked_at():
    with pytest.warns(jit.TracerWarning, match="Python boolean"):
        jit.trace(lambda x: x * 2 if x.sum() > 0 else x, facula.ones(2), check_trace=False)


def test_a_script_follows_both_branches_and_gradients():
    module = Branch()
    scripted = jit.script(module)
    for x in facula.ones(2, 3), -facula.ones(2, 3):
        assert facula.equal(scripted(x, True), module(x, True))
    x = facula.ones(2, 3, requires_grad=True)
    scripted(x).sum().backward()
    assert x.grad is not None and scripted.double(4) == 8 and "import" not in scripted.code


@pytest.mark.parametrize("module, args", [
    (nn.LSTM(3, 4, 2, bidirectional=True), (facula.randn(5, 2, 3),)), (nn.GRU(3, 4), (facula.randn(5, 2, 3),)),
    (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2).eval(), (facula.randn(5, 2, 8),)),
    (nn.MultiheadAttention(8, 2), (facula.randn(5, 2, 8),) * 3), (small_net(), (facula.randn(2, 1, 8, 8),))],
    ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("make", [lambda m, a: jit.script(m), jit.trace], ids=["script", "trace"])
def test_library_modules_go_through_a_file(module, args, make):
    made = make(module, args)
    buffer = io.BytesIO()
    jit.save(made, buffer)
    buffer.seek(0)
    wanted, got = module(*args), jit.load(buffer)(*args)
    wanted, got = (wanted, got) if isinstance(wanted, tuple) else ((wanted,), (got,))
    assert facula.allclose(wanted[0], got[0], atol=1e-6)


def test_a_saved_program_runs_without_its_source(tmp_path):
    module, x = Branch(), -facula.ones(2, 3)
    jit.script(module).save(tmp_path / "m.pt")
    text = (f"import facula, sys; m = facula.jit.load({str(tmp_path / 'm.pt')!r}); print(m(-facula.ones(2, 3), True).sum().item(), m.double(3), "
            "len(list(m.parameters())), 'test_jit' in sys.modules)")
    out = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(facula.__file__)))}).stdout.split()
    assert float(out[0]) == pytest.approx(module(x, True).sum().item(), rel=1e-5) and out[1:] == ["6", "4", "False"]


def test_shared_tensors_stay_shared_through_a_file():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    buffer = io.BytesIO(jit.script(net).save_to_buffer())
    back = jit.load(buffer)
    assert back.get_parameter("0.weight") is back.get_parameter("1.weight")


def test_a_frozen_module_has_no_state():
    net, x = small_net(), facula.randn(2, 1, 8, 8)
    frozen = jit.freeze(jit.script(net))
    assert facula.allclose(frozen(x), net(x), atol=1e-5) and not frozen.state_dict()
    with pytest.raises(RuntimeError, match="eval mode"):
        jit.freeze(jit.script(Branch()))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2)
        self.gain = 2

    def forward(self, x):
        out = self.conv1(x)
        out = self.bn1(out)
        return x + self.bn2(self.conv2(out.relu())) * self.gain

    @jit.export
    def doubled(self, k: int):
        return k * self.gain


def test_freezing_joins_batch_norms_and_hides_attributes():
    net, x = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), Residual()), facula.randn(2, 1, 4, 4)
    for _ in range(3):
        net(facula.randn(8, 1, 4, 4) * 2 + 1)
    wanted = net.eval()(x)
    frozen = jit.freeze(jit.script(net))
    assert facula.allclose(frozen(x), wanted, atol=1e-5) and facula.allclose(jit.optimize_for_inference(jit.script(net))(x), wanted, atol=1e-5)
    names = [m.original_name for m in frozen.modules()]
    assert "BatchNorm2d" not in names and names.count("Identity") == 3 and facula.allclose(net(x), wanted)
    one = jit.freeze(jit.script(net[2]), preserved_attrs=["doubled"])
    assert one.doubled(4) == 8 and not hasattr(one, "gain") and not hasattr(one, "conv1") and not hasattr(jit.freeze(jit.script(net[2])), "doubled")
    back = jit.load(io.BytesIO(one.save_to_buffer()))
    assert facula.allclose(back(facula.ones(1, 2, 4, 4)), net[2](facula.ones(1, 2, 4, 4)), atol=1e-5) and back.doubled(2) == 4


class Marked(jit.ScriptModule):
    def __init__(self, width):
        super().__init__()
        self.weight, self.lin, self.times = nn.Parameter(facula.ones(width)), nn.Linear(width, width), 3

    @jit.script_method
    def forward(self, x):
        for _ in range(self.times):
            x = self.lin(x)
        return x * self.weight

    def in_python(self):
        return [self.times]


def test_classes_of_script_modules():
    module, x = Marked(2), facula.ones(1, 2)
    assert [n for n, _ in module.named_parameters()] == ["weight", "lin.weight", "lin.bias"] and module.in_python() == [3]
    assert facula.equal(jit.load(io.BytesIO(module.save_to_buffer()))(x), module(x)) and isinstance(module, Marked) and "range" in module.code


def test_graphs():
    @jit.script
    def f(x, n: int):
        total = x
        for i in range(n):
            if i % 2 == 0:
                total = total + x[:, i]
        return total.sum(), [n]

    text = str(f.graph)
    assert text.startswith("graph(%x.1 : Tensor,\n      %n.1 : int):\n") and f.code.startswith("def f(x, n: int) -> Tuple[Tensor, List[int]]:")
    assert [n.kind() for n in f.graph.nodes()][-4:] == ["prim::Loop", "aten::sum", "prim::ListConstruct", "prim::TupleConstruct"]
    loop = f.graph.findNode("prim::Loop")
    assert [n.kind() for b in loop.blocks() for n in b.nodes() if n.kind().startswith("prim::If")] == ["prim::If"]
    assert len(f.graph.findAllNodes("aten::add")) == 1 and len(list(f.graph.inputs())) == 2
    traced = jit.trace(small_net(), facula.randn(1, 1, 8, 8))
    assert "aten::conv2d" in str(traced.graph) and 'prim::GetAttr[name="weight"]' in str(traced.graph) and "__torch__.Sequential" in str(traced.graph)
    assert "aten::linear" in str(jit.script(nn.Linear(2, 2)).graph) and "prim::CallMethod" in str(jit.script(Branch()).graph)


class HoldsFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.other = jit.script(negated), facula.relu

    def forward(self, x):
        return self.act(self.other(x)) + round(2.5)


def test_attributes_may_be_functions():
    back = jit.load(io.BytesIO(jit.script(HoldsFunction()).save_to_buffer()))
    assert back(facula.tensor([-1.0, 3.0])).tolist() == [2, -1] and "aten::relu" in jit.export_opnames(jit.script(HoldsFunction()))


def test_functions_of_a_text():
    unit = jit.CompilationUnit("""
    def twice(x):
        return x * 2
    def f(x, n: int) -> Tensor:
        for i in range(n):
            x = torch.relu(x) + i
        return x
    """)
    assert unit.f(facula.ones(1), 3).tolist() == [4] and unit.twice(facula.ones(1)).tolist() == [2]
    with pytest.raises(jit.NotSupportedError, match="functions only"):
        jit.CompilationUnit("import os")


def test_functions_call_functions_and_keep_defaults():
    @jit.script
    def clipped(x, low: float = -1.0):
        return facula.clamp(helper(x, 1), min=low)

    assert isinstance(clipped, jit.ScriptFunction)
    back = jit.load(io.BytesIO(clipped.as_module().save_to_buffer()))
    x = facula.tensor([-3.0, 2.0])
    assert back(x).tolist() == clipped(x).tolist() == [0, 2]


def test_what_cannot_be_scripted_is_named():
    def f(x):
        try:
            return x
        except ValueError:
            return x

    with pytest.raises(jit.UnsupportedNodeError, match="Try aren't supported"):
        jit.script(f)
    table = facula.ones(2)

    def g(x):
        return x + table

    with pytest.raises(RuntimeError, match="closed over global variable"):
        jit.script(g)


class Pair(NamedTuple):
    left: facula.Tensor
    times: int = 2


class Mode(Enum):
    PLUS = 1
    MINUS = 2


class Counter:
    def __init__(self, step: int):
        self.step = step
        self.total: int = 0

    def add(self, k: int):
        self.total += k * self.step
        return self


class Classes(nn.Module):
    def __init__(self, mode: Mode):
        super().__init__()
        self.mode = mode

    def forward(self, x, mode: Mode = Mode.PLUS) -> Tuple[Pair, int]:
        counter = Counter(3)
        for k in range(4):
            counter.add(k)
        counter.total += 1
        pair = Pair(x + mode.value if mode == Mode.PLUS else x - 1)
        return pair, counter.total


def test_classes_go_through_a_file():
    """Tuples with names, enumerations and plain classes; the loaded ones are the program's own."""
    @jit.script
    def f(x, plus: bool):
        counter = Counter(3)
        for k in range(4):
            counter.add(k)
        pair = Pair(x, times=4)
        mode = Mode.PLUS if plus else Mode.MINUS
        if mode == Mode.MINUS:
            return pair, counter.total - mode.value
        return pair, counter.total

    back = jit.load(io.BytesIO(f.as_module().save_to_buffer()))
    for made in (f, back):
        pair, total = made(facula.ones(1), False)
        assert pair.left.tolist() == [1] and pair.times == 4 and total == 16 and type(pair).__name__ == "Pair"
    assert isinstance(f(facula.ones(1), True)[0], Pair) and not isinstance(back(facula.ones(1), True)[0], Pair)


def test_calls_are_checked():
    @jit.script
    def f(x, n: int, scale: float = 2.0, sizes: Optional[List[int]] = None, *, last: bool = False):
        return x * scale + n

    assert f(facula.ones(1), 1, 3).item() == 4 and f(facula.ones(1), n=1, sizes=[1]).item() == 3
    assert str(f.schema) == "f(Tensor x, int n, float scale=2.0, int[]? sizes=None, *, bool last=False) -> Tensor"
    for args, options, text in (((facula.ones(1),), {}, "missing value for argument 'n'"), ((facula.ones(1), "s"), {}, "type 'int' for argument 'n'"),
                                ((1, 1), {}, r"Tensor \(inferred\)"), ((facula.ones(1), 1), {"z": 1}, "Unknown keyword"),
                                ((facula.ones(1), 1, 1.0, ["a"]), {}, "List\\[int\\]"), ((facula.ones(1), 1), {"n": 1}, "both as positional"),
                                ((facula.ones(1), 1, 1.0, None, True), {}, "at most 4")):
        with pytest.raises(RuntimeError, match=text):
            f(*args, **options)


def test_what_a_program_raises_is_an_error_of_programs():
    @jit.script
    def f(x, n: int):
        assert n < 5, f"got {n}"
        if n == 3:
            raise ValueError("three")
        return x

    with pytest.raises(jit.Error, match="ValueError: three"):
        f(facula.ones(1), 3)
    with pytest.raises(jit.Error, match="AssertionError: got 7"):
        f(facula.ones(1), 7)


def negated(x):
    return -x


def test_forks_types_and_strings():
    @jit.script
    def f(x, what: Any):
        future = jit.fork(negated, x)
        kind = "ints" if jit.isinstance(what, List[int]) else "text" if isinstance(what, str) else "pair" if isinstance(what, (int, float)) else "other"
        shape = x.shape + [7]
        return jit.wait(future), kind.find("s"), kind, shape, x[0], "%d-%s" % (3, kind)

    assert [f(facula.ones(2, 3), w)[2] for w in ([1], "a", 1.5, {"a": 1}, ["b"])] == ["ints", "text", "pair", "other", "other"]
    assert f(facula.ones(2, 3), "x")[3] == [2, 3, 7] and f(facula.ones(2), "x")[0].tolist() == [-1, -1]


class Base(nn.Module):
    def forward(self, x):
        return x + 1


class Derived(Base):
    def forward(self, x):
        return super().forward(x) * 2

    @jit.ignore
    def in_python(self, x):
        return x.tolist()


def test_base_classes_and_ignored_methods():
    scripted = jit.script(Derived())
    assert scripted(facula.ones(1)).item() == 4 and scripted.in_python(facula.ones(1)) == [1]
    assert jit.load(io.BytesIO(scripted.save_to_buffer()))(facula.ones(1)).item() == 4


class Repeats(nn.Module):
    def forward(self, xs):
        total = facula.zeros_like(xs[0])
        for i in range(xs.size(0)):
            if bool(xs[i].sum() > 0):
                total = total + xs[i]
        return total, xs.size(0)


class Wraps(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = jit.script(Repeats()), nn.Linear(2, 2)

    def forward(self, xs):
        total, _ = self.inner(xs)
        return self.out(total) + looped(xs)


@jit.script_if_tracing
def looped(xs):
    n = facula.zeros(1)
    for _ in range(xs.size(0)):
        n = n + 1
    return n


def test_a_trace_keeps_the_control_flow_of_scripts():
    module, x = Wraps(), facula.ones(3, 2)
    traced = jit.trace(module, x)
    x = facula.tensor([[1.0, 2], [-3, 1], [1, 1], [2, 2], [-1, -1]])
    for made in (traced, jit.load(io.BytesIO(traced.save_to_buffer()))):
        assert facula.allclose(made(x), module(x))


def test_traces_say_what_they_miss():
    with pytest.raises(RuntimeError, match="strict=False"):
        jit.trace(lambda x: {"a": x}, facula.ones(1))
    with pytest.warns(jit.TracerWarning, match="nondeterministic"):
        jit.trace(lambda x: x + facula.rand(1), facula.ones(1))


HOSTILE = ["import os\ndef forward(self, x):\n    return x", "def forward(self, x):\n    return __import__('os').getcwd()",
           "def forward(self, x):\n    return x.__class__.__mro__", "def forward(self, x):\n    return open('/etc/passwd')",
           "def forward(self, x):\n    return torch.load('f')", "def forward(self, x):\n    return '{0.__class__}'.format(x)",
           "def forward(self, x, y=().__class__):\n    return x", "def forward(self, x):\n    return (lambda: x)()",
           "@print\ndef forward(self, x):\n    return x", "def forward(self, x):\n    return getattr(x, chr(95) + chr(95))",
           "def forward(self, x):\n    self.__class__ = x", "def forward(self, x):\n    return eval('1')",
           "def forward(self, x):\n    return classes.Pair", "def forward(self, x):\n    x.data_ptr.a = 1", "def forward(self, x: open('f')):\n    return x",
           "def forward(self, x):\n    return __import__", "def forward(self, x) -> (lambda: 1):\n    return x"]


def rewritten(change):
    source = zipfile.ZipFile(io.BytesIO(jit.script(Branch()).save_to_buffer()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("program.json"):
                described = json.loads(data)
                change(described)
                data = json.dumps(described).encode()
            target.writestr(name, data)
    out.seek(0)
    return out


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_programs_are_refused(text):
    def change(described):
        described["module"]["methods"] = {"forward": text}

    with pytest.raises((RuntimeError, NameError, AttributeError)):
        jit.load(rewritten(change))(facula.ones(2, 3))


@pytest.mark.parametrize("change", [
    lambda d: d["module"]["modules"]["lin"].update(library="os.system"), lambda d: d["module"]["modules"]["lin"].update(library="facula.nn.modules..x"),
    lambda d: d["tensors"][0].update(shape=[10 ** 9]), lambda d: d["tensors"][0].update(offset=-1), lambda d: d.update(format=99),
    lambda d: d["module"]["attributes"].update(_modules={"dict": []}), lambda d: d["storages"].__setitem__(0, 10 ** 12),
    lambda d: d["module"]["attributes"].update(x={"library": "load"}), lambda d: d["module"]["attributes"].update(__class__=3)])
def test_wrong_descriptions_are_refused(change):
    with pytest.raises(RuntimeError, match="no valid program|corrupt|storage"):
        jit.load(rewritten(change))


@pytest.mark.parametrize("described", [
    {"kind": "class", "fields": [], "values": {}, "methods": {"__del__": "def __del__(self):\n    return 1"}},
    {"kind": "class", "fields": [], "values": {}, "methods": {"f": "def f(self):\n    return self.__class__"}},
    {"kind": "tuple", "fields": ["a", "__b"], "values": {}, "methods": {}}, {"kind": "tuple", "fields": ["a b"], "values": {}, "methods": {}},
    {"kind": "type", "fields": [], "values": {}, "methods": {}}, {"kind": "enum", "fields": [], "values": {"__x__": 1}, "methods": {}}])
def test_hostile_classes_are_refused(described):
    with pytest.raises(RuntimeError, match="no valid program"):
        jit.load(rewritten(lambda d: d["module"].update(classes={"C": described})))


def test_a_program_reaches_no_method_that_writes():
    def change(described):
        described["module"]["methods"] = {"forward": "def forward(self, x):\n    return self.save('/tmp/never')"}

    with pytest.raises(AttributeError, match="save"):
        jit.load(rewritten(change))(facula.ones(2))
