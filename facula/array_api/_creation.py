"""New arrays."""

import facula

__all__ = ["arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid", "ones", "ones_like", "tril",
           "triu", "zeros", "zeros_like"]


def _shape(shape):
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _filled(name):
    def make(shape, *, dtype=None, device=None):
        return getattr(facula, name)(_shape(shape), dtype=dtype, device=device)

    def like(x, /, *, dtype=None, device=None):
        return getattr(facula, name + "_like")(x, dtype=dtype, device=device)

    make.__doc__ = f"{name.title()} of a shape."
    like.__doc__ = f"{name.title()} of another array's shape and data type."
    return make, like


zeros, zeros_like = _filled("zeros")
ones, ones_like = _filled("ones")
empty, empty_like = _filled("empty")


def full(shape, fill_value, *, dtype=None, device=None):
    """One value everywhere."""
    return facula.full(_shape(shape), fill_value, dtype=dtype, device=device)


def full_like(x, /, fill_value, *, dtype=None, device=None):
    """One value everywhere, in another array's shape and data type."""
    return facula.full_like(x, fill_value, dtype=dtype, device=device)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array of what is given; copy: always (True), never (False, ValueError if it must), or if it must (None)."""
    if copy is False and not (isinstance(obj, facula.Tensor) and dtype in (None, obj.dtype)) and not hasattr(obj, "__array_interface__"):
        raise ValueError("asarray(copy=False): this cannot be made an array without a copy")
    made = facula.as_tensor(obj, dtype=dtype, device=device)
    return made.clone() if copy and isinstance(obj, facula.Tensor) and made is obj else facula.clone(made) if copy else made


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    """Numbers from start up to stop, not included; empty where there are none."""
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("arange(): the step must not be 0")
    if (stop - start) / step <= 0:
        return facula.empty(0, dtype=dtype or facula.arange(start, start + step, step).dtype, device=device)
    return facula.arange(start, stop, step, dtype=dtype, device=device)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    """Evenly spaced numbers, the last one included or not."""
    if endpoint:
        return facula.linspace(start, stop, num, dtype=dtype, device=device)
    return facula.linspace(start, stop, num + 1, dtype=dtype, device=device)[:num]


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    """Ones on the k-th diagonal, zeros elsewhere."""
    n_cols = n_rows if n_cols is None else n_cols
    out = facula.zeros((n_rows, n_cols), dtype=dtype, device=device)
    if -n_rows < k < n_cols:
        out.diagonal(k).fill_(1)
    return out


def from_dlpack(x, /, *, device=None, copy=None):
    """An array over another library's memory."""
    made = facula.from_dlpack(x)
    return made.clone() if copy else made


def meshgrid(*arrays, indexing="xy"):
    """Coordinate matrices of coordinate vectors."""
    return tuple(facula.meshgrid(*arrays, indexing=indexing))


def tril(x, /, *, k=0):
    """The lower triangle, zeros above diagonal k."""
    return facula.tril(x, k)


def triu(x, /, *, k=0):
    """The upper triangle, zeros below diagonal k."""
    return facula.triu(x, k)
