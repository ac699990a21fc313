// Python numbers and nested sequences to tensors and back.
#include "bind/data.h"

#include <algorithm>
#include <limits>

#include "autograd/graph.h"

namespace facula {
namespace {

template <class T>
PyObject* number_object(T v) {
  if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(v);
  else if constexpr (is_complex_v<T>) return PyComplex_FromDoubles(v.real(), v.imag());
  else if constexpr (std::is_same_v<T, c32>) return PyComplex_FromDoubles(float(v.re), float(v.im));
  else if constexpr (std::is_same_v<T, uint64_t>) return PyLong_FromUnsignedLongLong(v);
  else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(v);
  else return PyFloat_FromDouble(double(float(v)));
}
template <>
PyObject* number_object<double>(double v) { return PyFloat_FromDouble(v); }

PyObject* element(DType dtype, const std::byte* p) {
  return for_stored(dtype, "item", [&]<class T>() -> PyObject* { return number_object(*reinterpret_cast<const T*>(p)); });
}

PyObject* list_of(const Tensor& x, int d, const std::byte* p) {
  if (d == x.dim()) return element(x.dtype(), p);
  PyObject* out = PyList_New(x.size(d));
  const int64_t step = x.stride(d) * item_size(x.dtype());
  for (int64_t i = 0; out && i < x.size(d); ++i) PyList_SET_ITEM(out, i, list_of(x, d + 1, p + i * step));
  return out;
}

bool is_list(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o); }

// ---- nested sequences: shape from the first path, then dtype and elements from all leaves
struct Data { Dims sizes; int kind = -1; DType exact = DType::undefined; bool any_tensor = false; };

int kind_of(PyObject* o) {
  if (PyBool_Check(o)) return 0;
  if (PyLong_Check(o)) return 1;
  if (PyFloat_Check(o)) return 2;
  if (PyComplex_Check(o)) return 3;
  Scalar s;
  if (to_scalar(o, s)) return s.kind;
  PyErr_Clear();
  throw TypeError("can't infer/convert element of type ", Py_TYPE(o)->tp_name, " to a tensor value");
}

bool sequence_like(PyObject* o) {
  return is_list(o) || (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !is_tensor(o) && !PyObject_HasAttrString(o, "__array_interface__") && !(Py_TYPE(o)->tp_as_number && Py_TYPE(o)->tp_as_number->nb_float));
}

void find_shape(PyObject* o, Data& d) {
  int depth = 0;
  Py hold = Py::borrow(o);
  while (true) {
    if (is_tensor(hold.get())) { for (auto s : tensor_of(hold.get())->sizes) d.sizes.push_back(s); return; }
    if (PyUnicode_Check(hold.get())) {
      if (depth) throw ValueError("too many dimensions 'str'");
      throw TypeError("new(): invalid data type 'str'");
    }
    if (!sequence_like(hold.get())) return;
    const Py_ssize_t n = PySequence_Size(hold.get());
    if (n < 0) throw PythonError();
    d.sizes.push_back(n);
    if (n == 0) return;
    if (++depth > 128) throw ValueError("too many dimensions '", Py_TYPE(o)->tp_name, "'");
    hold = checked(PySequence_GetItem(hold.get(), 0));
  }
}

void find_kind(PyObject* o, size_t depth, Data& d) {
  if (is_tensor(o)) {
    d.any_tensor = true;
    const DType t = tensor_of(o)->dtype;
    d.exact = promote(d.exact == DType::undefined ? t : d.exact, t);
    return;
  }
  if (depth == d.sizes.size()) {
    if (sequence_like(o)) throw TypeError("not a sequence");  // replaced below with the right message
    d.kind = std::max(d.kind, kind_of(o));
    return;
  }
  if (!sequence_like(o)) throw TypeError("not a sequence");
  const Py_ssize_t n = PySequence_Size(o);
  if (n != d.sizes[depth]) throw ValueError("expected sequence of length ", d.sizes[depth], " at dim ", depth, " (got ", n, ")");
  if (is_list(o)) for (Py_ssize_t i = 0; i < n; ++i) find_kind(PySequence_Fast_GET_ITEM(o, i), depth + 1, d);
  else for (Py_ssize_t i = 0; i < n; ++i) find_kind(checked(PySequence_GetItem(o, i)).get(), depth + 1, d);
}

template <class T>
T value_of(PyObject* o) {
  if constexpr (is_complex_v<T>) {
    const Py_complex c = PyComplex_AsCComplex(o);
    if (PyErr_Occurred()) throw PythonError();
    using R = typename T::value_type;
    return T(R(c.real), R(c.imag));
  } else if constexpr (std::is_same_v<T, bool>) {
    const int t = PyObject_IsTrue(o);
    if (t < 0) throw PythonError();
    return t;
  } else if constexpr (std::is_integral_v<T>) {
    if (PyFloat_Check(o)) return T(int64_t(PyFloat_AS_DOUBLE(o)));
    Scalar s;
    if (!to_scalar(o, s)) throw TypeError("an integer is required (got type ", Py_TYPE(o)->tp_name, ")");
    if constexpr (sizeof(T) < 8)
      if (s.n() < int64_t(std::numeric_limits<T>::min()) || s.n() > int64_t(std::numeric_limits<T>::max()))
        throw RuntimeError("value cannot be converted to type ", name(dtype_of<T>), " without overflow");
    return T(s.n());
  } else {
    if (PyFloat_Check(o)) return T(PyFloat_AS_DOUBLE(o));
    const double v = PyFloat_AsDouble(o);
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return T(float(v)) == T(0) && sizeof(T) == 8 ? T(v) : T(v);
  }
}

template <class T>
T* store(PyObject* o, size_t depth, const Data& d, T* p) {
  if (is_tensor(o)) {
    Tensor from = contiguous_as(Tensor(tensor_of(o)), dtype_of<T>);
    std::copy_n(from.data<T>(), from.numel(), p);
    return p + from.numel();
  }
  if (depth == d.sizes.size()) { *p = value_of<T>(o); return p + 1; }
  const Py_ssize_t n = d.sizes[depth];
  if (is_list(o)) for (Py_ssize_t i = 0; i < n; ++i) p = store<T>(PySequence_Fast_GET_ITEM(o, i), depth + 1, d, p);
  else for (Py_ssize_t i = 0; i < n; ++i) p = store<T>(checked(PySequence_GetItem(o, i)).get(), depth + 1, d, p);
  return p;
}

PyObject* tensor_data(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *data, *type, *device;
    if (!PyArg_ParseTuple(args, "OOO", &data, &type, &device)) return nullptr;
    Device d;
    if (device != Py_None && !to_device(device, d)) throw TypeError("tensor(): argument 'device' must be torch.device, not ", Py_TYPE(device)->tp_name);
    return give(tensor_from_data(data, type == Py_None ? DType::undefined : as_dtype(type), d));
  });
}

