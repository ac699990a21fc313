"""What a loader sets in all pipes that a pipe is made of."""

from __future__ import annotations

import warnings

from .datapipes.datapipe import _Steps, connected
from .sampler import fresh_seed

__all__ = ["get_all_graph_pipes", "apply_sharding", "apply_shuffle_settings", "apply_random_seed"]


def get_all_graph_pipes(graph):
    """The pipes of a graph that `graph.traverse_dps` has made."""
    found, seen = [], set()

    def visit(part):
        for number, (pipe, inner) in part.items():
            if number not in seen:
                seen.add(number)
                found.append(pipe)
                visit(inner)

    visit(graph)
    return found


def _sources_first(datapipe):
    return list(connected(datapipe))


def apply_sharding(datapipe, num_of_instances, instance_id, sharding_group=None):
    """Tells the sharding pipes which samples are this process's."""
    for pipe in _sources_first(datapipe):
        if hasattr(type(pipe), "apply_sharding"):
            pipe.apply_sharding(num_of_instances, instance_id)
    return datapipe


def apply_shuffle_settings(datapipe, shuffle=None):
    """Switches the shuffling pipes on or off; puts one at the end if there is none."""
    if shuffle is None:
        return datapipe
    shufflers = [p for p in _sources_first(datapipe) if hasattr(type(p), "set_shuffle") and hasattr(type(p), "set_seed")]
    if not shufflers and shuffle:
        warnings.warn("`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the end. Be aware that the default "
                      "buffer size might not be sufficient for your task.", stacklevel=3)
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_random_seed(datapipe, rng):
    """Gives each random pipe a seed of its own."""
    for pipe in _sources_first(datapipe):
        if callable(getattr(type(pipe), "set_seed", None)):
            pipe.set_seed(fresh_seed(rng))
    return datapipe


def is_pipe(dataset):
    return isinstance(dataset, _Steps)
