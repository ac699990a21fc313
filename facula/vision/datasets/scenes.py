"""Places, signs and what else comes as folders of classes."""

from __future__ import annotations

import csv
import os

from ._listed import ListedImages, class_folders, lines
from .folder import ImageFolder, default_loader, make_dataset
from .utils import check_integrity, download_and_extract_archive, verify_str_arg

__all__ = ["Country211", "EuroSAT", "GTSRB", "Imagenette", "Omniglot", "RenderedSST2", "SUN397"]


class EuroSAT(ImageFolder):
    """27,000 satellite images in 10 classes of land use. Source: Helber et al., arXiv 1709.00029."""

    _URL = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"

    def __init__(self, root, transform=None, target_transform=None, download=False, loader=default_loader):
        base = os.path.join(os.path.expanduser(root), "eurosat")
        folder = os.path.join(base, "2750")
        if download and not os.path.exists(folder):
            download_and_extract_archive(self._URL, base, md5="c8fa014336c82ac7804f0398fcb19387")
        if not os.path.exists(folder):
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        super().__init__(folder, transform=transform, target_transform=target_transform, loader=loader)
        self.root = os.path.expanduser(root)


class _Archive(ImageFolder):
    """An archive of split/class/image."""

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False, loader=default_loader):
        self._split = verify_str_arg(split, "split", self._splits)
        self.root = os.path.expanduser(root)
        folder = os.path.join(self.root, self._folder)
        if download and not os.path.isdir(folder):
            download_and_extract_archive(self._URL, self.root, md5=self._MD5)
        if not os.path.isdir(folder):
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        super().__init__(os.path.join(folder, split), transform=transform, target_transform=target_transform, loader=loader)
        self.root = os.path.expanduser(root)

    def extra_repr(self):
        return f"split={self._split}"


class Country211(_Archive):
    """Photographs from 211 countries; `split` is train, valid or test. Source: OpenAI, CLIP, 2021."""

    _URL, _MD5 = "https://openaipublic.azureedge.net/clip/data/country211.tgz", "84988d7644798601126c29e9877aab6a"
    _folder, _splits = "country211", ("train", "valid", "test")


class RenderedSST2(_Archive):
    """Sentences as pictures, positive or negative; `split` is train, val or test. Source: OpenAI, CLIP, 2021."""

    _URL, _MD5 = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz", "2384d08e9dcfa4bd55b324e610496ee5"
    _folder, _splits = "rendered-sst2", ("train", "val", "test")

    def __init__(self, root, split="train", **kwargs):
        super().__init__(root, verify_str_arg(split, "split", self._splits), **kwargs)


