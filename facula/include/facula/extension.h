#pragma once
// C++ functions on Facula's tensors, callable from Python: a Tensor is a handle of the Python object, its data are read in place.
//
//   torch::Tensor scale(torch::Tensor x, double by) { return x * by; }
//   PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("scale", &scale, "x times a number"); }
#include <Python.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace facula_ext {

// An exception that Python has raised and will see again.
struct PythonError : std::runtime_error {
  PythonError() : std::runtime_error("Python error") {}
};

// A counted reference; steals what it is made of.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* o) : o_(o) {
    if (!o_) throw PythonError();
  }
  Ref(const Ref& r) : o_(Py_XNewRef(r.o_)) {}
  Ref(Ref&& r) noexcept : o_(std::exchange(r.o_, nullptr)) {}
  Ref& operator=(Ref r) {
    std::swap(o_, r.o_);
    return *this;
  }
  ~Ref() { Py_XDECREF(o_); }
  static Ref borrowed(PyObject* o) { return Ref(Py_NewRef(o)); }
  PyObject* get() const { return o_; }
  Ref attr(const char* name) const { return Ref(PyObject_GetAttrString(o_, name)); }

 private:
  PyObject* o_ = nullptr;
};

inline Ref library() { return Ref(PyImport_ImportModule("facula")); }

enum class ScalarType { Byte, Char, Short, Int, Long, Half, Float, Double, ComplexFloat, ComplexDouble, Bool, BFloat16 };
inline constexpr const char* kNames[] = {"uint8",   "int8",    "int16",     "int32",      "int64", "float16",
                                         "float32", "float64", "complex64", "complex128", "bool",  "bfloat16"};
inline Ref dtype_object(ScalarType t) { return library().attr(kNames[int(t)]); }

template <class T>
constexpr ScalarType scalar_type_of() {
  if constexpr (std::is_same_v<T, float>) return ScalarType::Float;
  else if constexpr (std::is_same_v<T, double>) return ScalarType::Double;
  else if constexpr (std::is_same_v<T, int64_t>) return ScalarType::Long;
  else if constexpr (std::is_same_v<T, int32_t>) return ScalarType::Int;
  else if constexpr (std::is_same_v<T, int16_t>) return ScalarType::Short;
  else if constexpr (std::is_same_v<T, int8_t>) return ScalarType::Char;
  else if constexpr (std::is_same_v<T, uint8_t>) return ScalarType::Byte;
  else {
    static_assert(std::is_same_v<T, bool>, "no dtype of this C++ type");
    return ScalarType::Bool;
  }
}

class Tensor;
template <class T>
PyObject* to_python(const T& value);
template <class T>
T from_python(PyObject* o);

struct TensorOptions {
  std::optional<ScalarType> type;
  bool grad = false;
  TensorOptions() = default;
  TensorOptions(ScalarType t) : type(t) {}  // NOLINT: PyTorch's converts too
  TensorOptions dtype(ScalarType t) const {
    TensorOptions o = *this;
    o.type = t;
    return o;
  }
  TensorOptions requires_grad(bool wanted) const {
    TensorOptions o = *this;
    o.grad = wanted;
    return o;
  }
  Ref keywords() const {
    Ref d(PyDict_New());
    if (type && PyDict_SetItemString(d.get(), "dtype", dtype_object(*type).get()) < 0) throw PythonError();
    if (grad && PyDict_SetItemString(d.get(), "requires_grad", Py_True) < 0) throw PythonError();
    return d;
  }
};

