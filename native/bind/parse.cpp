// From Python arguments to typed values: which overload fits, and conversion.
#include "bind/op.h"
#include "bind/parse.h"

namespace facula {
namespace {

bool is_number(PyObject* o) {
  if (PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyBool_Check(o) || PyComplex_CheckExact(o)) return true;
  if (is_tensor(o)) return false;
  Scalar s;
  return (PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o)) || (Py_TYPE(o)->tp_as_number && to_scalar(o, s));
}
bool zero_dim(PyObject* o) { return is_tensor(o) && tensor_of(o)->numel == 1 && tensor_of(o)->sizes.empty(); }
bool is_int(PyObject* o) {
  if (PyBool_Check(o)) return false;
  if (PyLong_Check(o)) return true;
  if (is_tensor(o)) return tensor_of(o)->numel == 1 && tensor_of(o)->sizes.empty() && is_integral(tensor_of(o)->dtype);
  return PyIndex_Check(o);
}
bool is_sequence(PyObject* o) { return PyTuple_Check(o) || PyList_Check(o); }

template <class Test>
bool all_items(PyObject* o, Test test) {
  for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i)
    if (!test(PySequence_Fast_GET_ITEM(o, i))) return false;
  return true;
}

int64_t int_of(PyObject* o) {
  if (PyLong_Check(o)) {
    const int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      throw RuntimeError("Overflow when unpacking long long");
    }
    return v;
  }
  Py i = checked(PyNumber_Index(o));
  const int64_t v = PyLong_AsLongLong(i.get());
  if (v == -1 && PyErr_Occurred()) throw PythonError();
  return v;
}

}  // namespace

bool accepts(const Param& p, PyObject* o) {
  if (o == Py_None) return p.nullable || p.type == ParamType::any;
  switch (p.type) {
    case ParamType::tensor: return is_tensor(o);
    case ParamType::operand: return is_tensor(o) || is_number(o);
    case ParamType::tensors:
      return is_sequence(o) && all_items(o, [](PyObject* i) { return is_tensor(i) || i == Py_None; });
    case ParamType::scalar: return is_number(o) || zero_dim(o);
    case ParamType::integer: return is_int(o) ;
    case ParamType::boolean: return PyBool_Check(o) || (zero_dim(o) && tensor_of(o)->dtype == DType::bool_);
    case ParamType::real: return (PyFloat_Check(o) || PyLong_Check(o)) || zero_dim(o) || (!is_sequence(o) && !PyComplex_Check(o) && is_number(o));
    case ParamType::ints: return is_sequence(o) ? all_items(o, is_int) : is_int(o) && p.one_int;
    case ParamType::reals: return is_sequence(o) ? all_items(o, [](PyObject* i) { return is_number(i) || zero_dim(i); }) : p.one_int && is_number(o);
    case ParamType::string: return PyUnicode_Check(o);
    case ParamType::dtype: return is_dtype(o);
    case ParamType::device: return PyUnicode_Check(o) || PyLong_CheckExact(o) || strstr(Py_TYPE(o)->tp_name, ".device");
    case ParamType::format: return is_memory_format(o);
    default: return true;
  }
}

