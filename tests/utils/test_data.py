import os
import signal

import pytest

import facula
from facula.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info, random_split


class Squares(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, i):
        if i == 6:
            raise KeyError("no square")
        return i * i


class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, 10, info.num_workers) if info else range(10))


class Dying(Squares):
    def __getitem__(self, i):
        os.kill(os.getpid(), signal.SIGKILL)


def test_shuffling_follows_the_seed():
    data = TensorDataset(facula.arange(10))
    facula.manual_seed(0)
    first = [b[0].tolist() for b in DataLoader(data, 4, shuffle=True)]
    facula.manual_seed(0)
    assert first == [b[0].tolist() for b in DataLoader(data, 4, shuffle=True)]
    assert sorted(sum(first, [])) == list(range(10))


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_give_the_same_batches(workers):
    data = TensorDataset(facula.arange(10.0).reshape(5, 2), facula.arange(5))
    alone = [[t.tolist() for t in b] for b in DataLoader(data, 2)]
    assert alone == [[t.tolist() for t in b] for b in DataLoader(data, 2, num_workers=workers)]


def test_streams_are_split_and_start_again():
    loader = DataLoader(Stream(), batch_size=2, num_workers=2, persistent_workers=True)
    for _ in range(2):
        assert sorted(sum((b.tolist() for b in loader), [])) == list(range(10))


def test_errors_in_workers_carry_their_traceback():
    with pytest.raises(KeyError, match="Caught KeyError in DataLoader worker process 0"):
        list(DataLoader(Squares(), num_workers=1))


def test_a_killed_worker_is_reported():
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(DataLoader(Dying(), num_workers=1))


def test_parts_do_not_overlap():
    parts = random_split(range(10), [0.3, 0.7])
    assert [len(p) for p in parts] == [3, 7] and sorted([*parts[0], *parts[1]]) == list(range(10))


def test_persistent_workers_draw_the_orders_of_plain_ones():
    """PyTorch's orders of three epochs: a worker's seed is drawn once, not every epoch."""
    facula.manual_seed(0)
    loader = DataLoader(range(12), batch_size=12, shuffle=True, num_workers=1, persistent_workers=True)
    assert [b.tolist() for _ in range(3) for b in loader] == [[6, 11, 9, 8, 2, 1, 4, 5, 3, 10, 7, 0], [11, 0, 3, 9, 2, 1, 10, 7, 5, 6, 8, 4],
                                                              [8, 11, 9, 5, 10, 4, 2, 0, 1, 6, 3, 7]]
