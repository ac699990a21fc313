"""Whole batches of datasets that lie in arrays: read and transformed at once where that gives what one by one would."""

from __future__ import annotations

import sys

import facula


def batched(transform):
    """What a transform of one PIL image does to the bytes of many, (images, channels, height, width).

    Returns:
        A function, or None where the transform is random, looks at images as Pillow's, or is not known.
    """
    from ..transforms import transforms as T

    v2 = sys.modules.get("facula.vision.transforms.v2") or T  # whose classes are other ones, if it is in use
    steps = []
    for step in transform.transforms if type(transform) in (T.Compose, v2.Compose) else [transform]:
        kind = type(step)
        if kind is T.ToTensor and not steps:
            steps.append(lambda images: images.to(facula.get_default_dtype()).div(255))
        elif kind in (T.PILToTensor, v2.PILToTensor, getattr(v2, "ToImage", None)) and not steps:
            steps.append(lambda images: images)
        elif steps and (kind in (T.Normalize, T.ConvertImageDtype, v2.Normalize)
                        or kind is getattr(v2, "ToDtype", None) and isinstance(step.dtype, facula.dtype)):
            steps.append(step)
        else:
            return None
    if not steps:
        return None

    def run(images):
        for step in steps:
            images = step(images)
        return images
    return run


def image_batch(dataset, images, targets, indices):
    """[images, targets] of a dataset as the default collation makes them of its samples; None to go one by one.

    Args:
        dataset: Has `transform` and `target_transform`.
        images: uint8 tensor or array, (samples, height, width) or (samples, height, width, channels).
        targets: Integers: a tensor or list.
        indices: The samples wanted.
    """
    run = batched(dataset.transform) if dataset.transform is not None and dataset.target_transform is None else None
    count = len(images)
    if run is None or len(targets) != count or not all(type(i) is int and 0 <= i < count for i in indices):
        return None
    if not isinstance(images, facula.Tensor):
        images = facula.from_numpy(images)
    if images.dtype != facula.uint8 or images.dim() not in (3, 4):
        return None
    if isinstance(targets, facula.Tensor):
        if targets.dim() != 1 or targets.is_floating_point():
            return None
        labels = targets[indices].long()
    else:
        labels = [targets[i] for i in indices]
        if not all(type(label) is int for label in labels):
            return None
        labels = facula.tensor(labels)
    images = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
    return [run(images.index_select(0, facula.tensor(indices)).contiguous()), labels]
