"""Masks of objects: from the network's square maps to images and back."""

from __future__ import annotations

import facula
from facula.nn import functional as F

from ...ops.roi import roi_align


def maskrcnn_inference(x, labels):
    """Probabilities (n, 1, side, side) of each image, of the classes that its boxes have."""
    probabilities, counts, labels = x.sigmoid(), [len(v) for v in labels], facula.cat(labels)
    return probabilities[facula.arange(len(labels), device=labels.device), labels][:, None].split(counts, dim=0)


def project_masks_on_boxes(gt_masks, boxes, matched_idxs, M):
    """The part of each box's mask within the box, shape (boxes, M, M)."""
    rois = facula.cat([matched_idxs.to(boxes)[:, None], boxes], dim=1)
    return roi_align(gt_masks[:, None].to(rois), rois, (M, M), 1.0)[:, 0]


def maskrcnn_loss(mask_logits, proposals, gt_masks, gt_labels, mask_matched_idxs):
    """Binary cross entropy of the maps of the true classes."""
    side = mask_logits.shape[-1]
    labels = facula.cat([label[idxs] for label, idxs in zip(gt_labels, mask_matched_idxs)])
    targets = facula.cat([project_masks_on_boxes(m, p, i, side) for m, p, i in zip(gt_masks, proposals, mask_matched_idxs)])
    if targets.numel() == 0:
        return mask_logits.sum() * 0
    return F.binary_cross_entropy_with_logits(mask_logits[facula.arange(len(labels), device=labels.device), labels], targets)


def expand_boxes(boxes, scale):
    """Boxes around the same centres, larger."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * scale
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return facula.cat([centre - half, centre + half], 1)


def expand_masks(mask, padding):
    """A border of zeros, and how much larger the masks are with it."""
    side = mask.shape[-1]
    return F.pad(mask, (padding,) * 4), float(side + 2 * padding) / side


def paste_mask_in_image(mask, box, im_h, im_w):
    """A mask (side, side) at the place of its box (whole numbers) in an empty image."""
    x1, y1, x2, y2 = box.tolist()
    width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    mask = F.interpolate(mask[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
    image = facula.zeros((im_h, im_w), dtype=mask.dtype, device=mask.device)
    left, right, top, bottom = max(x1, 0), min(x2 + 1, im_w), max(y1, 0), min(y2 + 1, im_h)
    image[top:bottom, left:right] = mask[top - y1:bottom - y1, left - x1:right - x1]
    return image


def paste_masks_in_image(masks, boxes, img_shape, padding=1):
    """Masks (n, 1, side, side) as (n, 1, height, width)."""
    masks, scale = expand_masks(masks, padding)
    boxes, (height, width) = expand_boxes(boxes, scale).to(dtype=facula.int64), img_shape
    pasted = [paste_mask_in_image(m[0], b, height, width) for m, b in zip(masks, boxes)]
    return facula.stack(pasted, dim=0)[:, None] if pasted else masks.new_empty((0, 1, height, width))
