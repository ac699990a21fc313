// x[...] for integers, slices, None and Ellipsis; the rest is facula/_indexing.py.
#include "autograd/graph.h"
#include "bind/op.h"
#include "bind/tensor_type.h"

namespace facula {
namespace {

bool plain_int(PyObject* o) { return PyLong_Check(o) && !PyBool_Check(o); }
bool basic(PyObject* o) { return plain_int(o) || PySlice_Check(o) || o == Py_None || o == Py_Ellipsis; }

// The node of a basic view: its rule, in Python, puts the gradient back in place.
void record_view(const Tensor& x, const Tensor& v, const char* name) {
  if (x->flags & kInference) { v->flags |= kInference; return; }
  note_view(x, v, false);
  if (!modes.grad || !x.requires_grad() || !is_inexact(x.dtype())) return;
  static Py maker = Py::borrow(callback("basic_view_node"));
  Py node = checked(PyObject_CallFunction(maker.get(), "OOs", object_of(x.get()), object_of(v.get()), name));
  set_history(v, NodeRef(reinterpret_cast<Node*>(node.get())), 0);
}

// The view that `items` select; false if something is not basic.
Tensor basic_index(const Tensor& x, PyObject* const* items, Py_ssize_t n, const char*& last) {
  Py_ssize_t used = 0;
  for (Py_ssize_t i = 0; i < n; ++i) used += items[i] != Py_None && items[i] != Py_Ellipsis;
  if (used > x.dim()) throw IndexError("too many indices for tensor of dimension ", x.dim());
  Dims sizes, strides;
  int64_t offset = x->offset;
  int d = 0;
  bool dots = false;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* o = items[i];
    if (o == Py_Ellipsis) {
      if (dots) continue;
      dots = true;
      for (int rest = x.dim() - int(used); rest > 0; --rest, ++d) { sizes.push_back(x.size(d)); strides.push_back(x.stride(d)); }
    } else if (o == Py_None) {
      sizes.push_back(1);
      strides.push_back(d < x.dim() ? x.size(d) * x.stride(d) : 1);
      last = "UnsqueezeBackward0";
    } else if (plain_int(o)) {
      const int64_t at = PyLong_AsLongLong(o), size = x.size(d);
      if (at == -1 && PyErr_Occurred()) throw PythonError();
      if (at < -size || at >= size)
        throw IndexError("index ", at, " is out of bounds for dimension ", d, " with size ", size);
      offset += (at < 0 ? at + size : at) * x.stride(d);
      ++d;
      last = "SelectBackward0";
    } else {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(o, &start, &stop, &step) < 0) throw PythonError();
      if (step <= 0) throw ValueError("step must be greater than zero");
      const int64_t size = x.size(d), count = PySlice_AdjustIndices(size, &start, &stop, step);
      if (!(start == 0 && count == size && step == 1)) last = "SliceBackward0";
      sizes.push_back(count);
      strides.push_back(x.stride(d) * step);
      offset += (count ? start : std::min<int64_t>(start, size)) * x.stride(d);
      ++d;
    }
  }
  for (; d < x.dim(); ++d) { sizes.push_back(x.size(d)); strides.push_back(x.stride(d)); }
  return as_view(x, sizes, strides, offset);
}

bool all_basic(PyObject* index, PyObject* const*& items, Py_ssize_t& n, PyObject*& single) {
  if (basic(index)) { single = index; items = &single; n = 1; return true; }
  if (!PyTuple_Check(index)) return false;
  n = PyTuple_GET_SIZE(index);
  items = &PyTuple_GET_ITEM(index, 0);
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!basic(items[i])) return false;
    if (PySlice_Check(items[i])) {
      auto* s = reinterpret_cast<PySliceObject*>(items[i]);
      for (PyObject* part : {s->start, s->stop, s->step}) if (part != Py_None && !PyLong_Check(part)) return false;
    }
  }
  return true;
}

}  // namespace

PyObject* getitem(PyObject* self, PyObject* index) {
  return guarded([&]() -> PyObject* {
    Tensor x(tensor_of(self));
    PyObject* const* items;
    PyObject* single;
    Py_ssize_t n;
    if (Py_IS_TYPE(index, &TensorType) && x.dim() && tensor_of(index)->sizes.ndim() &&
        (tensor_of(index)->dtype == DType::int64 || tensor_of(index)->dtype == DType::bool_)) {
      static Py op = checked(PyObject_GetAttrString(checked(PyImport_ImportModule("facula")).get(), "_index"));
      Py list = checked(PyTuple_Pack(1, index));
      PyObject* args[] = {self, list.get()};
      return call_op(op.get(), args, 2);
    }
    if ((x->flags & kNeedsSlowPath) || modes.slow || !all_basic(index, items, n, single) ||
        (PySlice_Check(index) && !all_basic(Py(PyTuple_Pack(1, index)).get(), items, n, single)))
      return PyObject_CallFunctionObjArgs(callback("getitem"), self, index, nullptr);
    if (basic(index)) { single = index; items = &single; n = 1; }
    if (x.dim() == 0 && n && plain_int(items[0]))
      throw IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
    const char* last = "AliasBackward0";
    Tensor v = basic_index(x, items, n, last);
    v->flags |= x->flags & kUntracked;
    record_view(x, v, last);
    return give(v);
  });
}

int setitem(PyObject* self, PyObject* index, PyObject* value) {
  return guarded<int>(-1, [&] {
    if (!value) throw TypeError("Tensor does not support deleting items");
    PyObject* const* items;
    PyObject* single;
    Py_ssize_t n;
    const bool number = PyFloat_CheckExact(value) || PyLong_CheckExact(value) || PyBool_Check(value);
    if (!(tensor_of(self)->flags & kNeedsSlowPath) && !modes.slow && (number || Py_IS_TYPE(value, &TensorType)) &&
        (PyTuple_Check(index) || plain_int(index) || index == Py_Ellipsis) && all_basic(index, items, n, single)) {
      Py view = checked(getitem(self, index));
      static PyObject* fill = PyUnicode_InternFromString("fill_");
      static PyObject* copy = PyUnicode_InternFromString("copy_");
      if (number || tensor_of(value)->sizes.ndim() <= tensor_of(view.get())->sizes.ndim()) {
        checked(PyObject_CallMethodOneArg(view.get(), number ? fill : copy, value));
        return 0;
      }
    }
    checked(PyObject_CallFunctionObjArgs(callback("setitem"), self, index, value, nullptr));
    return 0;
  });
}

}  // namespace facula
