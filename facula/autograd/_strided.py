"""Gradients of strided views: a view's gradient belongs to some elements of the viewed memory."""

import facula


def _offset(source, view):
    return view[2] - source[2]


def _dense(source):
    """A strided layout large enough for the source: zeros of its storage span."""
    sizes, strides, _ = source
    return 1 + sum((n - 1) * s for n, s in zip(sizes, strides)) if all(sizes) else 0


def strided_backward(grad, source, view):
    """Zeros like the source, with `grad` added where the view looks (it may look beyond the source)."""
    if 0 in source[0]:
        return grad.new_zeros(source[0])
    first = min(source[2], view[2])
    last = max(source[2] + _dense(source), view[2] + _dense(view))
    offset = view[2] - first
    if first == source[2] and _contiguous(source) and last - first == _dense(source):
        return facula._strided_put(grad, source[0], view[1], offset)
    flat = facula._strided_put(grad, [last - first], view[1], offset)
    back = facula._strided_take(flat, source[0], source[1], source[2] - first)
    repeated = 1  # elements that an expanded source shows more than once share what they got
    for n, s in zip(*source[:2]):
        repeated *= n if s == 0 else 1
    return back / repeated if repeated > 1 else back


def _expand(flat, source):
    if _contiguous(source):
        return flat.reshape(source[0])
    return flat[_indices(source, 0, flat.device).reshape(-1)].reshape(source[0])


def _contiguous(geometry):
    step = 1
    for n, s in zip(reversed(geometry[0]), reversed(geometry[1])):
        if n != 1 and s != step:
            return False
        step *= n
    return True


def _indices(geometry, offset, device):
    """Storage positions of each element."""
    sizes, strides, _ = geometry
    total = facula.full(tuple(sizes), offset, dtype=facula.int64, device=device)
    for d, (n, s) in enumerate(zip(sizes, strides)):
        shape = [1] * len(sizes)
        shape[d] = n
        total = total + facula.arange(n, device=device).reshape(shape) * s
    return total


def _flatten(grad, source):
    if _contiguous(source):
        return grad.reshape(-1)
    flat = facula.zeros(_dense(source), dtype=grad.dtype, device=grad.device)
    return facula.index_copy(flat, 0, _indices(source, 0, grad.device).reshape(-1), grad.reshape(-1))


def strided_select(grad, source, view):
    """The part of the source's gradient that the view looks at."""
    flat = _flatten(grad, source)
    index = _indices(view, _offset(source, view), grad.device)
    return flat[index.reshape(-1)].reshape(view[0])


def strided_replace(grad, part, source, view):
    """The source's gradient with the view's part replaced (by zeros if there is none)."""
    flat = _flatten(grad, source)
    index = _indices(view, _offset(source, view), grad.device).reshape(-1)
    value = facula.zeros(index.shape, dtype=grad.dtype, device=grad.device) if part is None else part.reshape(-1)
    return _expand(facula.index_copy(flat, 0, index, value), source)
