"""Pipes that read files."""

from __future__ import annotations

import fnmatch
import os

from ._decorator import functional_datapipe
from .datapipe import IterDataPipe


def _files(root, masks, recursive, abspath):
    masks = [masks] if isinstance(masks, str) else masks
    if os.path.isfile(root):
        folders = [(os.path.dirname(root), [], [os.path.basename(root)])]
    else:
        folders = os.walk(root)
    for folder, inner, names in folders:
        folder = os.path.abspath(folder) if abspath else folder
        inner.sort()
        for name in sorted(names):
            if not masks or masks == [""] or any(fnmatch.fnmatch(name, mask) for mask in masks):
                yield os.path.join(folder, name)
        if not recursive:
            return


@functional_datapipe("list_files")
class FileListerIterDataPipe(IterDataPipe):
    """The files of folders, by name."""

    def __init__(self, root=".", masks="", *, recursive=False, abspath=False, non_deterministic=False, length=-1):
        self.datapipe = [root] if isinstance(root, str) else root
        self.masks, self.recursive, self.abspath, self.length = masks, recursive, abspath, length

    def __iter__(self):
        for root in self.datapipe:
            yield from _files(root, self.masks, self.recursive, self.abspath)

    def __len__(self):
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(IterDataPipe):
    """Pairs of path and open file."""

    def __init__(self, datapipe, mode="r", encoding=None, length=-1):
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe, self.mode, self.encoding, self.length = datapipe, mode if "r" in mode else f"r{mode}", encoding, length

    def __iter__(self):
        for path in self.datapipe:
            yield path, open(path, self.mode, encoding=self.encoding)  # noqa: SIM115  the next pipe closes it

    def __len__(self):
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """Pairs of path and content, in pieces of `chunk` if given."""

    def __init__(self, datapipe, chunk=None):
        self.datapipe, self.chunk = datapipe, chunk

    def __iter__(self):
        for path, stream in self.datapipe:
            with stream:
                while data := stream.read(self.chunk):
                    yield path, data


@functional_datapipe("routed_decode")
class RoutedDecoderIterDataPipe(IterDataPipe):
    """Pairs of path and what the first handler (extension, content) that gives something makes of the content."""

    def __init__(self, datapipe, *handlers, key_fn=lambda path: os.path.splitext(path)[1].lstrip(".").lower()):
        self.datapipe, self.handlers, self.key_fn = datapipe, list(handlers), key_fn

    def add_handler(self, *handler):
        self.handlers += handler

    def __iter__(self):
        for path, data in self.datapipe:
            if hasattr(data, "read"):
                with data:
                    data = data.read()
            made = (handler(self.key_fn(path), data) for handler in self.handlers)
            yield path, next((m for m in made if m is not None), data)

    def __len__(self):
        return len(self.datapipe)
