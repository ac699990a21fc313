"""Stores, alone and between threads."""

import threading
from datetime import timedelta

import pytest

from facula import distributed as dist


def stores(tmp_path):
    yield dist.HashStore()
    yield dist.FileStore(tmp_path / "store", 1)
    yield dist.PrefixStore("a", dist.HashStore())
    yield dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def test_what_all_stores_do(tmp_path):
    for store in stores(tmp_path):
        store.set("k", "v")
        assert store.get("k") == b"v" and store.add("n", 2) == 2 and store.add("n", 3) == 5 and store.get("n") == b"5"
        assert store.num_keys() == 2 and store.check(["k", "n"]) and not store.check(["k", "x"])
        assert store.compare_set("k", "w", "z") == b"v" and store.compare_set("k", "v", "z") == b"z" and store.compare_set("new", "", "1") == b"1"
        store.append("k", "!")
        assert store.multi_get(["k", "new"]) == [b"z!", b"1"]
        assert store.delete_key("k") and not store.delete_key("k")
        store.set_timeout(timedelta(seconds=0.05))
        with pytest.raises(dist.DistStoreError, match="(?i)time"):
            store.get("never")
        with pytest.raises(dist.DistStoreError, match="(?i)time"):
            store.wait(["n", "never"], timedelta(seconds=0.05))


def test_waiting_for_another_process(tmp_path):
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    client = dist.TCPStore("127.0.0.1", server.port)
    got = []
    thread = threading.Thread(target=lambda: got.append(client.get("late")))
    thread.start()
    server.set("late", b"\0\xff")
    thread.join(10)
    assert got == [b"\0\xff"]


def test_files_are_shared(tmp_path):
    a, b = (dist.FileStore(tmp_path / "f", 2) for _ in range(2))
    a.set("x", "1")
    assert b.get("x") == b"1" and b.add("c", 1) == 1 and a.add("c", 1) == 2
    b.delete_key("x")
    assert not a.check(["x"])
    a.close()
    assert (tmp_path / "f").exists()
    b.close()
    assert not (tmp_path / "f").exists()