// Calls a Python object with C++ values.
template <class... A>
Ref call(const Ref& f, const Ref& keywords, const A&... args) {
  Ref tuple(PyTuple_New(sizeof...(A)));
  Py_ssize_t i = 0;
  ((PyTuple_SET_ITEM(tuple.get(), i, to_python(args)), ++i), ...);
  if (PyErr_Occurred()) throw PythonError();
  return Ref(PyObject_Call(f.get(), tuple.get(), keywords.get()));
}

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref r) : r_(std::move(r)) {}
  bool defined() const { return r_.get(); }
  PyObject* object() const { return r_.get(); }
  // Any method of the tensor: x.method("clamp", 0.0, 1.0).
  template <class... A>
  Tensor method(const char* name, const A&... args) const {
    return Tensor(call(r_.attr(name), Ref(), args...));
  }
  int64_t dim() const { return number("dim"); }
  int64_t numel() const { return number("numel"); }
  int64_t element_size() const { return number("element_size"); }
  std::vector<int64_t> sizes() const { return from_python<std::vector<int64_t>>(Ref(call(r_.attr("size"), Ref())).get()); }
  std::vector<int64_t> strides() const { return from_python<std::vector<int64_t>>(Ref(call(r_.attr("stride"), Ref())).get()); }
  int64_t size(int64_t d) const { return from_python<int64_t>(call(r_.attr("size"), Ref(), d).get()); }
  int64_t stride(int64_t d) const { return from_python<int64_t>(call(r_.attr("stride"), Ref(), d).get()); }
  bool is_contiguous() const { return PyObject_IsTrue(call(r_.attr("is_contiguous"), Ref()).get()) == 1; }
  bool requires_grad() const { return PyObject_IsTrue(r_.attr("requires_grad").get()) == 1; }
  bool is_cuda() const { return PyObject_IsTrue(r_.attr("is_cuda").get()) == 1; }
  ScalarType scalar_type() const {
    const Ref mine = r_.attr("dtype");
    for (int i = 0; i < int(std::size(kNames)); ++i)
      if (dtype_object(ScalarType(i)).get() == mine.get()) return ScalarType(i);
    throw std::runtime_error("the tensor has a dtype that extensions do not know");
  }
  ScalarType dtype() const { return scalar_type(); }
  TensorOptions options() const { return TensorOptions(scalar_type()); }
  void* data_ptr() const { return reinterpret_cast<void*>(from_python<int64_t>(call(r_.attr("data_ptr"), Ref()).get())); }
  template <class T>
  T* data_ptr() const {
    if (scalar_type() != scalar_type_of<T>())
      throw std::runtime_error(std::string("expected scalar type ") + kNames[int(scalar_type_of<T>())] + " but found " + kNames[int(scalar_type())]);
    return static_cast<T*>(data_ptr());
  }
  template <class T>
  T item() const { return from_python<T>(call(r_.attr("item"), Ref()).get()); }
  Tensor to(ScalarType t) const { return Tensor(Ref(PyObject_CallFunctionObjArgs(r_.attr("to").get(), dtype_object(t).get(), nullptr))); }
