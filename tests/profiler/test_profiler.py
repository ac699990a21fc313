"""The profiler: what is seen, sums, tables, steps, traces, and that nothing is left behind."""

import gzip
import json

import pytest

import facula
from facula import nn
from facula.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler


def train(model, x):
    with record_function("forward"):
        loss = model(x).sum()
    loss.backward()


@pytest.fixture
def recorded():
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True, with_flops=True, with_stack=True) as p:
        train(model, facula.randn(4, 10, requires_grad=True))
    return p


def test_calls_nodes_and_blocks_are_seen(recorded):
    by_name = {e.key: e for e in recorded.key_averages()}
    assert {"forward", "aten::linear", "aten::addmm", "aten::relu", "AddmmBackward0", "torch::autograd::AccumulateGrad"} <= set(by_name)
    assert by_name["aten::linear"].count == 2 and by_name["aten::relu"].count == 1
    assert by_name["aten::addmm"].flops == 2 * (4 * 10 * 20 + 4 * 20 * 5) and by_name["aten::mm"].flops == 2 * by_name["aten::addmm"].flops
    assert by_name["aten::addmm"].self_cpu_memory_usage == 4 * 20 * 4 + 4 * 5 * 4 and by_name["aten::relu"].cpu_memory_usage == 320
    shapes = {str(e.input_shapes) for e in recorded.key_averages(group_by_input_shape=True) if e.key == "aten::linear"}
    assert shapes == {"[[4, 10], [20, 10], [20]]", "[[4, 20], [5, 20], [5]]"}


def test_times_nest(recorded):
    events = recorded.events()
    for e in events:
        assert e.cpu_time_total >= sum(c.cpu_time_total for c in e.cpu_children) and e.time_range.elapsed_us() >= 0
        assert all(e.time_range.start <= c.time_range.start and c.time_range.end <= e.time_range.end for c in e.cpu_children)
    outermost = sum(e.cpu_time_total for e in events if e.cpu_parent is None)
    assert events.self_cpu_time_total == pytest.approx(outermost) == pytest.approx(recorded.key_averages().self_cpu_time_total)
    assert any("test_profiler.py" in s for e in events if e.name == "aten::relu" for s in e.stack)


def test_tables(recorded):
    text = recorded.key_averages().table(sort_by="cpu_time_total", row_limit=3)
    lines = text.splitlines()
    assert lines[0] == lines[2] == lines[6] and len({len(line) for line in lines[:7]}) == 1 and lines[7].startswith("Self CPU time total: ")
    assert lines[1].split()[:4] == ["Name", "Self", "CPU", "%"] and "CPU Mem" in lines[1] and "# of Calls" in lines[1] and "FLOPs" in lines[1]
    times = [e.cpu_time_total for e in sorted(recorded.key_averages(), key=lambda e: -e.cpu_time_total)]
    assert times == sorted(times, reverse=True)
    assert "Source Location" in recorded.key_averages(group_by_stack_n=2).table() and "Input Shapes" in recorded.key_averages(True).table()
    with pytest.raises(AttributeError, match="self_cpu_time_total"):
        recorded.key_averages().table(sort_by="speed")


def test_the_trace_is_chromes(recorded, tmp_path):
    recorded.add_metadata("run", "7")
    recorded.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    trace = json.loads(gzip.open(tmp_path / "trace.json.gz").read())
    spans = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert trace["run"] == "7" and {e["cat"] for e in spans} == {"cpu_op", "user_annotation"} and len(spans) == len(recorded.events())
    linear = next(e for e in spans if e["name"] == "aten::linear")
    assert linear["dur"] > 0 and linear["args"]["Input Dims"] == [[4, 10], [20, 10], [20]] and linear["args"]["Input type"] == ["float"] * 3
    recorded.export_stacks(str(tmp_path / "stacks.txt"))
    assert "aten" not in (tmp_path / "stacks.txt").read_text() and "test_profiler.py" in (tmp_path / "stacks.txt").read_text()


def test_schedules():
    steps = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    names = [ProfilerAction.NONE, ProfilerAction.WARMUP, ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE]
    assert [steps(i) for i in range(11)] == [names[0], *names, *names, names[0], names[0]]
    with pytest.raises(AssertionError, match="need > 0"):
        schedule(wait=0, warmup=1, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        schedule(wait=0, warmup=0, active=1)


def test_steps_are_recorded_by_schedule(tmp_path):
    seen, write = [], tensorboard_trace_handler(str(tmp_path), "worker")
    x = facula.ones(3)

    def ready(p):
        seen.append((p.step_num, sorted({e.name for e in p.events() if e.name.startswith("ProfilerStep")}), sum(e.name == "aten::add" for e in p.events())))
        write(p)

    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready) as p:
        for _ in range(8):
            x + 1
            p.step()
    assert seen == [(4, ["ProfilerStep#2", "ProfilerStep#3"], 2), (8, ["ProfilerStep#6", "ProfilerStep#7"], 2)]
    assert len(list(tmp_path.glob("worker.*.pt.trace.json"))) == 2


def test_optimizers_and_loaders_are_named():
    model = nn.Linear(2, 2)
    optimizer = facula.optim.SGD(model.parameters(), 0.1)
    with profile() as p:
        for (x,) in facula.utils.data.DataLoader(facula.utils.data.TensorDataset(facula.ones(4, 2)), 2):
            model(x).sum().backward()
            optimizer.step()
    counts = {e.key: e.count for e in p.key_averages()}
    assert counts["Optimizer.step#SGD.step"] == 2 and counts["enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"] == 3


@record_function("named")
def named(n):
    return facula.ones(1) if n == 0 else named(n - 1)


def test_blocks_nest_and_decorate():
    with facula.autograd.profiler.profile() as p:
        named(2)
    assert sum(e.name == "named" for e in p.function_events) == 3 and p.key_averages().total_average().key == "Total"
    assert "named" in str(p) and p.self_cpu_time_total > 0


def test_an_exception_ends_the_recording():
    class Fails(facula.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise ValueError("no gradient")

    with pytest.raises(ValueError, match="no gradient"), profile() as p:
        Fails.apply(facula.ones(2, requires_grad=True)).sum().backward()
    assert any(e.name.endswith("FailsBackward") for e in p.events())
    count = len(p.events())
    facula.ones(2) + 1
    assert len(p.events()) == count


def test_unfinished_and_disabled():
    with pytest.raises(AssertionError, match="initialized"):
        profile().key_averages()
    with facula.autograd.profiler.profile(enabled=False) as p:
        facula.ones(2)
    assert p.table() == "" and repr(facula.autograd.profiler.profile()) == "<unfinished torch.autograd.profile>"
