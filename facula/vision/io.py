"""Images from and to files and bytes, as uint8 tensors of shape (channels, height, width)."""

from __future__ import annotations

import io
import os
from enum import Enum

import facula

__all__ = ["ImageReadMode", "read_image", "decode_image", "decode_jpeg", "decode_png", "decode_gif", "decode_webp", "decode_avif", "decode_heic", "encode_jpeg",
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
    if data.dtype != facula.uint8 or data.dim() != 1:
        raise RuntimeError(f"Input tensor data should be one dimensional uint8, got {data.dtype} of shape {tuple(data.shape)}")
    with open(filename, "wb") as file:
        file.write(bytes(memoryview(data.contiguous().numpy())))


def _mode(mode):
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def _open(data, where, formats=None, grey=False):
    """A PIL image of encoded bytes, its pixels read."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        if grey and image.format == "JPEG":
            image.draft("L", image.size)  # brightness as the file has it, not computed from colours
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, KeyError) as error:
        wanted = f" as {' or '.join(formats)}" if formats else ""
        raise RuntimeError(f"{where}: no image that can be decoded{wanted} ({error})") from None
    return image


def _decode(data, mode, where, apply_exif_orientation=False, formats=None):
    from PIL import ImageOps

    from .transforms.functional import pil_to_tensor

    mode = _mode(mode)
    image = _open(data, where, formats, mode == ImageReadMode.GRAY)
    if image.format == "GIF":
        return _frames(image)
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if mode in _MODES:
        image = image.convert(_MODES[mode])
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        image = image.convert("RGBA" if "transparency" in image.info else "L" if image.mode == "1" else "RGB")
    return pil_to_tensor(image)


def _frames(image):
    """A GIF's pictures in colour: (3, height, width), or (frames, 3, height, width) of several."""
    from PIL import ImageSequence

    from .transforms.functional import pil_to_tensor

    frames = [pil_to_tensor(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return frames[0] if len(frames) == 1 else facula.stack(frames)


def _bytes(input):
    if not isinstance(input, facula.Tensor) or input.dtype != facula.uint8 or input.dim() != 1:
        what = f"{input.dtype} of shape {tuple(input.shape)}" if isinstance(input, facula.Tensor) else type(input).__name__
        raise RuntimeError(f"Expected a one dimensional uint8 tensor of encoded bytes, got {what}")
    if input.numel() == 0:
        raise RuntimeError("Expected a non empty 1-dimensional tensor")
    return bytes(input.numpy())


def decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """An image from a tensor of encoded bytes, or from a path. GIFs are always in colour, several frames in a batch."""
    if isinstance(input, (str, os.PathLike)):
        return read_image(input, mode, apply_exif_orientation)
    return _decode(_bytes(input), mode, "decode_image", apply_exif_orientation)


def decode_jpeg(input, mode=ImageReadMode.UNCHANGED, device="cpu", apply_exif_orientation=False):
    """A JPEG image, or a list of them, from encoded bytes."""
    if isinstance(input, list):
        if not input:
            raise ValueError("Input list must contain at least one element")
        return [decode_jpeg(x, mode, device, apply_exif_orientation) for x in input]
    return _decode(_bytes(input), mode, "decode_jpeg", apply_exif_orientation, ["JPEG"]).to(device)


def decode_png(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """A PNG image from encoded bytes; uint16 if grey of 16 bits."""
    return _decode(_bytes(input), mode, "decode_png", apply_exif_orientation, ["PNG"])


def decode_gif(input):
    """A GIF image from encoded bytes: (3, height, width), or (frames, 3, height, width) of several."""
    return _frames(_open(_bytes(input), "decode_gif", ["GIF"]))


def decode_webp(input, mode=ImageReadMode.UNCHANGED):
    """A WebP image from encoded bytes."""
    return _decode(_bytes(input), mode, "decode_webp", formats=["WEBP"])


def decode_avif(input, mode=ImageReadMode.UNCHANGED):
    """An AVIF image from encoded bytes, if Pillow reads such."""
    return _decode(_bytes(input), mode, "decode_avif", formats=["AVIF"])


def decode_heic(input, mode=ImageReadMode.UNCHANGED):
    """A HEIC image from encoded bytes, if Pillow has a plugin that reads such."""
    return _decode(_bytes(input), mode, "decode_heic", formats=["HEIF"])


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
    if input.dim() != 3:
        raise RuntimeError(f"Input data should be a 3-dimensional tensor, got {input.dim()} dimensions")
    if input.shape[0] not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {input.shape[0]}")
    buffer = io.BytesIO()
    to_pil_image(input).save(buffer, format, **options)
    return facula.frombuffer(bytearray(buffer.getvalue()), dtype=facula.uint8)


def encode_png(input, compression_level=6):
    """The bytes of a PNG file with the image, uint8 of shape (1 or 3, height, width)."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encode(input, "PNG", compress_level=compression_level)


def encode_jpeg(input, quality=75):
    """The bytes of a JPEG file with the image, uint8 of shape (1 or 3, height, width), or a list for a list."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(x, quality) for x in input]
    return _encode(input, "JPEG", quality=quality)


def write_png(input, filename, compression_level=6):
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input, filename, quality=75):
    write_file(filename, encode_jpeg(input, quality))
