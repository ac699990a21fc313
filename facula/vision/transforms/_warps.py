"""Random turns, perspectives, displacements, erasures and blurs as modules."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence

import facula
from facula import Tensor
from facula.nn import Module

from . import functional as F
from ._draws import _chance, _randint, _size, _uniform
from .functional import InterpolationMode

__all__ = ["ElasticTransform", "GaussianBlur", "RandomAffine", "RandomErasing", "RandomPerspective", "RandomRotation"]


def _angles(value, name, sizes=(2,)):
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [float(-value), float(value)]
    _check_sequence(value, name, sizes)
    return [float(v) for v in value]


def _check_sequence(value, name, sizes=(2,)):
    wanted = f"{name} should be a sequence of length {' or '.join(map(str, sizes))}."
    if not isinstance(value, Sequence):
        raise TypeError(wanted)
    if len(value) not in sizes:
        raise ValueError(wanted)


def _check_fill(fill):
    if not isinstance(fill, (Sequence, numbers.Number)) or isinstance(fill, str):
        raise TypeError("Fill should be either a sequence or a number.")


def _fill_for(img, fill):
    if not isinstance(img, Tensor):
        return fill
    channels = F.get_dimensions(img)[0]
    return [float(fill)] * channels if isinstance(fill, (int, float)) else [float(f) for f in fill]


class RandomRotation(Module):
    """A turn by a random angle, in degrees."""

    def __init__(self, degrees, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
        super().__init__()
        self.degrees = _angles(degrees, "degrees")
        self.interpolation = F._BY_NUMBER[interpolation] if isinstance(interpolation, int) else interpolation
        if center is not None:
            _check_sequence(center, "center")
        self.expand, self.center, self.fill = expand, center, 0 if fill is None else fill
        _check_fill(self.fill)

    @staticmethod
    def get_params(degrees):
        return float(_uniform(*degrees))

    def forward(self, img):
        fill = _fill_for(img, self.fill)
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self):
        text = f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, expand={self.expand}"
        text += "" if self.center is None else f", center={self.center}"
        return text + ("" if self.fill is None else f", fill={self.fill}") + ")"


class RandomAffine(Module):
    """A random turn, move, scale and shear."""

    def __init__(self, degrees, translate=None, scale=None, shear=None, interpolation=InterpolationMode.NEAREST, fill=0, center=None):
        super().__init__()
        self.degrees = _angles(degrees, "degrees")
        if translate is not None:
            _check_sequence(translate, "translate")
        if translate is not None and any(not 0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None:
            _check_sequence(scale, "scale")
        if scale is not None and any(s <= 0 for s in scale):
            raise ValueError("scale values should be positive")
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _angles(shear, "shear", (2, 4))
        self.interpolation = F._BY_NUMBER[interpolation] if isinstance(interpolation, int) else interpolation
        if center is not None:
            _check_sequence(center, "center")
        self.fill, self.center = 0 if fill is None else fill, center
        _check_fill(self.fill)

    @staticmethod
    def get_params(degrees, translate, scale_ranges, shears, img_size):
        """angle, translation, scale and shear."""
        angle = float(_uniform(*degrees))
        moved = (0, 0)
        if translate is not None:
            moved = tuple(int(round(_uniform(-float(t * n), float(t * n)))) for t, n in zip(translate, img_size))
        scale = 1.0 if scale_ranges is None else float(_uniform(*scale_ranges))
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = float(_uniform(shears[0], shears[1]))
            if len(shears) == 4:
                shear_y = float(_uniform(shears[2], shears[3]))
        return angle, moved, scale, (shear_x, shear_y)

    def forward(self, img):
        channels, height, width = F.get_dimensions(img)
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return F.affine(img, *params, interpolation=self.interpolation, fill=_fill_for(img, self.fill), center=self.center)

    def __repr__(self):
        parts = [f"degrees={self.degrees}"]
        parts += [f"{name}={value}" for name, value in (("translate", self.translate), ("scale", self.scale), ("shear", self.shear))
                  if value is not None]
        if self.interpolation != InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(Module):
    """A random perspective, with probability p."""

    def __init__(self, distortion_scale=0.5, p=0.5, interpolation=InterpolationMode.BILINEAR, fill=0):
        super().__init__()
        self.distortion_scale, self.p, self.fill = distortion_scale, p, 0 if fill is None else fill
        _check_fill(self.fill)
        self.interpolation = F._BY_NUMBER[interpolation] if isinstance(interpolation, int) else interpolation

    @staticmethod
    def get_params(width, height, distortion_scale):
        """The corners, and where they go."""
        dx, dy = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, right = (lambda: _randint(0, dx + 1)), (lambda: _randint(width - dx - 1, width))
        top, bottom = (lambda: _randint(0, dy + 1)), (lambda: _randint(height - dy - 1, height))
        ends = [[left(), top()], [right(), top()], [right(), bottom()], [left(), bottom()]]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img):
        fill = _fill_for(img, self.fill)
        _, height, width = F.get_dimensions(img)
        if _chance(self.p):
            return F.perspective(img, *self.get_params(width, height, self.distortion_scale), self.interpolation, fill)
        return img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


def check_erasing(value, scale, ratio):
    """Refuses what no rectangle can be drawn or filled from."""
    if not isinstance(value, (numbers.Number, str, tuple, list)):
        raise TypeError("Argument value should be either a number or str or a sequence")
    if isinstance(value, str) and value != "random":
        raise ValueError("If value is str, it should be 'random'")
    for name, pair in (("Scale", scale), ("Ratio", ratio)):
        if not isinstance(pair, (tuple, list)):
            raise TypeError(f"{name} should be a sequence")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=3)
    if scale[0] < 0 or scale[1] > 1:
        raise ValueError("Scale should be between 0 and 1")


class RandomErasing(Module):
    """A random rectangle of a tensor image replaced, with probability p; `value` may be "random"."""

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        super().__init__()
        check_erasing(value, scale, ratio)
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(img, scale, ratio, value=None):
        """top, left, height, width and the new values."""
        channels, height, width = img.shape[-3:]
        low, high = facula.log(facula.tensor([float(r) for r in ratio])).tolist()
        for _ in range(10):
            area = height * width * _uniform(*scale)
            aspect = facula.exp(facula.empty(1).uniform_(low, high)).item()
            h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if not (h < height and w < width):
                continue
            if value is None:
                values = facula.empty([channels, h, w], dtype=facula.float32).normal_()
            else:
                values = facula.tensor(value)[:, None, None]
            return _randint(0, height - h + 1), _randint(0, width - w + 1), h, w, values
        return 0, 0, height, width, img

    def forward(self, img):
        if not _chance(self.p):
            return img
        value = [float(self.value)] if isinstance(self.value, numbers.Number) else None if isinstance(self.value, str) else \
            [float(v) for v in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of input channels)")
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self):
        return (f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
                f"inplace={self.inplace})")


class GaussianBlur(Module):
    """A blur of random strength."""

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        self.kernel_size = _size(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min, sigma_max):
        return _uniform(sigma_min, sigma_max)

    def forward(self, img):
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self):
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class ElasticTransform(Module):
    """Random smooth displacements. Source: Simard, Steinkraus and Platt, ICDAR 2003."""

    def __init__(self, alpha=50.0, sigma=5.0, interpolation=InterpolationMode.BILINEAR, fill=0):
        super().__init__()
        self.alpha, self.sigma = self._two(alpha, "alpha"), self._two(sigma, "sigma")
        self.interpolation = F._BY_NUMBER[interpolation] if isinstance(interpolation, int) else interpolation
        if not isinstance(fill, (int, float, list, tuple)):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(v) for v in (fill if isinstance(fill, (list, tuple)) else [fill])]

    @staticmethod
    def _two(value, name):
        if not isinstance(value, (float, Sequence)):
            raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
        if isinstance(value, Sequence) and len(value) != 2:
            raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
        for part in value if isinstance(value, Sequence) else ():
            if not isinstance(part, float):
                raise TypeError(f"{name} should be a sequence of floats. Got {type(part)}")
        return [value, value] if isinstance(value, float) else value

    @staticmethod
    def get_params(alpha, sigma, size):
        parts = []
        for a, s, n in zip(alpha, sigma, size[::-1]):
            part = facula.rand([1, 1, *size]) * 2 - 1
            if s > 0.0:
                count = int(8 * s + 1)
                part = F.gaussian_blur(part, [count + (count % 2 == 0)] * 2, sigma)
            parts.append(part * a / n)
        return facula.concat(parts, 1).permute(0, 2, 3, 1)

    def forward(self, tensor):
        _, height, width = F.get_dimensions(tensor)
        return F.elastic_transform(tensor, self.get_params(self.alpha, self.sigma, [height, width]), self.interpolation, self.fill)

    def __repr__(self):
        return (f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, fill={self.fill})")
