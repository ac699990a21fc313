"""Points of objects: as cells of heat maps, and back."""

from __future__ import annotations

import facula
from facula.nn import functional as F


def keypoints_to_heatmap(keypoints, rois, heatmap_size):
    """Cells of maps over boxes that points (n, k, 3) fall in, and whether they do and are visible, shape (n, k) each."""
    cells, valid = [], keypoints[..., 2] > 0
    for d in (0, 1):
        low, high = rois[:, d, None], rois[:, d + 2, None]
        at = keypoints[..., d]
        cell = ((at - low) * (heatmap_size / (high - low))).floor().long()
        cell = facula.where(at == high, heatmap_size - 1, cell)
        valid = valid & (cell >= 0) & (cell < heatmap_size)
        cells.append(cell)
    valid = valid.long()
    return (cells[1] * heatmap_size + cells[0]) * valid, valid


def keypointrcnn_loss(keypoint_logits, proposals, gt_keypoints, keypoint_matched_idxs):
    """Cross entropy over the cells of each point's map."""
    n, points, height, width = keypoint_logits.shape
    if height != width:
        raise ValueError(f"keypoint_logits height and width (last two elements of shape) should be equal. Instead got H = {height} and W = {width}")
    pairs = [keypoints_to_heatmap(k[i], p, height) for p, k, i in zip(proposals, gt_keypoints, keypoint_matched_idxs)]
    targets = facula.cat([t.view(-1) for t, _ in pairs])
    valid = facula.where(facula.cat([v.view(-1) for _, v in pairs]))[0]
    if targets.numel() == 0 or len(valid) == 0:
        return keypoint_logits.sum() * 0
    return F.cross_entropy(keypoint_logits.view(n * points, height * width)[valid], targets[valid])


def heatmaps_to_keypoints(maps, rois):
    """Points (n, k, 3) of x, y and 1, and their scores (n, k); maps are first resized to their boxes."""
    n, points = len(rois), maps.shape[1]
    found = facula.zeros((n, points, 3), dtype=facula.float32, device=maps.device)
    scores = facula.zeros((n, points), dtype=facula.float32, device=maps.device)
    sides = (rois[:, 2:] - rois[:, :2]).clamp(min=1)
    for i in range(n):
        width, height = (int(v) for v in sides[i].ceil().tolist())
        map_ = F.interpolate(maps[i][:, None], size=(height, width), mode="bicubic", align_corners=False)[:, 0]
        at = map_.reshape(points, -1).argmax(dim=1)
        x, y = at % width, facula.div(at, width, rounding_mode="floor")
        found[i, :, 0] = (x.float() + 0.5) * (sides[i, 0] / width) + rois[i, 0]
        found[i, :, 1] = (y.float() + 0.5) * (sides[i, 1] / height) + rois[i, 1]
        found[i, :, 2] = 1
        scores[i] = map_[facula.arange(points, device=map_.device), y, x]
    return found, scores


def keypointrcnn_inference(x, boxes):
    """Points and scores of each image."""
    pairs = [heatmaps_to_keypoints(m, b) for m, b in zip(x.split([len(b) for b in boxes], dim=0), boxes)]
    return [p for p, _ in pairs], [s for _, s in pairs]
