"""Operations that change a tensor's own sizes and strides in place."""

import facula

from .._table import composite


def _become(x, view):
    """x takes over the view's geometry and history."""
    x._check_inplace()
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
    self._check_inplace()
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
    self._bump()
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


def _like(storage, x):
    """A storage as a flat tensor of x's dtype."""
    return storage.untyped()._bytes.view(x.dtype)


@composite("set_", function=False)
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Looks at another tensor's (or storage's) memory from now on; at none without a source."""
    self._check_inplace()
    if source is None:
        source = facula.empty(0, dtype=self.dtype, device=self.device)
    if not isinstance(source, facula.Tensor):
        source = _like(source, self)
        size = source.shape if size is None else size
    if source.dtype != self.dtype:
        raise RuntimeError(f"Could not set tensor of type {source.dtype} to a tensor of type {self.dtype}")
    if size is None:
        size, stride, storage_offset = tuple(source.shape), source.stride(), source.storage_offset()
    size = tuple(size)
    self._set_geometry(size, _contiguous_strides(size) if stride is None else tuple(stride), storage_offset, source)
    self._bump()
    return self


def _refuse_gradients(name, *tensors):
    if any(x.requires_grad for x in tensors):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")


def _each(self, function, *others):
    rows = zip(self.reshape(-1).tolist(), *(o.expand_as(self).reshape(-1).tolist() for o in others))
    made = facula.tensor([function(*row) for row in rows], dtype=self.dtype).reshape(self.shape)
    with facula.inference_mode():
        self.data.copy_(made)
    return self


@composite("apply_", function=False)
def apply_(self, callable):
    """Replaces each element by a Python function of it; slow."""
    _refuse_gradients("apply_", self)
    return _each(self, callable)


@composite("map_", function=False)
def map_(self, tensor, callable):
    """Replaces each element by a Python function of it and another tensor's element; slow."""
    _refuse_gradients("map_", self, tensor)
    return _each(self, callable, tensor)


@composite("map2_", function=False)
def map2_(self, x, y, callable):
    """Replaces each element by a Python function of it and two other tensors' elements; slow."""
    _refuse_gradients("map2_", self, x, y)
    return _each(self, callable, x, y)


@composite("fill_diagonal_", function=False)
def fill_diagonal_(self, fill_value, wrap=False):
    """Fills the main diagonal; with `wrap`, that of a tall matrix starts again below."""
    if self.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.dim() > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    count = min(self.shape)
    step = sum(self.stride())
    if wrap and self.dim() == 2 and self.shape[0] > self.shape[1] + 1:
        rows = [r for r in range(self.shape[0]) if r % (self.shape[1] + 1) != self.shape[1]]
        columns = [r % (self.shape[1] + 1) for r in rows]
        self[facula.tensor(rows), facula.tensor(columns)] = fill_value
        return self
    self.as_strided((count,), (step,), self.storage_offset()).fill_(fill_value)
    return self
