"""CelebA: faces with attributes, identities, boxes and landmarks."""

from __future__ import annotations

import os

import facula

from .utils import check_integrity, download_file_from_google_drive, extract_archive, verify_str_arg
from .vision import VisionDataset

__all__ = ["CelebA"]


class CelebA(VisionDataset):
    """202,599 faces; `split` is train, valid, test or all.

    `target_type`: attr (40 numbers 0 or 1), identity (a number), bbox (x, y, width, height), landmarks (ten numbers), or a list of these.

    Source: Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015.
    """

    base_folder = "celeba"
    file_list = [("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb", "img_align_celeba.zip"),
                 ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c", "list_attr_celeba.txt"),
                 ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2", "identity_CelebA.txt"),
                 ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16", "list_bbox_celeba.txt"),
                 ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c", "list_landmarks_align_celeba.txt"),
                 ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668", "list_eval_partition.txt")]

    def __init__(self, root, split="train", target_type="attr", transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split.lower() if isinstance(split, str) else split, "split", ("train", "valid", "test", "all"))
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and target_transform is not None:
            raise RuntimeError("target_transform is specified but target_type is empty")
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        names, parts = self._table("list_eval_partition.txt")[1:]
        number = {"train": 0, "valid": 1, "test": 2, "all": None}[self.split]
        keep = slice(None) if number is None else (parts == number).squeeze(1)
        self.filename = names if number is None else [n for n, k in zip(names, keep.tolist()) if k]
        self.identity = self._table("identity_CelebA.txt")[2][keep]
        self.bbox = self._table("list_bbox_celeba.txt", header=1)[2][keep]
        self.landmarks_align = self._table("list_landmarks_align_celeba.txt", header=1)[2][keep]
        header, _, attributes = self._table("list_attr_celeba.txt", header=1)
        self.attr = facula.div(attributes[keep] + 1, 2, rounding_mode="floor")  # from -1 and 1
        self.attr_names = header

    def _table(self, name, header=None):
        """Column names, row names, and the numbers; the line after the count is the header."""
        with open(os.path.join(self.root, self.base_folder, name)) as file:
            rows = [line.split() for line in file if line.strip()]
        columns = []
        if header is not None:
            columns, rows = rows[header], rows[header + 1:]
        return columns, [row[0] for row in rows], facula.tensor([[int(v) for v in row[1:]] for row in rows])

    def _check_integrity(self):
        folder = os.path.join(self.root, self.base_folder)
        files = all(check_integrity(os.path.join(folder, name), md5) for _, md5, name in self.file_list if not name.endswith(".zip"))
        return files and os.path.isdir(os.path.join(folder, "img_align_celeba"))

    def download(self):
        if self._check_integrity():
            return
        folder = os.path.join(self.root, self.base_folder)
        for file_id, md5, name in self.file_list:
            download_file_from_google_drive(file_id, folder, name, md5)
        extract_archive(os.path.join(folder, "img_align_celeba.zip"))

    def __getitem__(self, index):
        from PIL import Image

        image = Image.open(os.path.join(self.root, self.base_folder, "img_align_celeba", self.filename[index]))
        tables = {"attr": lambda: self.attr[index, :], "identity": lambda: self.identity[index, 0], "bbox": lambda: self.bbox[index, :],
                  "landmarks": lambda: self.landmarks_align[index, :]}
        targets = []
        for kind in self.target_type:
            if kind not in tables:
                raise ValueError(f'Target type "{kind}" is not recognized.')
            targets.append(tables[kind]())
        target = None if not targets else tuple(targets) if len(targets) > 1 else targets[0]
        if self.transform is not None:
            image = self.transform(image)
        if target is not None and self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self):
        return len(self.attr)

    def extra_repr(self):
        return f"Target type: {self.target_type}\nSplit: {self.split}"
