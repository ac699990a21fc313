"""Functions that look at what they are given: each is a signature and a table from type to kernel."""

from __future__ import annotations

import functools
import inspect

from facula import Tensor
from facula.vision import tv_tensors

from ...functional import _is_pil

__all__ = ["find_kernel", "functional", "is_pure_tensor", "kernel_for", "register_kernel"]
_KERNELS = {}


class _Pil:
    """Stands in the tables for PIL's images, which need not be importable."""


def is_pure_tensor(inpt):
    """Whether it is a tensor but none of those that say what they are."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def _rewrapping(kernel):
    """A kernel of plain tensors as one of a subclass."""
    @functools.wraps(kernel)
    def wrapped(inpt, **kwargs):
        made = kernel(inpt.as_subclass(Tensor), **kwargs)
        if isinstance(made, tuple):
            return tuple(tv_tensors.wrap(part, like=inpt) for part in made)
        return tv_tensors.wrap(made, like=inpt)

    return wrapped


def functional(image=None, pil=None, mask=None, boxes=None, keypoints=None, video=None):
    """Makes a function of `inpt` out of a signature. Kernels get its arguments by name.

    `image`, `mask` and `video` (by default as image; False: none) are kernels of plain tensors, the others of what they are called for.
    """
    def decorate(signature):
        parameters = list(inspect.signature(signature).parameters.values())[1:]
        names = [p.name for p in parameters]
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

        @functools.wraps(signature)
        def call(inpt, *args, **kwargs):
            if len(args) > len(names):
                raise TypeError(f"{signature.__name__}() takes {len(names) + 1} positional arguments but {len(args) + 1} were given")
            return kernel_for(call, _type(inpt))(inpt, **{**defaults, **dict(zip(names, args)), **kwargs})

        table = {_Pil: pil, tv_tensors.BoundingBoxes: boxes, tv_tensors.KeyPoints: keypoints}
        if image is not None:
            table |= {Tensor: image, tv_tensors.Image: _rewrapping(image)}
            if video is not False:
                table[tv_tensors.Video] = _rewrapping(video or image)
        if mask is not None:
            table[tv_tensors.Mask] = _rewrapping(mask)
        _KERNELS[call] = {kind: kernel for kind, kernel in table.items() if kernel is not None}
        call.kernels = {"image": image, "video": None if video is False else video or image, "mask": mask}
        return call

    return decorate


def _type(inpt):
    return _Pil if _is_pil(inpt) else type(inpt)


def find_kernel(function, kind):
    """The kernel of a function for a type, or for a class it derives from; None if there is none."""
    table = _KERNELS[function]
    if issubclass(kind, tv_tensors.TVTensor):
        bases = kind.__mro__[:kind.__mro__.index(tv_tensors.TVTensor)]
    else:
        bases = (Tensor,) if issubclass(kind, Tensor) else (kind,)
    return next((table[base] for base in bases if base in table), None)


def kernel_for(function, kind):
    """As `find_kernel`.

    Raises:
        TypeError: There is none.
    """
    kernel = find_kernel(function, kind)
    if kernel is None:
        known = ", ".join("PIL.Image.Image" if k is _Pil else str(k) for k in _KERNELS[function])
        raise TypeError(f"Functional F.{function.__name__} supports inputs of type [{known}], but got "
                        f"{'PIL.Image.Image' if kind is _Pil else kind} instead.")
    return kernel


def register_kernel(functional, tv_tensor_cls):
    """As a decorator: the kernel of a function for a subclass of `TVTensor`; it gets the input and the arguments by name."""
    if isinstance(functional, str):
        functional = next((f for f in _KERNELS if f.__name__ == functional), functional)
    if functional not in _KERNELS:
        raise ValueError(f"Kernels can only be registered on functionals from the torchvision.transforms.v2.functional namespace, "
                         f"but got {functional}.")
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError(f"Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, but got {tv_tensor_cls}.")
    if tv_tensor_cls in (tv_tensors.Image, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.Video, tv_tensors.KeyPoints):
        raise ValueError(f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}")

    def decorate(kernel):
        if tv_tensor_cls in _KERNELS[functional]:
            raise ValueError(f"Functional {functional} already has a kernel registered for type {tv_tensor_cls}.")
        _KERNELS[functional][tv_tensor_cls] = kernel
        return kernel

    return decorate
