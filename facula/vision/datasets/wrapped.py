"""Datasets whose samples say what they are, for transforms.v2."""

from __future__ import annotations

import facula
from facula.vision import tv_tensors

from .caltech import Caltech101
from .celeba import CelebA
from .coco import CocoCaptions, CocoDetection
from .kinds import OxfordIIITPet
from .vision import VisionDataset
from .voc import VOCDetection, VOCSegmentation

__all__ = ["wrap_dataset_for_transforms_v2"]
_VOC_CLASSES = ("__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant "
                "sheep sofa train tvmonitor").split()
_VOC_NUMBERS = {name: i for i, name in enumerate(_VOC_CLASSES)}


def wrap_dataset_for_transforms_v2(dataset, target_keys=None):
    """The dataset with boxes and masks as `tv_tensors`; its own transforms come after that.

    Args:
        dataset: One of this package's, or of a class derived from one.
        target_keys: Which entries targets that become dicts have; "all", or by default those most tasks need.

    Raises:
        TypeError: It is no `VisionDataset`, or of a kind that has no wrapper.
    """
    kind = next((k for k in type(dataset).__mro__ if k in _WRAPPERS), None)
    if kind is None:
        if not isinstance(dataset, VisionDataset):
            raise TypeError(f"This wrapper is meant for subclasses of `torchvision.datasets.VisionDataset`, but got {type(dataset)}.")
        kind = VisionDataset
    if not (target_keys is None or target_keys == "all" or isinstance(target_keys, (list, set, tuple)) and
            all(isinstance(k, str) for k in target_keys)):
        raise ValueError(f"`target_keys` can be None, 'all', or a collection of strings denoting the keys to be returned, but got {target_keys}")
    return _Wrapped(dataset, _WRAPPERS[kind](dataset, target_keys))


class _Wrapped(facula.utils.data.Dataset):
    """Passes everything on but the samples."""

    def __init__(self, dataset, wrapper):
        self._dataset, self._wrapper = dataset, wrapper
        self.transforms = dataset.transforms
        # The dataset gives raw samples; its transforms run here, after wrapping.
        dataset.transform = dataset.target_transform = dataset.transforms = None

    def __getattr__(self, name):
        if name.startswith("__") or name in ("_dataset", "_wrapper"):
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __len__(self):
        return len(self._dataset)

    def __repr__(self):
        return f"Wrapped{self._dataset!r}"

    def __getitem__(self, index):
        sample = self._wrapper(index, self._dataset[index])
        return sample if self.transforms is None else self.transforms(*sample)


def _keys(target_keys, available, default):
    if target_keys is None:
        return set(default)
    if target_keys == "all":
        return set(available)
    extra = set(target_keys) - set(available)
    if extra:
        raise ValueError(f"Target keys {sorted(extra)} are not available")
    return set(target_keys)


def _no_keys(dataset, target_keys):
    if target_keys not in (None, "all"):
        raise ValueError("`target_keys` is currently only supported for `CocoDetection`, `VOCDetection`, `Kitti`, and `WIDERFace`.")


def _as_it_is(dataset, target_keys):
    _no_keys(dataset, target_keys)
    return lambda index, sample: sample


def _segmentation(dataset, target_keys):
    _no_keys(dataset, target_keys)
    return lambda index, sample: (sample[0], tv_tensors.Mask(sample[1]))


def _detection(dataset, target_keys):
    keys = _keys(target_keys, ("annotation", "boxes", "labels"), ("boxes", "labels"))

    def wrap(index, sample):
        image, target = sample
        objects = target["annotation"]["object"]
        made = dict(target) if "annotation" in keys else {}
        if "boxes" in keys:
            corners = [[int(o["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
            made["boxes"] = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(image.height, image.width))
        if "labels" in keys:
            made["labels"] = facula.tensor([_VOC_NUMBERS[o["name"]] for o in objects])
        return image, made

    return wrap


_COCO_KEYS = ("segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "masks", "boxes", "labels")


def _coco(dataset, target_keys):
    keys = _keys(target_keys, _COCO_KEYS, ("image_id", "boxes", "labels"))

    def wrap(index, sample):
        image, annotations = sample
        size, image_id = (image.height, image.width), dataset.ids[index]
        if not annotations:
            return image, {"image_id": image_id}
        made = {key: [a.get(key) for a in annotations] for key in annotations[0] if key in keys}
        if "image_id" in keys:
            made["image_id"] = image_id
        if "boxes" in keys:
            boxes = tv_tensors.BoundingBoxes([a["bbox"] for a in annotations], format="XYWH", canvas_size=size)
            from ..transforms.v2.functional import convert_bounding_box_format

            made["boxes"] = convert_bounding_box_format(boxes, new_format="XYXY")
        if "masks" in keys:
            made["masks"] = tv_tensors.Mask(facula.stack([_coco_mask(a["segmentation"], size) for a in annotations]))
        if "labels" in keys:
            made["labels"] = facula.tensor([a["category_id"] for a in annotations])
        return image, made

    return wrap


def _coco_mask(segmentation, size):
    """A mask (height, width) of 0 and 1 from polygons, or from run lengths down the columns."""
    from PIL import Image, ImageDraw

    from ..transforms.functional import pil_to_tensor

    height, width = size
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        counts = _run_lengths(counts) if isinstance(counts, (str, bytes)) else counts
        values = facula.arange(len(counts)).remainder(2).repeat_interleave(facula.tensor(counts))
        return values.reshape(width, height).T.to(facula.uint8)
    canvas = Image.new("L", (width, height))
    for polygon in segmentation:
        ImageDraw.Draw(canvas).polygon(polygon, fill=1)
    return pil_to_tensor(canvas)[0]


def _run_lengths(text):
    """Run lengths out of COCO's text: six bits a character, the difference to the run before the last."""
    data = text.encode() if isinstance(text, str) else text
    counts, at = [], 0
    while at < len(data):
        value = shift = 0
        while True:
            part = data[at] - 48
            value |= (part & 0x1F) << shift
            shift += 5
            at += 1
            if not part & 0x20:
                break
        if part & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def _celeba(dataset, target_keys):
    _no_keys(dataset, target_keys)
    if any(kind not in ("attr", "landmarks", "identity", "bbox") for kind in dataset.target_type):
        raise ValueError(f"`CelebA` has target types attr, landmarks, identity and bbox, but got {dataset.target_type}")
    several = len(dataset.target_type) > 1

    def wrap(index, sample):
        image, target = sample
        parts = dict(zip(dataset.target_type, target if several else [target]))
        if "bbox" in parts:
            x, y, w, h = parts["bbox"].tolist()
            parts["bbox"] = tv_tensors.BoundingBoxes([[x, y, x + w, y + h]], format="XYXY", canvas_size=(image.height, image.width))
        return image, parts if several else parts[dataset.target_type[0]]

    return wrap


def _pets(dataset, target_keys):
    _no_keys(dataset, target_keys)

    def wrap(index, sample):
        image, target = sample
        if target is None:
            return sample
        kinds = dataset._target_types
        parts = [tv_tensors.Mask(part) if kind == "segmentation" else part
                 for kind, part in zip(kinds, target if len(kinds) > 1 else [target])]
        return image, tuple(parts) if len(kinds) > 1 else parts[0]

    return wrap


_WRAPPERS = {VisionDataset: _as_it_is, VOCSegmentation: _segmentation, VOCDetection: _detection, CocoDetection: _coco,
             CocoCaptions: _as_it_is, CelebA: _celeba, OxfordIIITPet: _pets, Caltech101: _as_it_is}
