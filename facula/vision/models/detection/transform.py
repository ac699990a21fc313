"""What images go through before a detector, and results after it."""

from __future__ import annotations

import math

import facula
from facula import nn
from facula.nn import functional as F

from .image_list import ImageList
from .masks import paste_masks_in_image


def _ratios(original_size, new_size, like):
    return [facula.tensor(new, dtype=facula.float32, device=like.device) / facula.tensor(old, dtype=facula.float32, device=like.device)
            for new, old in zip(new_size, original_size)]


def resize_boxes(boxes, original_size, new_size):
    """Boxes of an image of (height, width) for the resized image."""
    down, right = _ratios(original_size, new_size, boxes)
    return boxes * facula.stack([right, down, right, down])


def resize_keypoints(keypoints, original_size, new_size):
    """Points (..., 3) of x, y and visibility for the resized image."""
    down, right = _ratios(original_size, new_size, keypoints)
    return keypoints * facula.stack([right, down, facula.ones_like(down)])


class GeneralizedRCNNTransform(nn.Module):
    """Normalises images, resizes them with their targets, and puts them in one batch.

    Args:
        min_size: Wanted length of the shorter side; of several, one is drawn in training and the last is taken else.
        max_size: The most that the longer side may have.
        image_mean, image_std: Of channels.
        size_divisible: Sides of the batch are multiples of this.
        fixed_size: (width, height) for all images, in place of the first two.
    """

    def __init__(self, min_size, max_size, image_mean, image_std, size_divisible=32, fixed_size=None, **kwargs):
        super().__init__()
        self.min_size = tuple(min_size) if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size, self.image_mean, self.image_std = max_size, image_mean, image_std
        self.size_divisible, self.fixed_size, self._skip_resize = size_divisible, fixed_size, kwargs.pop("_skip_resize", False)

    def forward(self, images, targets=None):
        images, sizes = list(images), []
        targets = None if targets is None else [dict(t) for t in targets]
        for i, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(f"images is expected to be a list of 3d tensors of shape [C, H, W], got {image.shape}")
            image, target = self.resize(self.normalize(image), None if targets is None else targets[i])
            images[i] = image
            if target is not None:
                targets[i] = target
            sizes.append(tuple(image.shape[-2:]))
        return ImageList(self.batch_images(images, self.size_divisible), sizes), targets

    def normalize(self, image):
        if not image.is_floating_point():
            raise TypeError(f"Expected input images to be of floating type (in range [0, 1]), but found type {image.dtype} instead")
        mean, std = (facula.as_tensor(v, dtype=image.dtype, device=image.device) for v in (self.image_mean, self.image_std))
        return (image - mean[:, None, None]) / std[:, None, None]

    def torch_choice(self, k):
        """One of a list, drawn."""
        return k[int(facula.empty(1).uniform_(0.0, float(len(k))).item())]

    def resize(self, image, target=None):
        height, width = image.shape[-2:]
        if self.training and self._skip_resize:
            return image, target
        wanted = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        how = {"recompute_scale_factor": True, "scale_factor": min(wanted / min(height, width), self.max_size / max(height, width))}
        if self.fixed_size is not None:
            how = {"size": [self.fixed_size[1], self.fixed_size[0]]}
        image = F.interpolate(image[None], mode="bilinear", align_corners=False, **how)[0]
        if target is None:
            return image, target
        size = tuple(image.shape[-2:])
        if "masks" in target:
            target["masks"] = F.interpolate(target["masks"][:, None].float(), **how)[:, 0].byte()
        target["boxes"] = resize_boxes(target["boxes"], (height, width), size)
        if "keypoints" in target:
            target["keypoints"] = resize_keypoints(target["keypoints"], (height, width), size)
        return image, target

    def batch_images(self, images, size_divisible=32):
        """One tensor, zero where an image ends before the largest one."""
        sides = [math.ceil(max(image.shape[d] for image in images) / size_divisible) * size_divisible for d in (1, 2)]
        batch = images[0].new_full((len(images), images[0].shape[0], *sides), 0)
        for place, image in zip(batch, images):
            place[:, :image.shape[1], :image.shape[2]].copy_(image)
        return batch

    def postprocess(self, result, image_shapes, original_image_sizes):
        """Results for the images as they came."""
        if self.training:
            return result
        for found, now, before in zip(result, image_shapes, original_image_sizes):
            found["boxes"] = resize_boxes(found["boxes"], now, before)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], found["boxes"], before)
            if "keypoints" in found:
                found["keypoints"] = resize_keypoints(found["keypoints"], now, before)
        return result

    def __repr__(self):
        return (f"{type(self).__name__}(\n    Normalize(mean={self.image_mean}, std={self.image_std})"
                f"\n    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)")
