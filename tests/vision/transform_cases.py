"""Transforms as text, so that both libraries can build them; `record_transforms.py` writes what torchvision makes of them."""

import zlib

V1 = """
Resize(4) | Resize((7, 9)) | Resize((4, 3), I.NEAREST) | Resize((4, 3), I.BICUBIC) | Resize(4, max_size=5) | Resize((4, 3), antialias=False)
CenterCrop(4) | CenterCrop((9, 3)) | Pad(2) | Pad((1, 2, 3, 0), padding_mode="reflect") | Pad((1, 2), padding_mode="symmetric")
Pad((-1, 2), padding_mode="edge") | RandomCrop(4) | RandomCrop(5, padding=2, fill=9) | RandomCrop((9, 8), pad_if_needed=True)
RandomHorizontalFlip() | RandomVerticalFlip(0.8) | RandomResizedCrop(5) | RandomResizedCrop((4, 6), (0.2, 0.5), (0.5, 2.0), I.NEAREST)
FiveCrop(3) | TenCrop((3, 2), vertical_flip=True) | ColorJitter(0.5, 0.4, 0.3, 0.2) | ColorJitter(hue=(-0.1, 0.3), brightness=(0.5, 0.7))
RandomRotation(30) | RandomRotation((10, 80), I.BILINEAR, expand=True, fill=7) | RandomRotation(20, center=(2, 3))
RandomAffine(30) | RandomAffine(5, (0.1, 0.2), (0.5, 1.5), (10, 20, -3, 4)) | RandomAffine(9, interpolation=I.BILINEAR, fill=(1, 2, 3))
RandomPerspective(0.4, 1.0, I.NEAREST) | RandomPerspective(0.4, 0.9, fill=3) | Grayscale() | Grayscale(3) | RandomGrayscale(0.5)
GaussianBlur(3) | GaussianBlur((3, 5), (0.5, 2.0)) | RandomInvert() | RandomPosterize(3) | RandomSolarize(100) | RandomAutocontrast(0.9)
RandomAdjustSharpness(2.0, 0.9) | RandomEqualize(0.9) | ElasticTransform(20.0, 0.5) | ElasticTransform([9.0, 5.0], [0.5, 0.6], I.NEAREST)
AutoAugment() | AutoAugment(AutoAugmentPolicy.CIFAR10) | AutoAugment(AutoAugmentPolicy.SVHN, fill=5) | RandAugment()
RandAugment(3, 12, 20, I.BILINEAR, 4) | TrivialAugmentWide() | AugMix() | AugMix(5, 2, 2, 0.5, False)
RandomApply([Grayscale(3), Pad(1)], 0.6) | RandomOrder([Pad(1), CenterCrop(4), RandomCrop(3)]) | RandomChoice([Pad(1), CenterCrop(4)])
"""
V2 = """
Resize((4, 5)) | Resize(None, max_size=5) | CenterCrop(4) | CenterCrop((9, 3)) | Pad((1, 2, 3, 0), fill={tv_tensors.Mask: 5, "others": 9})
RandomCrop(4) | RandomCrop((9, 8), pad_if_needed=True) | RandomHorizontalFlip(0.7) | RandomVerticalFlip(0.7) | RandomResizedCrop(5)
RandomRotation(30) | RandomRotation((10, 80), "bilinear", expand=True) | RandomAffine(5, (0.1, 0.2), (0.5, 1.5), (10, 20, -3, 4))
RandomPerspective(0.4, 0.9) | ElasticTransform(20.0, 0.5) | RandomZoomOut(3, (1.0, 2.0), 0.8) | RandomIoUCrop() | ScaleJitter((8, 9), (0.8, 1.5))
RandomShortestSize([4, 6, 8], 9) | RandomResize(4, 9) | ColorJitter(0.5, 0.4, 0.3, 0.2) | RandomPhotometricDistort() | RandomGrayscale(0.5)
RandomChannelPermutation() | GaussianBlur(3) | RandomErasing(0.9, value=7) | RandomPosterize(3) | RandomSolarize(100) | RandomEqualize(0.8)
SanitizeBoundingBoxes() | ConvertBoundingBoxFormat("CXCYWH") | ToDtype(torch.float32, scale=True)
RandomApply([Grayscale(3), Pad(1)], 0.6) | RandomOrder([Pad(1), CenterCrop(4), RandomCrop(3)]) | RandomChoice([Pad(1), CenterCrop(4)])
Compose([RandomIoUCrop(), RandomHorizontalFlip(), SanitizeBoundingBoxes(), Resize((5, 5))])
"""
SEEDS = range(3)
BOXES = [[0, 0, 3, 2], [2, 1, 6, 6], [4, 3, 7, 5]]


def cases(text=V1):
    return [case.strip() for line in text.strip().splitlines() for case in line.split(" | ")]


def pixels(channels=3, height=6, width=7):
    """A fixed image, as nested lists."""
    values = iter((i * 7919 + i * i * 31) % 256 for i in range(channels * height * width))
    return [[[next(values) for _ in range(width)] for _ in range(height)] for _ in range(channels)]


def sample(library, tv_tensors):
    """An image with boxes, masks and labels."""
    image = library.tensor(pixels(), dtype=library.uint8)
    return {"image": tv_tensors.Image(image), "boxes": tv_tensors.BoundingBoxes(library.tensor(BOXES), format="XYXY", canvas_size=(6, 7)),
            "masks": tv_tensors.Mask(image // 64), "labels": library.arange(3)}


def flat(arrays):
    """[shape, bytes as hex] of each array in a result."""
    return [[list(a.shape), a.tobytes().hex()] for a in arrays]


def seed_of(case):
    return zlib.crc32(case.encode()) % 1000
