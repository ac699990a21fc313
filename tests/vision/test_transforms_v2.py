"""Samples go through transforms.v2 as through torchvision's: recorded by record_transforms.py."""

import json
import os
import sys

import numpy as np
import pytest

import facula
from facula.vision import tv_tensors
from facula.vision.transforms import v2
from facula.vision.transforms.v2 import functional as F

sys.path.insert(0, os.path.dirname(__file__))
from transform_cases import SEEDS, sample, seed_of  # noqa: E402

with open(os.path.join(os.path.dirname(__file__), "transforms.json")) as file:
    RECORD = {case[3:]: made for case, made in json.load(file).items() if case.startswith("v2.")}


def build(case):
    return eval(case, {**vars(v2), "tv_tensors": tv_tensors, "torch": facula})


def off(ours, recorded):
    shape, data = recorded
    wanted = np.frombuffer(bytes.fromhex(data), np.uint8).reshape(shape)
    assert tuple(ours.shape) == wanted.shape
    return np.abs(ours.numpy().astype(int) - wanted.astype(int))


@pytest.mark.parametrize("case", RECORD)
def test_same_draws_same_samples(case):
    transform = build(case)
    for seed, wanted in zip(SEEDS, RECORD[case]["samples"]):
        facula.manual_seed(seed_of(case) + seed)
        made = transform(sample(facula, tv_tensors))
        image = made["image"].mul(255).round().byte() if made["image"].is_floating_point() else made["image"]
        # Resizing bytes: torchvision rounds after each of two passes, we once.
        assert off(image, wanted["image"]).max(initial=0) <= 2
        # A neighbour is a tie's matter under a perspective: the last bit of its place.
        assert (off(made["masks"], wanted["masks"]) > 0).mean() <= (0.1 if "Perspective" in case else 0)
        assert made["boxes"].tolist() == wanted["boxes"] and list(made["boxes"].canvas_size) == wanted["canvas"]
        assert made["labels"].tolist() == wanted["labels"]


@pytest.mark.parametrize("case", RECORD)
def test_same_text(case):
    assert repr(build(case)) == RECORD[case]["repr"]


def test_operations_give_plain_tensors_and_copies_keep_their_kind():
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="xyxy", canvas_size=(10, 12))
    assert type(boxes + 1) is facula.Tensor
    moved = boxes.to(facula.float32)
    assert isinstance(moved, tv_tensors.BoundingBoxes) and moved.format.value == "XYXY" and moved.canvas_size == (10, 12)
    with tv_tensors.set_return_type("TVTensor"):
        assert isinstance(boxes * 2, tv_tensors.BoundingBoxes)
    assert type(boxes * 2) is facula.Tensor
    assert repr(boxes) == "BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYXY, canvas_size=(10, 12), clamping_mode=soft)"


@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_flipping_boxes_twice_changes_nothing(format):
    boxes = F.convert_bounding_box_format(tv_tensors.BoundingBoxes([[1.0, 2, 5, 4]], format="XYXY", canvas_size=(8, 9)), new_format=format)
    assert F.hflip(F.hflip(boxes)).tolist() == boxes.tolist()
    assert F.vflip(F.vflip(boxes)).tolist() == boxes.tolist()


def test_a_plain_tensor_is_the_image_only_if_there_is_no_other():
    image, other = tv_tensors.Image(facula.zeros(3, 4, 4)), facula.arange(16.0).view(1, 4, 4)
    made, passed = v2.RandomHorizontalFlip(1.0)(image, other)
    assert passed is other and isinstance(made, tv_tensors.Image)
    assert v2.RandomHorizontalFlip(1.0)(other)[0, 0].tolist() == [3.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_mixing_keeps_what_labels_sum_to(kind):
    facula.manual_seed(3)
    images, labels = facula.rand(4, 3, 8, 8), facula.tensor([0, 2, 1, 3])
    made, mixed = kind(num_classes=5)(images, labels)
    assert made.shape == images.shape and mixed.shape == (4, 5)
    assert facula.allclose(mixed.sum(1), facula.ones(4))
    with pytest.raises(ValueError, match="num_classes must be passed"):
        kind()(images, labels)


def test_kernels_can_be_added():
    class Path(tv_tensors.TVTensor):
        pass

    with pytest.raises(TypeError, match="Functional F.horizontal_flip supports inputs of type"):
        F.hflip(facula.zeros(2).as_subclass(Path))

    @F.register_kernel(F.horizontal_flip, Path)
    def flipped(inpt, **kwargs):
        return tv_tensors.wrap(-inpt, like=inpt)

    assert v2.RandomHorizontalFlip(1.0)(facula.ones(2).as_subclass(Path)).tolist() == [-1.0, -1.0]


def test_samples_that_cannot_be_transformed_are_refused():
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(4, 4))
    with pytest.raises(TypeError, match="BoundingBoxes"):
        v2.RandAugment()(facula.zeros(3, 4, 4), boxes)
    with pytest.raises(TypeError, match="not supported by FiveCrop"):
        v2.FiveCrop(2)(tv_tensors.Image(facula.zeros(3, 4, 4)), boxes)
    with pytest.raises(ValueError, match="Could not infer where the labels are"):
        v2.SanitizeBoundingBoxes()({"image": facula.zeros(3, 4, 4), "boxes": boxes})


def test_plain_boxes_take_what_describes_them():
    boxes, canvas = facula.tensor([[2.0, 3, 12, 9]]), (23, 31)
    assert F.horizontal_flip_bounding_boxes(boxes, "XYXY", canvas).tolist() == [[19, 3, 29, 9]]
    made, new = F.crop_bounding_boxes(boxes, "XYXY", 1, 4, 6, 7)
    assert made.tolist() == [[0, 2, 7, 6]] and new == (6, 7)
    points, new = F.resize_keypoints(facula.tensor([[4.0, 6]]), [46, 31], canvas)
    assert points.tolist() == [[4, 12]] and new == (46, 31)