#define FACULA_METHOD(name) \
  template <class... A> \
  Tensor name(const A&... args) const { return method(#name, args...); }
  FACULA_METHOD(contiguous) FACULA_METHOD(clone) FACULA_METHOD(detach) FACULA_METHOD(t) FACULA_METHOD(sum) FACULA_METHOD(mean)
  FACULA_METHOD(sin) FACULA_METHOD(cos) FACULA_METHOD(exp) FACULA_METHOD(log) FACULA_METHOD(sqrt) FACULA_METHOD(abs) FACULA_METHOD(neg)
  FACULA_METHOD(sigmoid) FACULA_METHOD(tanh) FACULA_METHOD(relu) FACULA_METHOD(pow) FACULA_METHOD(clamp) FACULA_METHOD(add) FACULA_METHOD(sub)
  FACULA_METHOD(mul) FACULA_METHOD(div) FACULA_METHOD(mm) FACULA_METHOD(matmul) FACULA_METHOD(bmm) FACULA_METHOD(view) FACULA_METHOD(reshape)
  FACULA_METHOD(transpose) FACULA_METHOD(unsqueeze) FACULA_METHOD(squeeze) FACULA_METHOD(select) FACULA_METHOD(slice) FACULA_METHOD(add_)
  FACULA_METHOD(mul_) FACULA_METHOD(copy_) FACULA_METHOD(zero_) FACULA_METHOD(fill_) FACULA_METHOD(flatten)
#undef FACULA_METHOD
  Tensor operator-() const { return method("__neg__"); }
  Tensor operator[](int64_t i) const { return method("__getitem__", i); }

 private:
  int64_t number(const char* name) const { return from_python<int64_t>(call(r_.attr(name), Ref()).get()); }
  Ref r_;
};

#define FACULA_OPERATOR(symbol, name, reflected) \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return a.method(name, b); } \
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>> \
  Tensor operator symbol(const Tensor& a, T b) { return a.method(name, b); } \
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>> \
  Tensor operator symbol(T a, const Tensor& b) { return b.method(reflected, a); }
FACULA_OPERATOR(+, "__add__", "__radd__")
FACULA_OPERATOR(-, "__sub__", "__rsub__")
FACULA_OPERATOR(*, "__mul__", "__rmul__")
FACULA_OPERATOR(/, "__truediv__", "__rtruediv__")
#undef FACULA_OPERATOR

// ---------------------------------------------------------------- values from and to Python

template <class T>
struct Item { using type = void; };
template <class T>
struct Item<std::vector<T>> { using type = T; };
template <class T>
struct Item<std::optional<T>> { using type = T; };
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class T>
PyObject* to_python(const T& value) {
  if constexpr (std::is_same_v<T, Tensor>) return Py_NewRef(value.defined() ? value.object() : Py_None);
  else if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
  else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(value);
  else if constexpr (std::is_floating_point_v<T>) return PyFloat_FromDouble(value);
  else if constexpr (std::is_same_v<T, std::string>) return PyUnicode_FromStringAndSize(value.data(), Py_ssize_t(value.size()));
  else if constexpr (is_optional<T>) return value ? to_python(*value) : Py_NewRef(Py_None);
  else if constexpr (is_vector<T>) {
    Ref list(PyList_New(Py_ssize_t(value.size())));
    for (size_t i = 0; i < value.size(); ++i) PyList_SET_ITEM(list.get(), Py_ssize_t(i), to_python(static_cast<const typename T::value_type&>(value[i])));
    return Py_NewRef(list.get());
  } else {
    static_assert(is_tuple<T>, "no Python value of this C++ type");
    Ref tuple(PyTuple_New(std::tuple_size_v<T>));
    std::apply([&](const auto&... part) { Py_ssize_t i = 0; (PyTuple_SET_ITEM(tuple.get(), i++, to_python(part)), ...); }, value);
    return Py_NewRef(tuple.get());
  }
}

template <class T>
T from_python(PyObject* o) {
  if constexpr (std::is_same_v<T, Tensor>) {
    if (PyObject_IsInstance(o, library().attr("Tensor").get()) != 1) {
      PyErr_Format(PyExc_TypeError, "expected a Tensor, got %s", Py_TYPE(o)->tp_name);
      throw PythonError();
    }
    return Tensor(Ref::borrowed(o));
  } else if constexpr (std::is_same_v<T, bool>) return PyObject_IsTrue(o) == 1;
  else if constexpr (std::is_integral_v<T>) {
    const long long v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return T(v);
  } else if constexpr (std::is_floating_point_v<T>) {
    const double v = PyFloat_AsDouble(o);
    if (v == -1 && PyErr_Occurred()) throw PythonError();
    return T(v);
  } else if constexpr (std::is_same_v<T, std::string>) {
    Py_ssize_t n;
    const char* s = PyUnicode_AsUTF8AndSize(o, &n);
    if (!s) throw PythonError();
    return {s, size_t(n)};
  } else if constexpr (is_optional<T>) {
    if (o == Py_None) return std::nullopt;
    return from_python<typename T::value_type>(o);
  } else {
    static_assert(is_vector<T>, "no C++ value of this type from Python");
    Ref items(PySequence_Fast(o, "expected a sequence"));
    T made;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i)
      made.push_back(from_python<typename T::value_type>(PySequence_Fast_GET_ITEM(items.get(), i)));
    return made;
  }
}

// ---------------------------------------------------------------- functions for Python

struct Function {
  PyMethodDef def;
  std::string name, doc;
  std::function<PyObject*(PyObject*)> run;
};

