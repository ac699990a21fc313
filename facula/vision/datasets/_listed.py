"""Datasets that are a list of image files with a label each."""

from __future__ import annotations

import os

from .folder import default_loader
from .vision import VisionDataset


class ListedImages(VisionDataset):
    """`_samples` is a list of (path, label)."""

    def __init__(self, root, transform=None, target_transform=None, loader=default_loader):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader, self._samples = loader, []

    def _need(self, *paths):
        """Raises unless all the files and folders are there."""
        missing = [p for p in paths if not os.path.exists(p)]
        if missing:
            raise RuntimeError(f"Dataset not found. You can use download=True to download it (missing: {', '.join(map(str, missing))})")

    def __getitem__(self, index):
        path, label = self._samples[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __len__(self):
        return len(self._samples)


def class_folders(folder):
    """Sorted names of the folders in a folder, and a dict from name to number."""
    names = sorted(e.name for e in os.scandir(folder) if e.is_dir())
    return names, {name: i for i, name in enumerate(names)}


def lines(path):
    with open(path) as file:
        return [line.strip() for line in file if line.strip()]
