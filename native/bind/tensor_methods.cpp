// Methods that are about the object rather than its elements.
#include "autograd/graph.h"
#include "bind/data.h"
#include "bind/tensor_type.h"

namespace facula {
namespace {

Tensor self_of(PyObject* o) { return Tensor(tensor_of(o)); }

PyObject* size(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    if (kwnames && PyTuple_GET_SIZE(kwnames)) n = 1;
    if ((tensor_of(o)->flags & (kSubclass | kOther)) || modes.capture) {
      Py s(PyObject_GetAttrString(o, "shape"));
      if (!s || n == 0 || args[0] == Py_None) return s.release();
      return PyObject_GetItem(s.get(), args[0]);
    }
    if (n == 0 || args[0] == Py_None) return size_object(tensor_of(o)->sizes);
    Py i = checked(PyNumber_Index(args[0]));
    return PyLong_FromLongLong(self_of(o).size(wrap_dim(PyLong_AsLongLong(i.get()), self_of(o).dim())));
  });
}
PyObject* stride(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject*) {
  return guarded([&]() -> PyObject* {
    Tensor x = self_of(o);
    if (n && args[0] != Py_None) return PyLong_FromLongLong(x.stride(wrap_dim(PyLong_AsLongLong(args[0]), x.dim())));
    PyObject* out = PyTuple_New(x.dim());
    for (int i = 0; out && i < x.dim(); ++i) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(x.stride(i)));
    return out;
  });
}
PyObject* dim(PyObject* o, PyObject*) { return PyObject_GetAttrString(o, "ndim"); }
PyObject* numel(PyObject* o, PyObject*) {
  if (modes.capture) return PyObject_CallOneArg(callback("captured_numel"), o);
  return PyLong_FromLongLong(tensor_of(o)->numel);
}
PyObject* element_size(PyObject* o, PyObject*) { return PyLong_FromLongLong(item_size(tensor_of(o)->dtype)); }
PyObject* storage_offset(PyObject* o, PyObject*) { return PyLong_FromLongLong(tensor_of(o)->offset); }
PyObject* without_memory() {
  PyErr_SetString(PyExc_RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage");
  return nullptr;
}
PyObject* data_ptr(PyObject* o, PyObject*) {
  Tensor x = self_of(o);
  if (x->flags & kOther) return without_memory();
  return PyLong_FromVoidPtr(x.numel() ? x.raw() : nullptr);
}
PyObject* item(PyObject* o, PyObject*) {
  if ((tensor_of(o)->flags & kNeedsSlowPath) || modes.capture) return PyObject_CallOneArg(callback("slow_item"), o);
  return guarded([&]() -> PyObject* {
    Tensor x = self_of(o);
    if (x.numel() != 1) throw RuntimeError("a Tensor with ", x.numel(), " elements cannot be converted to Scalar");
    if (x.is_meta()) throw RuntimeError("Tensor.item() cannot be called on meta tensors");
    return scalar_object(x);
  });
}
PyObject* tolist(PyObject* o, PyObject*) {
  if (tensor_of(o)->flags & (kBatched | kOther)) return without_memory();
  return guarded([&]() -> PyObject* { return to_list(self_of(o)); });
}
PyObject* is_contiguous(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const Py_ssize_t all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  if (tensor_of(o)->flags & kOther) Py_RETURN_FALSE;
  MemoryFormat f = all && is_memory_format(args[0]) ? as_memory_format(args[0]) : MemoryFormat::contiguous;
  return PyBool_FromLong(self_of(o).is_contiguous(f));
}
PyObject* detach(PyObject* o, PyObject*) {
  if (tensor_of(o)->flags & (kBatched | kDual | kOther | kSubclass) || modes.capture) return PyObject_CallOneArg(callback("slow_detach"), o);
  return guarded([&]() -> PyObject* {
    Tensor v = shallow_copy(self_of(o));
    v->flags |= tensor_of(o)->flags & kUntracked;
    return give(v);
  });
}
PyObject* detach_(PyObject* o, PyObject*) {
  TensorObject* t = tensor_of(o);
  if (t->autograd) {
    if (t->autograd->base) { PyErr_SetString(PyExc_RuntimeError, "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."); return nullptr; }
    NodeRef gone = std::move(t->autograd->edge.node);
    t->autograd->edge = {};
    if (gone) defer_destruction(std::move(gone));
  }
  t->flags &= ~uint32_t(kRequiresGrad);
  return Py_NewRef(o);
}
PyObject* requires_grad_(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const Py_ssize_t all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  PyObject* wanted = all ? args[0] : Py_True;
  if (wanted == Py_True && !is_inexact(tensor_of(o)->dtype)) {
    PyErr_SetString(PyExc_RuntimeError, "only Tensors of floating point dtype can require gradients");
    return nullptr;
  }
  if (PyObject_SetAttrString(o, "requires_grad", wanted) < 0) return nullptr;
  return Py_NewRef(o);
}
PyObject* is_complex_(PyObject* o, PyObject*) { return PyBool_FromLong(is_complex(tensor_of(o)->dtype)); }
PyObject* is_floating_(PyObject* o, PyObject*) { return PyBool_FromLong(is_floating(tensor_of(o)->dtype)); }
PyObject* is_inference(PyObject* o, PyObject*) { return PyBool_FromLong((tensor_of(o)->flags & kInference) != 0); }
PyObject* is_set_to(PyObject* o, PyObject* other) {
  TensorObject *a = tensor_of(o), *b = tensor_of(other);
  return PyBool_FromLong(a->storage == b->storage && a->offset == b->offset && a->sizes == b->sizes && a->strides == b->strides);
}
PyObject* same_storage(PyObject* o, PyObject* other) {
  return PyBool_FromLong(is_tensor(other) && tensor_of(o)->storage == tensor_of(other)->storage);
}
PyObject* storage_nbytes(PyObject* o, PyObject*) { return PyLong_FromLongLong(tensor_of(o)->storage ? tensor_of(o)->storage->nbytes : 0); }
PyObject* storage_ptr(PyObject* o, PyObject*) { return PyLong_FromVoidPtr(tensor_of(o)->storage ? tensor_of(o)->storage->data : nullptr); }
PyObject* storage_id(PyObject* o, PyObject*) { return PyLong_FromVoidPtr(tensor_of(o)->storage.get()); }
// _bump(): counts a write that Python code made through the memory.
PyObject* bump(PyObject* o, PyObject*) { self_of(o).bump(); Py_RETURN_NONE; }
// _set_geometry(sizes, strides, offset, [tensor whose storage]): metadata in place (resize_, t_, set_ ...).
PyObject* set_geometry(PyObject* o, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *sizes, *strides, *from = nullptr;
    long long offset;
    if (!PyArg_ParseTuple(args, "OOL|O", &sizes, &strides, &offset, &from)) return nullptr;
    TensorObject* t = tensor_of(o);
    t->sizes = dims_of(sizes);
    t->strides = dims_of(strides);
    t->offset = offset;
    t->numel = t->sizes.numel();
    if (from && is_tensor(from)) {
      t->storage = tensor_of(from)->storage;
      t->dtype = tensor_of(from)->dtype;
    }
    Py_RETURN_NONE;
  });
}
PyObject* resize_memory(PyObject* o, PyObject* nbytes) {
  return guarded([&]() -> PyObject* {
    resize_storage(*tensor_of(o)->storage.get(), PyLong_AsLongLong(nbytes));
    Py_RETURN_NONE;
  });
}
// _as_dtype(dtype, sizes, strides, offset): the same bytes read as another dtype.
PyObject* as_other_dtype(PyObject* o, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *type, *sizes, *strides;
    long long offset;
    if (!PyArg_ParseTuple(args, "OOOL", &type, &sizes, &strides, &offset)) return nullptr;
    Tensor v = as_view(self_of(o), dims_of(sizes), dims_of(strides), offset);
    v->dtype = as_dtype(type);
    return give(v);
  });
}
PyObject* set_history_(PyObject* o, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject* node;
    unsigned slot;
    int in_place = 0;
    if (!PyArg_ParseTuple(args, "O!I|p", &NodeType, &node, &slot, &in_place)) return nullptr;
    NodeRef n(reinterpret_cast<Node*>(node));
    if (in_place) rebase_history(self_of(o), n, slot);
    else set_history(self_of(o), n, slot);
    Py_RETURN_NONE;
  });
}
// Refuses where an in-place change of this tensor is not allowed.
PyObject* check_inplace_(PyObject* o, PyObject*) {
  return guarded([&]() -> PyObject* {
    check_inplace(self_of(o), wants_grad(*tensor_of(o)));
    Py_RETURN_NONE;
  });
}
PyObject* edge_(PyObject* o, PyObject*) {
  return guarded([&]() -> PyObject* {
    Edge e = gradient_edge(self_of(o));
    if (!e.node) Py_RETURN_NONE;
    return Py_BuildValue("(OI)", (PyObject*)e.node.get(), e.slot);
  });
}
PyObject* set_base(PyObject* o, PyObject* base) {
  return guarded([&]() -> PyObject* {
    auto& meta = autograd_of(self_of(o));
    meta.base = base == Py_None ? Tensor() : self_of(base);
    meta.base_version = tensor_of(o)->storage ? tensor_of(o)->storage->version : 0;
    Py_RETURN_NONE;
  });
}

