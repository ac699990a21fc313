"""How processes find each other: from an address, (store, rank, number of processes)."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlparse

from .store import DEFAULT_TIMEOUT, FileStore
from .tcp_store import TCPStore

_handlers: dict = {}


def register_rendezvous_handler(scheme, handler):
    """Adds a scheme; `handler(url, timeout=...)` yields (store, rank, world size)."""
    if scheme in _handlers:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _handlers[scheme] = handler


def rendezvous(url, rank=-1, world_size=-1, **kwargs):
    """Yields (store, rank, world size) for an address such as `env://`, `tcp://host:port`, `file:///path`.

    Args:
        url: Scheme and place; `?rank=0&world_size=2` may follow.
        rank: This process's number, if not in the address.
        world_size: The number of processes, if not in the address.

    Raises:
        RuntimeError: The scheme is not known.
        ValueError: Something is missing.
    """
    if not isinstance(url, (str, bytes)):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    parts = urlparse(url)
    if parts.scheme not in _handlers:
        raise RuntimeError(f"No rendezvous handler for {parts.scheme}://")
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    if rank != -1:
        query["rank"] = str(rank)
    if world_size != -1:
        query["world_size"] = str(world_size)
    return _handlers[parts.scheme](parts, query, **kwargs)


def _error(scheme, what):
    return ValueError(f"Error initializing torch.distributed using {scheme}:// rendezvous: {what}")


def _number(query, key, scheme, what):
    if key not in query:
        raise _error(scheme, f"{what} parameter missing")
    return int(query[key])


def _file(parts, query, timeout=DEFAULT_TIMEOUT, **kwargs):
    if not parts.path:
        raise _error("file", "path missing")
    rank, size = _number(query, "rank", "file", "rank"), _number(query, "world_size", "file", "world size")
    store = FileStore(parts.netloc + parts.path, size)
    store.set_timeout(timeout)
    yield store, rank, size
    raise RuntimeError("Unable to perform rerendezvous using file:// method")


def _tcp(parts, query, timeout=DEFAULT_TIMEOUT, **kwargs):
    if not parts.port:
        raise _error("tcp", "port number missing")
    rank, size = _number(query, "rank", "tcp", "rank"), _number(query, "world_size", "tcp", "world size")
    yield TCPStore(parts.hostname, parts.port, size, rank == 0, timeout, multi_tenant=True), rank, size
    raise RuntimeError("Unable to perform re-rendezvous using tcp:// method")


def _env(parts, query, timeout=DEFAULT_TIMEOUT, **kwargs):
    def variable(name):
        value = os.environ.get(name)
        if value is None:
            raise _error("env", f"environment variable {name} expected, but not set")
        return value

    rank = int(query["rank"]) if "rank" in query else int(variable("RANK"))
    size = int(query["world_size"]) if "world_size" in query else int(variable("WORLD_SIZE"))
    host, port = variable("MASTER_ADDR"), int(variable("MASTER_PORT"))
    yield TCPStore(host, port, size, rank == 0, timeout, multi_tenant=True), rank, size
    raise RuntimeError("Unable to perform re-rendezvous using env:// method")


register_rendezvous_handler("file", _file)
register_rendezvous_handler("tcp", _tcp)
register_rendezvous_handler("env", _env)
