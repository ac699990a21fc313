"""Datasets that are arrays of pixels: USPS, SVHN, STL-10, SEMEION, FER2013, Moving MNIST."""

from __future__ import annotations

import bz2
import csv
import os

import facula

from ._mat import load_mat
from .utils import check_integrity, download_and_extract_archive, download_url, verify_str_arg
from .vision import VisionDataset

__all__ = ["FER2013", "MovingMNIST", "SEMEION", "STL10", "SVHN", "USPS"]
_MISSING = "Dataset not found or corrupted. You can use download=True to download it"


class _Pixels(VisionDataset):
    """`data` are images (count, height, width) or (count, channels, height, width), NumPy; `labels` or `targets` go with them."""

    def _label(self, index):
        return int(self.targets[index])

    def __getitem__(self, index):
        import numpy as np
        from PIL import Image

        image, target = self.data[index], self._label(index)
        image = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0) if image.ndim == 3 else image))
        return self._transformed(image, target)

    def __len__(self):
        return len(self.data)


class USPS(_Pixels):
    """9298 handwritten digits of 16x16. Source: Hull, IEEE PAMI 16 (1994), in LIBSVM's format."""

    split_list = {"train": ["https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2", "usps.bz2",
                            "ec16c51db3855ca6c91edd34d0e9b197"],
                  "test": ["https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2", "usps.t.bz2",
                           "8ea070ee2aca1ac39742fdd1ef5ed118"]}

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        import numpy as np

        super().__init__(root, transform=transform, target_transform=target_transform)
        url, name, md5 = self.split_list["train" if train else "test"]
        path = os.path.join(self.root, name)
        if download and not check_integrity(path, md5):
            download_url(url, self.root, filename=name, md5=md5)
        if not os.path.exists(path):
            raise RuntimeError(_MISSING)
        with bz2.open(path, "rt") as file:
            rows = [line.split() for line in file if line.strip()]
        values = np.asarray([[float(v.partition(":")[2]) for v in row[1:]] for row in rows], dtype=np.float32).reshape(-1, 16, 16)
        self.data = ((values + 1) / 2 * 255).astype(np.uint8)
        self.targets = [int(row[0]) - 1 for row in rows]


