"""Shapes: joining, splitting, moving."""

import facula

from ._info import result_type

__all__ = ["astype", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat",
           "reshape", "roll", "squeeze", "stack", "tile", "unstack"]


def astype(x, dtype, /, *, copy=True, device=None):
    """The array in another data type."""
    if x.is_complex() and not dtype.is_complex:
        raise TypeError(f"astype(): a complex array does not become {dtype}; take real() or abs() first")
    return x.to(device=device or x.device, dtype=dtype, copy=copy)


def broadcast_arrays(*arrays):
    """All arrays expanded to their common shape."""
    return tuple(facula.broadcast_tensors(*arrays))


def broadcast_shapes(*shapes):
    """The shape that all shapes broadcast to."""
    return tuple(facula.broadcast_shapes(*shapes))


def broadcast_to(x, /, shape):
    """The array expanded to a shape."""
    return facula.broadcast_to(x, shape)


def concat(arrays, /, *, axis=0):
    """Arrays one after the other; axis None flattens them first."""
    dtype = result_type(*arrays)
    arrays = [a.to(dtype) for a in arrays]
    return facula.cat([a.reshape(-1) for a in arrays]) if axis is None else facula.cat(arrays, axis)


def stack(arrays, /, *, axis=0):
    """Arrays along a new axis."""
    dtype = result_type(*arrays)
    return facula.stack([a.to(dtype) for a in arrays], axis)


def unstack(x, /, *, axis=0):
    """The array's slices along an axis."""
    return tuple(x.unbind(axis))


def expand_dims(x, /, axis=0):
    """A new axis of size 1."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise IndexError(f"expand_dims(): axis {axis} is out of range for an array of {x.ndim} dimensions")
    return x.unsqueeze(axis)


def squeeze(x, /, axis):
    """The array without the given axes, which must have size 1."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze(): axis {a} has size {x.shape[a]}, not 1")
    return x.squeeze(axes)


def flip(x, /, *, axis=None):
    """Elements in reverse order along the axes (all by default)."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return facula.flip(x, tuple(axes))


def moveaxis(x, source, destination, /):
    """Axes moved to other places."""
    return facula.moveaxis(x, source, destination)


def permute_dims(x, /, axes):
    """Axes in another order."""
    return x.permute(tuple(axes))


def repeat(x, repeats, /, *, axis=None):
    """Each element several times."""
    return facula.repeat_interleave(x, repeats, axis)


def reshape(x, /, shape, *, copy=None):
    """The same elements in another shape; copy False raises where a copy is needed."""
    if copy is False:
        return x.view(shape)
    return x.clone().reshape(shape) if copy else x.reshape(shape)


def roll(x, /, shift, *, axis=None):
    """Elements moved along the axes, the last ones to the front."""
    return facula.roll(x, shift, axis)


def tile(x, repetitions, /):
    """The array several times along each axis."""
    return facula.tile(x, tuple(repetitions))