void to_value(const Param& p, PyObject* o, Value& v) {
  if (o == Py_None) { v.kind = Value::none; return; }
  switch (p.type) {
    case ParamType::tensor:
      v.kind = Value::tensor;
      v.t = Tensor(tensor_of(o));
      return;
    case ParamType::operand:
      v.kind = Value::tensor;
      v.t = is_tensor(o) ? Tensor(tensor_of(o)) : wrapped_number(o);
      return;
    case ParamType::tensors:
      v.kind = Value::tensors;
      v.list.clear();
      for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i) {
        PyObject* t = PySequence_Fast_GET_ITEM(o, i);
        v.list.push_back(t == Py_None ? Tensor() : Tensor(tensor_of(t)));
      }
      return;
    case ParamType::scalar: case ParamType::real: case ParamType::boolean:
      v.kind = Value::scalar;
      if (is_tensor(o)) { Py item = checked(scalar_object(Tensor(tensor_of(o)))); to_scalar(item.get(), v.s); }
      else to_scalar(o, v.s);
      return;
    case ParamType::integer:
      v.kind = Value::scalar;
      v.s = Scalar{Scalar::integer, int_of(o), 0};
      return;
    case ParamType::ints:
      v.kind = Value::ints;
      v.dims.resize(0);
      if (!is_sequence(o)) { v.dims.push_back(int_of(o)); return; }
      for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i) v.dims.push_back(int_of(PySequence_Fast_GET_ITEM(o, i)));
      return;
    case ParamType::reals: {
      v.kind = Value::scalars;
      v.floats.clear();
      auto add = [&](PyObject* i) { Py f = checked(PyNumber_Float(i)); v.floats.push_back(PyFloat_AS_DOUBLE(f.get())); };
      if (!is_sequence(o)) { add(o); return; }
      for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i) add(PySequence_Fast_GET_ITEM(o, i));
      return;
    }
    case ParamType::string:
      v.kind = Value::string;
      v.text = PyUnicode_AsUTF8(o);
      return;
    case ParamType::dtype:
      v.kind = Value::dtype;
      v.type = as_dtype(o);
      return;
    case ParamType::device:
      v.kind = Value::device;
      to_device(o, v.dev);
      return;
    case ParamType::generator:
      v.kind = Value::generator;
      v.gen = generator_from(o);
      return;
    case ParamType::format:
      v.kind = Value::scalar;
      v.s = Scalar{Scalar::integer, int64_t(as_memory_format(o)), 0};
      return;
    case ParamType::any: v.kind = Value::none;
  }
}

namespace {

// PyTorch and the array world use several names for the same argument.
constexpr std::pair<const char*, const char*> kSynonyms[] = {
    {"axis", "dim"}, {"keepdims", "keepdim"}, {"x", "input"}, {"self", "input"}, {"x2", "other"}, {"x1", "input"}, {"tensor", "input"}, {"split_size_or_sections", "split_size"},
    {"dims", "dim"}, {"dim", "dims"}, {"axis", "dims"}, {"size", "shape"}, {"shape", "size"}, {"a_max", "max"}, {"a_min", "min"}};

int find_param(const Overload& op, PyObject* name) {
  const int n = int(op.params.size());
  for (int i = 0; i < n; ++i) if (op.params[size_t(i)].name == name) return i;
  for (int i = 0; i < n; ++i) if (PyUnicode_Compare(op.params[size_t(i)].name, name) == 0) return i;
  const char* given = PyUnicode_AsUTF8(name);
  for (auto& [from, to] : kSynonyms)
    if (!strcmp(given, from))
      for (int i = 0; i < n; ++i)
        if (PyUnicode_CompareWithASCIIString(op.params[size_t(i)].name, to) == 0) return i;
  return -1;
}

const char* type_name(const Param& p) {
  static const char* names[] = {"Tensor", "Tensor", "tuple of Tensors", "Number", "int", "bool", "float", "tuple of ints",
                                "tuple of floats", "str", "torch.dtype", "torch.device", "Generator", "torch.memory_format", "object"};
  return names[int(p.type)];
}

std::string got(PyObject* const* args, size_t n, PyObject* kwnames) {
  std::string s = "(";
  auto describe = [](PyObject* o) {
    std::string t = is_tensor(o) && Py_IS_TYPE(o, &TensorType) ? "Tensor" : strrchr(Py_TYPE(o)->tp_name, '.') ? strrchr(Py_TYPE(o)->tp_name, '.') + 1 : Py_TYPE(o)->tp_name;
    if (is_sequence(o)) {
      t += " of (";
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) t += (i ? ", " : "") + std::string(Py_TYPE(PySequence_Fast_GET_ITEM(o, i))->tp_name);
      t += ")";
    }
    return t;
  };
  for (size_t i = 0; i < n; ++i) s += (i ? ", " : "") + describe(args[i]);
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k)
    s += (n + size_t(k) ? ", " : "") + std::string(PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k))) + "=" + describe(args[n + size_t(k)]);
  return s + ")";
}

}  // namespace

