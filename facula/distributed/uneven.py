"""Processes with different numbers of batches: who has none left takes part with zeros until all are done."""

from __future__ import annotations

import facula

from . import calls


class Join:
    """The context of `DistributedDataParallel.join`.

    Args:
        model: The wrapped module.
        initial: Whether sums are divided by the number of all processes, or of those that still have batches.
        enable: Whether to do anything.
        throws: Whether all processes raise as soon as one has no batch left.
    """

    def __init__(self, model, initial=True, enable=True, throws=False):
        self.model, self.initial, self.enable, self.throws = model, initial, enable, throws
        self.first = 0

    def _meet(self, alive, syncs, buffers):
        """(processes with batches, do gradients follow, do buffers, rank of the first that has batches)."""
        rank, size = int(self.model.process_group.rank), int(self.model.process_group.size)
        marks = facula.zeros(size, 3, dtype=facula.int32)
        marks[rank] = facula.tensor([alive, syncs, buffers], dtype=facula.int32)
        calls.all_reduce(marks, group=self.model.process_group)
        living = [r for r, n in enumerate(marks[:, 0].tolist()) if n]
        self.first = living[0] if living else 0
        return len(living), bool(marks[:, 1].any()), bool(marks[:, 2].any())

    def announce(self, syncs, buffers):
        """Called before each forward pass."""
        count, _, _ = self._meet(1, int(syncs), int(buffers))
        size = int(self.model.process_group.size)
        if self.throws and count < size:
            raise RuntimeError("Detected at least one rank that exhausted inputs. Throwing across all ranks.")
        self.model.reducer.divisor = size if self.initial else count

    def __enter__(self):
        if self.enable:
            self.model._joining = self
        return self

    def __exit__(self, kind, error, trace):
        if not self.enable or kind is not None:
            self.model._joining = None
            return
        rounds, last = 0, int(self.model.process_group.rank)
        while True:
            count, syncs, buffers = self._meet(0, 0, 0)
            if not count:
                break
            if self.throws:
                raise RuntimeError(f"Rank {last} exhausted all inputs.")
            rounds += 1
            if buffers:
                self.model._from_rank_0(self.model.modules_buffers, self.first)
            if syncs:
                self.model.reducer.shadow()
        self.model._joining = None
        self._agree(rounds)

    def _agree(self, rounds):
        """All take the parameters of a process that had batches to the end."""
        size, rank = int(self.model.process_group.size), int(self.model.process_group.rank)
        done = facula.zeros(size, dtype=facula.int32)
        done[rank] = rounds
        calls.all_reduce(done, group=self.model.process_group)
        last = int(done.argmin())
        self.model._from_rank_0([p.detach() for p in self.model.module.parameters()] + self.model.modules_buffers, last)
        self.model.reducer.divisor = size
