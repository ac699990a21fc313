"""Pipes over streams and maps; the orders under a seed are PyTorch's."""

import pytest

import facula
from facula.utils.data import DataLoader, IterDataPipe, functional_datapipe, graph, graph_settings, guaranteed_datapipes_determinism, non_deterministic
from facula.utils.data.datapipes import iter as streams
from facula.utils.data.datapipes import map as maps


def numbers(n=10):
    return streams.IterableWrapper(range(n))


def add(a, b):
    return a + b


def even(x):
    return x % 2 == 0


def third(x):
    return x % 3


@pytest.mark.parametrize("pipe, given", [
    (lambda: numbers(3).map(str), ["0", "1", "2"]),
    (lambda: streams.IterableWrapper([(1, 2, 3)]).map(add, input_col=(0, 2)), [(4, 2)]),
    (lambda: streams.IterableWrapper([{"a": 1}]).map(str, input_col="a", output_col="b"), [{"a": 1, "b": "1"}]),
    (lambda: numbers().filter(even), [0, 2, 4, 6, 8]),
    (lambda: numbers(5).batch(2), [[0, 1], [2, 3], [4]]),
    (lambda: numbers(5).batch(2, drop_last=True).batch(2).unbatch(-1), [0, 1, 2, 3]),
    (lambda: numbers(2).concat(numbers(1)), [0, 1, 0]),
    (lambda: numbers(2).zip(numbers(3)), [(0, 0), (1, 1)]),
    (lambda: numbers(2).mux(numbers(3)), [0, 0, 1, 1]),
    (lambda: numbers().groupby(third, keep_key=True, group_size=2), [(0, [0, 3]), (1, [1, 4]), (2, [2, 5]), (0, [6, 9]), (1, [7]), (2, [8])]),
    (lambda: numbers().groupby(third, buffer_size=5, group_size=3, guaranteed_group_size=2), [[0, 3], [1, 4], [2, 5, 8], [6, 9], [7]]),
])
def test_steps(pipe, given):
    assert list(pipe()) == given
    assert list(pipe()) == given


def test_shuffles_follow_the_seed():
    facula.manual_seed(0)
    assert list(maps.SequenceWrapper(range(6)).shuffle()) == [4, 5, 3, 0, 2, 1]
    assert list(numbers().shuffle().set_seed(5)) == list(numbers().shuffle().set_seed(5)) != list(range(10))
    assert list(numbers().shuffle().set_shuffle(False)) == list(range(10))
    facula.manual_seed(0)
    loader = DataLoader(numbers().shuffle().sharding_filter(), shuffle=True, batch_size=2, num_workers=2, persistent_workers=True)
    assert [b.tolist() for b in loader] == [[9, 5], [0, 7], [4, 3], [1, 8], [6], [2]]
    assert [b.tolist() for b in loader] == [[0, 8], [3, 2], [9, 5], [6, 1], [7], [4]]


def test_branches_share_a_stream():
    assert [list(b) for b in numbers(4).fork(2)] == [[0, 1, 2, 3]] * 2
    assert list(zip(*numbers(3).fork(2, buffer_size=1))) == [(0, 0), (1, 1), (2, 2)]
    assert [list(b) for b in numbers(5).demux(2, even)] == [[1, 3], [0, 2, 4]]
    with pytest.raises(BufferError, match="buffer size 2 is insufficient"):
        list(numbers().fork(2, buffer_size=2)[0])
    with pytest.raises(ValueError, match="should be between 0 and 1. 2 is returned"):
        list(numbers().demux(2, third)[0])


def test_only_the_newest_iterator_is_valid():
    pipe = numbers()
    old = iter(pipe)
    next(old)
    iter(pipe)
    with pytest.raises(RuntimeError, match=r"This iterator has been invalidated .* IterableWrapperIterDataPipe\(deepcopy=True"):
        next(old)


def test_errors_name_the_pipe():
    with pytest.raises(IndexError, match="exceeds the depth(?s:.*)thrown by __iter__ of UnBatcherIterDataPipe"):
        list(numbers().unbatch(2))


def test_own_steps_and_marks():
    @non_deterministic
    @functional_datapipe("twice_each")
    class Twice(IterDataPipe):
        def __init__(self, source):
            self.source = source

        def __iter__(self):
            for x in self.source:
                yield from (x, x)

    try:
        assert list(numbers(2).twice_each().batch(3)) == [[0, 0, 1], [1]]
        with pytest.raises(TypeError, match="is non-deterministic"), guaranteed_datapipes_determinism():
            Twice(numbers())
        with pytest.raises(Exception, match="already taken"):
            functional_datapipe("map")(type("Other", (IterDataPipe,), {}))
    finally:
        del IterDataPipe.functions["twice_each"]
    with pytest.raises(AttributeError, match="has no attribute 'nothing"):
        numbers().nothing  # noqa: B018


def test_files(tmp_path):
    (tmp_path / "b.txt").write_text("you")
    (tmp_path / "a.txt").write_text("hello")
    found = streams.FileLister(str(tmp_path), "*.txt").open_files("b").read_from_stream(chunk=3)
    assert [data for _, data in found] == [b"hel", b"lo", b"you"]


def test_graphs_list_their_pipes():
    pipe = numbers().map(str).batch(2)
    names = [type(p).__name__ for p in graph_settings.get_all_graph_pipes(graph.traverse_dps(pipe))]
    assert names == ["BatcherIterDataPipe", "MapperIterDataPipe", "IterableWrapperIterDataPipe"]
