"""Pets, flowers, aeroplanes, dishes, textures: kinds that differ in detail."""

from __future__ import annotations

import json
import os

from ._listed import ListedImages, lines
from ._mat import load_mat
from .folder import default_loader
from .utils import check_integrity, download_and_extract_archive, download_url, verify_str_arg
from .vision import VisionDataset

__all__ = ["DTD", "FGVCAircraft", "Flowers102", "Food101", "OxfordIIITPet", "StanfordCars"]
_FLOWERS = """
    pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid,
    bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris, globe-
    flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower,
    fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, sweet
    william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya, cape
    flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia, bolero deep
    blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower,
    pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata, japanese
    anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, bearded iris, windflower,
    tree poppy, gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily,
    anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress,
    canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow, mexican petunia, bromelia,
    blanket flower, trumpet creeper, blackberry lily
"""


class Flowers102(ListedImages):
    """8189 flowers of 102 kinds; `split` is train, val or test. Source: Nilsback and Zisserman, ICVGIP 2008."""

    _download_url_prefix = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _file_dict = {"image": ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"), "label": ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
                  "setid": ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c")}
    _splits_map = {"train": "trnid", "val": "valid", "test": "tstid"}
    classes = " ".join(_FLOWERS.split()).split(", ")

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split = verify_str_arg(split, "split", ("train", "val", "test"))
        self._base_folder = os.path.join(self.root, "flowers-102")
        self._images_folder = os.path.join(self._base_folder, "jpg")
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        ids = load_mat(self._path("setid"))[self._splits_map[split]].reshape(-1).tolist()
        labels = load_mat(self._path("label"))["labels"].reshape(-1).tolist()
        self._samples = [(os.path.join(self._images_folder, f"image_{i:05d}.jpg"), int(labels[i - 1]) - 1) for i in map(int, ids)]

    def _path(self, kind):
        return os.path.join(self._base_folder, self._file_dict[kind][0])

    def _check_integrity(self):
        return os.path.isdir(self._images_folder) and all(check_integrity(self._path(k), self._file_dict[k][1]) for k in ("label", "setid"))

    def download(self):
        if self._check_integrity():
            return
        name, md5 = self._file_dict["image"]
        download_and_extract_archive(self._download_url_prefix + name, self._base_folder, md5=md5)
        for kind in ("label", "setid"):
            name, md5 = self._file_dict[kind]
            download_url(self._download_url_prefix + name, self._base_folder, md5=md5)

    def extra_repr(self):
        return f"split={self._split}"


class OxfordIIITPet(VisionDataset):
    """Cats and dogs of 37 breeds; `split` is trainval or test.

    `target_types`: category, binary-category (cat or dog), segmentation (an image), or a list of these.

    Source: Parkhi et al., "Cats and Dogs", CVPR 2012.
    """

    _RESOURCES = (("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
                  ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"))
    _VALID_TARGET_TYPES = ("category", "binary-category", "segmentation")

    def __init__(self, root, split="trainval", target_types="category", transforms=None, transform=None, target_transform=None, download=False):
        self._split = verify_str_arg(split, "split", ("trainval", "test"))
        kinds = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [verify_str_arg(kind, "target_types", self._VALID_TARGET_TYPES) for kind in kinds]
        super().__init__(root, transforms=transforms, transform=transform, target_transform=target_transform)
        self._base_folder = os.path.join(self.root, "oxford-iiit-pet")
        self._images_folder, self._anns_folder = (os.path.join(self._base_folder, name) for name in ("images", "annotations"))
        self._segs_folder = os.path.join(self._anns_folder, "trimaps")
        if download and not self._check_exists():
            for url, md5 in self._RESOURCES:
                download_and_extract_archive(url, self._base_folder, md5=md5)
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        rows = [line.split() for line in lines(os.path.join(self._anns_folder, f"{split}.txt"))]
        self._labels, self._bin_labels = [int(row[1]) - 1 for row in rows], [int(row[2]) - 1 for row in rows]
        self.bin_classes = ["Cat", "Dog"]
        breeds = sorted({(row[0].rsplit("_", 1)[0], label) for row, label in zip(rows, self._labels)}, key=lambda pair: pair[1])
        self.classes = [" ".join(part.title() for part in breed.split("_")) for breed, _ in breeds]
        self.bin_class_to_idx = {name: i for i, name in enumerate(self.bin_classes)}
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._images = [os.path.join(self._images_folder, row[0] + ".jpg") for row in rows]
        self._segs = [os.path.join(self._segs_folder, row[0] + ".png") for row in rows]

    def _check_exists(self):
        return all(os.path.isdir(folder) for folder in (self._images_folder, self._anns_folder))

    def __len__(self):
        return len(self._images)

    def __getitem__(self, index):
        from PIL import Image

        image = Image.open(self._images[index]).convert("RGB")
        targets = {"category": lambda: self._labels[index], "binary-category": lambda: self._bin_labels[index],
                   "segmentation": lambda: Image.open(self._segs[index])}
        chosen = [targets[kind]() for kind in self._target_types]
        target = None if not chosen else chosen[0] if len(chosen) == 1 else tuple(chosen)
        return (image, target) if self.transforms is None else self.transforms(image, target)


class Food101(ListedImages):
    """101,000 dishes of 101 kinds; `split` is train or test. Source: Bossard, Guillaumin and Van Gool, ECCV 2014."""

    _URL, _MD5 = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz", "85eeb15f3717b99a5da872d97d918f87"

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        folder = os.path.join(self.root, "food-101")
        meta, images = os.path.join(folder, "meta"), os.path.join(folder, "images")
        if download and not (os.path.isdir(meta) and os.path.isdir(images)):
            download_and_extract_archive(self._URL, self.root, md5=self._MD5)
        self._need(meta, images)
        with open(os.path.join(meta, f"{split}.json")) as file:
            listed = json.load(file)
        self.classes = sorted(listed)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._samples = [(os.path.join(images, *path.split("/")) + ".jpg", self.class_to_idx[name]) for name, paths in listed.items()
                         for path in paths]

    def extra_repr(self):
        return f"split={self._split}"


class FGVCAircraft(ListedImages):
    """10,000 aeroplanes; `annotation_level` is variant, family or manufacturer. Source: Maji et al., arXiv 1306.5151."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"

    def __init__(self, root, split="trainval", annotation_level="variant", transform=None, target_transform=None, download=False,
                 loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split = verify_str_arg(split, "split", ("train", "val", "trainval", "test"))
        self._annotation_level = verify_str_arg(annotation_level, "annotation_level", ("variant", "family", "manufacturer"))
        self._data_path = os.path.join(self.root, "fgvc-aircraft-2013b")
        if download and not os.path.isdir(self._data_path):
            download_and_extract_archive(self._URL, self.root)
        self._need(self._data_path)
        data = os.path.join(self._data_path, "data")
        names = {"variant": "variants.txt", "family": "families.txt", "manufacturer": "manufacturers.txt"}[annotation_level]
        self.classes = lines(os.path.join(data, names))
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        for line in lines(os.path.join(data, f"images_{annotation_level}_{split}.txt")):
            name, label = line.split(" ", 1)
            self._samples.append((os.path.join(data, "images", f"{name}.jpg"), self.class_to_idx[label]))


class DTD(ListedImages):
    """5640 textures in 47 classes; ten `partition`s. Source: Cimpoi et al., CVPR 2014."""

    _URL, _MD5 = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz", "fff73e5086ae6bdbea199a49dfb8a4c1"

    def __init__(self, root, split="train", partition=1, transform=None, target_transform=None, download=False, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split = verify_str_arg(split, "split", ("train", "val", "test"))
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(f"Parameter 'partition' should be an integer with `1 <= partition <= 10`, but got {partition} instead")
        self._partition = partition
        folder = os.path.join(self.root, "dtd", "dtd")
        if download and not os.path.isdir(folder):
            download_and_extract_archive(self._URL, os.path.dirname(folder), md5=self._MD5)
        self._need(folder)
        paths = [line.split("/") for line in lines(os.path.join(folder, "labels", f"{split}{partition}.txt"))]
        self.classes = sorted({kind for kind, _ in paths})
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._samples = [(os.path.join(folder, "images", kind, name), self.class_to_idx[kind]) for kind, name in paths]

    def extra_repr(self):
        return f"split={self._split}, partition={self._partition}"


class StanfordCars(ListedImages):
    """16,185 cars of 196 kinds, in root/stanford_cars; their site is gone, so nothing is downloaded. Source: Krause et al., 3dRR 2013."""

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False, loader=default_loader):
        super().__init__(root, transform, target_transform, loader)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        if download:
            raise ValueError("The original URL is broken so the StanfordCars dataset cannot be downloaded anymore.")
        folder = os.path.join(self.root, "stanford_cars")
        annotations = os.path.join(folder, "devkit", "cars_train_annos.mat") if split == "train" else \
            os.path.join(folder, "cars_test_annos_withlabels.mat")
        images = os.path.join(folder, f"cars_{split}")
        self._need(annotations, images)
        from scipy.io import loadmat  # structures, which `load_mat` leaves out

        self._samples = [(os.path.join(images, row["fname"]), int(row["class"]) - 1)
                         for row in loadmat(annotations, squeeze_me=True)["annotations"]]
        self.classes = loadmat(os.path.join(folder, "devkit", "cars_meta.mat"), squeeze_me=True)["class_names"].tolist()
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