void release_python(void* owner) {
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(owner));
  PyGILState_Release(state);
}

// from_memory(address, nbytes, sizes, strides, dtype, owner): a tensor on someone else's memory.
PyObject* from_memory(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    unsigned long long address;
    long long nbytes;
    PyObject *sizes, *strides, *type, *owner;
    if (!PyArg_ParseTuple(args, "KLOOOO", &address, &nbytes, &sizes, &strides, &type, &owner)) return nullptr;
    Py_INCREF(owner);
    StorageRef s = borrow_storage(reinterpret_cast<void*>(address), nbytes, release_python, owner);
    Tensor t = empty({0}, as_dtype(type));
    t->storage = s;
    t->sizes = dims_of(sizes);
    t->strides = dims_of(strides);
    t->numel = t->sizes.numel();
    return give(t);
  });
}

// The dtype of a buffer's elements; undefined where tensors have none.
DType buffer_dtype(const Py_buffer& view) {
  const std::string_view format = view.format ? view.format : "B";
  const char c = format.size() == 1 ? format[0] : format == "Zf" ? 'F' : format == "Zd" ? 'D' : 0;
  switch (c) {
    case '?': return DType::bool_;
    case 'e': return DType::float16;
    case 'f': return DType::float32;
    case 'd': return DType::float64;
    case 'F': return DType::complex64;
    case 'D': return DType::complex128;
    case 'b': case 'h': case 'i': case 'l': case 'q':
      return view.itemsize == 1 ? DType::int8 : view.itemsize == 2 ? DType::int16 : view.itemsize == 4 ? DType::int32 : DType::int64;
    case 'B': case 'H': case 'I': case 'L': case 'Q':
      return view.itemsize == 1 ? DType::uint8 : view.itemsize == 2 ? DType::uint16 : view.itemsize == 4 ? DType::uint32 : DType::uint64;
    default: return DType::undefined;
  }
}