// Fills `slots` from the call; false, with the reason in `why` if wanted, when it does not fit.
bool bind_arguments(const Overload& op, PyObject* const* args, size_t n, PyObject* kwnames, Slots& slots, Py& packed,
                    std::string* why) {
  const size_t count = op.params.size();
  for (size_t i = 0; i < count; ++i) slots[i] = nullptr;
  size_t at = 0;
  for (size_t i = 0; i < n; ++i, ++at) {
    if (at >= count || op.params[at].keyword_only) {
      if (why) *why = cat(op.name, "() takes ", at, " positional argument", at == 1 ? "" : "s", " but ", n, at + 1 == n && n == 1 ? " was" : " were", " given");
      return false;
    }
    const Param& p = op.params[at];
    // x.view(2, 3): integers from here on are one list, where nothing positional follows.
    if (p.type == ParamType::ints && !p.one_int && !is_sequence(args[i]) && is_int(args[i])) {
      packed = Py(PyTuple_New(Py_ssize_t(n - i)));
      for (size_t k = i; k < n; ++k) {
        if (!is_int(args[k])) { if (why) *why = cat(op.name, "(): argument '", PyUnicode_AsUTF8(p.name), "' must be tuple of ints, but found element of type ", Py_TYPE(args[k])->tp_name, " at pos ", k - i); return false; }
        PyTuple_SET_ITEM(packed.get(), Py_ssize_t(k - i), Py_NewRef(args[k]));
      }
      slots[at] = packed.get();
      break;
    }
    if (!accepts(p, args[i])) {
      if (why) *why = cat(op.name, "(): argument '", PyUnicode_AsUTF8(p.name), "' (position ", i + 1, ") must be ", type_name(p), ", not ", Py_TYPE(args[i])->tp_name);
      return false;
    }
    slots[at] = args[i];
  }
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
    PyObject* value = args[n + size_t(k)];
    const int i = find_param(op, PyTuple_GET_ITEM(kwnames, k));
    if (i < 0) {
      if (why) *why = cat(op.name, "() got an unexpected keyword argument '", PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k)), "'");
      return false;
    }
    if (slots[i]) {
      if (why) *why = cat(op.name, "() got multiple values for argument '", PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k)), "'");
      return false;
    }
    if (!accepts(op.params[size_t(i)], value) && !(op.params[size_t(i)].type == ParamType::ints && is_int(value))) {
      if (why) *why = cat(op.name, "(): argument '", PyUnicode_AsUTF8(op.params[size_t(i)].name), "' must be ", type_name(op.params[size_t(i)]), ", not ", Py_TYPE(value)->tp_name);
      return false;
    }
    slots[i] = value;
  }
  for (size_t i = 0; i < count; ++i)
    if (!slots[i]) {
      if (!op.params[i].has_default) {
        if (why) *why = cat(op.name, "() missing 1 required positional argument", op.params[i].keyword_only ? "" : "s", ": \"", PyUnicode_AsUTF8(op.params[i].name), "\"");
        return false;
      }
      slots[i] = op.params[i].fallback;
    }
  return true;
}

void no_overload(const std::vector<Overload*>& overloads, PyObject* const* args, size_t n, PyObject* kwnames) {
  Slots slots;
  Py packed;
  std::string why;
  if (overloads.size() == 1) {
    bind_arguments(*overloads[0], args, n, kwnames, slots, packed, &why);
    throw TypeError(why);
  }
  std::string text = cat(overloads[0]->name, "() received an invalid combination of arguments - got ", got(args, n, kwnames), ", but expected one of:");
  for (auto* o : overloads) {
    text += "\n * (";
    bool star = false;
    for (size_t i = 0; i < o->params.size(); ++i) {
      const Param& p = o->params[i];
      if (i) text += ", ";
      if (p.keyword_only && !star) { text += "*, "; star = true; }
      text += cat(type_name(p), " ", PyUnicode_AsUTF8(p.name));
      if (p.has_default) { Py r(PyObject_Repr(p.fallback)); text += cat(" = ", PyUnicode_AsUTF8(r.get())); }
    }
    text += ")";
  }
  throw TypeError(text + "\n");
}

}  // namespace facula
