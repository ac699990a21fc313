"""Pictures out of tensors: grids, files, boxes, masks, key points, optical flow."""

from __future__ import annotations

import math
import warnings

import facula
from facula import Tensor

__all__ = ["draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "flow_to_image", "make_grid", "save_image"]


def _rescaled(image, value_range):
    low, high = (float(image.min()), float(image.max())) if value_range is None else value_range
    return image.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))


def make_grid(tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0):
    """Images side by side in one image.

    Args:
        tensor: (batch, channels, height, width), one image, or a list of images.
        nrow: Images in a row.
        padding: Pixels between them.
        normalize: Bring values to [0, 1].
        value_range: (low, high) that become 0 and 1; by default the extremes.
        scale_each: Look for the extremes in each image.
        pad_value: Value between the images.

    Returns:
        (3, height, width); as many channels as before if these are not 1.
    """
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for t in tensor:
            if not isinstance(t, Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing {type(t)}")
        tensor = facula.stack(tensor, dim=0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = facula.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        for part in tensor if scale_each else [tensor]:
            _rescaled(part, value_range)
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count, channels = tensor.shape[:2]
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = tensor.size(2) + padding, tensor.size(3) + padding
    grid = tensor.new_full((channels, height * rows + padding, width * columns + padding), pad_value)
    for i in range(count):
        y, x = i // columns * height + padding, i % columns * width + padding
        grid[:, y:y + height - padding, x:x + width - padding] = tensor[i]
    return grid


def save_image(tensor, fp, format=None, **kwargs):
    """Writes images of values in [0, 1] to a file, as a grid; `kwargs` go to `make_grid`."""
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    pixels = grid.detach().mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", facula.uint8)
    Image.fromarray(pixels.contiguous().numpy()).save(fp, format=format)


# ---------------------------------------------------------------- drawing

def _palette(count):
    """Colours that differ: multiples of three large numbers, modulo 255."""
    return [tuple(i * step % 255 for step in (2 ** 25 - 1, 2 ** 15 - 1, 2 ** 21 - 1)) for i in range(count)]


def _colours(colors, count):
    """One (red, green, blue) for each of `count` things."""
    from PIL import ImageColor

    if colors is None:
        colors = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} < {count}.")
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(f"colors must be a tuple or a string, or a list thereof, but got {colors}.")
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * count
    return [ImageColor.getrgb(c) if isinstance(c, str) else c for c in colors]


def _check_image(image, channels=(3,), wanted="Pass an RGB image. Other Image formats are not supported",
                 what="The image must be a tensor"):
    if not isinstance(image, Tensor):
        raise TypeError(f"{what}, got {type(image)}")
    if image.dtype != facula.uint8 and not image.is_floating_point():
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in channels:
        raise ValueError(wanted)


def _drawn(image, draw):
    """The image after `draw(PIL image)`, in its own dtype."""
    from .transforms import functional as F

    canvas = F.to_pil_image(F.convert_image_dtype(image, facula.uint8))
    draw(canvas)
    drawn = F.pil_to_tensor(canvas)
    return drawn if image.dtype == facula.uint8 else drawn.to(image.dtype).mul_(1 / 255)


def _rotated_box(pen, corners, color, fill, width):
    """A box of four corners; its first side is dashed, which shows how it is turned."""
    corners = list(zip(corners[::2], corners[1::2]))
    if fill is not None:
        pen.polygon(corners, fill=fill, outline=None)
    pen.line([*corners[1:], corners[0]], fill=color, width=width)
    (x, y), (x_end, y_end) = corners[:2]
    length = math.hypot(x_end - x, y_end - y)
    for start in range(0, math.ceil(length), 10):
        ends = [start / length, min(start + 5, length) / length]
        pen.line([(x + (x_end - x) * t, y + (y_end - y) * t) for t in ends], fill=color, width=width)


def draw_bounding_boxes(image, boxes, labels=None, colors=None, fill=False, width=1, font=None, font_size=None, label_colors=None,
                        label_background_colors=None, fill_labels=False):
    """The image with boxes drawn on it.

    Args:
        image: (1 or 3, height, width), uint8 or floats in [0, 1].
        boxes: (boxes, 4): x1, y1, x2, y2; or (boxes, 8): four corners.
        labels: A text for each box.
        colors: One colour, or a list: names or (red, green, blue).
        fill: Tint the inside.
        width: Width of the lines.
        font: Name of a TrueType font.
        font_size: Its size in points.
        label_colors: Colours of the texts; by default the boxes'.
        label_background_colors: Colours behind the texts, with `fill_labels`.
        fill_labels: Put a coloured ground behind the texts.
    """
    from PIL import ImageDraw, ImageFont

    _check_image(image, (1, 3), "Only grayscale and RGB images are supported", "Tensor expected")
    if boxes.shape[-1] == 4 and bool(((boxes[:, 0] > boxes[:, 2]) | (boxes[:, 1] > boxes[:, 3])).any()):
        raise ValueError("Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert them")
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels for each box.")
    colors = _colours(colors, count)
    texts = _colours(label_colors or "black", count) if label_colors or fill_labels else colors
    grounds = _colours(label_background_colors, count) if fill_labels and label_background_colors else colors
    if font is None and font_size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2)
    letters = ImageFont.load_default() if font is None else ImageFont.truetype(font=font, size=font_size or 10)

    def draw(canvas):
        pen = ImageDraw.Draw(canvas, "RGBA" if fill else None)
        for i, box in enumerate(boxes.to(facula.int64).tolist()):
            tint = (*colors[i], 100) if fill else None
            if len(box) == 4:
                pen.rectangle(box, width=width, outline=colors[i], fill=tint)
            else:
                _rotated_box(pen, box, colors[i], tint, width)
            if labels is None or labels[i] is None:
                continue
            at = box[0] + width + 1, box[1] + width + 1
            if fill_labels:
                left, top, right, bottom = pen.textbbox(at, labels[i], font=letters)
                pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=grounds[i])
            pen.text(at, labels[i], fill=texts[i], font=letters)

    return _drawn(image.expand(3, -1, -1) if image.size(0) == 1 else image, draw)


