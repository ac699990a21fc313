"""Text that comes with Python, and training on it, for the language models beside this file."""

import argparse
import codecs
import contextlib
import io
import sysconfig
from pathlib import Path

import facula
from facula import nn


def read():
    """Python's licence, or where that is not installed, its Zen."""
    for place in (sysconfig.get_path("stdlib"), sysconfig.get_path("data"), f"{sysconfig.get_path('data')}/share/doc/python3"):
        for name in ("LICENSE.txt", "LICENSE"):
            path = Path(place) / name
            if path.is_file():
                return path.read_text(encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return codecs.decode(this.s, "rot13")


class Characters:
    """Characters as numbers."""

    def __init__(self, text):
        self.known = sorted(set(text))
        self.numbers = {c: i for i, c in enumerate(self.known)}

    def __len__(self):
        return len(self.known)

    def encode(self, text):
        return facula.tensor([self.numbers[c] for c in text])

    def decode(self, numbers):
        return "".join(self.known[i] for i in numbers)


def batch(data, size, length):
    """Random stretches of the text, and the same moved on by one character: both (size, length)."""
    starts = facula.randint(len(data) - length, (size,)).tolist()
    return (facula.stack([data[s:s + length] for s in starts]), facula.stack([data[s + 1:s + length + 1] for s in starts]))


def train(model, logits, optimizer, data, *, length, steps, batch_size=16, schedule=None):
    """Trains a model to expect the next character; returns the last loss.

    Args:
        model: Whose parameters are trained.
        logits: Function of characters (batch, time) that gives what the model expects next, (batch, time, characters).
        optimizer: Of the model's parameters.
        data: The text as numbers.
        length: Characters of a stretch.
        steps: How many batches of stretches to learn from.
        batch_size: Stretches of a batch.
        schedule: Steps with the optimizer, if given.
    """
    for step in range(steps):
        x, y = batch(data, batch_size, length)
        loss = nn.functional.cross_entropy(logits(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        if step % max(steps // 10, 1) == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    return loss.item()


def steps(description, *, quick, full):
    """How many steps the command line asks for: `full`, or `quick` with --quick."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps, for tests")
    return quick if parser.parse_args().quick else full
