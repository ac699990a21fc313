"""What images go through before they reach a trained model."""

from __future__ import annotations

import facula
from facula import Tensor, nn

from . import functional as F
from .functional import InterpolationMode

__all__ = ["ImageClassification", "ObjectDetection", "OpticalFlow", "SemanticSegmentation", "VideoClassification"]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Preset(nn.Module):
    """Settings printed one a line."""

    _shown = ()

    def __repr__(self):
        if not self._shown:
            return f"{type(self).__name__}()"
        return "\n".join([f"{type(self).__name__}(", *(f"    {name}={getattr(self, name)}" for name in self._shown), ")"])


class ObjectDetection(_Preset):
    """Floats in [0, 1]."""

    def forward(self, img):
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        return F.convert_image_dtype(img, facula.float)


class ImageClassification(_Preset):
    """Resized, cut, scaled to [0, 1], normalised."""

    _shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(self, *, crop_size, resize_size=256, mean=_MEAN, std=_STD, interpolation=InterpolationMode.BILINEAR, antialias=True):
        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std, self.interpolation, self.antialias = list(mean), list(std), interpolation, antialias

    def forward(self, img):
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, facula.float), mean=self.mean, std=self.std)


class VideoClassification(_Preset):
    """(…, time, channels, height, width) resized, cut, normalised, as (…, channels, time, height, width)."""

    _shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(self, *, crop_size, resize_size, mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989),
                 interpolation=InterpolationMode.BILINEAR):
        super().__init__()
        self.crop_size, self.resize_size = list(crop_size), list(resize_size)
        self.mean, self.std, self.interpolation = list(mean), list(std), interpolation

    def forward(self, vid):
        alone = vid.ndim < 5
        vid = vid.unsqueeze(0) if alone else vid
        batch, time, channels, height, width = vid.shape
        vid = F.resize(vid.view(-1, channels, height, width), self.resize_size, interpolation=self.interpolation, antialias=False)
        vid = F.convert_image_dtype(F.center_crop(vid, self.crop_size), facula.float)
        vid = F.normalize(vid, mean=self.mean, std=self.std)
        vid = vid.view(batch, time, channels, *self.crop_size).permute(0, 2, 1, 3, 4)
        return vid.squeeze(0) if alone else vid


class SemanticSegmentation(_Preset):
    """Resized, scaled to [0, 1], normalised."""

    _shown = ("resize_size", "mean", "std", "interpolation")

    def __init__(self, *, resize_size, mean=_MEAN, std=_STD, interpolation=InterpolationMode.BILINEAR, antialias=True):
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean, self.std, self.interpolation, self.antialias = list(mean), list(std), interpolation, antialias

    def forward(self, img):
        if isinstance(self.resize_size, list):
            img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, facula.float), mean=self.mean, std=self.std)


class OpticalFlow(_Preset):
    """Two images as floats in [-1, 1]."""

    def forward(self, img1, img2):
        images = [i if isinstance(i, Tensor) else F.pil_to_tensor(i) for i in (img1, img2)]
        return tuple(F.normalize(F.convert_image_dtype(i, facula.float), mean=[0.5] * 3, std=[0.5] * 3).contiguous() for i in images)
