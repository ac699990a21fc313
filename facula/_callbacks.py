"""Python functions that the core calls: what must see whole calls, and what is not hot."""

from __future__ import annotations

from ._native import core

Tensor, Node = core.Tensor, core.Node
DUAL, BATCHED, SUBCLASS = 8, 4, 2

# ---------------------------------------------------------------- gradients


def fit_gradient(grad, size, dtype):
    """Brings a gradient to its input's size (broadcast dimensions summed) and dtype."""
    if grad.shape != size:
        grad = sum_to_size(grad, size)
    if grad.dtype != dtype:
        if grad.dtype.is_complex and not dtype.is_complex:
            grad = grad.real
        grad = grad.to(dtype)
    return grad


def sum_to_size(x, size):
    lead = x.dim() - len(size)
    if lead < 0:
        return x.expand(size) if x.numel() == 1 else x.reshape(size)
    dims = list(range(lead)) + [i + lead for i, n in enumerate(size) if n == 1 and x.shape[i + lead] != 1]
    if dims:
        x = x.sum(dims, keepdim=True)
    return x.reshape(size) if lead or x.shape != size else x


class StridedViewNode(Node):
    """The gradient of any basic view: put back into zeros of the viewed tensor's shape."""

    def _backward(self, grad):
        if grad is None:
            return (None,)
        return (_strided_backward(grad, self.source, self.view),)


def _geometry(x):
    return tuple(x.shape), x.stride(), x.storage_offset()


def _strided_backward(grad, source, view):
    from facula.autograd._strided import strided_backward

    return strided_backward(grad, source, view)


_view_nodes: dict[str, type] = {}


def basic_view_node(x, view, name):
    kind = _view_nodes.get(name)
    if kind is None:
        kind = _view_nodes[name] = type(name, (StridedViewNode,), {"__module__": "builtins"})
    node = kind()
    node._set_next((x,))
    node.source, node.view = _geometry(x), _geometry(view)
    return node


def view_history(view, base):
    """The node of a view whose base was written in place since the view was made."""
    return basic_view_node(base, view, "AsStridedBackward0")


class CopySlices(Node):
    """The history of a base after an in-place operation on a view of it."""

    def _backward(self, grad):
        if grad is None:
            return (None,) * self.count
        from facula.autograd._strided import strided_select, strided_replace

        inner = self.inner._apply(strided_select(grad, self.source, self.view))
        inner = inner if isinstance(inner, tuple) else (inner,)
        first = inner[0] if inner else None
        return (strided_replace(grad, first, self.source, self.view), *inner[1:])


CopySlices.__module__ = "builtins"


def rebase_view(base, view, node):
    """Makes `node`, the in-place operation that wrote `view`, part of the history of `base`."""
    slices = CopySlices()
    slices._set_next((base,))
    slices._take_next(node, 1)
    slices.count = len(slices.next_functions)
    slices.inner, slices.source, slices.view = node, _geometry(base), _geometry(view)
    base._set_history(slices, 0)


def node_register_hook(node, hook):
    from .autograd.graph import RemovableHandle

    return RemovableHandle.add(node._post_hooks, hook)


def node_register_prehook(node, hook):
    from .autograd.graph import RemovableHandle

    return RemovableHandle.add(node._pre_hooks, hook)


def move_retained(old, old_slot, new, slot):
    """After an in-place operation: `retain_grad` follows the tensor to its new node."""
    hook = old._slot_hooks(old_slot).pop(("retain_grad",), None)
    if hook is not None:
        new._slot_hooks(slot)[("retain_grad",)] = hook


def note_anomaly(node):
    import traceback

    node.traceback_ = traceback.format_list(traceback.extract_stack()[:-1])


# ---------------------------------------------------------------- calls that need Python


def slow_call(op, entry, values, out):
    from ._dispatch import slow_call

    return slow_call(op, entry, values, out)


def foreign_call(op, owner, args, kwargs):
    from .overrides import handle_torch_function

    return handle_torch_function(op, (owner,), *args, **kwargs)


def composite_call(op, function, args, kwargs):
    from .overrides import composite_call

    return composite_call(op, function, args, kwargs)


def attribute_call(name, x):
    from .overrides import attribute_call

    return attribute_call(name, x)


def signature_of(op):
    from .ops._document import signature_of

    return signature_of(op)


def doc_of(op):
    from .ops._document import doc_of

    return doc_of(op)


def module_of(op):
    from .ops._document import module_of

    return module_of(op)


def profile_enter(node):
    from .profiler._record import enter_node

    enter_node(node)


def profile_leave():
    from .profiler._record import leave_node

    leave_node()


def captured_shape(x):
    from ._capture import captured_shape

    return captured_shape(x)


def captured_numel(x):
    from ._capture import captured_numel

    return captured_numel(x)


def own_gradient(grad):
    from ._layouts import own

    return own(grad)


def slow_detach(x):
    from ._dispatch import slow_detach

    return slow_detach(x)


def slow_item(x):
    from ._dispatch import slow_item

    return slow_item(x)


def slow_bool(x):
    from ._dispatch import slow_bool

    return slow_bool(x)


def getitem(x, index):
    from ._indexing import getitem

    return getitem(x, index)


def setitem(x, index, value):
    from ._indexing import setitem

    return setitem(x, index, value)


def tensor_repr(x):
    from ._printing import tensor_str

    return tensor_str(x)


def tensor_iter(x):
    if x.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(x.unbind(0))


def tensor_new(cls, *args, **kwargs):
    from ._tensor import construct

    return construct(cls, *args, **kwargs)


def as_tensor(data):
    import facula

    return facula.as_tensor(data)


def reduce_op(op):
    from .ops._document import home_of

    namespace, name = home_of(op)
    return f"Tensor.{name}" if namespace == "Tensor" else name  # a global of the operation's __module__


def lapack_path():
    """The LAPACK library of the package scipy-openblas32, or the same one inside SciPy; empty where there is neither."""
    import importlib.util
    import os

    for package, folder in (("scipy_openblas32", "lib"), ("scipy", "../scipy.libs")):  # found, not imported
        spec = importlib.util.find_spec(package)
        for place in spec.submodule_search_locations or () if spec else ():
            where = os.path.normpath(os.path.join(place, folder))
            for name in os.listdir(where) if os.path.isdir(where) else ():
                if name.startswith(("libscipy_openblas.", "libscipy_openblas-", "scipy_openblas.")) and ".so" in name:
                    return os.path.join(where, name)
    return ""


class LinAlgError(RuntimeError):
    """A matrix does not allow the operation: singular, not positive definite, not converging."""


LinAlgError.__module__, LinAlgError.__name__ = "torch._C", "_LinAlgError"

core.set_callbacks({name: value for name, value in globals().items()
                    if callable(value) and not name.startswith("__") and name not in ("core",)})
