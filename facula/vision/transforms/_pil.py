"""Transforms of PIL images, by Pillow."""

from __future__ import annotations

_NUMBERS = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def resize(img, size, mode, antialias):
    return img.resize(tuple(size[::-1]), _NUMBERS[mode])


def crop(img, top, left, height, width):
    return img.crop((left, top, left + width, top + height))


def hflip(img):
    return img.transpose(0)


def vflip(img):
    return img.transpose(1)


def _fill(img, fill, name="fillcolor"):
    bands = len(img.getbands())
    fill = 0 if fill is None else fill
    if isinstance(fill, (int, float)):
        value = tuple([int(fill)] * bands) if bands > 1 else fill
    else:
        value = tuple(int(v) for v in (list(fill) * bands if len(fill) == 1 else fill))
        if len(value) != bands:
            raise ValueError(f"The number of elements in 'fill' does not match the number of channels of the image ({len(value)} != {bands})")
        value = value if bands > 1 else value[0]
    return {name: value}


def pad(img, left, top, right, bottom, fill, mode):
    if mode == "constant":
        from PIL import ImageOps

        return ImageOps.expand(img, border=(left, top, right, bottom), **_fill(img, fill, "fill"))
    import numpy as np
    from PIL import Image

    cut = [max(-v, 0) for v in (left, top, right, bottom)]
    if any(cut):
        img = img.crop((cut[0], cut[1], img.width - cut[2], img.height - cut[3]))
        left, top, right, bottom = (max(v, 0) for v in (left, top, right, bottom))
    array = np.asarray(img)
    widths = ((top, bottom), (left, right)) + ((0, 0),) * (array.ndim - 2)
    made = Image.fromarray(np.pad(array, widths, mode))
    if img.mode == "P":
        made.putpalette(img.getpalette())
    return made


def rotate(img, angle, mode, expand, center, fill):
    return img.rotate(angle, _NUMBERS[mode], expand, center, **_fill(img, fill))


def affine(img, matrix, mode, fill):
    return img.transform(img.size, 0, matrix, _NUMBERS[mode], **_fill(img, fill))


def perspective(img, coefficients, mode, fill):
    return img.transform(img.size, 2, coefficients, _NUMBERS[mode], **_fill(img, fill))


def _enhance(kind, img, factor):
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def adjust_brightness(img, brightness_factor):
    return _enhance("Brightness", img, brightness_factor)


def adjust_contrast(img, contrast_factor):
    return _enhance("Contrast", img, contrast_factor)


def adjust_saturation(img, saturation_factor):
    return _enhance("Color", img, saturation_factor)


def adjust_sharpness(img, sharpness_factor):
    return _enhance("Sharpness", img, sharpness_factor)


def adjust_hue(img, factor):
    from PIL import Image

    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = h.point([(value + int(factor * 255)) % 256 for value in range(256)])
    return Image.merge("HSV", (turned, s, v)).convert(img.mode)


def adjust_gamma(img, gamma, gain):
    mode = img.mode
    table = [int((255 + 1 - 1e-3) * gain * pow(v / 255.0, gamma)) for v in range(256)] * 3
    return img.convert("RGB").point(table).convert(mode)


def grayscale(img, channels):
    if channels == 1:
        return img.convert("L")
    if channels != 3:
        raise ValueError("num_output_channels should be either 1 or 3")
    from PIL import Image

    grey = img.convert("L")
    return Image.merge("RGB", (grey, grey, grey))


def _ops(name):
    def function(img, *args, **kwargs):
        from PIL import ImageOps

        return getattr(ImageOps, name)(img, *args, **kwargs)

    return function


invert, posterize, autocontrast, equalize = _ops("invert"), _ops("posterize"), _ops("autocontrast"), _ops("equalize")


def solarize(img, threshold):
    from PIL import ImageOps

    return ImageOps.solarize(img, threshold)
