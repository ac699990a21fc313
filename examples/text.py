"""Text that comes with Python, for the language models beside this file."""

import codecs
import contextlib
import io
import sysconfig
from pathlib import Path

import facula


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