def draw_segmentation_masks(image, masks, alpha=0.8, colors=None):
    """The image (3, height, width) with boolean masks, (masks, height, width) or (height, width), laid over it.

    `alpha` 0 shows the image alone, 1 the masks; where masks overlap, it is black.
    """
    _check_image(image)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != facula.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    colors = _colours(colors, masks.shape[0])
    if not bool(masks.any()):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    scale = 1 / 255 if image.is_floating_point() else 1
    painted = image.detach().clone()
    for mask, color in zip(masks, colors):
        painted[:, mask] = facula.tensor(color).to(image.dtype).mul_(scale)[:, None]
    painted[:, masks.sum(0) > 1] = 0
    return (image * (1 - alpha) + painted * alpha).to(image.dtype)


def draw_keypoints(image, keypoints, connectivity=None, colors=None, radius=2, width=3, visibility=None):
    """The image (3, height, width) with points (instances, points, 2) as discs, and lines between the pairs in `connectivity`."""
    from PIL import ImageDraw

    _check_image(image)
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = facula.ones(keypoints.shape[:-1], dtype=facula.bool)
    if visibility.ndim == 3:
        visibility = visibility.squeeze(-1)
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError("keypoints and visibility must have the same dimensionality for num_instances and K. "
                         f"Got visibility.shape={visibility.shape} and keypoints.shape={keypoints.shape}")
    single = colors is not None and not isinstance(colors, list)
    discs = _colours(colors, 1)[0] if single else None if colors is None else _colours(colors, len(keypoints))

    def draw(canvas):
        pen = ImageDraw.Draw(canvas)
        for i, (points, seen) in enumerate(zip(keypoints.to(facula.int64).tolist(), visibility.tolist())):
            color = discs if single or discs is None else discs[i]
            for (x, y), visible in zip(points, seen):
                if visible:
                    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color, outline=None, width=0)
            for a, b in connectivity or ():
                if seen[a] and seen[b]:
                    pen.line((*points[a], *points[b]), width=width)

    return _drawn(image, draw)


def _colour_wheel():
    """55 colours around the circle, (55, 3). Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2007."""
    wheel = []
    for steps, full, moving, falls in (
            (15, 0, 1, False), (6, 1, 0, True), (4, 1, 2, False), (11, 2, 1, True), (13, 2, 0, False), (6, 0, 2, True)):
        for i in range(steps):
            color = [0.0, 0.0, 0.0]
            color[full], part = 255.0, float(math.floor(255 * i / steps))
            color[moving] = 255.0 - part if falls else part
            wheel.append(color)
    return facula.tensor(wheel)


def flow_to_image(flow):
    """Optical flow (2, height, width) or (batch, 2, height, width) as uint8 images: colour is direction, saturation is speed."""
    if flow.dtype != facula.float:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    shape = flow.shape
    flow = flow[None] if flow.ndim == 3 else flow
    if flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {shape}.")
    flow = flow / ((flow ** 2).sum(1).sqrt().max() + facula.finfo(facula.float).eps)
    speed, wheel = (flow ** 2).sum(1).sqrt(), _colour_wheel()
    place = (facula.atan2(-flow[:, 1], -flow[:, 0]) / math.pi + 1) / 2 * (len(wheel) - 1)
    low = place.floor().to(facula.int64)
    high, part = (low + 1) % len(wheel), place - low
    image = facula.zeros((flow.shape[0], 3, *flow.shape[2:]), dtype=facula.uint8)
    for c in range(3):
        color = (1 - part) * wheel[low, c] / 255.0 + part * wheel[high, c] / 255.0
        image[:, c] = (255 * (1 - speed * (1 - color))).floor().to(facula.uint8)
    return image[0] if len(shape) == 3 else image
