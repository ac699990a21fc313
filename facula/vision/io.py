"""Images from and to files and bytes, as uint8 tensors of shape (channels, height, width)."""

from __future__ import annotations

import io
import os
from enum import Enum

import facula

__all__ = ["ImageReadMode", "read_image", "decode_image", "decode_jpeg", "decode_png", "decode_gif", "decode_webp", "encode_jpeg",
           "encode_png", "write_jpeg", "write_png", "read_file", "write_file"]


class ImageReadMode(Enum):
    """Colours to convert to."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = 4


_MODES = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB", ImageReadMode.RGB_ALPHA: "RGBA"}


def read_file(path):
    """A file's bytes as a uint8 tensor."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if not data:
        raise RuntimeError(f"Expected a non empty file: {path}")
    return facula.frombuffer(data, dtype=facula.uint8)


def write_file(filename, data):
    """Writes a uint8 tensor's bytes to a file."""
    with open(filename, "wb") as file:
        file.write(bytes(memoryview(data.contiguous().numpy())))


def _mode(mode):
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def _decode(data, mode, where, apply_exif_orientation=False, formats=None):
    from PIL import Image, ImageOps, UnidentifiedImageError

    mode = _mode(mode)
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise RuntimeError(f"{where}: no image that can be decoded ({error})") from None
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if mode in _MODES:
        image = image.convert(_MODES[mode])
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        image = image.convert("RGBA" if "transparency" in image.info else "L" if image.mode == "1" else "RGB")
    from .transforms.functional import pil_to_tensor

    return pil_to_tensor(image)


def decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """An image from a tensor of encoded bytes, or from a path."""
    if isinstance(input, (str, os.PathLike)):
        return read_image(input, mode, apply_exif_orientation)
    if input.dtype != facula.uint8 or input.dim() != 1:
        raise RuntimeError(f"Expected a one dimensional uint8 tensor of encoded bytes, got {input.dtype} of shape {tuple(input.shape)}")
    return _decode(bytes(input.numpy()), mode, "decode_image", apply_exif_orientation)


decode_png = decode_gif = decode_webp = decode_avif = decode_heic = decode_image


def decode_jpeg(input, mode=ImageReadMode.UNCHANGED, device="cpu", apply_exif_orientation=False):
    """A JPEG image, or a list of them, from encoded bytes."""
    if isinstance(input, list):
        return [decode_image(x, mode, apply_exif_orientation) for x in input]
    return decode_image(input, mode, apply_exif_orientation)


def read_image(path, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """The image in a file.

    Args:
        path: JPEG, PNG, GIF, WebP or what else Pillow reads.
        mode: Colours to convert to.
        apply_exif_orientation: Turn the image the way its EXIF data say.

    Returns:
        uint8, shape (channels, height, width).

    Raises:
        RuntimeError: The file is no image; the message names it.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise RuntimeError(f"[Errno {error.errno}] {error.strerror}: '{path}'") from None
    return _decode(data, mode, os.fspath(path), apply_exif_orientation)


def _encode(input, format, **options):
    from .transforms.functional import to_pil_image

    if input.dtype != facula.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {input.dtype}")
    buffer = io.BytesIO()
    to_pil_image(input).save(buffer, format, **options)
    return facula.frombuffer(bytearray(buffer.getvalue()), dtype=facula.uint8)


def encode_png(input, compression_level=6):
    """The bytes of a PNG file with the image."""
    return _encode(input, "PNG", compress_level=compression_level)


def encode_jpeg(input, quality=75):
    """The bytes of a JPEG file with the image, or a list for a list."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        return [encode_jpeg(x, quality) for x in input]
    return _encode(input, "JPEG", quality=quality)


def write_png(input, filename, compression_level=6):
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input, filename, quality=75):
    write_file(filename, encode_jpeg(input, quality))
