"""What all image datasets share: a root folder, transforms, a printed form."""

from __future__ import annotations

import os

from facula.utils.data import Dataset

__all__ = ["VisionDataset", "StandardTransform"]


class _Transforming:
    """Holds a transform of the image and one of the target, either of which may be None."""

    def _transformed(self, image, target):
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class VisionDataset(_Transforming, Dataset):
    """A dataset below a folder.

    Args:
        root: The folder.
        transforms: Function of image and target together; excludes the other two.
        transform: Function of the image.
        target_transform: Function of the target.
    """

    _repr_indent = 4

    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.transform, self.target_transform = transform, target_transform
        if transform is not None or target_transform is not None:
            transforms = StandardTransform(transform, target_transform)
        self.transforms = transforms

    def __getitem__(self, index):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    def __repr__(self):
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * self._repr_indent + line for line in body)])

    def extra_repr(self):
        return ""


class StandardTransform(_Transforming):
    """A transform of the image beside one of the target."""

    def __init__(self, transform=None, target_transform=None):
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input, target):
        return self._transformed(input, target)

    def __repr__(self):
        body = [type(self).__name__]
        for head, part in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if part is not None:
                lines = repr(part).splitlines()
                body += [head + lines[0], *(" " * len(head) + line for line in lines[1:])]
        return "\n".join(body)
