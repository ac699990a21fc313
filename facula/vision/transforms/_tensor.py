"""Transforms of tensor images, shape (..., channels, height, width)."""

from __future__ import annotations

import math

import facula
from facula.nn import functional as F

_MAX = {"uint8": 255, "int8": 127, "int16": 32767, "uint16": 65535, "int32": 2147483647, "int64": 9223372036854775807, "bool": 1}


def _bound(dtype):
    return 1 if dtype.is_floating_point else _MAX[str(dtype).rpartition(".")[2]]


def convert_dtype(image, dtype):
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        if (image.dtype == facula.float32 and dtype in (facula.int32, facula.int64)
                or image.dtype == facula.float64 and dtype == facula.int64):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        return image.mul(_bound(dtype) + 1 - 1e-3).to(dtype)  # each integer gets an equal share of [0, 1]
    top = _bound(image.dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / top
    new = _bound(dtype)
    if top > new:
        return (image // ((top + 1) // (new + 1))).to(dtype)
    return image.to(dtype) * ((new + 1) // (top + 1))


def _as_float_batch(img):
    """The image as a 4-d float tensor, and the function that undoes that."""
    shape, dtype = img.shape, img.dtype
    batch = img.reshape(-1, *shape[-3:]) if img.dim() > 4 else img.reshape((1,) * (4 - img.dim()) + tuple(shape))
    batch = batch if batch.is_floating_point() else batch.float()

    def back(result):
        result = result.reshape(*shape[:-3], *result.shape[-3:]) if len(shape) >= 3 else result.reshape(result.shape[-2:])
        if dtype.is_floating_point:
            return result.to(dtype)
        if dtype == facula.uint8:
            result = result.clamp(0, 255)
        return result.round().to(dtype)

    return batch, back


def resize(img, size, mode, antialias):
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError("This Interpolation mode is unsupported with Tensor input")
    batch, back = _as_float_batch(img)
    smooth = mode in ("bilinear", "bicubic")
    options = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    return back(F.interpolate(batch, size=list(size), mode=mode, **options))


def crop(img, top, left, height, width):
    h, w = img.shape[-2:]
    bottom, right = top + height, left + width
    inside = img[..., max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    if left < 0 or top < 0 or right > w or bottom > h:
        return F.pad(inside, [max(-left + min(0, right), 0), max(right - max(w, left), 0),
                              max(-top + min(0, bottom), 0), max(bottom - max(h, top), 0)])
    return inside


def hflip(img):
    return img.flip(-1)


def vflip(img):
    return img.flip(-2)


def _mirrored(size, before, after, mode):
    """Indices along one side of a padded image."""
    places = []
    for i in range(-before, size + after):
        if mode == "edge":
            i = min(max(i, 0), size - 1)
        elif mode == "reflect":
            period = max(2 * (size - 1), 1)
            i = i % period
            i = min(i, period - i)
        else:
            i = i % (2 * size)
            i = min(i, 2 * size - 1 - i)
        places.append(i)
    return facula.tensor(places)


def pad(img, left, top, right, bottom, fill, mode):
    if mode == "constant":
        fill = (0 if fill is None else fill) if isinstance(fill, (int, float, type(None))) else fill[0] if len(fill) == 1 else fill
        if isinstance(fill, (int, float)):
            return F.pad(img, [left, right, top, bottom], value=float(fill) if img.is_floating_point() else fill)
        out = F.pad(img, [left, right, top, bottom])
        height, width = out.shape[-2:]
        whole = facula.tensor(list(fill)).to(img.dtype).view(-1, 1, 1).expand(out.shape).clone()
        whole[..., max(top, 0):height - max(bottom, 0), max(left, 0):width - max(right, 0)] = \
            out[..., max(top, 0):height - max(bottom, 0), max(left, 0):width - max(right, 0)]
        return whole
    cut = img[..., max(-top, 0):img.shape[-2] - max(-bottom, 0), max(-left, 0):img.shape[-1] - max(-right, 0)]
    rows = _mirrored(cut.shape[-2], max(top, 0), max(bottom, 0), mode)
    columns = _mirrored(cut.shape[-1], max(left, 0), max(right, 0), mode)
    return cut.index_select(-2, rows).index_select(-1, columns)


# ---------------------------------------------------------------- geometry

def sample(img, grid, mode, fill):
    """Values of the image at a grid of places in [-1, 1]; outside stands `fill`."""
    batch, back = _as_float_batch(img)
    grid = grid.to(batch.dtype).expand(batch.shape[0], *grid.shape[1:])
    mode = "nearest" if mode.startswith("nearest") else mode
    if fill is None:
        return back(F.grid_sample(batch, grid, mode=mode, padding_mode="zeros", align_corners=False))
    both = facula.cat([batch, facula.ones_like(batch[:, :1])], 1)
    both = F.grid_sample(both, grid, mode=mode, padding_mode="zeros", align_corners=False)
    values, mask = both[:, :-1], both[:, -1:].expand_as(both[:, :-1])
    fill = [float(fill)] if isinstance(fill, (int, float)) else [float(v) for v in fill]
    fill = facula.tensor(fill, dtype=batch.dtype).view(1, -1, 1, 1).expand_as(values)
    if mode == "nearest":
        return back(facula.where(mask < 0.5, fill, values))
    return back(values * mask + (1.0 - mask) * fill)


def _expanded_size(matrix, width, height):
    """The size that holds the whole image after an affine map, as [width, height]."""
    corners = [(-0.5 * width, -0.5 * height), (-0.5 * width, 0.5 * height), (0.5 * width, 0.5 * height), (0.5 * width, -0.5 * height)]
    a, b, c, d, e, f = matrix
    xs, ys = [a * x + b * y + c for x, y in corners], [d * x + e * y + f for x, y in corners]
    # Rounded first: 0.5 * n a hair above an integer must not add a column.
    low, high = [math.floor(round(min(v) / 1e-4) * 1e-4 + half) for v, half in ((xs, width * 0.5), (ys, height * 0.5))], \
        [math.ceil(round(max(v) / 1e-4) * 1e-4 + half) for v, half in ((xs, width * 0.5), (ys, height * 0.5))]
    return [h - o for h, o in zip(high, low)]


def _mapped(xs, ys, rows):
    """Each row's a * x + b * y + c at every point, (rows, ys, xs), by one matrix product as PyTorch has it: nearest neighbours hang on the last bit."""
    points = facula.empty(3, len(ys), len(xs), dtype=xs.dtype)
    points[0], points[1], points[2] = xs, ys.unsqueeze(-1), 1.0
    return rows.mm(points.view(3, -1)).view(len(rows), len(ys), len(xs))


def _grid(planes):
    """The planes of x and of y as the grid that `sample` takes, (1, height, width, 2)."""
    grid = facula.empty(1, *planes.shape[1:], 2, dtype=planes.dtype)
    grid[0, ..., 0], grid[0, ..., 1] = planes
    return grid


def _rigid(img, mode, fill):
    """Raises where PyTorch's affine and perspective maps do."""
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    channels = 1 if img.dim() == 2 else img.shape[-3]
    if isinstance(fill, (tuple, list)) and len(fill) not in (1, channels):
        raise ValueError("The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
                         f"({len(fill)} != {channels})")


def affine(img, matrix, mode, fill, expand):
    _rigid(img, mode, fill)
    height, width = img.shape[-2:]
    out_w, out_h = _expanded_size(matrix, width, height) if expand else (width, height)
    dtype = img.dtype if img.is_floating_point() else facula.float32
    x = facula.linspace(-out_w * 0.5 + 0.5, out_w * 0.5 - 0.5, out_w, dtype=dtype)
    y = facula.linspace(-out_h * 0.5 + 0.5, out_h * 0.5 - 0.5, out_h, dtype=dtype)
    rows = facula.tensor(matrix, dtype=dtype).view(2, 3) / facula.tensor([[0.5 * width], [0.5 * height]], dtype=dtype)
    return sample(img, _grid(_mapped(x, y, rows)), mode, fill)


def perspective(img, coefficients, mode, fill):
    _rigid(img, mode, fill)
    height, width = img.shape[-2:]
    a, b, c, d, e, f, g, h = coefficients
    dtype = img.dtype if img.is_floating_point() else facula.float32
    x, y = facula.linspace(0.5, width - 0.5, width, dtype=dtype), facula.linspace(0.5, height - 0.5, height, dtype=dtype)
    rows = facula.tensor([[a, b, c], [d, e, f], [g, h, 1.0]], dtype=dtype)
    planes = _mapped(x, y, rows / facula.tensor([[0.5 * width], [0.5 * height], [1.0]], dtype=dtype))
    return sample(img, _grid(planes[:2] / planes[2] - 1.0), mode, fill)


def gaussian_blur(img, size, sigma):
    def kernel(count, width):
        half = (count - 1) * 0.5
        values = facula.exp(-0.5 * (facula.linspace(-half, half, count) / width).pow(2))
        return values / values.sum()

    batch, back = _as_float_batch(img)
    both = (kernel(size[1], sigma[1]).unsqueeze(1) * kernel(size[0], sigma[0])).to(batch.dtype)
    channels = batch.shape[-3]
    padding = [size[0] // 2, size[0] // 2, size[1] // 2, size[1] // 2]
    padded = F.pad(batch, padding, mode="reflect")
    return back(F.conv2d(padded, both.expand(channels, 1, *both.shape), groups=channels))


# ---------------------------------------------------------------- colours

def _blend(a, b, ratio):
    mixed = ratio * a + (1.0 - ratio) * b
    return mixed.clamp(0, _bound(a.dtype)).to(a.dtype)


def _channels(img, permitted):
    if img.dim() < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.dim()}")
    count = img.shape[-3]
    if count not in permitted:
        raise TypeError(f"Input image tensor permitted channel values are {permitted}, but found {count}")
    return count


def _not_negative(factor, name):
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def grayscale(img, channels=1):
    if _channels(img, [1, 3]) == 1:
        return img.clone()
    r, g, b = img.unbind(-3)
    grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    return grey.expand(img.shape) if channels == 3 else grey


def adjust_brightness(img, brightness_factor):
    _not_negative(brightness_factor, "brightness_factor")
    _channels(img, [1, 3])
    return _blend(img, facula.zeros_like(img), brightness_factor)


def adjust_contrast(img, contrast_factor):
    _not_negative(contrast_factor, "contrast_factor")
    grey = grayscale(img) if _channels(img, [1, 3]) == 3 else img
    mean = (grey if grey.is_floating_point() else grey.float()).mean((-3, -2, -1), keepdim=True)
    return _blend(img, mean, contrast_factor)


def adjust_saturation(img, saturation_factor):
    _not_negative(saturation_factor, "saturation_factor")
    return img if _channels(img, [1, 3]) == 1 else _blend(img, grayscale(img), saturation_factor)


def _extremes(img):
    """The largest and the smallest channel; a gradient goes to the first that is it."""
    if img.requires_grad:
        return img.max(-3).values, img.min(-3).values
    return img.amax(-3), img.amin(-3)


def _fraction(x):
    """x % 1.0, which is exact."""
    return x - x.floor()


def _rgb_to_hsv(img):
    r, g, b = img.unbind(-3)
    high, low = _extremes(img)
    flat, span = high == low, high - low
    saturation = span / high.masked_fill(flat, 1.0)
    divisor = span.masked_fill(flat, 1.0)
    rc, gc, bc = (high - r) / divisor, (high - g) / divisor, (high - b) / divisor
    hue = facula.where(high == r, bc - gc, facula.where(high == g, 2.0 + rc - bc, 4.0 + gc - rc))
    return _fraction(hue / 6.0 + 1.0), saturation, high


def _hsv_to_rgb(h, s, v):
    sixths = h * 6.0
    sector = sixths.floor()
    f = sixths - sector
    p, q, t = ((v * (1.0 - x)).clamp(0.0, 1.0) for x in (s, s * f, s * (1.0 - f)))

    def either(first):
        """Whether a sector is `first` or the next."""
        return (sector - (first + 0.5)).abs() < 1.0

    where = facula.where  # A seventh sector, where h is 1, has f = 0: its t is p, and it is the first.
    red = where(sector == 1, q, where(sector == 4, t, where(either(2), p, v)))
    green = where(sector == 3, q, where(sector == 0, t, where(either(1), v, p)))
    blue = where(sector == 5, q, where(sector == 2, t, where(either(3), v, p)))
    return facula.stack([red, green, blue], -3)


def adjust_hue(img, hue_factor):
    if _channels(img, [1, 3]) == 1:
        return img
    dtype = img.dtype
    h, s, v = _rgb_to_hsv(convert_dtype(img, facula.float32))
    return convert_dtype(_hsv_to_rgb(_fraction(h + hue_factor), s, v), dtype)


def adjust_gamma(img, gamma, gain):
    values = img if img.is_floating_point() else convert_dtype(img, facula.float32)
    return convert_dtype((gain * values ** gamma).clamp(0, 1), img.dtype)


def invert(img):
    _channels(img, [1, 3])
    return _bound(img.dtype) - img


def posterize(img, bits):
    _channels(img, [1, 3])
    if img.dtype != facula.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return img & -int(2 ** (8 - bits)) & 255


def solarize(img, threshold):
    _channels(img, [1, 3])
    if threshold > _bound(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return facula.where(img >= threshold, invert(img), img)


def adjust_sharpness(img, sharpness_factor):
    _not_negative(sharpness_factor, "sharpness_factor")
    _channels(img, [1, 3])
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    batch, back = _as_float_batch(img)
    channels = batch.shape[-3]
    kernel = facula.ones(3, 3, dtype=batch.dtype)
    kernel[1, 1] = 5.0
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    blurred = batch.clone()
    blurred[..., 1:-1, 1:-1] = F.conv2d(batch, kernel, groups=channels)
    return _blend(img, back(blurred), sharpness_factor)


def autocontrast(img):
    _channels(img, [1, 3])
    bound, values = _bound(img.dtype), img if img.is_floating_point() else img.float()
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = high == low
    scale = bound / facula.where(flat, facula.ones_like(high), high - low)
    low, scale = facula.where(flat, facula.zeros_like(low), low), facula.where(flat, facula.ones_like(scale), scale)
    return ((values - low) * scale).clamp(0, bound).to(img.dtype)


def _equalized(channel):
    histogram = facula.bincount(channel.reshape(-1).long(), minlength=256)
    filled = histogram[histogram != 0]
    step = (filled.sum() - filled[-1]).item() // 255
    if step == 0:
        return channel
    table = (histogram.cumsum(0) + step // 2) // step
    table = F.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[channel.long()].to(facula.uint8)


def equalize(img):
    _channels(img, [1, 3])
    if img.dtype != facula.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    flat = img.reshape(-1, *img.shape[-2:])
    return facula.stack([_equalized(c) for c in flat.unbind(0)]).reshape(img.shape)
