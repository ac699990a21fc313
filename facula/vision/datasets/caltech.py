"""Caltech 101 and 256."""

from __future__ import annotations

import os

from ._mat import load_mat
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

__all__ = ["Caltech101", "Caltech256"]
# Folders of images whose annotations are in folders of other names.
_RENAMED = {"Faces": "Faces_2", "Faces_easy": "Faces_3", "Motorbikes": "Motorbikes_16", "airplanes": "Airplanes_Side_2"}


class Caltech101(VisionDataset):
    """Images in 101 categories; targets are the category, the outline ("annotation"), or both.

    Source: Fei-Fei, Fergus and Perona, CVPR workshop 2004.
    """

    def __init__(self, root, target_type="category", transform=None, target_transform=None, download=False):
        super().__init__(os.path.join(root, "caltech101"), transform=transform, target_transform=target_transform)
        os.makedirs(self.root, exist_ok=True)
        types = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [verify_str_arg(t, "target_type", ("category", "annotation")) for t in types]
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        folder = os.path.join(self.root, "101_ObjectCategories")
        self.categories = sorted(name for name in os.listdir(folder) if name != "BACKGROUND_Google")
        self.annotation_categories = [_RENAMED.get(name, name) for name in self.categories]
        counts = [len(os.listdir(os.path.join(folder, name))) for name in self.categories]
        self.index = [i for n in counts for i in range(1, n + 1)]
        self.y = [c for c, n in enumerate(counts) for _ in range(n)]

    def __getitem__(self, index):
        from PIL import Image

        label, number = self.y[index], self.index[index]
        image = Image.open(os.path.join(self.root, "101_ObjectCategories", self.categories[label], f"image_{number:04d}.jpg"))
        targets = [label if kind == "category" else
                   load_mat(os.path.join(self.root, "Annotations", self.annotation_categories[label], f"annotation_{number:04d}.mat"))["obj_contour"]
                   for kind in self.target_type]
        target = tuple(targets) if len(targets) > 1 else targets[0]
        return self._transformed(image, target)

    def _check_integrity(self):
        return os.path.exists(os.path.join(self.root, "101_ObjectCategories"))

    def __len__(self):
        return len(self.index)

    def download(self):
        from .utils import extract_archive

        if self._check_integrity():
            return
        download_and_extract_archive("https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip", self.root, filename="caltech-101.zip",
                                     md5="3138e1922a9193bfa496528edbbc45d0")
        folder = os.path.join(self.root, "caltech-101")
        for name in sorted(os.listdir(folder)):
            if name.endswith((".gz", ".tar")):
                extract_archive(os.path.join(folder, name), self.root)

    def extra_repr(self):
        return f"Target type: {self.target_type}"


class Caltech256(VisionDataset):
    """Images in 257 categories. Source: Griffin, Holub and Perona, CNS-TR-2007-001."""

    def __init__(self, root, transform=None, target_transform=None, download=False):
        super().__init__(os.path.join(root, "caltech256"), transform=transform, target_transform=target_transform)
        os.makedirs(self.root, exist_ok=True)
        if download and not self._check_integrity():
            download_and_extract_archive("https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar", self.root,
                                         filename="256_ObjectCategories.tar", md5="67b4f42ca05d46448c6bb8ecd2220f6d")
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        folder = os.path.join(self.root, "256_ObjectCategories")
        self.categories = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
        self.index, self.y = [], []
        for label, name in enumerate(self.categories):
            count = sum(file.endswith(".jpg") for file in os.listdir(os.path.join(folder, name)))
            self.index += range(1, count + 1)
            self.y += [label] * count

    def __getitem__(self, index):
        from PIL import Image

        label = self.y[index]
        path = os.path.join(self.root, "256_ObjectCategories", self.categories[label], f"{label + 1:03d}_{self.index[index]:04d}.jpg")
        image = Image.open(path)
        image = image if self.transform is None else self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def _check_integrity(self):
        return os.path.exists(os.path.join(self.root, "256_ObjectCategories"))

    def __len__(self):
        return len(self.index)
