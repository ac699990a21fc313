"""Images of different sizes in one batch."""

from __future__ import annotations


class ImageList:
    """A batch, padded, and the (height, width) that each image has in it."""

    def __init__(self, tensors, image_sizes):
        self.tensors, self.image_sizes = tensors, image_sizes

    def to(self, device):
        return ImageList(self.tensors.to(device), self.image_sizes)