class SUN397(ListedImages):
    """108,753 scenes in 397 classes. Source: Xiao et al., CVPR 2010."""

    _DATASET_URL = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _DATASET_MD5 = "8ca2778205c41d23104230ba66911c7a"

    def __init__(self, root, transform=None, target_transform=None, download=False, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        folder = os.path.join(self.root, "SUN397")
        if download and not os.path.isdir(folder):
            download_and_extract_archive(self._DATASET_URL, self.root, md5=self._DATASET_MD5)
        self._need(folder)
        self.classes = [name[3:] for name in lines(os.path.join(folder, "ClassName.txt"))]  # without "/a/"
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        for parent, _, files in os.walk(folder):
            for file in files:
                if file.startswith("sun_") and file.endswith(".jpg"):
                    path = os.path.join(parent, file)
                    name = "/".join(os.path.relpath(path, folder).split(os.sep)[1:-1])
                    self._samples.append((path, self.class_to_idx[name]))


class GTSRB(ListedImages):
    """German traffic signs of 43 kinds; `split` is train or test. Source: Stallkamp et al., Neural Networks 32 (2012)."""

    _SITE = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _FILES = {"train": (("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478"),),
              "test": (("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
                       ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"))}

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform, _opened)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        base = os.path.join(self.root, "gtsrb")
        folder = os.path.join(base, "GTSRB", "Training" if split == "train" else os.path.join("Final_Test", "Images"))
        if download and not os.path.isdir(folder):
            for name, md5 in self._FILES[split]:
                download_and_extract_archive(self._SITE + name, base, md5=md5)
        self._need(folder)
        if split == "train":
            self._samples = make_dataset(folder, extensions=(".ppm",))
        else:
            with open(os.path.join(base, "GT-final_test.csv")) as file:
                self._samples = [(os.path.join(folder, row["Filename"]), int(row["ClassId"]))
                                 for row in csv.DictReader(file, delimiter=";", skipinitialspace=True)]


def _opened(path):
    from PIL import Image

    return Image.open(path)


class Imagenette(ListedImages):
    """Ten easy classes of ImageNet; `size` is full, 320px or 160px. Source: fast.ai."""

    _ARCHIVES = {"full": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612"),
                 "320px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
                 "160px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412")}
    _WNID_TO_CLASS = {"n01440764": ("tench", "Tinca tinca"), "n02102040": ("English springer", "English springer spaniel"),
                      "n02979186": ("cassette player",), "n03000684": ("chain saw", "chainsaw"), "n03028079": ("church", "church building"),
                      "n03394916": ("French horn", "horn"), "n03417042": ("garbage truck", "dustcart"),
                      "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"), "n03445777": ("golf ball",),
                      "n03888257": ("parachute", "chute")}

    def __init__(self, root, split="train", size="full", download=False, transform=None, target_transform=None, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split, self._size = verify_str_arg(split, "split", ["train", "val"]), verify_str_arg(size, "size", ["full", "320px", "160px"])
        url, md5 = self._ARCHIVES[size]
        self._size_root = os.path.join(self.root, os.path.basename(url)[:-4])
        self._image_root = os.path.join(self._size_root, split)
        if download and not os.path.isdir(self._size_root):
            download_and_extract_archive(url, self.root, md5=md5)
        if not os.path.isdir(self._image_root):
            raise RuntimeError("Dataset not found. You can use download=True to download it.")
        self.wnids, self.wnid_to_idx = class_folders(self._image_root)
        self.classes = [self._WNID_TO_CLASS[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: i for names, i in zip(self.classes, range(len(self.classes))) for name in names}
        self._samples = make_dataset(self._image_root, self.wnid_to_idx, extensions=".jpeg")


class Omniglot(ListedImages):
    """1623 characters of 50 alphabets, 20 drawings each; `background` is the larger set. Source: Lake et al., Science 350 (2015)."""

    folder = "omniglot-py"
    download_url_prefix = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    zips_md5 = {"images_background": "68d2efa1b9178cc56df9314c21c6e718", "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811"}

    def __init__(self, root, background=True, transform=None, target_transform=None, download=False, loader=None):
        super().__init__(os.path.join(os.path.expanduser(root), self.folder), transform, target_transform, loader or _grey)
        self.background = background
        name = "images_background" if background else "images_evaluation"
        zipped = os.path.join(self.root, name + ".zip")
        if download and not check_integrity(zipped, self.zips_md5[name]):
            download_and_extract_archive(f"{self.download_url_prefix}/{name}.zip", self.root, filename=name + ".zip", md5=self.zips_md5[name])
        self.target_folder = os.path.join(self.root, name)
        if not os.path.isdir(self.target_folder):
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        self._alphabets = class_folders(self.target_folder)[0]
        self._characters = [os.path.join(a, c) for a in self._alphabets for c in class_folders(os.path.join(self.target_folder, a))[0]]
        for label, character in enumerate(self._characters):
            folder = os.path.join(self.target_folder, character)
            self._samples += [(os.path.join(folder, file), label) for file in sorted(os.listdir(folder)) if file.endswith(".png")]


def _grey(path):
    from PIL import Image

    return Image.open(path).convert("L")