template <class F>
PyCFunction method(F f) { return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)); }

}  // namespace

PyMethodDef tensor_methods[] = {
    {"size", method(size), METH_FASTCALL | METH_KEYWORDS, "Sizes, or the size of one dimension."},
    {"stride", method(stride), METH_FASTCALL | METH_KEYWORDS, "Steps in elements between neighbours along each dimension."},
    {"dim", dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", dim, METH_NOARGS, "Number of dimensions."},
    {"numel", numel, METH_NOARGS, "Number of elements."},
    {"nelement", numel, METH_NOARGS, "Number of elements."},
    {"element_size", element_size, METH_NOARGS, "Bytes per element."},
    {"storage_offset", storage_offset, METH_NOARGS, "Elements between the storage's start and the first element."},
    {"data_ptr", data_ptr, METH_NOARGS, "Address of the first element."},
    {"item", item, METH_NOARGS, "The only element as a Python number."},
    {"tolist", tolist, METH_NOARGS, "The elements as (nested lists of) Python numbers."},
    {"is_contiguous", method(is_contiguous), METH_FASTCALL | METH_KEYWORDS, "Whether elements stand in memory in order."},
    {"detach", detach, METH_NOARGS, "The same memory without history."},
    {"detach_", detach_, METH_NOARGS, "Forgets the history."},
    {"requires_grad_", method(requires_grad_), METH_FASTCALL | METH_KEYWORDS, "Sets requires_grad and returns the tensor."},
    {"is_complex", is_complex_, METH_NOARGS, ""},
    {"is_floating_point", is_floating_, METH_NOARGS, ""},
    {"is_inference", is_inference, METH_NOARGS, ""},
    {"is_set_to", is_set_to, METH_O, "Whether both are the same view of the same memory."},
    {"_same_storage", same_storage, METH_O, ""},
    {"_storage_nbytes", storage_nbytes, METH_NOARGS, ""},
    {"_storage_ptr", storage_ptr, METH_NOARGS, ""},
    {"_storage_id", storage_id, METH_NOARGS, ""},
    {"_bump", bump, METH_NOARGS, ""},
    {"_set_geometry", set_geometry, METH_VARARGS, ""},
    {"_resize_memory", resize_memory, METH_O, ""},
    {"_as_dtype", as_other_dtype, METH_VARARGS, ""},
    {"_set_history", set_history_, METH_VARARGS, ""},
    {"_check_inplace", check_inplace_, METH_NOARGS, ""},
    {"_gradient_edge", edge_, METH_NOARGS, ""},
    {"_set_base", set_base, METH_O, ""},
    {}};

}  // namespace facula
