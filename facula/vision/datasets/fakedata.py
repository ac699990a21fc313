"""Random images, for trying things out."""

from __future__ import annotations

import facula

from .vision import VisionDataset


class FakeData(VisionDataset):
    """Random images with random labels, the same for the same index."""

    def __init__(self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None, random_offset=0):
        super().__init__(transform=transform, target_transform=target_transform)
        self.size, self.num_classes, self.image_size, self.random_offset = size, num_classes, image_size, random_offset

    def __getitem__(self, index):
        from ..transforms.functional import to_pil_image

        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = facula.get_rng_state()
        facula.manual_seed(index + self.random_offset)
        image = facula.randn(*self.image_size)
        target = facula.randint(0, self.num_classes, size=(1,), dtype=facula.long)[0]
        facula.set_rng_state(state)
        image = to_pil_image(image)
        image = image if self.transform is None else self.transform(image)
        return image, (target if self.target_transform is None else self.target_transform(target)).item()

    def __len__(self):
        return self.size
