"""Colours and values."""

from __future__ import annotations

import facula

from ... import _tensor
from ... import functional as v1
from ._table import functional

__all__ = ["adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness", "autocontrast",
           "equalize", "gaussian_blur", "gaussian_noise", "grayscale_to_rgb", "invert", "permute_channels", "posterize", "rgb_to_grayscale",
           "solarize", "to_grayscale"]


@functional(image=_tensor.adjust_brightness, pil=v1.adjust_brightness)
def adjust_brightness(inpt, brightness_factor):
    """All values times a factor."""


@functional(image=_tensor.adjust_saturation, pil=v1.adjust_saturation)
def adjust_saturation(inpt, saturation_factor):
    """Colours moved away from, or towards, grey."""


@functional(image=_tensor.adjust_contrast, pil=v1.adjust_contrast)
def adjust_contrast(inpt, contrast_factor):
    """Values moved away from, or towards, their grey mean."""


@functional(image=_tensor.adjust_sharpness, pil=v1.adjust_sharpness)
def adjust_sharpness(inpt, sharpness_factor):
    """Moved away from, or towards, a blurred image."""


@functional(image=v1.adjust_hue, pil=v1.adjust_hue)
def adjust_hue(inpt, hue_factor):
    """Colours turned by a factor in [-0.5, 0.5] of the colour circle."""


@functional(image=v1.adjust_gamma, pil=v1.adjust_gamma)
def adjust_gamma(inpt, gamma, gain=1):
    """255 * gain * (value / 255) ** gamma."""


def _invert(image):
    return _tensor._bound(image.dtype) - image


@functional(image=_invert, pil=v1.invert)
def invert(inpt):
    """Light and dark exchanged."""


def _posterize(image, bits):
    if image.is_floating_point():
        levels = 1 << bits
        return image.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels)
    size = _tensor._bound(image.dtype).bit_length()
    return image if bits >= size else image & (((1 << bits) - 1) << (size - bits))


@functional(image=_posterize, pil=v1.posterize)
def posterize(inpt, bits):
    """Only the highest `bits` bits kept."""


def _solarize(image, threshold):
    if threshold > _tensor._bound(image.dtype):
        raise TypeError(f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}")
    return facula.where(image >= threshold, _invert(image), image)


@functional(image=_solarize, pil=v1.solarize)
def solarize(inpt, threshold):
    """Values of at least the threshold inverted."""


@functional(image=_tensor.autocontrast, pil=v1.autocontrast)
def autocontrast(inpt):
    """Each channel stretched to the whole range."""


def _equalize(image):
    if image.numel() == 0:
        return image
    whole = _tensor.convert_dtype(image, facula.uint8) if image.is_floating_point() else image
    flat = whole.reshape(-1, *whole.shape[-2:])
    return _tensor.convert_dtype(facula.stack([_tensor._equalized(c) for c in flat.unbind(0)]).reshape(whole.shape), image.dtype)


@functional(image=_equalize, pil=v1.equalize)
def equalize(inpt):
    """Each channel's histogram made flat."""


def _grey(image, num_output_channels):
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if image.shape[-3] == 1:
        return image.expand(*image.shape[:-3], num_output_channels, *image.shape[-2:]) if num_output_channels == 3 else image.clone()
    return _tensor.grayscale(image, num_output_channels)


def _grey_pil(image, num_output_channels):
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    return v1.rgb_to_grayscale(image, num_output_channels)


@functional(image=_grey, pil=_grey_pil, video=False)
def rgb_to_grayscale(inpt, num_output_channels=1):
    """In grey, with 1 or 3 channels."""


to_grayscale = rgb_to_grayscale


def _rgb(image):
    return image if image.shape[-3] >= 3 else image.expand(*image.shape[:-3], 3, *image.shape[-2:])


@functional(image=_rgb, pil=lambda image: image.convert("RGB"), video=False)
def grayscale_to_rgb(inpt):
    """With three channels."""


def _permute(image, permutation):
    if len(permutation) != image.shape[-3]:
        raise ValueError(f"Length of permutation does not match number of channels: {len(permutation)} != {image.shape[-3]}")
    return image[..., permutation, :, :]


def _through_tensor(kernel):
    """A kernel of tensors for PIL images."""
    def run(image, **kwargs):
        return v1.to_pil_image(kernel(v1.pil_to_tensor(image), **kwargs), mode=image.mode)

    return run


@functional(image=_permute, pil=_through_tensor(_permute))
def permute_channels(inpt, permutation):
    """Channels in another order."""


@functional(image=v1.gaussian_blur, pil=v1.gaussian_blur)
def gaussian_blur(inpt, kernel_size, sigma=None):
    """Blurred by a Gaussian of the given odd size."""


def _noise(image, mean, sigma, clip):
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if not image.is_floating_point() and image.dtype != facula.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    if image.is_floating_point():
        noisy = image + mean + facula.randn_like(image) * sigma
        return noisy.clamp(0, 1) if clip else noisy
    noise = mean * 255 + facula.randn_like(image, dtype=facula.float32) * sigma * 255
    noisy = image.to(facula.int16) + noise.to(facula.int16)
    return (noisy.clamp(0, 255) if clip else noisy).to(facula.uint8)


def _refuse_noise(image, mean, sigma, clip):
    raise ValueError("Gaussian Noise is not implemented for PIL images.")


@functional(image=_noise, pil=_refuse_noise)
def gaussian_noise(inpt, mean=0.0, sigma=0.1, clip=True):
    """With normal noise added; `clip` keeps values in range."""
