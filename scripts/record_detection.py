"""Records losses of torchvision 0.28's detectors for tests/vision/test_detection.py. Needs torch and torchvision."""

import hashlib
import json
from pathlib import Path

import torch
from torchvision.models import detection

NAMES = ["fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn",
         "fcos_resnet50_fpn"]


def recorded(name):
    """A digest of the first weights' bits, and losses in training in double precision."""
    torch.manual_seed(0)
    classes = 2 if name.startswith("keypoint") else 5
    size = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 96}
    model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=classes, **size)
    bits = hashlib.sha256()
    for value in model.state_dict().values():
        bits.update(value.numpy().tobytes())
    torch.manual_seed(1)
    images = [torch.rand(3, 60, 70, dtype=torch.float64), torch.rand(3, 80, 64, dtype=torch.float64)]
    targets = [{"boxes": torch.tensor([[4.0, 6, 40, 33], [20, 18, 62, 55]], dtype=torch.float64), "labels": torch.tensor([1, classes - 1])},
               {"boxes": torch.tensor([[5.0, 20, 60, 77]], dtype=torch.float64), "labels": torch.tensor([1])}]
    for target, (height, width) in zip(targets, ((60, 70), (80, 64))):
        n = len(target["boxes"])
        if name.startswith("mask"):
            target["masks"] = (torch.rand(n, height, width) > 0.5).to(torch.uint8)
        if name.startswith("keypoint"):
            target["keypoints"] = torch.rand(n, 17, 3) * 50 + 5
    torch.manual_seed(2)
    losses = model.double().train()(images, targets)
    return [bits.hexdigest()[:16], {k: round(v.item(), 7) for k, v in losses.items()}]


if __name__ == "__main__":
    path = Path(__file__).parent.parent / "tests" / "vision" / "detection.json"
    path.write_text("{\n" + ",\n".join(f" {json.dumps(n)}: {json.dumps(recorded(n))}" for n in NAMES) + "\n}\n")
