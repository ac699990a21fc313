"""Detectors against torchvision 0.28 (scripts/record_detection.py: digests of first weights, and losses), and what results look like."""

import hashlib
import json
import pathlib

import pytest

import facula
from facula.vision.models import detection
from facula.vision.models.detection import masks
from facula.vision.models.detection._utils import BoxCoder, BoxLinearCoder, Matcher

RECORDED = json.loads((pathlib.Path(__file__).parent / "detection.json").read_text())


def built(name, classes):
    size = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 96}
    return getattr(detection, name)(weights=None, weights_backbone=None, num_classes=classes, **size)


def examples(name, classes):
    facula.manual_seed(1)
    images = [facula.rand(3, 60, 70, dtype=facula.float64), facula.rand(3, 80, 64, dtype=facula.float64)]
    targets = [{"boxes": facula.tensor([[4.0, 6, 40, 33], [20, 18, 62, 55]], dtype=facula.float64), "labels": facula.tensor([1, classes - 1])},
               {"boxes": facula.tensor([[5.0, 20, 60, 77]], dtype=facula.float64), "labels": facula.tensor([1])}]
    for target, (height, width) in zip(targets, ((60, 70), (80, 64))):
        n = len(target["boxes"])
        if name.startswith("mask"):
            target["masks"] = (facula.rand(n, height, width) > 0.5).to(facula.uint8)
        if name.startswith("keypoint"):
            target["keypoints"] = facula.rand(n, 17, 3) * 50 + 5
    return images, targets


@pytest.mark.parametrize("name", RECORDED)
def test_first_weights_and_losses(name):
    bits, losses = RECORDED[name]
    classes = 2 if name.startswith("keypoint") else 5
    facula.manual_seed(0)
    model = built(name, classes)
    if facula._native.level in ("v3", "v4"):  # what is fused there is rounded twice elsewhere
        digest = hashlib.sha256()
        for value in model.state_dict().values():
            digest.update(value.numpy().tobytes())
        assert digest.hexdigest()[:16] == bits
    images, targets = examples(name, classes)
    facula.manual_seed(2)
    found = model.double().train()(images, targets)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(losses, rel=1e-5)


@pytest.mark.parametrize("name, keys", [("fasterrcnn_mobilenet_v3_large_320_fpn", {"boxes", "labels", "scores"}),
                                        ("ssdlite320_mobilenet_v3_large", {"boxes", "labels", "scores"})])
def test_results(name, keys):
    facula.manual_seed(0)
    model = built(name, 5).eval()
    with facula.no_grad():
        results = model([facula.rand(3, 60, 70), facula.rand(3, 80, 64)])
    assert len(results) == 2
    for found, (height, width) in zip(results, ((60, 70), (80, 64))):
        assert set(found) == keys and len({len(v) for v in found.values()}) == 1
        assert (found["boxes"][:, 2] <= width + 1e-3).all() and (found["boxes"][:, 3] <= height + 1e-3).all()
        assert facula.equal(found["scores"], found["scores"].sort(descending=True)[0])


def test_targets_are_checked():
    model = built("fasterrcnn_mobilenet_v3_large_320_fpn", 3)
    image, box = facula.rand(3, 60, 70), facula.tensor([[1.0, 1, 20, 20]])
    for targets, text in ((None, "targets should not be none when in training mode"), ([{"boxes": box[0], "labels": None}], "tensor of shape"),
                          ([{"boxes": 3}], "to be of type Tensor"),
                          ([{"boxes": facula.tensor([[5.0, 5, 5, 9]]), "labels": facula.tensor([1])}], "positive height and width")):
        with pytest.raises(AssertionError, match=text):
            model([image], targets)
    with pytest.raises(TypeError, match="labels must of int64 type"):
        model([image], [{"boxes": box, "labels": facula.tensor([1.0])}])


def test_codes_of_boxes_are_undone():
    facula.manual_seed(0)
    corner = facula.rand(20, 2, dtype=facula.float64) * 50
    boxes, anchors = (facula.cat([c, c + 5 + facula.rand(20, 2, dtype=facula.float64) * 30], 1) for c in (corner, corner + 3))
    coder, linear = BoxCoder((10.0, 10.0, 5.0, 5.0)), BoxLinearCoder()
    facula.testing.assert_close(coder.decode_single(coder.encode_single(boxes, anchors), anchors), boxes)
    facula.testing.assert_close(linear.decode(linear.encode(anchors, boxes), anchors), boxes)


def test_matches():
    overlaps = facula.tensor([[0.9, 0.4, 0.1, 0.2], [0.1, 0.35, 0.05, 0.2]])
    assert Matcher(0.7, 0.3)(overlaps).tolist() == [0, -2, -1, -1]
    assert Matcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps).tolist() == [0, 0, -1, -1]
    with pytest.raises(ValueError, match="No ground-truth boxes available"):
        Matcher(0.7, 0.3)(overlaps[:0])


def test_a_full_mask_fills_its_box():
    pasted = masks.paste_masks_in_image(facula.ones(1, 1, 28, 28), facula.tensor([[3.0, 2.0, 9.0, 12.0]]), (20, 15))
    inside = pasted[0, 0] > 0.5
    assert pasted.shape == (1, 1, 20, 15) and inside[3:11, 4:9].all() and not inside[:1].any() and not inside[:, 10:].any()