inline PyObject* run(PyObject* capsule, PyObject* args) {
  try {
    return static_cast<Function*>(PyCapsule_GetPointer(capsule, nullptr))->run(args);
  } catch (const PythonError&) {
    return nullptr;
  } catch (const std::invalid_argument& e) { PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const std::out_of_range& e) { PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const std::exception& e) { PyErr_SetString(PyExc_RuntimeError, e.what()); }
  return nullptr;
}

class Module {
 public:
  explicit Module(PyObject* m) : m_(m) {}
  template <class R, class... A, class... Extra>
  Module& def(const char* name, R (*f)(A...), const Extra&... extra) {
    auto* made = new Function{{}, name, "", nullptr};  // lives as long as the process, like the module
    ((std::is_convertible_v<Extra, std::string> ? void(made->doc = text(extra)) : void()), ...);
    made->run = [f, name = made->name](PyObject* args) { return invoke(name, f, args, std::index_sequence_for<A...>()); };
    made->def = {made->name.c_str(), facula_ext::run, METH_VARARGS, made->doc.c_str()};
    Ref capsule(PyCapsule_New(made, nullptr, nullptr));
    Ref function(PyCFunction_New(&made->def, capsule.get()));
    if (PyModule_AddObjectRef(m_, name, function.get()) < 0) throw PythonError();
    return *this;
  }

 private:
  static std::string text(const char* s) { return s; }
  template <class T>
  static std::string text(const T&) { return {}; }
  template <class R, class... A, size_t... I>
  static PyObject* invoke(const std::string& name, R (*f)(A...), PyObject* args, std::index_sequence<I...>) {
    if (PyTuple_GET_SIZE(args) != Py_ssize_t(sizeof...(A))) {
      PyErr_Format(PyExc_TypeError, "%s() takes %d arguments, got %d", name.c_str(), int(sizeof...(A)), int(PyTuple_GET_SIZE(args)));
      return nullptr;
    }
    std::tuple<std::decay_t<A>...> values{from_python<std::decay_t<A>>(PyTuple_GET_ITEM(args, I))...};
    if constexpr (std::is_void_v<R>) {
      f(std::get<I>(values)...);
      Py_RETURN_NONE;
    } else {
      return to_python<std::decay_t<R>>(f(std::get<I>(values)...));
    }
  }
  PyObject* m_;
};