// Whether each byte of an array of truths is known to be 0 or 1; Pillow writes 255.
bool only_truths(const Py_buffer& view) {
  const auto* p = static_cast<const uint8_t*>(view.buf);
  uint8_t all = 0;
  if (!PyBuffer_IsContiguous(&view, 'A')) return false;
  for (Py_ssize_t i = 0; i < view.len; ++i) all |= p[i];
  return all <= 1;
}

// from_array(array): a tensor on a NumPy array's memory; None where that takes a copy, a warning or an error.
PyObject* from_array(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (std::string_view(Py_TYPE(o)->tp_name) != "numpy.ndarray") Py_RETURN_NONE;
    struct Buffer {
      Py_buffer view;
      bool held;
      explicit Buffer(PyObject* o) : held(PyObject_GetBuffer(o, &view, PyBUF_STRIDES | PyBUF_FORMAT) == 0) {}
      ~Buffer() { if (held) PyBuffer_Release(&view); }
    } buffer(o);
    if (!buffer.held) { PyErr_Clear(); Py_RETURN_NONE; }
    const auto& view = buffer.view;
    const DType type = buffer_dtype(view);
    if (view.readonly || type == DType::undefined || view.len == 0) Py_RETURN_NONE;
    Dims sizes, strides;
    int64_t span = 1;
    for (int d = 0; d < view.ndim; ++d) {
      if (view.strides[d] < 0 || view.strides[d] % view.itemsize) Py_RETURN_NONE;
      sizes.push_back(view.shape[d]);
      strides.push_back(view.strides[d] / view.itemsize);
      span += (sizes.back() - 1) * strides.back();
    }
    if (type == DType::bool_ && !only_truths(view)) Py_RETURN_NONE;
    Tensor t = empty({0}, type);
    Py_INCREF(o);
    t->storage = borrow_storage(view.buf, span * view.itemsize, release_python, o);
    t->sizes = sizes;
    t->strides = strides;
    t->numel = sizes.numel();
    return give(t);
  });
}

}  // namespace

PyMethodDef data_functions[] = {{"from_array", from_array, METH_O, "A tensor on a NumPy array's memory, or None."},
                                {"tensor_data", tensor_data, METH_VARARGS, "A tensor of nested Python data."},
                                {"from_memory", from_memory, METH_VARARGS, "A tensor on memory that `owner` keeps."}, {}};

