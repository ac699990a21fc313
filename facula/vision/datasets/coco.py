"""MS COCO: images with boxes, masks or captions."""

from __future__ import annotations

import json
import os

from .vision import VisionDataset

__all__ = ["CocoDetection", "CocoCaptions"]


class CocoIndex:
    """What the annotations' JSON says, by image; the part of pycocotools' COCO that datasets need."""

    def __init__(self, annotation_file):
        with open(annotation_file) as file:
            self.dataset = json.load(file)
        if not isinstance(self.dataset, dict) or "images" not in self.dataset:
            raise ValueError(f"{annotation_file}: no COCO annotations (no list of images)")
        self.imgs = {image["id"]: image for image in self.dataset["images"]}
        self.cats = {category["id"]: category for category in self.dataset.get("categories", ())}
        self.anns, self.imgToAnns = {}, {id: [] for id in self.imgs}
        for annotation in self.dataset.get("annotations", ()):
            self.anns[annotation["id"]] = annotation
            self.imgToAnns.setdefault(annotation["image_id"], []).append(annotation)

    def getAnnIds(self, imgIds):
        """Numbers of the annotations of images."""
        return [a["id"] for i in _listed(imgIds) for a in self.imgToAnns.get(i, ())]

    def loadAnns(self, ids):
        return [self.anns[i] for i in _listed(ids)]

    def loadImgs(self, ids):
        return [self.imgs[i] for i in _listed(ids)]


def _listed(ids):
    return ids if isinstance(ids, (list, tuple)) else [ids]


class CocoDetection(VisionDataset):
    """Images with a list of annotations each. Source: Lin et al., arXiv 1405.0312."""

    def __init__(self, root, annFile, transform=None, target_transform=None, transforms=None):
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoIndex(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id):
        from PIL import Image

        return Image.open(os.path.join(self.root, self.coco.loadImgs(id)[0]["file_name"])).convert("RGB")

    def _load_target(self, id):
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index):
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        image, target = self._load_image(self.ids[index]), self._load_target(self.ids[index])
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self):
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Images with a list of captions each."""

    def _load_target(self, id):
        return [annotation["caption"] for annotation in super()._load_target(id)]
