"""Records values of torchvision 0.28's operations for tests/vision/test_ops.py. Needs torch and torchvision."""

import json
from pathlib import Path

import torch
from torchvision import ops


def wave(*shape):
    """Numbers without a generator: the test makes the same."""
    n = 1
    for size in shape:
        n *= size
    return torch.sin(torch.arange(n, dtype=torch.float64) * 1.7).reshape(shape)


BOXES = torch.tensor([[0.3, 1.2, 5.1, 6.4], [0.9, 1.0, 5.5, 6.0], [4.2, 3.1, 9.7, 8.8], [-2.0, -1.0, 3.0, 2.5]], dtype=torch.float64)
ROWS = torch.cat([torch.tensor([[0.0], [1], [1], [0]], dtype=torch.float64), BOXES], 1)
CASES = {
    "roi_align": lambda: ops.roi_align(wave(2, 2, 9, 8), ROWS, 2), "roi_align aligned": lambda: ops.roi_align(wave(2, 2, 9, 8), ROWS, 2, 0.5, 2, True),
    "roi_pool": lambda: ops.roi_pool(wave(2, 2, 9, 8), ROWS, 2), "ps_roi_align": lambda: ops.ps_roi_align(wave(2, 8, 9, 8), ROWS, 2),
    "ps_roi_pool": lambda: ops.ps_roi_pool(wave(2, 8, 9, 8), ROWS, 2),
    "deform_conv2d": lambda: ops.deform_conv2d(wave(1, 2, 4, 5), 2 * wave(1, 16, 3, 4), wave(2, 2, 2, 2), mask=wave(1, 8, 3, 4)),
    "nms": lambda: ops.nms(BOXES, torch.tensor([0.5, 0.9, 0.2, 0.7], dtype=torch.float64), 0.5),
    "box_iou": lambda: ops.box_iou(BOXES, BOXES), "generalized_box_iou": lambda: ops.generalized_box_iou(BOXES, BOXES),
    "distance_box_iou": lambda: ops.distance_box_iou(BOXES, BOXES), "complete_box_iou": lambda: ops.complete_box_iou(BOXES, BOXES),
    "complete_box_iou_loss": lambda: ops.complete_box_iou_loss(BOXES, BOXES.flip(0)),
    "generalized_box_iou_loss": lambda: ops.generalized_box_iou_loss(BOXES, BOXES.flip(0)),
    "distance_box_iou_loss": lambda: ops.distance_box_iou_loss(BOXES, BOXES.flip(0)),
    "sigmoid_focal_loss": lambda: ops.sigmoid_focal_loss(wave(6), (wave(6) > 0).double())}

path = Path(__file__).parent.parent / "tests" / "vision" / "ops.json"
path.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps([round(x, 10) for x in f().flatten().tolist()])}" for k, f in CASES.items()) + "\n}\n")
