"""compile with a backend of the program's: what it gets, and that results, gradients and state are those of plain calls."""

import pytest

import facula
from facula import fx, nn


class Watch:
    """A backend that keeps what it is given."""

    def __init__(self):
        self.graphs, self.calls = [], 0

    def __call__(self, module, inputs):
        assert isinstance(module, fx.GraphModule) and [tuple(n.meta["example_value"].shape) for n in module.graph.nodes if n.op == "placeholder"] == [
            tuple(i.shape) for i in inputs]
        self.graphs.append(module)

        def run(*args):
            self.calls += 1
            return module.forward(*args)

        return run


def test_functions_are_given_as_graphs():
    watch = Watch()

    @facula.compile(backend=watch)
    def f(x, y, scale=2):
        """Kept."""
        a = facula.sin(x)
        return {"out": (a + y.cos() * scale, x.shape[0]), "top": a.max(0)}

    x, y = facula.rand(3, 2), facula.rand(3, 2)
    for _ in range(3):
        got = f(x, y)
        assert facula.allclose(got["out"][0], x.sin() + y.cos() * 2) and got["out"][1] == 3 and facula.equal(got["top"].values, x.sin().max(0).values)
    assert len(watch.graphs) == 1 and watch.calls == 2 and f.__doc__ == "Kept."
    assert [n.name for n in watch.graphs[0].graph.nodes][:5] == ["l_x_", "l_y_", "sin", "cos", "mul"]
    f(x, y, scale=3), f(x[:2], y[:2])
    assert len(watch.graphs) == 3 and "torch.sin(l_x_)" in watch.graphs[0].code


def test_modules_train_through_a_backend():
    watch = Watch()
    facula.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    fast = facula.compile(model, backend=watch)
    plain = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    plain.load_state_dict(model.state_dict())
    optimizers = [facula.optim.SGD(m.parameters(), 0.1) for m in (fast, plain)]
    x = facula.randn(8, 2)
    for _ in range(4):
        losses = []
        for m, o in zip((fast, plain), optimizers):
            o.zero_grad()
            losses.append(m(x).square().mean())
            losses[-1].backward()
            o.step()
        assert facula.allclose(*losses)
    assert watch.calls == 3 and len(watch.graphs) == 1 and facula.allclose(model[1].running_mean, plain[1].running_mean)
    fast.eval(), plain.eval()
    assert facula.allclose(fast(x), plain(x)) and len(watch.graphs) == 2 and not model.training and fast._orig_mod[0].in_features == 2
    assert list(fast.state_dict()) == ["_orig_mod." + n for n in model.state_dict()]


def test_functions_that_look_at_values_stay_as_they_are():
    watch = Watch()

    @facula.compile(backend=watch)
    def f(x):
        return x * 2 if x.sum() > 0 else -x

    assert f(facula.ones(2)).tolist() == [2, 2] and f(-facula.ones(2)).tolist() == [1, 1] and not watch.graphs


def test_names_of_backends():
    x = facula.ones(2)
    assert facula.compile(facula.sin, backend="eager")(x).tolist() == x.sin().tolist()
    with pytest.raises(RuntimeError, match="Invalid backend: 'nothing'"):
        facula.compile(facula.sin, backend="nothing")
    seen = []
    facula._dynamo.register_backend(lambda gm, inputs: seen.append(gm) or gm.forward, name="seen")
    assert facula.compile(lambda x: x + 1, backend="seen")(x).tolist() == [2, 2] and len(seen) == 1 and "seen" in facula.compiler.list_backends()
    assert facula._dynamo.explain(lambda x: x.exp() + 1)(x).op_count == 2


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)

    def forward(self, x, scale):
        return {"y": self.norm(self.lin(x)) * scale}


def test_exported_programs_show_their_graph():
    model, x, scale = TwoInputs().eval(), facula.randn(4, 2), facula.tensor(2.0)
    program = facula.export.export(model, (x,), {"scale": scale})
    assert facula.allclose(program.module()(x[:2], scale)["y"], model(x[:2], scale)["y"])
    signature = program.graph_signature
    assert signature.parameters == ("lin.weight", "lin.bias", "norm.weight", "norm.bias") and signature.user_inputs == ("x", "scale")
    assert signature.inputs_to_buffers["b_norm_running_mean"] == "norm.running_mean" and signature.user_outputs == ("mul",)
    assert "p_lin_weight" in program.graph_module.code and str(program).startswith("ExportedProgram:\n    class GraphModule(torch.nn.Module):")
    tensors = [dict(model.named_parameters()).get(p) if k == "PARAMETER" else dict(model.named_buffers())[p] for _, k, p in signature.inputs if p]
    assert facula.allclose(program.graph_module(*tensors, x, scale)[0], model(x, scale)["y"])
