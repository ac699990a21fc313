"""The global random stream and its state."""

from __future__ import annotations

import contextlib

from ._native import core

__all__ = ["manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "fork_rng", "default_generator"]
default_generator = core.default_generator


def manual_seed(seed):
    """Starts the random stream of `seed` (negative seeds count from the end of 64 bits)."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Starts a stream of a random seed and returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The seed of the current stream."""
    return default_generator.initial_seed()


def get_rng_state():
    """The stream's state, a tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continues from a saved state."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices", device_type="cuda"):
    """Draws inside leave the stream outside as it was."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
