"""Policies of random changes on the image of a sample."""

from __future__ import annotations

import facula
from facula import Tensor
from facula.utils._pytree import tree_flatten, tree_unflatten
from facula.vision import tv_tensors

from .. import autoaugment as classic
from ..autoaugment import AutoAugmentPolicy
from . import functional as F
from ._transform import PilImage, Transform, check_type, fill_for, fills, has_any, interpolation_of, randint
from .functional._table import is_pure_tensor

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


def _solarize(img, magnitude, interpolation, fill):
    return F.solarize(img, magnitude * (1.0 / 255 if isinstance(img, Tensor) and img.is_floating_point() else 1.0))


_CHANGES = classic.changes(F) | {"Solarize": _solarize}


class _Augment(Transform):
    """What the policies share: the one image, drawing, changing."""

    def _set_up(self, interpolation, fill):
        self.interpolation = interpolation
        self.fill, self._fills = fill, fills(fill)

    def _image(self, inputs):
        """The flat sample, its structure, and where the image is in it."""
        flat, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        unsupported = {type(i).__name__ for i in flat if isinstance(i, (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints))}
        if unsupported:
            raise TypeError(f"Inputs of type {', '.join(sorted(unsupported))} are not supported by {type(self).__name__}()")
        special = has_any(flat, tv_tensors.Image, tv_tensors.Video, PilImage)
        kinds = (tv_tensors.Image, tv_tensors.Video, PilImage) if special else (is_pure_tensor,)
        at = [i for i, inpt in enumerate(flat) if check_type(inpt, kinds)]
        if not at:
            raise TypeError("Found no image in the sample.")
        if len(at) > 1 and special:
            raise ValueError("Auto augment transformations are only properly defined for a single image or video, "
                             f"but found {len(at)} instances of images or videos in the sample.")
        return flat, spec, at[0]

    def forward(self, *inputs):
        flat, spec, at = self._image(inputs)
        flat = list(flat)
        flat[at] = self._augmented(flat[at], *F.get_size(flat[at]))
        return tree_unflatten(flat, spec)

    def _change(self, img, name, magnitude):
        return _CHANGES[name](img, magnitude, interpolation_of(self.interpolation), fill_for(self._fills, img))

    @staticmethod
    def _signed(magnitude, signed):
        return -magnitude if signed and facula.rand(()) <= 0.5 else magnitude

    def _one(self, img, space, index):
        """One change of the space, drawn with its sign; `index()` is the bin of its magnitude."""
        name = list(space)[randint(0, len(space))]
        magnitudes, signed = space[name]
        magnitude = self._signed(float(magnitudes[index()]), signed) if magnitudes.ndim > 0 else 0.0
        return self._change(img, name, magnitude)


class AutoAugment(_Augment):
    """One of 25 pairs of changes, found by search. Source: Cubuk et al., arXiv 1805.09501."""

    def __init__(self, policy=AutoAugmentPolicy.IMAGENET, interpolation="nearest", fill=None):
        super().__init__()
        self._set_up(interpolation, fill)
        self.policy = policy
        self._policies = classic._policies(policy)

    def _augmented(self, img, height, width):
        space = classic.AutoAugment._augmentation_space(self, 10, (height, width))
        for name, p, magnitude_id in self._policies[randint(0, len(self._policies))]:
            if facula.rand(()) > p:
                continue
            magnitudes, signed = space[name]
            magnitude = 0.0 if magnitude_id is None or magnitudes.ndim == 0 else self._signed(float(magnitudes[magnitude_id]), signed)
            img = self._change(img, name, magnitude)
        return img


class RandAugment(_Augment):
    """`num_ops` changes of one magnitude. Source: Cubuk et al., arXiv 1909.13719."""

    def __init__(self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation="nearest", fill=None):
        super().__init__()
        self._set_up(interpolation, fill)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def _augmented(self, img, height, width):
        space = classic.RandAugment._augmentation_space(self, self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            img = self._one(img, space, lambda: self.magnitude)
        return img


class TrivialAugmentWide(_Augment):
    """One change of any magnitude. Source: Müller and Hutter, arXiv 2103.10158."""

    def __init__(self, num_magnitude_bins=31, interpolation="nearest", fill=None):
        super().__init__()
        self._set_up(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, img, height, width):
        space = classic.TrivialAugmentWide._augmentation_space(self, self.num_magnitude_bins)
        return self._one(img, space, lambda: randint(0, self.num_magnitude_bins))


class AugMix(_Augment):
    """The image mixed with chains of changes of it. Source: Hendrycks et al., arXiv 1912.02781."""

    def __init__(self, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True, interpolation="bilinear",
                 fill=None):
        super().__init__()
        self._set_up(interpolation, fill)
        self._PARAMETER_MAX = 10
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth, self.alpha, self.all_ops = severity, mixture_width, chain_depth, alpha, all_ops

    def _augmented(self, img, height, width):
        tensor = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        shape = tensor.shape
        batch = tensor.as_subclass(Tensor).reshape([1] * max(4 - tensor.ndim, 0) + list(shape))
        each = [batch.shape[0]] + [1] * (batch.ndim - 1)
        draw = classic.AugMix._sample_dirichlet
        m = draw(self, facula.tensor([self.alpha, self.alpha]).expand(each[0], -1))
        weights = draw(self, facula.tensor([self.alpha] * self.mixture_width).expand(each[0], -1)) * m[:, 1].reshape(-1, 1)
        space = classic.AugMix._augmentation_space(self, self._PARAMETER_MAX, (height, width))
        mix = m[:, 0].reshape(each) * batch
        for i in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else randint(1, 4)
            for _ in range(depth):
                changed = self._one(changed, space, lambda: randint(0, self.severity))
            mix.add_(weights[:, i].reshape(each) * changed)
        mix = mix.reshape(shape).to(tensor.dtype)
        return F.to_pil_image(mix) if not isinstance(img, Tensor) else tv_tensors.wrap(mix, like=img) if isinstance(img, tv_tensors.TVTensor) \
            else mix
