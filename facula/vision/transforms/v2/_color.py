"""Colours and values of whole samples."""

from __future__ import annotations

import facula

from .. import transforms as classic
from . import functional as F
from ._transform import RandomTransform, Transform, pair, query_chw, uniform

__all__ = ["ColorJitter", "GaussianBlur", "GaussianNoise", "Grayscale", "RGB", "RandomAdjustSharpness", "RandomAutocontrast",
           "RandomChannelPermutation", "RandomEqualize", "RandomGrayscale", "RandomInvert", "RandomPhotometricDistort", "RandomPosterize",
           "RandomSolarize"]


class Grayscale(Transform):
    """Grey, with 1 or 3 channels."""

    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt, params):
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomTransform):
    """Grey with probability p, with as many channels as before."""

    def __init__(self, p=0.1):
        super().__init__(p=p)

    def make_params(self, flat_inputs):
        return {"num_output_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt, params):
        return self._call_kernel(F.rgb_to_grayscale, inpt, **params)


class RGB(Transform):
    """Three channels."""

    def transform(self, inpt, params):
        return self._call_kernel(F.grayscale_to_rgb, inpt)


_ADJUST = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation, "hue": F.adjust_hue}


class ColorJitter(Transform):
    """Random brightness, contrast, saturation and hue, in random order."""

    def __init__(self, brightness=None, contrast=None, saturation=None, hue=None):
        super().__init__()
        checked = classic.ColorJitter(brightness or 0, contrast or 0, saturation or 0, hue or 0)
        self.brightness, self.contrast, self.saturation, self.hue = checked.brightness, checked.contrast, checked.saturation, checked.hue

    def make_params(self, flat_inputs):
        order, *factors = classic.ColorJitter.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt, params):
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = self._call_kernel(list(_ADJUST.values())[i], inpt, params["factors"][i])
        return inpt


class RandomChannelPermutation(Transform):
    """Channels in random order."""

    def make_params(self, flat_inputs):
        return {"permutation": facula.randperm(query_chw(flat_inputs)[0])}

    def transform(self, inpt, params):
        return self._call_kernel(F.permute_channels, inpt, **params)


class RandomPhotometricDistort(Transform):
    """Random changes of colour, each with probability p. Source: Liu et al., arXiv 1512.02325."""

    def __init__(self, brightness=(0.875, 1.125), contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=(-0.05, 0.05), p=0.5):
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation, self.p = brightness, contrast, hue, saturation, p

    def make_params(self, flat_inputs):
        channels = query_chw(flat_inputs)[0]
        factors = {name: uniform(*getattr(self, name)) if facula.rand(1) < self.p else None for name in _ADJUST}
        contrast_first = bool(facula.rand(()) < 0.5)
        order = facula.randperm(channels) if facula.rand(1) < self.p else None
        names = ("brightness", "contrast", "saturation", "hue") if contrast_first else ("brightness", "saturation", "hue", "contrast")
        return {"factors": [(name, factors[name]) for name in names if factors[name] is not None], "order": order}

    def transform(self, inpt, params):
        for name, factor in params["factors"]:
            inpt = self._call_kernel(_ADJUST[name], inpt, factor)
        return inpt if params["order"] is None else self._call_kernel(F.permute_channels, inpt, permutation=params["order"])


def _random(name, functional):
    doc = f"`functional.{functional.__name__}` with probability p."
    return type(name, (RandomTransform,), {"transform": lambda self, inpt, params: self._call_kernel(functional, inpt), "__doc__": doc,
                                           "__module__": __name__})


RandomEqualize = _random("RandomEqualize", F.equalize)
RandomInvert = _random("RandomInvert", F.invert)
RandomAutocontrast = _random("RandomAutocontrast", F.autocontrast)


class RandomPosterize(RandomTransform):
    """`functional.posterize` with probability p."""

    def __init__(self, bits, p=0.5):
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt, params):
        return self._call_kernel(F.posterize, inpt, bits=self.bits)


class RandomSolarize(RandomTransform):
    """`functional.solarize` with probability p."""

    def __init__(self, threshold, p=0.5):
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt, params):
        return self._call_kernel(F.solarize, inpt, threshold=self.threshold)


class RandomAdjustSharpness(RandomTransform):
    """`functional.adjust_sharpness` with probability p."""

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt, params):
        return self._call_kernel(F.adjust_sharpness, inpt, sharpness_factor=self.sharpness_factor)


class GaussianBlur(Transform):
    """A blur of random strength."""

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = [float(s) for s in ((sigma, sigma) if isinstance(sigma, (int, float)) else sigma)]
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {self.sigma}")

    def make_params(self, flat_inputs):
        return {"sigma": [uniform(*self.sigma)] * 2}

    def transform(self, inpt, params):
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """Normal noise added."""

    def __init__(self, mean=0.0, sigma=0.1, clip=True):
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def transform(self, inpt, params):
        return self._call_kernel(F.gaussian_noise, inpt, mean=self.mean, sigma=self.sigma, clip=self.clip)
