"""Timers, what measurements and tables print, and inputs by chance."""

import pickle

import pytest

import facula
from facula.utils import benchmark
from facula.utils.benchmark import Compare, FuzzedParameter, FuzzedTensor, Fuzzer, Measurement, TaskSpec, Timer


def measured(times, number=100, **names):
    return Measurement(number, times, TaskSpec(**{"stmt": "x + 1", "setup": "pass", **names}))


def text(m):
    return repr(m).splitlines()[1:]


def test_measurements_print():
    assert text(measured([1.2e-3, 1.25e-3, 1.3e-3])) == ["x + 1", "  Median: 12.50 us", "  3 measurements, 100 runs per measurement, 1 thread"]
    assert text(measured([1.2e-3])) == ["x + 1", "  12.00 us", "  1 measurement, 100 runs , 1 thread"]
    noisy = measured([1.2e-3, 2.5e-3, 4e-3, 1e-3], num_threads=4, label="L", sub_label="S", description="D")
    assert text(noisy) == ["L: S", "D", "  Median: 18.50 us", "  IQR:    17.25 us (11.50 to 28.75)", "  4 measurements, 100 runs per measurement, 4 threads",
                           "  WARNING: Interquartile range is 93.2% of the median measurement.",
                           "           This suggests significant environmental influence."]
    assert noisy.has_warnings and noisy.significant_figures == 1 and noisy.as_row_name == "S" and noisy.num_threads == 4 and noisy.title == "L: S"
    assert text(measured([3e-7] * 5, stmt="a\nb", setup="q=1\nz=2"))[:7] == ["stmt:", "  a", "  b", "setup:", "  q=1", "  z=2", ""]
    with pytest.raises(AttributeError, match="no attribute 'speed'"):
        noisy.speed
    assert pickle.loads(pickle.dumps(noisy)) == noisy and [m.number_per_run for m in Measurement.merge([noisy, noisy])] == [100]


A = [measured([1e-4, 1.1e-4], label="Batched dot", sub_label="[64, 64]", description="mul/sum"),
     measured([2e-4, 2.2e-4], label="Batched dot", sub_label="[64, 64]", description="bmm")]
TABLE = """[--------- Batched dot ----------]
                |  mul/sum  |  bmm
1 threads: -----------------------
      [64, 64]  |    1.1    |  2.1

Times are in microseconds (us).
"""


def test_tables():
    table = Compare(A)
    assert str(table) == TABLE
    table.trim_significant_figures()
    assert str(table).splitlines()[3] == "      [64, 64]  |     1     |   2 "
    table.colorize(rowwise=True)
    assert "\033[92m\033[1m   1   \033[0m\033[0m  |  \033[2m\033[91m 2 \033[0m\033[0m" in str(table)


def test_rows_of_environments_and_threads():
    table = Compare([measured([1e-4], sub_label="s1", description="d1", env="main"), measured([2e-4], sub_label="s1", description="d1", env="branch (e)")])
    table.extend_results([measured([3e-4], sub_label="s2 longer name here", description="d2", env="branch (e)", num_threads=16)])
    assert str(table).splitlines()[:7] == [
        "[------------------------  -----------------------]", "                                     |   d1  |   d2",
        "1 threads: ----------------------------------------", "  (branch (e))  s1                   |  2.0  |     ",
        "  (main)        s1                   |  1.0  |     ", "16 threads: ---------------------------------------",
        "  (branch (e))  s2 longer name here  |       |  3.0"]
    noisy = Compare([measured([1e-3 * i for i in (1, 2, 3, 4, 5)], 1, description="a")])
    noisy.highlight_warnings()
    assert "3.0 (! 67%)" in str(noisy) and "IQR / median * 100" in str(noisy)


def test_timers(capsys):
    threads = facula.get_num_threads()
    timer = Timer("x + y", setup="x = torch.ones(3)", globals={"y": 2}, label="sum", num_threads=1)
    m = timer.timeit(50)
    assert m.number_per_run == 50 and len(m.times) == 1 and 0 < m.median < 1e-3 and m.title == "sum"
    seen = []
    m = timer.blocked_autorange(lambda number, seconds: seen.append(seconds), min_run_time=0.02)
    assert m.raw_times == seen and sum(seen) >= 0.02 and timer.adaptive_autorange(min_run_time=0.005, max_run_time=0.05).raw_times
    assert facula.get_num_threads() == threads
    Compare([m]).print()
    assert "- sum -" in capsys.readouterr().out
    for options in ({"language": "rust"}, {"stmt": print}, {"global_setup": "int x;"}):
        with pytest.raises(ValueError):
            Timer(**options)
    assert benchmark.trim_sigfig(1234.5, 3) == 1230 and benchmark.select_unit(2e-5) == ("us", 1e-6)


def test_inputs_by_chance():
    fuzzer = Fuzzer([FuzzedParameter("k0", 4, 64, "loguniform"), FuzzedParameter("k1", 4, 64, "uniform"), FuzzedParameter("d", distribution={2: 0.5, 1: 0.5})],
                    [FuzzedTensor("x", ("k0", "k1"), min_elements=64, max_elements=2000, probability_contiguous=0.5),
                     FuzzedTensor("y", ("k0", "k1"), dim_parameter="d", steps=(2, 1), dtype=facula.int64)], seed=0)
    drawn = list(fuzzer.take(20))
    for tensors, about, params in drawn:
        assert 64 <= tensors["x"].numel() <= 2000 and tuple(tensors["x"].shape) == (params["k0"], params["k1"]) and tensors["y"].dim() == params["d"]
        assert about["x"]["is_contiguous"] == tensors["x"].is_contiguous() and tensors["y"].dtype == facula.int64
    assert {t["x"].is_contiguous() for t, _, _ in drawn} == {True, False} and 0 <= fuzzer.rejection_rate < 1
    again = next(iter(Fuzzer([FuzzedParameter("k0", 4, 64, "loguniform")], [FuzzedTensor("x", ("k0",))], seed=1).take(1)))[2]
    assert again == next(iter(Fuzzer([FuzzedParameter("k0", 4, 64, "loguniform")], [FuzzedTensor("x", ("k0",))], seed=1).take(1)))[2]
