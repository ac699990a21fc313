"""Symbolic tracing: graphs, generated code, changes, interpreters, pattern replacement."""

import copy
import io
import operator
import pickle

import pytest

import facula
from facula import fx, nn
from facula.nn import functional as F
from facula.vision import models


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.param, self.linear = nn.Parameter(facula.ones(3, 4)), nn.Linear(4, 5)

    def forward(self, x):
        return self.linear(x + self.param).clamp(min=0.0, max=1.0)


GRAPH = """graph():
    %x : [num_users=1] = placeholder[target=x]
    %param : [num_users=1] = get_attr[target=param]
    %add : [num_users=1] = call_function[target=operator.add](args = (%x, %param), kwargs = {})
    %linear : [num_users=1] = call_module[target=linear](args = (%add,), kwargs = {})
    %clamp : [num_users=1] = call_method[target=clamp](args = (%linear,), kwargs = {min: 0.0, max: 1.0})
    return clamp"""
CODE = """


def forward(self, x):
    param = self.param
    add = x + param;  x = param = None
    linear = self.linear(add);  add = None
    clamp = linear.clamp(min = 0.0, max = 1.0);  linear = None
    return clamp
    """


def test_a_graph_and_its_code():
    module, x = Small(), facula.randn(3, 4)
    traced = fx.symbolic_trace(module)
    assert str(traced.graph) == GRAPH and traced.code == CODE and type(traced).__name__ == "Small" and isinstance(traced, fx.GraphModule)
    assert facula.equal(traced(x), module(x)) and list(traced.state_dict()) == list(module.state_dict())
    add = next(n for n in traced.graph.nodes if n.target is operator.add)
    assert [n.name for n in add.all_input_nodes] == ["x", "param"] and [n.name for n in add.users] == ["linear"] and add.next.name == "linear"
    traced.graph.lint()


def everything(x, y=None, k=3, *rest, flag=True, **named):
    a = facula.cat([x, x], 1)
    b = F.relu(a, inplace=True).view(a.shape[0], -1)[:, 1:3]
    c, d = facula.split(b * 2 + 1 / (b + 2) - (-b) ** 2, 1, 1)
    b += 1
    return {"out": (c, d), "list": [b @ b.t(), b > 0, b.to(facula.float64), named["z"] + rest[0], b.T, facula.zeros(2, dtype=facula.float32) + x[0, 0]]}


def test_expressions():
    traced, x = fx.symbolic_trace(everything), facula.rand(3, 2)
    wanted, got = everything(x, None, 3, 5, z=2), traced(x, None, 3, True, 5, z=2)
    assert facula.equal(wanted["out"][0], got["out"][0]) and all(facula.equal(facula.as_tensor(a), facula.as_tensor(b)) for a, b in zip(wanted["list"], got["list"]))
    assert "def forward(self, x, y = None, k = 3, flag = True, *rest, **named):" in traced.code and "_rest = rest" in traced.code
    assert [n.name for n in traced.graph.nodes][-1] == "output" and "sum_1" in fx.symbolic_trace(lambda x: x.sum()).code


def test_graphs_by_hand_and_changes():
    graph = fx.Graph()
    x, y = graph.placeholder("x"), graph.placeholder("y", default_value=2)
    total = graph.call_function(facula.add, (x, y))
    result = graph.call_method("relu", (total,))
    graph.output((result, total))
    module = fx.GraphModule(nn.Module(), graph)
    assert [t.tolist() for t in module(facula.ones(2), -3)] == [[0, 0], [-2, -2]]
    with graph.inserting_before(result):
        double = graph.call_function(operator.mul, (total, 2))
    result.replace_input_with(total, double)
    with graph.inserting_after(result):
        other = graph.call_function(facula.neg, (result,))
    result.replace_all_uses_with(other, lambda user: user is not other)
    graph.lint()
    module.recompile()
    assert [t.tolist() for t in module(facula.ones(1))] == [[-6], [3]]
    with pytest.raises(RuntimeError, match="still had"):
        graph.erase_node(total)
    with graph.inserting_before(double):
        graph.call_function(facula.exp, (total,))
    assert graph.eliminate_dead_code() and "exp" not in str(graph) and len(graph.nodes) == 7