bool to_scalar(PyObject* o, Scalar& s) {
  if (PyFloat_Check(o)) { s = {Scalar::real, 0, c128(PyFloat_AS_DOUBLE(o))}; return true; }
  if (PyBool_Check(o)) { s = {Scalar::boolean, o == Py_True, 0}; return true; }
  if (PyLong_Check(o)) {
    int overflow;
    s = {Scalar::integer, PyLong_AsLongLongAndOverflow(o, &overflow), 0};
    if (overflow > 0) {
      const unsigned long long u = PyLong_AsUnsignedLongLong(o);
      if (PyErr_Occurred()) { PyErr_Clear(); throw ValueError("Overflow when unpacking long long"); }
      s.i = int64_t(u);
    } else if (overflow) throw ValueError("Overflow when unpacking long long");
    return true;
  }
  if (PyComplex_Check(o)) { s = {Scalar::complex, 0, c128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o))}; return true; }
  // NumPy's scalars, recognised by their methods rather than by importing NumPy.
  const char* n = Py_TYPE(o)->tp_name;
  if (strncmp(n, "numpy.", 6) || !strcmp(n, "numpy.ndarray")) return false;
  if (!strcmp(n, "numpy.bool_") || !strcmp(n, "numpy.bool")) { s = {Scalar::boolean, PyObject_IsTrue(o), 0}; return true; }
  if (PyIndex_Check(o)) {
    Py i(PyNumber_Index(o));
    if (!i) { PyErr_Clear(); return false; }
    return to_scalar(i.get(), s);
  }
  if (!strncmp(n, "numpy.complex", 13)) {
    const Py_complex c = PyComplex_AsCComplex(o);
    s = {Scalar::complex, 0, c128(c.real, c.imag)};
    return true;
  }
  if (!strncmp(n, "numpy.float", 11)) { s = {Scalar::real, 0, c128(PyFloat_AsDouble(o))}; return true; }
  return false;
}

Tensor wrapped_number(PyObject* o) {
  Scalar s;
  if (!to_scalar(o, s)) throw TypeError("expected a number, got ", Py_TYPE(o)->tp_name);
  static constexpr DType types[] = {DType::bool_, DType::int64, DType::float64, DType::complex128};
  Tensor t = empty({}, types[s.kind]);
  switch (s.kind) {
    case Scalar::boolean: *t.data<bool>() = s.i; break;
    case Scalar::integer: *t.data<int64_t>() = s.i; break;
    case Scalar::real: *t.data<double>() = s.z.real(); break;
    case Scalar::complex: *t.data<c128>() = s.z; break;
  }
  t->flags |= kWrapped;
  return t;
}

PyObject* scalar_object(const Tensor& x) { return element(x.dtype(), x.raw()); }

PyObject* to_list(const Tensor& x) {
  if (x.is_meta()) throw NotImplementedError("Cannot copy out of meta tensor; no data!");
  return list_of(x, 0, x.raw());
}

Dims dims_of(PyObject* sequence) {
  Py items = checked(PySequence_Tuple(sequence));
  Dims d;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
    d.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(items.get(), i)));
    if (PyErr_Occurred()) throw PythonError();
  }
  return d;
}

Tensor tensor_from_data(PyObject* data, DType dtype, Device device) {
  Data d;
  find_shape(data, d);
  const bool empty_data = d.sizes.numel() == 0;
  if (dtype == DType::undefined || !empty_data) {
    try {
      find_kind(data, 0, d);
    } catch (const TypeError& e) {
      if (std::string(e.what()) != "not a sequence") throw;
      PyErr_Clear();
      throw ValueError("expected sequence of length ", d.sizes.empty() ? 0 : d.sizes.back(), " at dim ", d.sizes.size(), " (got a ragged or mixed nesting)");
    }
  }
  if (dtype == DType::undefined) {
    static constexpr DType ints[] = {DType::bool_, DType::int64};
    const DType of_numbers = d.kind < 0 ? DType::undefined : d.kind < 2 ? ints[d.kind] : d.kind == 2 ? default_dtype() : to_complex(default_dtype());
    dtype = d.exact != DType::undefined ? promote(d.exact, of_numbers) : of_numbers == DType::undefined ? default_dtype() : of_numbers;
  }
  if (device.type == Device::meta) return empty(d.sizes, dtype, device);
  Tensor t = empty(d.sizes, dtype, device);
  if (t.numel()) for_all(dtype, "tensor", [&]<class T> { store<T>(data, 0, d, t.data<T>()); });
  return t;
}

}  // namespace facula
