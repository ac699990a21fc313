"""Transforms beside torchvision's, where it can be imported: same seeds, same pixels."""

import random

import numpy as np
import pytest

import facula
from facula.vision import transforms as ours
from facula.vision.transforms import v2 as ours_v2

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torchvision.transforms")
theirs_v2 = pytest.importorskip("torchvision.transforms.v2")
pytestmark = pytest.mark.oracle
CASES = ["Resize((31, 20))", "RandomResizedCrop(24)", "ColorJitter(0.4, 0.4, 0.4, 0.1)", "RandomRotation(30)", "GaussianBlur(5)",
         "RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 5)", "RandomHorizontalFlip()", "RandomCrop(20, padding=4)", "RandAugment()",
         "TrivialAugmentWide()", "AutoAugment()", "RandomAutocontrast(0.9)", "RandomEqualize(0.9)", "RandomErasing(0.9)"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_same_as_torchvision(case, version):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    a = eval(case, dict(vars(theirs if version == "v1" else theirs_v2)))
    b = eval(case, dict(vars(ours if version == "v1" else ours_v2)))
    assert repr(a) == repr(b)
    for seed in range(5):
        for library in (torch, facula):
            library.manual_seed(seed)
        random.seed(seed)
        x = a(torch.from_numpy(pixels.copy())).numpy().astype(int)
        random.seed(seed)
        y = b(facula.from_numpy(pixels.copy())).numpy().astype(int)
        assert x.shape == y.shape and np.abs(x - y).max() <= 2 and (x != y).mean() < 0.01
