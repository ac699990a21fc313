"""Operations on boxes and regions against torchvision 0.28 (scripts/record_vision_ops.py), and their gradients against differences."""

import json
import math
import pathlib

import pytest

import facula
from facula.vision import ops

RECORDED = json.loads((pathlib.Path(__file__).parent / "ops.json").read_text())
BOXES = facula.tensor([[0.3, 1.2, 5.1, 6.4], [0.9, 1.0, 5.5, 6.0], [4.2, 3.1, 9.7, 8.8], [-2.0, -1.0, 3.0, 2.5]], dtype=facula.float64)
ROWS = facula.cat([facula.tensor([[0.0], [1], [1], [0]], dtype=facula.float64), BOXES], 1)


def wave(*shape):
    return facula.sin(facula.arange(math.prod(shape), dtype=facula.float64) * 1.7).reshape(shape)


CASES = {
    "roi_align": lambda: ops.roi_align(wave(2, 2, 9, 8), ROWS, 2), "roi_align aligned": lambda: ops.roi_align(wave(2, 2, 9, 8), ROWS, 2, 0.5, 2, True),
    "roi_pool": lambda: ops.roi_pool(wave(2, 2, 9, 8), ROWS, 2), "ps_roi_align": lambda: ops.ps_roi_align(wave(2, 8, 9, 8), ROWS, 2),
    "ps_roi_pool": lambda: ops.ps_roi_pool(wave(2, 8, 9, 8), ROWS, 2),
    "deform_conv2d": lambda: ops.deform_conv2d(wave(1, 2, 4, 5), 2 * wave(1, 16, 3, 4), wave(2, 2, 2, 2), mask=wave(1, 8, 3, 4)),
    "nms": lambda: ops.nms(BOXES, facula.tensor([0.5, 0.9, 0.2, 0.7], dtype=facula.float64), 0.5),
    **{name: lambda name=name: getattr(ops, name)(BOXES, BOXES) for name in RECORDED if name.endswith("iou")},
    **{name: lambda name=name: getattr(ops, name)(BOXES, BOXES.flip(0)) for name in RECORDED if name.endswith("iou_loss")},
    "sigmoid_focal_loss": lambda: ops.sigmoid_focal_loss(wave(6), (wave(6) > 0).double())}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_values(name):
    facula.testing.assert_close(CASES[name]().flatten().double(), facula.tensor(RECORDED[name], dtype=facula.float64), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("function", [lambda x: ops.roi_align(x, ROWS, 2), lambda x: ops.roi_pool(x, ROWS, 2), lambda x: ops.ps_roi_align(x, ROWS, 2),
                                      lambda x: ops.ps_roi_pool(x, ROWS, 2)])
def test_gradients_of_pooled_regions(function):
    assert facula.autograd.gradcheck(function, wave(2, 4, 6, 5).requires_grad_())


def test_gradients_of_deformable_convolution():
    leaves = [t.requires_grad_() for t in (wave(1, 4, 5, 5), 0.7 * wave(1, 16, 4, 4), wave(2, 2, 2, 2), wave(2), wave(1, 8, 4, 4))]
    assert facula.autograd.gradcheck(lambda x, o, w, b, m: ops.deform_conv2d(x, o, w, b, mask=m), leaves)
    loss = ops.deform_conv2d(*leaves[:3]).pow(2).sum()
    first, = facula.autograd.grad(loss, leaves[1], create_graph=True)
    with pytest.raises(RuntimeError, match="double backwards on deform_conv2d not supported"):
        first.sum().backward()


def test_without_offsets_it_is_a_convolution():
    x, weight = wave(2, 4, 7, 6), wave(6, 2, 3, 3)
    out = ops.deform_conv2d(x, facula.zeros(2, 18, 7, 6, dtype=x.dtype), weight, padding=1)
    facula.testing.assert_close(out, facula.nn.functional.conv2d(x, weight, padding=1, groups=2))


def test_batched_nms_by_class_and_by_distance_agree():
    facula.manual_seed(0)
    corner = facula.rand(1200, 2) * 50
    boxes, scores, classes = facula.cat([corner, corner + facula.rand(1200, 2) * 20], 1), facula.rand(1200), facula.randint(0, 4, (1200,))
    kept = ops.batched_nms(boxes, scores, classes, 0.4)
    by_class = [c.nonzero()[:, 0][ops.nms(boxes[c], scores[c], 0.4)] for c in (classes == i for i in range(4))]
    expected = facula.cat(by_class)
    assert facula.equal(kept, expected[scores[expected].argsort(descending=True)])


@pytest.mark.parametrize("call, error, text", [
    (lambda: ops.nms(BOXES, BOXES[:, 0].float(), 0.5), RuntimeError, "dets should have the same type as scores"),
    (lambda: ops.nms(BOXES[0], BOXES[0], 0.5), RuntimeError, "boxes should be a 2d tensor, got 1D"),
    (lambda: ops.roi_align(wave(1, 1, 4, 4), BOXES, 2), AssertionError, r"Tensor\[K, 5\]"),
    (lambda: ops.roi_align(wave(1, 1, 4, 4), ROWS, 2), IndexError, "box 1 is of image 1, but the batch has 1"),
    (lambda: ops.ps_roi_align(wave(2, 7, 4, 4), ROWS, 2), RuntimeError, "must be a multiple of pooling height"),
    (lambda: ops.deform_conv2d(wave(1, 2, 8, 8), wave(1, 18, 5, 6), wave(3, 2, 3, 3)), RuntimeError, r"offset output dims: \(5, 6\)"),
    (lambda: ops.box_convert(BOXES, "xyxy", "corner"), ValueError, "out_fmt corner"),
    (lambda: ops.sigmoid_focal_loss(BOXES, BOXES, alpha=2), ValueError, "Invalid alpha value: 2"),
    (lambda: ops.FeaturePyramidNetwork([4, 0], 4), ValueError, "in_channels=0 is currently not supported")])
def test_faults(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_text():
    assert repr(ops.RoIAlign((3, 3), 0.5, 2, True)) == "RoIAlign(output_size=(3, 3), spatial_scale=0.5, sampling_ratio=2, aligned=True)"
    assert repr(ops.DeformConv2d(4, 6, 3, groups=2, bias=False)) == "DeformConv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), groups=2, bias=False)"
    assert repr(ops.MultiScaleRoIAlign(["0"], 7, 2)) == "MultiScaleRoIAlign(featmap_names=['0'], output_size=(7, 7), sampling_ratio=2)"
