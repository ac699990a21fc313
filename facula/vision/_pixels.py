"""The bytes of PIL images as tensors."""

from __future__ import annotations

import facula
from facula.storage import memory_of

_PLAIN = {"L": 1, "LA": 2, "RGB": 3, "YCbCr": 3, "HSV": 3, "RGBA": 4, "CMYK": 4}  # modes that Pillow writes out a byte a channel
_CHUNK = 1 << 16


def pixels(image):
    """A PIL image as a uint8 tensor (height, width, channels); None for modes with other than 8 bits.

    Pillow's encoder writes piece after piece into the tensor. One copy of the whole, as NumPy gets it, would be new memory each time,
    whose pages cost more than the copy.
    """
    channels = _PLAIN.get(image.mode)
    if channels is None:
        return None
    width, height = image.size
    made = facula.empty((height, width, channels), dtype=facula.uint8)
    if made.numel():
        memory, at = memory_of(made), 0
        for piece in _pieces(image):
            memory[at:at + len(piece)] = piece
            at += len(piece)
    return made


def _pieces(image):
    """What `image.tobytes()` would join."""
    from PIL import Image

    if not hasattr(Image, "_getencoder"):
        yield image.tobytes()
        return
    image.load()
    encoder = Image._getencoder(image.mode, "raw", (image.mode,))
    try:
        encoder.setimage(image.im, (0, 0, *image.size))
        state = 0
        while not state:
            _, state, piece = encoder.encode(max(_CHUNK, 4 * image.width))
            yield piece
        if state < 0:
            raise RuntimeError(f"encoder error {state} when reading the pixels of a PIL image")
    finally:
        encoder.cleanup()


def unit_planes(image):
    """A PIL image as float32 (channels, height, width) in [0, 1]; None where `pixels` gives None."""
    found = pixels(image)
    return None if found is None else facula._unit_planes(found)
