"""Operations that change a tensor's own sizes and strides in place."""

import facula

from .._table import composite


def _become(x, view):
    """x takes over the view's geometry and history."""
    if x.requires_grad and x.is_leaf and facula.is_grad_enabled():
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    edge = view._gradient_edge() if view.requires_grad and view.grad_fn is not None else None
    x._set_geometry(tuple(view.shape), view.stride(), view.storage_offset())
    if edge is not None:
        x._set_history(*edge)
    x._bump()
    return x


def _in_place(name, function=False):
    def method(self, *args, **kwargs):
        return _become(self, getattr(self, name)(*args, **kwargs))

    method.__name__ = name + "_"
    method.__doc__ = f"Like {name}, in place."
    composite(name + "_", method=True, function=function)(method)


for _name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
    _in_place(_name)
_in_place("as_strided", function=True)


@composite("resize_", function=False)
def resize_(self, *sizes, memory_format=None):
    """Changes the sizes; memory grows where it must, and new elements are not initialised."""
    sizes = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {list(sizes)}")
    if tuple(self.shape) == sizes and memory_format is None:
        return self
    strides = facula.empty(sizes, dtype=self.dtype, device="meta", memory_format=memory_format).stride() if memory_format is not None \
        else _contiguous_strides(sizes)
    count = 1
    for n in sizes:
        count *= n
    needed = (self.storage_offset() + count) * self.element_size()
    if count and needed > self._storage_nbytes():
        self._resize_memory(needed)
    self._set_geometry(sizes, strides, self.storage_offset())
    return self


def _contiguous_strides(sizes):
    strides, step = [0] * len(sizes), 1
    for d in range(len(sizes) - 1, -1, -1):
        strides[d] = step
        step *= max(sizes[d], 1)
    return strides


@composite("resize_as_")
def resize_as_(input, the_template, *, memory_format=None):
    """Resizes to the template's sizes."""
    return input.resize_(the_template.shape, memory_format=memory_format)
