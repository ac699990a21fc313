// What every file of the Python boundary needs: owned references, error translation, types.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

#include "tensor/call.h"

namespace facula {

class Py {  // an owned reference
 public:
  Py() = default;
  explicit Py(PyObject* stolen) : p_(stolen) {}
  Py(const Py& o) : p_(o.p_) { Py_XINCREF(p_); }
  Py(Py&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Py& operator=(Py o) noexcept { std::swap(p_, o.p_); return *this; }
  ~Py() { Py_XDECREF(p_); }
  static Py borrow(PyObject* p) { Py_XINCREF(p); return Py(p); }
  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_; }
 private:
  PyObject* p_ = nullptr;
};

// A new reference or PythonError.
inline Py checked(PyObject* p) {
  if (!p) throw PythonError();
  return Py(p);
}
void set_python_error();  // from the exception in flight

// Runs body; C++ exceptions become Python's and give `failed`.
template <class R, class Body>
R guarded(R failed, Body&& body) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return failed;
  }
}
template <class Body>
PyObject* guarded(Body&& body) { return guarded<PyObject*>(nullptr, std::forward<Body>(body)); }

// ---- dtype, device, layout, memory_format, Size (types.cpp)
PyObject* dtype_object(DType t);            // borrowed
bool is_dtype(PyObject* o);
DType as_dtype(PyObject* o);                // also float, int, bool, complex
PyObject* device_object(Device d);          // new
bool to_device(PyObject* o, Device& out);   // device objects, strings, indices
PyObject* size_object(std::span<const int64_t> sizes);  // new
PyObject* strided_layout();
bool is_memory_format(PyObject* o);
MemoryFormat as_memory_format(PyObject* o);
int add_value_types(PyObject* module);

// ---- tensors (tensor_type.cpp)
extern PyTypeObject TensorType;
extern PyTypeObject* parameter_type;  // nn.Parameter, once Python has made it
inline bool is_tensor(PyObject* o) {
  return Py_IS_TYPE(o, &TensorType) || PyObject_TypeCheck(o, &TensorType);
}
inline TensorObject* tensor_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }
inline PyObject* object_of(TensorObject* t) { return reinterpret_cast<PyObject*>(t); }
inline PyObject* give(Tensor t) { return object_of(t.release()); }  // new reference
int add_tensor_type(PyObject* module);
Tensor wrapped_number(PyObject* number);    // 0-dim, kWrapped
bool to_scalar(PyObject* o, Scalar& out);   // Python and NumPy numbers
PyObject* scalar_object(const Tensor& x);   // item()
Tensor tensor_from_data(PyObject* data, DType dtype, Device device);  // torch.tensor (data.cpp)

// ---- operations (op.cpp)
int add_op_type(PyObject* module);
PyObject* call_op(PyObject* op, PyObject* const* args, size_t n);
extern PyObject* operators[];  // by BinarySlot, set from Python

int add_graph_types(PyObject* module);      // autograd
int add_functions(PyObject* module);        // module-level helpers
}  // namespace facula
