"""Transforms of images as functions: PIL images go to Pillow, tensors to tensor operations."""

from __future__ import annotations

import math
import numbers
import sys
import warnings
from enum import Enum

import facula
from facula import Tensor

from .._pixels import pixels, unit_planes
from . import _pil, _tensor

__all__ = ["InterpolationMode", "to_tensor", "pil_to_tensor", "to_pil_image", "convert_image_dtype", "normalize", "resize", "pad", "crop",
           "center_crop", "resized_crop", "hflip", "vflip", "five_crop", "ten_crop", "adjust_brightness", "adjust_contrast",
           "adjust_saturation", "adjust_hue", "adjust_gamma", "rotate", "affine", "perspective", "to_grayscale", "rgb_to_grayscale",
           "erase", "gaussian_blur", "invert", "posterize", "solarize", "adjust_sharpness", "autocontrast", "equalize",
           "get_dimensions", "get_image_size", "get_image_num_channels", "elastic_transform"]


class InterpolationMode(Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_BY_NUMBER = {0: InterpolationMode.NEAREST, 2: InterpolationMode.BILINEAR, 3: InterpolationMode.BICUBIC, 4: InterpolationMode.BOX,
              5: InterpolationMode.HAMMING, 1: InterpolationMode.LANCZOS}


def _interpolation(mode):
    if isinstance(mode, int):
        mode = _BY_NUMBER[mode]
    if not isinstance(mode, InterpolationMode):
        raise TypeError("Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant")
    return mode.value


def _is_pil(img):
    image = sys.modules.get("PIL.Image")  # not imported: then nothing is a PIL image
    return image is not None and isinstance(img, image.Image)


def _is_numpy(img):
    return type(img).__module__ == "numpy" and type(img).__name__ == "ndarray"


def _check(img):
    if not isinstance(img, Tensor) and not _is_pil(img):
        raise TypeError(f"img should be PIL Image. Got {type(img)}")
    if isinstance(img, Tensor) and img.dim() < 2:
        raise TypeError("Tensor is not a torch image.")
    return _tensor if isinstance(img, Tensor) else _pil


# ---------------------------------------------------------------- sizes and types

def get_dimensions(img):
    """[channels, height, width]."""
    if isinstance(img, Tensor):
        if img.dim() < 2:
            raise TypeError("Tensor is not a torch image.")
        return [1 if img.dim() == 2 else img.shape[-3], *img.shape[-2:]]
    if not _is_pil(img):
        raise TypeError(f"Unexpected type {type(img)}")
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img):
    """[width, height]."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img):
    return get_dimensions(img)[0]


def pil_to_tensor(pic):
    """A PIL image as a tensor of its own dtype, (channels, height, width)."""
    if not _is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    if (found := pixels(pic)) is not None:
        return found.permute(2, 0, 1).contiguous() if found.shape[2] > 1 else found.view(1, pic.height, pic.width)
    import numpy as np

    tensor = facula.from_numpy(np.array(pic, copy=True))
    tensor = tensor.view(pic.height, pic.width, len(pic.getbands()))
    return tensor.permute(2, 0, 1).contiguous() if tensor.shape[2] > 1 else tensor.view(1, pic.height, pic.width)


def to_tensor(pic):
    """A PIL image or array (height, width, channels) as (channels, height, width); uint8 becomes float32 in [0, 1]."""
    if _is_numpy(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        tensor = facula.from_numpy((pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1).copy())
        return tensor.to(facula.get_default_dtype()).div(255) if tensor.dtype == facula.uint8 else tensor
    if not _is_pil(pic):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if facula.get_default_dtype() == facula.float32 and (found := unit_planes(pic)) is not None:
        return found
    import numpy as np

    special = {"I": np.int32, "I;16": np.int16, "F": np.float32}
    if pic.mode in special:
        return facula.from_numpy(np.array(pic, special[pic.mode], copy=True)).view(1, pic.height, pic.width)
    tensor = pil_to_tensor(pic)
    scale = 1 if pic.mode == "1" else 255
    return tensor.to(facula.get_default_dtype()).div(scale)


def to_pil_image(pic, mode=None):
    """A tensor (channels, height, width) or array (height, width, channels) as a PIL image."""
    import numpy as np
    from PIL import Image

    if isinstance(pic, Tensor):
        if pic.dim() not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.dim()} dimensions.")
        if pic.dim() == 2:
            pic = pic.unsqueeze(0)
        if pic.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[0]} channels.")
        if pic.is_floating_point() and mode != "F":
            pic = pic.detach().mul(255).to(facula.uint8)
        array = pic.detach().cpu().permute(1, 2, 0).contiguous().numpy()
    elif _is_numpy(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    if channels == 1:
        natural = {np.dtype(np.uint8): "L", np.dtype(np.int16): "I;16", np.dtype(np.int32): "I", np.dtype(np.float32): "F"}.get(array.dtype)
        if natural is None:
            raise TypeError(f"Input type {array.dtype} is not supported")
        if mode is not None and mode != natural:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {array.dtype}. Should be {natural}")
        return Image.fromarray(np.ascontiguousarray(array[:, :, 0]))
    permitted = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}[channels]
    if mode is not None and mode not in permitted:
        raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
    if array.dtype != np.uint8:
        raise TypeError(f"Input type {array.dtype} is not supported")
    array = np.ascontiguousarray(array)
    return Image.frombytes(mode or permitted[0], (array.shape[1], array.shape[0]), array.tobytes())


def convert_image_dtype(image, dtype=facula.float32):
    """Another dtype, values scaled to its range: [0, 1] for floats, up to the maximum for integers."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _tensor.convert_dtype(image, dtype)