class SVHN(_Pixels):
    """House numbers, 32x32 in colour; `split` is train, test or extra. Source: Netzer et al., NIPS workshop 2011."""

    split_list = {
        "train": ["http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"],
        "test": ["http://ufldl.stanford.edu/housenumbers/test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
        "extra": ["http://ufldl.stanford.edu/housenumbers/extra_32x32.mat", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"]}

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False):
        import numpy as np

        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            download_url(self.url, self.root, self.filename, self.file_md5)
        path = os.path.join(self.root, self.filename)
        if not check_integrity(path, self.file_md5):
            raise RuntimeError(_MISSING)
        mat = load_mat(path)
        self.data = np.transpose(mat["X"], (3, 2, 0, 1))
        self.labels = mat["y"].astype(np.int64).reshape(-1)
        self.labels[self.labels == 10] = 0  # the file calls zero ten

    def _label(self, index):
        return int(self.labels[index])

    def extra_repr(self):
        return f"Split: {self.split.capitalize()}"


class STL10(_Pixels):
    """96x96 images in 10 classes, and many without label (-1). Source: Coates, Lee and Ng, AISTATS 2011."""

    base_folder, filename = "stl10_binary", "stl10_binary.tar.gz"
    url, tgz_md5 = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz", "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file, folds_list_file = "class_names.txt", "fold_indices.txt"
    train_list = [["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"], ["train_y.bin", "5a34089d4802c674881badbb80307741"],
                  ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"]]
    test_list = [["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"], ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"]]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(self, root, split="train", folds=None, transform=None, target_transform=None, download=False):
        import numpy as np

        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split, self.folds = verify_str_arg(split, "split", self.splits), folds
        if folds is not None and (not isinstance(folds, int) or not 0 <= folds < 10):
            raise ValueError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        if download:
            self.download()
        elif not self._check_integrity():
            raise RuntimeError(_MISSING)
        parts = [self._load(part) for part in split.split("+")]
        self.data, self.labels = np.concatenate([d for d, _ in parts]), np.concatenate([y for _, y in parts])
        if folds is not None and split.startswith("train"):
            with open(self._path(self.folds_list_file)) as file:
                chosen = np.array(file.read().splitlines()[folds].split(), dtype=np.int64)
            keep = np.concatenate([chosen, np.arange(len(parts[0][0]), len(self.data))])
            self.data, self.labels = self.data[keep], self.labels[keep]
        names = self._path(self.class_names_file)
        if os.path.isfile(names):
            with open(names) as file:
                self.classes = file.read().splitlines()

    def _path(self, name):
        return os.path.join(self.root, self.base_folder, name)

    def _load(self, part):
        import numpy as np

        images = np.fromfile(self._path(f"{part}_X.bin"), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)  # columns first
        labels = np.full(len(images), -1, np.int64) if part == "unlabeled" else \
            np.fromfile(self._path(f"{part}_y.bin"), np.uint8).astype(np.int64) - 1
        return images, labels

    def _label(self, index):
        return int(self.labels[index])

    def _check_integrity(self):
        return all(check_integrity(self._path(name), md5) for name, md5 in self.train_list + self.test_list)

    def download(self):
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self):
        return f"Split: {self.split.capitalize()}"


class SEMEION(_Pixels):
    """1593 handwritten digits of 16x16, black and white. Source: Buscema and Terzi, Semeion Research Center, 1994."""

    url = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename, md5_checksum = "semeion.data", "cb545d371d2ce14ec121470795a77432"

    def __init__(self, root, transform=None, target_transform=None, download=True):
        import numpy as np

        super().__init__(root, transform=transform, target_transform=target_transform)
        path = os.path.join(self.root, self.filename)
        if download:
            download_url(self.url, self.root, self.filename, self.md5_checksum)
        if not check_integrity(path, self.md5_checksum):
            raise RuntimeError(_MISSING)
        table = np.loadtxt(path)
        self.data = (table[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = np.nonzero(table[:, 256:])[1]

    def _label(self, index):
        return int(self.labels[index])


class FER2013(_Pixels):
    """Faces of 48x48 in 7 moods, from Kaggle's CSV files in root/fer2013. Source: Goodfellow et al., arXiv 1307.0414."""

    _RESOURCES = {"train": ("train.csv", "3f0dfb3d3fd99c811a1299cb947e3131"), "test": ("test.csv", "b02c2298636a634e8c2faabbf3ea9a23"),
                  "fer": ("fer2013.csv", "f8428a1edbd21e88f42c73edd2a14f95"), "icml": ("icml_face_data.csv", "b114b9e04e6949e5fe8b6a98b3892b1d")}

    def __init__(self, root, split="train", transform=None, target_transform=None):
        import numpy as np

        self._split = verify_str_arg(split, "split", ("train", "test"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        folder = os.path.join(self.root, "fer2013")
        whole = next((k for k in ("fer", "icml") if check_integrity(os.path.join(folder, self._RESOURCES[k][0]))), None)
        name, md5 = self._RESOURCES[whole or split]
        path = os.path.join(folder, name)
        if not check_integrity(path, md5):
            raise RuntimeError(f"{name} not found in {folder} or corrupted. You can download it from "
                               "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge")
        with open(path, newline="") as file:
            rows = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(file)]
        if whole:
            rows = [r for r in rows if (r["Usage"] == "Training") == (split == "train")]
        self.data = np.stack([np.array(r["pixels"].split(), dtype=np.uint8).reshape(48, 48) for r in rows])
        self.targets = [int(r["emotion"]) if "emotion" in r else None for r in rows]

    def _label(self, index):
        return self.targets[index]

    def extra_repr(self):
        return f"split={self._split}"


class MovingMNIST(VisionDataset):
    """10,000 videos of 20 frames with two moving digits; `split` cuts each after `split_ratio` frames. Source: arXiv 1502.04681."""

    _URL = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"

    def __init__(self, root, split=None, split_ratio=10, download=False, transform=None):
        import numpy as np

        super().__init__(root, transform=transform)
        self._filename = "mnist_test_seq.npy"
        folder = os.path.join(self.root, type(self).__name__)
        path = os.path.join(folder, self._filename)
        if split is not None:
            verify_str_arg(split, "split", ("train", "test"))
            if not isinstance(split_ratio, int):
                raise TypeError(f"`split_ratio` should be an integer, but got {type(split_ratio)}")
            if not 1 <= split_ratio <= 19:
                raise ValueError(f"`split_ratio` should be `1 <= split_ratio <= 19`, but got {split_ratio} instead.")
        self.split, self.split_ratio = split, split_ratio
        if download and not os.path.exists(path):
            download_url(self._URL, folder, self._filename, "be083ec986bfe91a449d63653c411eb2")
        if not os.path.exists(path):
            raise RuntimeError("Dataset not found. You can use download=True to download it.")
        data = facula.from_numpy(np.load(path))
        frames = slice(None) if split is None else slice(split_ratio) if split == "train" else slice(split_ratio, None)
        self.data = data[frames].transpose(0, 1).unsqueeze(2).contiguous()

    def __getitem__(self, index):
        video = self.data[index]
        return video if self.transform is None else self.transform(video)

    def __len__(self):
        return len(self.data)