template <class... A>
Tensor make(const char* name, const TensorOptions& options, const A&... args) {
  return Tensor(call(library().attr(name), options.keywords(), args...));
}
using Sizes = std::vector<int64_t>;
inline Tensor empty(const Sizes& sizes, const TensorOptions& o = {}) { return make("empty", o, sizes); }
inline Tensor zeros(const Sizes& sizes, const TensorOptions& o = {}) { return make("zeros", o, sizes); }
inline Tensor ones(const Sizes& sizes, const TensorOptions& o = {}) { return make("ones", o, sizes); }
inline Tensor rand(const Sizes& sizes, const TensorOptions& o = {}) { return make("rand", o, sizes); }
inline Tensor randn(const Sizes& sizes, const TensorOptions& o = {}) { return make("randn", o, sizes); }
inline Tensor full(const Sizes& sizes, double value, const TensorOptions& o = {}) { return make("full", o, sizes, value); }
inline Tensor arange(double end, const TensorOptions& o = {}) { return make("arange", o, end); }
inline Tensor cat(const std::vector<Tensor>& parts, int64_t dim = 0) { return make("cat", {}, parts, dim); }
inline Tensor stack(const std::vector<Tensor>& parts, int64_t dim = 0) { return make("stack", {}, parts, dim); }
#define FACULA_FUNCTION(name) \
  template <class... A> \
  Tensor name(const Tensor& x, const A&... rest) { return make(#name, {}, x, rest...); }
FACULA_FUNCTION(empty_like) FACULA_FUNCTION(zeros_like) FACULA_FUNCTION(ones_like) FACULA_FUNCTION(rand_like) FACULA_FUNCTION(sin) FACULA_FUNCTION(cos)
FACULA_FUNCTION(exp) FACULA_FUNCTION(log) FACULA_FUNCTION(sqrt) FACULA_FUNCTION(abs) FACULA_FUNCTION(sigmoid) FACULA_FUNCTION(tanh) FACULA_FUNCTION(relu)
FACULA_FUNCTION(pow) FACULA_FUNCTION(clamp) FACULA_FUNCTION(sum) FACULA_FUNCTION(mean) FACULA_FUNCTION(add) FACULA_FUNCTION(sub) FACULA_FUNCTION(mul)
FACULA_FUNCTION(div) FACULA_FUNCTION(mm) FACULA_FUNCTION(matmul) FACULA_FUNCTION(bmm) FACULA_FUNCTION(softmax) FACULA_FUNCTION(addmm) FACULA_FUNCTION(where)
#undef FACULA_FUNCTION

template <class... A>
void check(bool holds, const A&... parts) {
  if (holds) return;
  std::ostringstream text;
  (text << ... << parts);
  throw std::runtime_error(text.str());
}

}  // namespace facula_ext

namespace torch {
using namespace facula_ext;  // NOLINT: extensions name torch::Tensor, torch::zeros ...
inline constexpr ScalarType kByte = ScalarType::Byte, kUInt8 = ScalarType::Byte, kInt8 = ScalarType::Char, kInt16 = ScalarType::Short,
                            kInt32 = ScalarType::Int, kInt = ScalarType::Int, kInt64 = ScalarType::Long, kLong = ScalarType::Long,
                            kFloat16 = ScalarType::Half, kHalf = ScalarType::Half, kFloat32 = ScalarType::Float, kFloat = ScalarType::Float,
                            kFloat64 = ScalarType::Double, kDouble = ScalarType::Double, kBool = ScalarType::Bool, kBFloat16 = ScalarType::BFloat16;
inline TensorOptions dtype(ScalarType t) { return TensorOptions(t); }
}  // namespace torch
namespace at = torch;
namespace c10 = torch;

#define TORCH_CHECK(condition, ...) ::facula_ext::check(bool(condition) __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_EXTENSION_PASTE(a, b) a##b
#define TORCH_EXTENSION_INIT(name) TORCH_EXTENSION_PASTE(PyInit_, name)
#define TORCH_EXTENSION_TEXT_(name) #name
#define TORCH_EXTENSION_TEXT(name) TORCH_EXTENSION_TEXT_(name)
#define PYBIND11_MODULE(name, m) \
  static void facula_ext_functions(::facula_ext::Module& m); \
  PyMODINIT_FUNC TORCH_EXTENSION_INIT(name)() { \
    static PyModuleDef def{PyModuleDef_HEAD_INIT, TORCH_EXTENSION_TEXT(name), nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr}; \
    PyObject* made = PyModule_Create(&def); \
    if (!made) return nullptr; \
    try { \
      ::facula_ext::Module module(made); \
      facula_ext_functions(module); \
    } catch (const std::exception& e) { \
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, e.what()); \
      Py_DECREF(made); \
      return nullptr; \
    } \
    return made; \
  } \
  static void facula_ext_functions(::facula_ext::Module& m)

#define FACULA_DISPATCH_CASE(type, T, ...) \
  case ::facula_ext::ScalarType::type: { \
    using scalar_t = T; \
    return __VA_ARGS__(); \
  }
#define AT_DISPATCH_FLOATING_TYPES(type, name, ...) \
  [&] { \
    switch (type) { \
      FACULA_DISPATCH_CASE(Float, float, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Double, double, __VA_ARGS__) \
      default: throw std::runtime_error(std::string("\"") + (name) + "\" not implemented for '" + ::facula_ext::kNames[int(type)] + "'"); \
    } \
  }()
#define AT_DISPATCH_ALL_TYPES(type, name, ...) \
  [&] { \
    switch (type) { \
      FACULA_DISPATCH_CASE(Byte, uint8_t, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Char, int8_t, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Short, int16_t, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Int, int32_t, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Long, int64_t, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Float, float, __VA_ARGS__) \
      FACULA_DISPATCH_CASE(Double, double, __VA_ARGS__) \
      default: throw std::runtime_error(std::string("\"") + (name) + "\" not implemented for '" + ::facula_ext::kNames[int(type)] + "'"); \
    } \
  }()