def normalize(tensor, mean, std, inplace=False):
    """(tensor - mean) / std, channel by channel."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if tensor.dim() < 2:
        raise TypeError("Tensor is not a torch image.")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.dim() < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}")
    mean = facula.as_tensor(mean, dtype=tensor.dtype, device=tensor.device)
    std = facula.as_tensor(std, dtype=tensor.dtype, device=tensor.device)
    if not std.all():
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    mean = mean.view(-1, 1, 1) if mean.dim() == 1 else mean
    std = std.view(-1, 1, 1) if std.dim() == 1 else std
    return tensor.sub_(mean).div_(std) if inplace else tensor.sub(mean).div_(std)


# ---------------------------------------------------------------- geometry

def _pair(size, message="Please provide only two dimensions (h, w) for size."):
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    size = list(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return tuple(size)


def _resized_size(height, width, size, max_size):
    if not isinstance(size, int):
        size = list(size)
        if len(size) not in (1, 2):
            raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list")
        if max_size is not None and len(size) != 1:
            raise ValueError("max_size should only be passed if size specifies the length of the smaller edge, i.e. size should be an int or a "
                             "sequence of length 1 in torchscript mode.")
        if len(size) == 2:
            return tuple(size)
        size, = size
    short, long = min(width, height), max(width, height)
    new_short, new_long = size, int(size * long / short)
    if max_size is not None:
        if max_size <= size:
            raise ValueError(f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {[size]}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """The image at another size; an int is the length of the shorter side."""
    mode, target = _interpolation(interpolation), _resized_size(*get_dimensions(img)[1:], size, max_size)
    backend = _check(img)
    if tuple(get_dimensions(img)[1:]) == tuple(target):
        return img
    if backend is _pil and not antialias:
        warnings.warn("Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.", stacklevel=2)
    return backend.resize(img, target, mode, antialias)


def pad(img, padding, fill=0, padding_mode="constant"):
    """The image with a border: `padding` is one width, (left/right, top/bottom) or (left, top, right, bottom)."""
    backend = _check(img)
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, (int, float, type(None))) and (backend is _tensor or not isinstance(fill, (tuple, list))):
        raise TypeError("Got inappropriate fill arg")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(padding, int):
        left = top = right = bottom = padding
    elif len(padding) == 1:
        left = top = right = bottom = padding[0]
    elif len(padding) == 2:
        left, top = right, bottom = padding
    elif len(padding) == 4:
        left, top, right, bottom = padding
    else:
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
    return backend.pad(img, left, top, right, bottom, fill, padding_mode)


def crop(img, top, left, height, width):
    """A part of the image; what lies outside is 0."""
    return _check(img).crop(img, top, left, height, width)


def center_crop(img, output_size):
    """The middle of the image, padded with 0 where it is smaller."""
    want_h, want_w = _pair(output_size)
    _, height, width = get_dimensions(img)
    if want_w > width or want_h > height:
        img = pad(img, [(want_w - width) // 2 if want_w > width else 0, (want_h - height) // 2 if want_h > height else 0,
                        (want_w - width + 1) // 2 if want_w > width else 0, (want_h - height + 1) // 2 if want_h > height else 0])
        _, height, width = get_dimensions(img)
        if (want_h, want_w) == (height, width):
            return img
    return crop(img, int(round((height - want_h) / 2.0)), int(round((width - want_w) / 2.0)), want_h, want_w)


def resized_crop(img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True):
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img):
    """Left and right exchanged."""
    return _check(img).hflip(img)


def vflip(img):
    """Top and bottom exchanged."""
    return _check(img).vflip(img)


def five_crop(img, size):
    """The four corners and the middle."""
    h, w = pair = _pair(size)
    size = pair if isinstance(size, numbers.Number) or len(size) == 1 else size
    _, height, width = get_dimensions(img)
    if w > width or h > height:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(height, width)}")
    return (crop(img, 0, 0, h, w), crop(img, 0, width - w, h, w), crop(img, height - h, 0, h, w),
            crop(img, height - h, width - w, h, w), center_crop(img, [h, w]))


def ten_crop(img, size, vertical_flip=False):
    """`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _affine_inverse(center, angle, translate, scale, shear):
    """The six numbers that take a point of the result to a point of the image."""
    rot, sx, sy = (math.radians(v) for v in (angle, *shear))
    cx, cy = center
    tx, ty = translate
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m = [v / scale for v in (d, -b, 0.0, -c, a, 0.0)]
    m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def rotate(img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None):
    """The image turned counterclockwise by `angle` degrees; `expand` enlarges it to hold all of it."""
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    mode, backend = _interpolation(interpolation), _check(img)
    if backend is _pil:
        return _pil.rotate(img, angle, mode, expand, center, fill)
    offset = [0.0, 0.0]
    if center is not None:
        _, height, width = get_dimensions(img)
        offset = [c - s * 0.5 for c, s in zip(center, [width, height])]
    return _tensor.affine(img, _affine_inverse(offset, -angle, [0.0, 0.0], 1.0, [0.0, 0.0]), mode, fill, expand)


def _affine_arguments(angle, translate, scale, shear, center):
    """Raises what is wrong with them; returns the shear as two numbers."""
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shear = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear) * (2 if len(shear) == 1 else 1)
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    return shear


def affine(img, angle, translate, scale, shear, interpolation=InterpolationMode.NEAREST, fill=None, center=None):
    """The image turned, moved, scaled and sheared, its centre or `center` kept in place."""
    shear = _affine_arguments(angle, translate, scale, shear, center)
    mode, backend = _interpolation(interpolation), _check(img)
    _, height, width = get_dimensions(img)
    if backend is _pil:
        middle = [width * 0.5, height * 0.5] if center is None else center
        return _pil.affine(img, _affine_inverse(middle, angle, translate, scale, shear), mode, fill)
    offset = [0.0, 0.0] if center is None else [c - s * 0.5 for c, s in zip(center, [width, height])]
    return _tensor.affine(img, _affine_inverse(offset, angle, [float(t) for t in translate], scale, shear), mode, fill, False)


def perspective(img, startpoints, endpoints, interpolation=InterpolationMode.BILINEAR, fill=None):
    """The image seen so that four points of it come to lie on four others."""
    coefficients = _perspective_coefficients(startpoints, endpoints)
    mode, backend = _interpolation(interpolation), _check(img)
    return backend.perspective(img, coefficients, mode, fill)


def _perspective_coefficients(startpoints, endpoints):
    """The eight numbers that take a point of the result to a point of the image."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints.")
    rows, right = [], []
    for (sx, sy), (ex, ey) in zip(startpoints, endpoints):
        rows += [[ex, ey, 1, 0, 0, 0, -sx * ex, -sx * ey], [0, 0, 0, ex, ey, 1, -sy * ex, -sy * ey]]
        right += [sx, sy]
    solution = _solve([[float(v) for v in row] for row in rows], [float(v) for v in right])
    return facula.tensor(solution, dtype=facula.float32).tolist()  # rounded as PyTorch does: nearest neighbours hang on the last bit


def _solve(a, b):
    """Gauss's elimination with pivots, for the eight coefficients of a perspective."""
    n = len(b)
    rows = [row + [v] for row, v in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[p] = rows[p], rows[i]
        for r in range(n):
            if r != i and rows[r][i]:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [u - factor * v for u, v in zip(rows[r], rows[i])]
    return [rows[i][n] / rows[i][i] for i in range(n)]


# ---------------------------------------------------------------- colours

def adjust_brightness(img, brightness_factor):
    """All values times a factor."""
    return _check(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img, contrast_factor):
    """Values moved away from, or towards, their grey mean."""
    return _check(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img, saturation_factor):
    """Colours moved away from, or towards, grey."""
    return _check(img).adjust_saturation(img, saturation_factor)


def adjust_sharpness(img, sharpness_factor):
    """The image moved away from, or towards, a blurred one."""
    return _check(img).adjust_sharpness(img, sharpness_factor)


def invert(img):
    """Light and dark exchanged."""
    return _check(img).invert(img)


def autocontrast(img):
    """Each channel stretched to the whole range."""
    return _check(img).autocontrast(img)


def equalize(img):
    """Each channel's histogram made flat."""
    return _check(img).equalize(img)


def adjust_hue(img, hue_factor):
    """Colours turned by a factor in [-0.5, 0.5] of the colour circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _check(img).adjust_hue(img, hue_factor)


def adjust_gamma(img, gamma, gain=1):
    """255 * gain * (value / 255) ** gamma."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _check(img).adjust_gamma(img, gamma, gain)


def posterize(img, bits):
    """Only the highest `bits` bits kept."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _check(img).posterize(img, bits)


def solarize(img, threshold):
    """Values of at least the threshold inverted."""
    return _check(img).solarize(img, threshold)


def to_grayscale(img, num_output_channels=1):
    """A PIL image in grey, with 1 or 3 channels."""
    if not _is_pil(img):
        raise TypeError("Input should be PIL Image")
    return _pil.grayscale(img, num_output_channels)


def rgb_to_grayscale(img, num_output_channels=1):
    """The image in grey, with 1 or 3 channels."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    return _check(img).grayscale(img, num_output_channels)


def erase(img, i, j, h, w, v, inplace=False):
    """A rectangle of the tensor replaced by values."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    img = img if inplace else img.clone()
    img[..., i:i + h, j:j + w] = v
    return img


def gaussian_blur(img, kernel_size, sigma=None):
    """The image blurred by a Gaussian of the given odd size."""
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    size = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(size) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(size)}")
    if any(k % 2 == 0 or k < 0 for k in size):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {size}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in size]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    sigma = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma) * (2 if len(sigma) == 1 else 1)
    if len(sigma) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigma)}")
    if any(s <= 0.0 for s in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    if _check(img) is _tensor:
        return _tensor.gaussian_blur(img, size, sigma)
    blurred = _tensor.gaussian_blur(pil_to_tensor(img), size, sigma)
    return to_pil_image(blurred, mode=img.mode)


def elastic_transform(img, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """Each pixel taken from a place moved by `displacement`, shape (1, height, width, 2), in units of half the image."""
    mode = _interpolation(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    tensor = img if isinstance(img, Tensor) else pil_to_tensor(img)
    wanted = (1, *tensor.shape[-2:], 2)
    if displacement.shape != wanted:
        raise ValueError(f"Argument displacement shape should be {wanted}, but given {tuple(displacement.shape)}")
    height, width = tensor.shape[-2:]
    xs = facula.linspace((-width + 1) / width, (width - 1) / width, width)
    ys = facula.linspace((-height + 1) / height, (height - 1) / height, height)
    grid = facula.stack([xs.expand(height, width), ys.unsqueeze(-1).expand(height, width)], -1).unsqueeze(0)
    moved = _tensor.sample(tensor, grid + displacement, mode, fill)
    return moved if isinstance(img, Tensor) else to_pil_image(moved, mode=img.mode)
