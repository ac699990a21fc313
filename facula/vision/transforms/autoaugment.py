"""Policies of random changes: AutoAugment, RandAugment, TrivialAugmentWide, AugMix."""

from __future__ import annotations

import math
from enum import Enum

import facula
from facula import Tensor
from facula.nn import Module

from . import functional as F
from .functional import InterpolationMode

__all__ = ["AutoAugmentPolicy", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"]


class AutoAugmentPolicy(Enum):
    """The data a policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Two changes each: name, probability in tenths, magnitude (of 10 bins). From the appendix of arXiv 1805.09501.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: (
        "Posterize 4 8 Rotate 6 9, Solarize 6 5 AutoContrast 6 -, Equalize 8 - Equalize 6 -, Posterize 6 7 Posterize 6 6, "
        "Equalize 4 - Solarize 2 4, Equalize 4 - Rotate 8 8, Solarize 6 3 Equalize 6 -, Posterize 8 5 Equalize 10 -, "
        "Rotate 2 3 Solarize 6 8, Equalize 6 - Posterize 4 6, Rotate 8 8 Color 4 0, Rotate 4 9 Equalize 6 -, Equalize 0 - Equalize 8 -, "
        "Invert 6 - Equalize 10 -, Color 6 4 Contrast 10 8, Rotate 8 8 Color 10 2, Color 8 8 Solarize 8 7, Sharpness 4 7 Invert 6 -, "
        "ShearX 6 5 Equalize 10 -, Color 4 0 Equalize 6 -, Equalize 4 - Solarize 2 4, Solarize 6 5 AutoContrast 6 -, "
        "Invert 6 - Equalize 10 -, Color 6 4 Contrast 10 8, Equalize 8 - Equalize 6 -"),
    AutoAugmentPolicy.CIFAR10: (
        "Invert 1 - Contrast 2 6, Rotate 7 2 TranslateX 3 9, Sharpness 8 1 Sharpness 9 3, ShearY 5 8 TranslateY 7 9, "
        "AutoContrast 5 - Equalize 9 -, ShearY 2 7 Posterize 3 7, Color 4 3 Brightness 6 7, Sharpness 3 9 Brightness 7 9, "
        "Equalize 6 - Equalize 5 -, Contrast 6 7 Sharpness 6 5, Color 7 7 TranslateX 5 8, Equalize 3 - AutoContrast 4 -, "
        "TranslateY 4 3 Sharpness 2 6, Brightness 9 6 Color 2 8, Solarize 5 2 Invert 0 -, Equalize 2 - AutoContrast 6 -, "
        "Equalize 2 - Equalize 6 -, Color 9 9 Equalize 6 -, AutoContrast 8 - Solarize 2 8, Brightness 1 3 Color 7 0, "
        "Solarize 4 5 AutoContrast 9 -, TranslateY 9 9 TranslateY 7 9, AutoContrast 9 - Solarize 8 3, Equalize 8 - Invert 1 -, "
        "TranslateY 7 9 AutoContrast 9 -"),
    AutoAugmentPolicy.SVHN: (
        "ShearX 9 4 Invert 2 -, ShearY 9 8 Invert 7 -, Equalize 6 - Solarize 6 6, Invert 9 - Equalize 6 -, Equalize 6 - Rotate 9 3, "
        "ShearX 9 4 AutoContrast 8 -, ShearY 9 8 Invert 4 -, ShearY 9 5 Solarize 2 6, Invert 9 - AutoContrast 8 -, "
        "Equalize 6 - Rotate 9 3, ShearX 9 4 Solarize 3 3, ShearY 8 8 Invert 7 -, Equalize 9 - TranslateY 6 6, Invert 9 - Equalize 6 -, "
        "Contrast 3 3 Rotate 8 4, Invert 8 - TranslateY 0 2, ShearY 7 6 Solarize 4 8, Invert 6 - Rotate 8 4, ShearY 3 7 TranslateX 9 3, "
        "ShearX 1 6 Invert 6 -, Solarize 7 2 TranslateY 6 7, ShearY 8 4 Invert 8 -, ShearX 7 9 TranslateY 8 3, ShearY 8 5 AutoContrast 7 -, "
        "ShearX 7 2 Invert 1 -")}


def _policies(policy):
    if policy not in _POLICIES:
        raise ValueError(f"The provided policy {policy} is not recognized.")
    pairs = []
    for text in _POLICIES[policy].split(", "):
        words = text.split()
        pairs.append(tuple((name, int(p) / 10, None if size == "-" else int(size))
                           for name, p, size in (words[:3], words[3:])))
    return pairs


# ---------------------------------------------------------------- changes by name

def _sheared(F, axis):
    def change(img, magnitude, interpolation, fill):
        shear = [0.0, 0.0]
        shear[axis] = math.degrees(math.atan(magnitude))  # the factor is the tangent of what affine() takes
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])

    return change


def _moved(F, axis):
    def change(img, magnitude, interpolation, fill):
        translate = [0, 0]
        translate[axis] = int(magnitude)
        return F.affine(img, 0.0, translate, 1.0, [0.0, 0.0], interpolation, fill)

    return change


def changes(F):
    """Name -> change of an image by a magnitude, made of the functional forms in F."""
    return {
        "Identity": lambda img, magnitude, interpolation, fill: img,
        "ShearX": _sheared(F, 0), "ShearY": _sheared(F, 1), "TranslateX": _moved(F, 0), "TranslateY": _moved(F, 1),
        "Rotate": lambda img, magnitude, interpolation, fill: F.rotate(img, magnitude, interpolation, fill=fill),
        "Brightness": lambda img, magnitude, interpolation, fill: F.adjust_brightness(img, 1.0 + magnitude),
        "Color": lambda img, magnitude, interpolation, fill: F.adjust_saturation(img, 1.0 + magnitude),
        "Contrast": lambda img, magnitude, interpolation, fill: F.adjust_contrast(img, 1.0 + magnitude),
        "Sharpness": lambda img, magnitude, interpolation, fill: F.adjust_sharpness(img, 1.0 + magnitude),
        "Posterize": lambda img, magnitude, interpolation, fill: F.posterize(img, int(magnitude)),
        "Solarize": lambda img, magnitude, interpolation, fill: F.solarize(img, magnitude),
        "AutoContrast": lambda img, magnitude, interpolation, fill: F.autocontrast(img),
        "Equalize": lambda img, magnitude, interpolation, fill: F.equalize(img),
        "Invert": lambda img, magnitude, interpolation, fill: F.invert(img)}


_CHANGES = changes(F)
_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")


def _bits(bins, kept, lost):
    """Bits kept by posterize(): from 8 (or 4) down by `lost`."""
    return kept - (facula.arange(bins) / ((bins - 1) / lost)).round().int()


def _space(bins, shear, move_x, move_y, turn, colour, posterize, names):
    """Dict from name to (magnitudes, whether the sign is drawn), in the order of `names`."""
    def up_to(high):
        return facula.linspace(0.0, high, bins), True

    nothing = (facula.tensor(0.0), False)
    table = {"ShearX": lambda: up_to(shear), "ShearY": lambda: up_to(shear), "TranslateX": lambda: up_to(move_x),
             "TranslateY": lambda: up_to(move_y), "Rotate": lambda: up_to(turn), "Posterize": lambda: (posterize, False),
             "Solarize": lambda: (facula.linspace(255.0, 0.0, bins), False), **{name: lambda: up_to(colour) for name in _COLOURS}}
    return {name: table[name]() if name in table else nothing for name in names}


_GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
_TONES = ("Posterize", "Solarize", "AutoContrast", "Equalize")


class _Augment(Module):
    """What the policies share: drawing, filling, printing."""

    _shown = ()

    def _fill(self, img):
        if isinstance(img, Tensor):
            channels = F.get_dimensions(img)[0]
            if isinstance(self.fill, (int, float)):
                return [float(self.fill)] * channels
            return None if self.fill is None else [float(f) for f in self.fill]
        return self.fill

    def _change(self, img, name, magnitude):
        if name not in _CHANGES:
            raise ValueError(f"The provided operator {name} is not recognized.")
        return _CHANGES[name](img, magnitude, self.interpolation, self._fill(img))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self._shown)})"


def _draw(high):
    return int(facula.randint(high, (1,)).item())


def _one(img, space, magnitude_of, apply):
    """One change of the space, drawn with its sign."""
    name = list(space)[_draw(len(space))]
    magnitudes, signed = space[name]
    magnitude = float(magnitudes[magnitude_of(magnitudes)].item()) if magnitudes.ndim > 0 else 0.0
    if signed and _draw(2):
        magnitude *= -1.0
    return apply(img, name, magnitude)


class AutoAugment(_Augment):
    """One of 25 pairs of changes, found by search. Source: Cubuk et al., arXiv 1805.09501."""

    _shown = ("policy", "fill")

    def __init__(self, policy=AutoAugmentPolicy.IMAGENET, interpolation=InterpolationMode.NEAREST, fill=None):
        super().__init__()
        self.policy, self.interpolation, self.fill = policy, interpolation, fill
        self.policies = _policies(policy)

    def _augmentation_space(self, num_bins, image_size):
        height, width = image_size
        return _space(num_bins, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, _bits(num_bins, 8, 4),
                      (*_GEOMETRY, *_COLOURS, *_TONES, "Invert"))

    @staticmethod
    def get_params(transform_num):
        """Number of the pair, two probabilities, two signs."""
        return _draw(transform_num), facula.rand((2,)), facula.randint(2, (2,))

    def forward(self, img):
        _, height, width = F.get_dimensions(img)
        number, chances, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, (height, width))
        for i, (name, p, magnitude_id) in enumerate(self.policies[number]):
            if chances[i] <= p:
                magnitudes, signed = space[name]
                magnitude = 0.0 if magnitude_id is None else float(magnitudes[magnitude_id].item())
                img = self._change(img, name, -magnitude if signed and signs[i] == 0 else magnitude)
        return img


class RandAugment(_Augment):
    """`num_ops` changes of one magnitude. Source: Cubuk et al., arXiv 1909.13719."""

    _shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None):
        super().__init__()
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.interpolation, self.fill = interpolation, fill

    def _augmentation_space(self, num_bins, image_size):
        height, width = image_size
        return _space(num_bins, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0, 0.9, _bits(num_bins, 8, 4),
                      ("Identity", *_GEOMETRY, *_COLOURS, *_TONES))

    def forward(self, img):
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            img = _one(img, space, lambda magnitudes: self.magnitude, self._change)
        return img


class TrivialAugmentWide(_Augment):
    """One change of any magnitude. Source: Müller and Hutter, arXiv 2103.10158."""

    _shown = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(self, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None):
        super().__init__()
        self.num_magnitude_bins, self.interpolation, self.fill = num_magnitude_bins, interpolation, fill

    def _augmentation_space(self, num_bins):
        return _space(num_bins, 0.99, 32.0, 32.0, 135.0, 0.99, _bits(num_bins, 8, 6), ("Identity", *_GEOMETRY, *_COLOURS, *_TONES))

    def forward(self, img):
        return _one(img, self._augmentation_space(self.num_magnitude_bins), lambda magnitudes: _draw(len(magnitudes)), self._change)


def _gamma(alpha):
    """A draw of the gamma distribution. Source: Marsaglia and Tsang, ACM TOMS 26 (2000)."""
    def uniform():
        return 1.0 - facula.rand(1, dtype=facula.float64).item()

    scale = 1.0
    if alpha < 1.0:
        scale, alpha = uniform() ** (1.0 / alpha), alpha + 1.0
    d = alpha - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        y = 0.0
        while y <= 0.0:
            x = facula.empty(1, dtype=facula.float64).normal_().item()
            y = 1.0 + c * x
        v, u, square = y ** 3, uniform(), x * x
        if u < 1.0 - 0.0331 * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


class AugMix(_Augment):
    """The image mixed with chains of changes of it. Source: Hendrycks et al., arXiv 1912.02781."""

    _shown = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill")

    def __init__(self, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True, interpolation=InterpolationMode.BILINEAR,
                 fill=None):
        super().__init__()
        self._PARAMETER_MAX = 10
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth, self.alpha = severity, mixture_width, chain_depth, alpha
        self.all_ops, self.interpolation, self.fill = all_ops, interpolation, fill

    def _augmentation_space(self, num_bins, image_size):
        height, width = image_size
        names = (*_GEOMETRY, *_TONES, *(_COLOURS if self.all_ops else ()))
        return _space(num_bins, 0.3, width / 3.0, height / 3.0, 30.0, 0.9, _bits(num_bins, 4, 4), names)

    def _sample_dirichlet(self, params):
        draws = facula.tensor([[_gamma(a) for a in row] for row in params.tolist()], dtype=facula.float64)
        return (draws / draws.sum(-1, keepdim=True)).to(params.dtype)

    def forward(self, img):
        original = img
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        shape = list(img.shape)
        batch = img.view([1] * max(4 - img.ndim, 0) + shape)
        each = [batch.size(0)] + [1] * (batch.ndim - 1)
        m = self._sample_dirichlet(facula.tensor([self.alpha, self.alpha]).expand(each[0], -1))
        weights = self._sample_dirichlet(facula.tensor([self.alpha] * self.mixture_width).expand(each[0], -1)) * m[:, 1].reshape(-1, 1)
        space = self._augmentation_space(self._PARAMETER_MAX, shape[-2:])
        mix = m[:, 0].reshape(each) * batch
        for i in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else int(facula.randint(1, 4, (1,)).item())
            for _ in range(depth):
                changed = _one(changed, space, lambda magnitudes: _draw(self.severity), self._change)
            mix.add_(weights[:, i].reshape(each) * changed)
        mix = mix.view(shape).to(img.dtype)
        return mix if isinstance(original, Tensor) else F.to_pil_image(mix)