def test_what_cannot_be_traced_is_said():
    def branch(x):
        return x if x.sum() > 0 else -x

    def loop(x):
        for row in x:
            x = x + row
        return x

    with pytest.raises(fx.TraceError, match="control flow"):
        fx.symbolic_trace(branch)
    with pytest.raises(fx.TraceError, match="cannot be iterated"):
        fx.symbolic_trace(loop)
    with pytest.raises(RuntimeError, match="'len' is not supported"):
        fx.symbolic_trace(lambda x: len(x))
    fixed = fx.symbolic_trace(lambda x, flag: x if flag else -x, concrete_args={"flag": True})
    assert fixed(facula.ones(1), True).item() == 1
    with pytest.raises(AssertionError, match="specialized"):
        fixed(facula.ones(1), False)


@fx.wrap
def kept(x, n):
    return x + len(range(n))


def test_wrapped_functions_stay_calls():
    traced = fx.symbolic_trace(lambda x: kept(x, 3) * 2)
    assert [n.target for n in traced.graph.nodes if n.op == "call_function"][0].__name__ == "kept" and traced(facula.ones(1)).item() == 8
    assert kept(1, 2) == 3


class Negated(fx.Transformer):
    def call_function(self, target, args, kwargs):
        return super().call_function(facula.sub if target is operator.add else target, args, kwargs)


def test_interpreters_and_transformers():
    traced, x = fx.symbolic_trace(Small()), facula.randn(3, 4)
    assert facula.equal(fx.Interpreter(traced).run(x), traced(x))
    changed = Negated(traced).transform()
    assert "torch.sub(x, param)" in changed.code and facula.allclose(changed(x), traced.linear(x - traced.param).clamp(0, 1))
    fx.passes.shape_prop.ShapeProp(traced).propagate(x)
    assert [tuple(n.meta["tensor_meta"].shape) for n in traced.graph.nodes] == [(3, 4), (3, 4), (3, 4), (3, 5), (3, 5), (3, 5)]


def test_patterns_are_replaced():
    def f(x, a, b):
        return x + facula.cat([a, b]).sum().exp() + facula.cat([b, a]).sum()

    traced = fx.symbolic_trace(f)
    found = fx.replace_pattern(traced, lambda a, b: facula.cat([a, b]).sum(), lambda a, b: a.sum() + b.sum())
    args = facula.rand(1), facula.rand(2), facula.rand(3)
    assert len(found) == 2 and "cat" not in traced.code and facula.allclose(traced(*args), f(*args))


def test_copies_pickles_and_scripts():
    traced, x = fx.symbolic_trace(Small()), facula.randn(3, 4)
    again = copy.deepcopy(traced)
    assert again.code == traced.code and again.linear.weight is not traced.linear.weight
    assert facula.equal(pickle.loads(pickle.dumps(traced))(x), traced(x)) and facula.allclose(facula.jit.script(traced)(x), traced(x))
    buffer = io.BytesIO()
    facula.save(traced.state_dict(), buffer)
    buffer.seek(0)
    again.load_state_dict(facula.load(buffer))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_models_are_traced(name):
    model, x = getattr(models, name)(num_classes=4).eval(), facula.randn(1, 3, 64, 64)
    with facula.no_grad():
        assert facula.allclose(fx.symbolic_trace(model)(x), model(x), atol=1e-5)


class Leaves(fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        return True


def test_tracers_decide_about_leaves():
    model = nn.Sequential(Small(), nn.ReLU())
    assert [n.target for n in Leaves().trace(model).nodes if n.op == "call_module"] == ["0", "1"]
    traced = fx.symbolic_trace(model)
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == ["0.linear", "1"] and 'getattr(self, "0").linear' in traced.code
    traced.graph.erase_node(traced.graph.output_node())
    traced.add_submodule("extra.part", nn.Identity())
    traced.delete_all_unused_submodules()
    assert not hasattr(traced, "extra") or not list(traced.extra.children())
