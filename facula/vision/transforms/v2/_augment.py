"""Parts erased, batches mixed, JPEG's traces."""

from __future__ import annotations

import math
import numbers
import warnings

import facula
from facula.nn.functional import one_hot
from facula.utils._pytree import tree_flatten, tree_unflatten
from facula.vision import tv_tensors

from .._warps import check_erasing
from ..autoaugment import AugMix
from . import functional as F
from ._transform import PilImage, RandomTransform, Transform, getter_of, has_any, query_chw, query_size
from .functional._table import is_pure_tensor

__all__ = ["CutMix", "JPEG", "MixUp", "RandomErasing"]


class RandomErasing(RandomTransform):
    """A random rectangle replaced, with probability p; `value` may be "random"."""

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0.0, inplace=False):
        super().__init__(p=p)
        check_erasing(value, scale, ratio)
        self.scale, self.ratio = scale, ratio
        self.value = None if value == "random" else [float(v) for v in ([value] if isinstance(value, numbers.Number) else value)]
        self.inplace = inplace

    def _call_kernel(self, functional, inpt, *args, **kwargs):
        if isinstance(inpt, (tv_tensors.BoundingBoxes, tv_tensors.KeyPoints, tv_tensors.Mask)):
            warnings.warn(f"{type(self).__name__}() is currently passing through inputs of type tv_tensors.{type(inpt).__name__}. This will "
                          "likely change in the future.", stacklevel=2)
        return super()._call_kernel(functional, inpt, *args, **kwargs)

    def make_params(self, flat_inputs):
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(f"If value is a sequence, it should have either a single value or {channels} (number of inpt channels)")
        low, high = facula.log(facula.tensor(self.ratio)).tolist()
        for _ in range(10):
            area = height * width * facula.empty(1).uniform_(*self.scale).item()
            aspect = facula.exp(facula.empty(1).uniform_(low, high)).item()
            h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if not (h < height and w < width):
                continue
            v = facula.empty([channels, h, w]).normal_() if self.value is None else facula.tensor(self.value)[:, None, None]
            return {"i": int(facula.randint(0, height - h + 1, size=(1,))), "j": int(facula.randint(0, width - w + 1, size=(1,))),
                    "h": h, "w": w, "v": v}
        return {"i": 0, "j": 0, "h": height, "w": width, "v": None}

    def transform(self, inpt, params):
        return inpt if params["v"] is None else self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


class _Mixing(Transform):
    """Each example of a batch with the one before it, and their labels."""

    def __init__(self, *, alpha=1.0, num_classes=None, labels_getter="default"):
        super().__init__()
        self.alpha, self.num_classes, self._labels_getter = float(alpha), num_classes, getter_of(labels_getter)

    def _share(self):
        return float(AugMix._sample_dirichlet(None, facula.tensor([[self.alpha, self.alpha]]))[0, 0])  # the beta distribution

    def forward(self, *inputs):
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(inputs)
        needed = self._needed(flat)
        if has_any(flat, PilImage, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints):
            raise ValueError(f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks.")
        labels = self._labels_getter(inputs)
        if not isinstance(labels, facula.Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(f"labels should be index based with shape (batch_size,) or probability based with shape (batch_size, num_classes), "
                             f"but got a tensor of shape {labels.shape} instead.")
        if labels.ndim == 2 and self.num_classes is not None and labels.shape[-1] != self.num_classes:
            raise ValueError(f"When passing 2D labels, the number of elements in last dimension must match num_classes: "
                             f"{labels.shape[-1]} != {self.num_classes}. You can Leave num_classes to None.")
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        params = {"labels": labels, "batch_size": labels.shape[0],
                  **self.make_params([i for i, n in zip(flat, needed) if n])}
        # By default the label, too, is a tensor among the inputs: it is found by identity.
        return tree_unflatten([self.transform(i, params) if n or i is labels else i for i, n in zip(flat, needed)], spec)

    def _check_batch(self, inpt, batch_size):
        ndim = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != ndim:
            raise ValueError(f"Expected a batched input with {ndim} dims, but got {inpt.ndim} dimensions instead.")
        if inpt.shape[0] != batch_size:
            raise ValueError(f"The batch size of the image or video does not match the batch size of the labels: {inpt.shape[0]} != "
                             f"{batch_size}.")

    def _mixed_labels(self, labels, share):
        if labels.ndim == 1:
            labels = one_hot(labels, num_classes=self.num_classes)
        labels = labels if labels.is_floating_point() else labels.float()
        return labels.roll(1, 0).mul_(1.0 - share).add_(labels.mul(share))

    def transform(self, inpt, params):
        if inpt is params["labels"]:
            return self._mixed_labels(inpt, params["share"])
        if not isinstance(inpt, (tv_tensors.Image, tv_tensors.Video)) and not is_pure_tensor(inpt):
            return inpt
        self._check_batch(inpt, params["batch_size"])
        made = self._mixed(inpt.as_subclass(facula.Tensor), params)
        return tv_tensors.wrap(made, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else made


class MixUp(_Mixing):
    """Means of pairs. Source: Zhang et al., arXiv 1710.09412."""

    def make_params(self, flat_inputs):
        return {"share": self._share()}

    def _mixed(self, batch, params):
        share = params["share"]
        if not batch.is_floating_point():
            mixed = batch.roll(1, 0).float().mul_(1.0 - share).add_(batch.float().mul(share))
            return mixed.to(batch.dtype)
        return batch.roll(1, 0).mul_(1.0 - share).add_(batch.mul(share))


class CutMix(_Mixing):
    """A rectangle of each image replaced by that of another. Source: Yun et al., arXiv 1905.04899."""

    def make_params(self, flat_inputs):
        share = self._share()
        height, width = query_size(flat_inputs)
        x, y = int(facula.randint(width, size=(1,))), int(facula.randint(height, size=(1,)))
        half = 0.5 * math.sqrt(1.0 - share)
        half_w, half_h = int(half * width), int(half * height)
        x1, y1 = max(x - half_w, 0), max(y - half_h, 0)
        x2, y2 = min(x + half_w, width), min(y + half_h, height)
        return {"box": (x1, y1, x2, y2), "share": float(1.0 - (x2 - x1) * (y2 - y1) / (width * height))}

    def _mixed(self, batch, params):
        x1, y1, x2, y2 = params["box"]
        mixed = batch.clone()
        mixed[..., y1:y2, x1:x2] = batch.roll(1, 0)[..., y1:y2, x1:x2]
        return mixed


class JPEG(Transform):
    """Written as JPEG of a random quality and read again."""

    def __init__(self, quality):
        super().__init__()
        if isinstance(quality, int):
            quality = [quality, quality]
        elif not isinstance(quality, (list, tuple)) or len(quality) != 2 or not all(isinstance(q, int) for q in quality):
            raise ValueError("quality should be a sequence of length 2.")
        if not 1 <= quality[0] <= quality[1] <= 100:
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality =}")
        self.quality = quality

    def make_params(self, flat_inputs):
        return {"quality": facula.randint(self.quality[0], self.quality[1] + 1, ()).item()}

    def transform(self, inpt, params):
        return self._call_kernel(F.jpeg, inpt, quality=params["quality"])
