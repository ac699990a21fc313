"""MNIST and the datasets in its file format."""

from __future__ import annotations

import gzip
import os
import shutil
import string
import urllib.error

import facula

from ._batches import image_batch
from .utils import check_integrity, download_and_extract_archive, download_url, extract_archive, verify_str_arg
from .vision import VisionDataset

__all__ = ["MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST"]
_TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


def read_sn3_pascalvincent_tensor(path, strict=True):
    """Reads an IDX file, compressed or not.

    Raises:
        ValueError: It is no IDX file, or ends too early.
    """
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    kind, rank = (data[2], data[3]) if len(data) >= 4 else (0, 0)
    if data[:2] != b"\0\0" or kind not in _TYPES or not 1 <= rank <= 3:
        hint = "; it looks like a web page: delete it and download again" if data.lstrip()[:1] == b"<" else ""
        raise ValueError(f"{path}: not an IDX file (starts {data[:4].hex(' ') or 'and ends empty'}, expected 00 00 08 03 or 00 00 08 01){hint}")
    shape = [int.from_bytes(data[4 * (i + 1):4 * (i + 2)], "big") for i in range(rank)]
    dtype = getattr(facula, _TYPES[kind])
    count = 1
    for n in shape:
        count *= n
    start, wanted = 4 * (rank + 1), count * dtype.itemsize
    if len(data) - start < wanted or strict and len(data) - start != wanted:
        raise ValueError(f"{path}: {len(data) - start} bytes of data, expected {wanted} for shape {shape}: the file is truncated or damaged")
    body = bytearray(data[start:start + wanted])
    if dtype.itemsize > 1:
        for i in range(dtype.itemsize // 2):  # big-endian in the file
            j = dtype.itemsize - 1 - i
            body[i::dtype.itemsize], body[j::dtype.itemsize] = body[j::dtype.itemsize], body[i::dtype.itemsize]
    values = facula.frombuffer(body, dtype=dtype) if body else facula.empty(0, dtype=dtype)
    return values.reshape(shape)


def read_label_file(path):
    return read_sn3_pascalvincent_tensor(path, strict=False).long()


def read_image_file(path):
    return read_sn3_pascalvincent_tensor(path, strict=False)


class MNIST(VisionDataset):
    """60,000 training and 10,000 test images of digits, 28x28.

    Args:
        root: Folder that has or gets MNIST/raw with the IDX files.
        train: Which part.
        transform: Function of the PIL image.
        target_transform: Function of the label.
        download: Fetch the files if they are not there.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources = [("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                 ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
                 ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
                 ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c")]
    classes = ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"]

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data, self.targets = self._load_data()

    def _load_data(self):
        part = "train" if self.train else "t10k"
        return (read_image_file(os.path.join(self.raw_folder, f"{part}-images-idx3-ubyte")),
                read_label_file(os.path.join(self.raw_folder, f"{part}-labels-idx1-ubyte")))

    train_labels = test_labels = property(lambda self: self.targets)
    train_data = test_data = property(lambda self: self.data)

    def __getitem__(self, index):
        from PIL import Image

        image, target = Image.fromarray(self.data[index].numpy()), int(self.targets[index])
        return self._transformed(image, target)

    def _fetch_batch(self, indices):
        return image_batch(self, self.data, self.targets, indices)

    def __len__(self):
        return len(self.data)

    @property
    def raw_folder(self):
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self):
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self):
        return all(check_integrity(os.path.join(self.raw_folder, os.path.splitext(name)[0])) for name, _ in self.resources)

    def download(self):
        """Fetches and unpacks the files unless they are there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            errors = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(f"{mirror}{filename}", download_root=self.raw_folder, filename=filename, md5=md5)
                    break
                except urllib.error.URLError as error:
                    errors.append(error)
            else:
                raise RuntimeError(f"Error downloading {filename}:\n" + "\n".join(
                    f"Tried {mirror}, got:\n{error}" for mirror, error in zip(self.mirrors, errors)))

    def extra_repr(self):
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Zalando's articles in MNIST's format. Source: Xiao, Rasul and Vollgraf, arXiv 1708.07747."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                 ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
                 ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
                 ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310")]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """Cursive Japanese characters. Source: Clanuwat et al., arXiv 1812.01718."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
                 ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
                 ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
                 ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134")]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Letters and digits; `split` is byclass, bymerge, balanced, letters, digits or mnist. Source: Cohen et al., arXiv 1702.05373."""

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    _all = set(string.digits + string.ascii_letters)
    _merged = {"c", "i", "j", "k", "l", "m", "o", "p", "s", "u", "v", "w", "x", "y", "z"}
    classes_split_dict = {"byclass": sorted(_all), "bymerge": sorted(_all - _merged), "balanced": sorted(_all - _merged),
                          "letters": ["N/A", *string.ascii_lowercase], "digits": list(string.digits), "mnist": list(string.digits)}

    def __init__(self, root, split, **kwargs):
        self.split = verify_str_arg(split, "split", self.splits)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _file(self, kind, suffix=""):
        return os.path.join(self.raw_folder, f"emnist-{self.split}-{'train' if self.train else 'test'}-{kind}{suffix}")

    def _load_data(self):
        return read_image_file(self._file("images-idx3-ubyte")), read_label_file(self._file("labels-idx1-ubyte"))

    def _check_exists(self):
        return all(check_integrity(self._file(kind)) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))

    def download(self):
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, download_root=self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(folder):
            if name.endswith(".gz"):
                extract_archive(os.path.join(folder, name), self.raw_folder)
        shutil.rmtree(folder)


class QMNIST(MNIST):
    """MNIST restored, with more labels; `what` is train, test, test10k, test50k or nist. Source: Yadav and Bottou, arXiv 1905.10498."""

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    _base = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    _files = {"train": [("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
                        ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4")],
              "test": [("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
                       ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa")],
              "nist": [("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
                       ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d")]}

    def __init__(self, root, what=None, compat=True, train=True, **kwargs):
        self.what = verify_str_arg(what or ("train" if train else "test"), "what", tuple(self.subsets))
        self.compat = compat
        self.resources = self._files[self.subsets[self.what]]
        super().__init__(root, train, **kwargs)

    def _load_data(self):
        images, labels = (os.path.join(self.raw_folder, os.path.splitext(name)[0]) for name, _ in self.resources)
        data, targets = read_sn3_pascalvincent_tensor(images), read_sn3_pascalvincent_tensor(labels).long()
        if self.what == "test10k":
            return data[:10000].clone(), targets[:10000].clone()
        if self.what == "test50k":
            return data[10000:].clone(), targets[10000:].clone()
        return data, targets

    def __getitem__(self, index):
        from PIL import Image

        image, target = Image.fromarray(self.data[index].numpy()), self.targets[index]
        image = image if self.transform is None else self.transform(image)
        target = int(target[0]) if self.compat else target
        return image, target if self.target_transform is None else self.target_transform(target)

    def download(self):
        for name, md5 in self.resources:
            if not check_integrity(os.path.join(self.raw_folder, os.path.splitext(name)[0])):
                download_url(self._base + name, self.raw_folder, name, md5)
                extract_archive(os.path.join(self.raw_folder, name), self.raw_folder)

    def extra_repr(self):
        return f"Split: {self.what}"
