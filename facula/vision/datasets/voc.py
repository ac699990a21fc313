"""Pascal VOC, the Semantic Boundaries Dataset's sister: images with masks or boxes."""

from __future__ import annotations

import collections
import os
from xml.etree import ElementTree

from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

__all__ = ["VOCDetection", "VOCSegmentation"]
_SITE = "https://thor.robots.ox.ac.uk/pascal/VOC/"
DATASET_YEAR_DICT = {year: {"url": f"{_SITE}voc{year[:4]}/{file}", "filename": file, "md5": md5, "base_dir": folder} for year, file, md5, folder in (
    ("2012", "VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", os.path.join("VOCdevkit", "VOC2012")),
    ("2011", "VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", os.path.join("TrainVal", "VOCdevkit", "VOC2011")),
    ("2010", "VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", os.path.join("VOCdevkit", "VOC2010")),
    ("2009", "VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1", os.path.join("VOCdevkit", "VOC2009")),
    ("2008", "VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a", os.path.join("VOCdevkit", "VOC2008")),
    ("2007", "VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", os.path.join("VOCdevkit", "VOC2007")),
    ("2007-test", "VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", os.path.join("VOCdevkit", "VOC2007")))}


class _VOC(VisionDataset):
    """Images and a file for each; `image_set` is train, trainval or val, and test for 2007."""

    def __init__(self, root, year="2012", image_set="train", download=False, transform=None, target_transform=None, transforms=None):
        super().__init__(root, transforms, transform, target_transform)
        self.year = verify_str_arg(year, "year", [str(y) for y in range(2007, 2013)])
        self.image_set = verify_str_arg(image_set, "image_set", ["train", "trainval", "val", *(["test"] if year == "2007" else [])])
        source = DATASET_YEAR_DICT["2007-test" if (year, image_set) == ("2007", "test") else year]
        self.url, self.filename, self.md5 = source["url"], source["filename"], source["md5"]
        folder = os.path.join(self.root, source["base_dir"])
        if download:
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5)
        if not os.path.isdir(folder):
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        with open(os.path.join(folder, "ImageSets", self._SPLITS_DIR, image_set.rstrip("\n") + ".txt")) as file:
            names = [line.strip() for line in file]
        self.images = [os.path.join(folder, "JPEGImages", name + ".jpg") for name in names]
        self.targets = [os.path.join(folder, self._TARGET_DIR, name + self._TARGET_FILE_EXT) for name in names]

    def __getitem__(self, index):
        from PIL import Image

        image, target = Image.open(self.images[index]).convert("RGB"), self._target(self.targets[index])
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self):
        return len(self.images)


class VOCSegmentation(_VOC):
    """Images with a mask of classes each. Source: Everingham et al., IJCV 88 (2010)."""

    _SPLITS_DIR, _TARGET_DIR, _TARGET_FILE_EXT = "Segmentation", "SegmentationClass", ".png"
    masks = property(lambda self: self.targets)

    def _target(self, path):
        from PIL import Image

        return Image.open(path)


class VOCDetection(_VOC):
    """Images with a dict each: what the annotation's XML says. Source: Everingham et al., IJCV 88 (2010)."""

    _SPLITS_DIR, _TARGET_DIR, _TARGET_FILE_EXT = "Main", "Annotations", ".xml"
    annotations = property(lambda self: self.targets)

    def _target(self, path):
        return self.parse_voc_xml(ElementTree.parse(path).getroot())

    @staticmethod
    def parse_voc_xml(node):
        """An XML element as nested dicts; `object` is a list, other names are one if they come several times."""
        children = list(node)
        if not children:
            return {node.tag: node.text.strip() if node.text else None}
        grouped = collections.defaultdict(list)
        for child in children:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                grouped[name].append(value)
        content = {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
        if node.tag == "annotation":
            content["object"] = grouped["object"]
        return {node.tag: content}
