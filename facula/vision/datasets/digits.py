"""Handwritten digits that ship with the package."""

from __future__ import annotations

import gzip
import os

import facula

from ._batches import image_batch
from .vision import VisionDataset

_FILE = os.path.join(os.path.dirname(__file__), "data", "digits.bin.gz")
_COUNT, _TRAINING = 1797, 1437


class Digits(VisionDataset):
    """1797 images of handwritten digits, 8x8; no download.

    `data` has values 0 to 16, as the source; the PIL images 15 times as much.

    Args:
        root: Unused; there so that calls look like those of other datasets.
        train: The first 1437 images, or the other 360; None gives all.
        transform: Function of the PIL image.
        target_transform: Function of the label.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, CC BY 4.0 (see data/LICENSE-digits.txt).
    """

    classes = [str(i) for i in range(10)]

    def __init__(self, root=None, train=None, transform=None, target_transform=None, download=False):
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.train = train
        with gzip.open(_FILE) as file:
            raw = bytearray(file.read())
        if len(raw) != 65 * _COUNT:
            raise RuntimeError(f"{_FILE}: {len(raw)} bytes, expected {65 * _COUNT}: install the package again")
        values = facula.frombuffer(raw, dtype=facula.uint8)
        labels, images = values[:_COUNT], values[_COUNT:].reshape(_COUNT, 8, 8)
        part = slice(None) if train is None else slice(_TRAINING) if train else slice(_TRAINING, None)
        self.data, self.targets = images[part].clone(), labels[part].to(facula.int64)

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        from PIL import Image

        image, target = Image.fromarray((self.data[index] * 15).numpy()), int(self.targets[index])
        return image if self.transform is None else self.transform(image), \
            target if self.target_transform is None else self.target_transform(target)

    def _fetch_batch(self, indices):
        return image_batch(self, self.data * 15, self.targets, indices)

    def extra_repr(self):
        return "Split: " + {True: "Train", False: "Test", None: "All"}[self.train]
