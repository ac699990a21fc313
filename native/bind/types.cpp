// dtype, device, layout, memory_format and Size as Python sees them.
#include "bind/python.h"

namespace facula {
namespace {

// facula._names.prefix: "facula", or "torch" under the alias.
std::string prefix() {
  static PyObject* module = PyImport_ImportModule("facula._names");
  if (!module) { PyErr_Clear(); return "facula"; }
  Py p(PyObject_GetAttrString(module, "prefix"));
  if (!p) { PyErr_Clear(); return "facula"; }
  return PyUnicode_AsUTF8(p.get());
}

struct DTypeObject { PyObject_HEAD DType type; };
struct DeviceObject { PyObject_HEAD Device device; };
struct NamedObject { PyObject_HEAD int value; const char* name; };  // layouts and memory formats

PyObject* dtypes[int(DType::count)];
PyObject* layouts[6];
PyObject* formats[4];

PyObject* text(const std::string& s) { return PyUnicode_FromStringAndSize(s.data(), Py_ssize_t(s.size())); }
Device device_of(PyObject* o) { return reinterpret_cast<DeviceObject*>(o)->device; }
DType type_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->type; }

PyObject* dtype_repr(PyObject* o) { return text(prefix() + "." + std::string(name(type_of(o)))); }
PyObject* dtype_reduce(PyObject* o, PyObject*) { return text(std::string(name(type_of(o)))); }
PyObject* dtype_to_real(PyObject* o, PyObject*) { return Py_NewRef(dtype_object(to_real(type_of(o)))); }
PyObject* dtype_to_complex(PyObject* o, PyObject*) { return Py_NewRef(dtype_object(to_complex(type_of(o)))); }
PyObject* dtype_get(PyObject* o, void* what) {
  const DType t = type_of(o);
  switch (intptr_t(what)) {
    case 0: return PyBool_FromLong(is_floating(t));
    case 1: return PyBool_FromLong(is_complex(t));
    case 2: return PyBool_FromLong(info(t).kind == 'i' || is_inexact(t));
    default: return PyLong_FromLongLong(item_size(t));
  }
}
PyGetSetDef dtype_getset[] = {{"is_floating_point", dtype_get, nullptr, "", nullptr},
                              {"is_complex", dtype_get, nullptr, "", (void*)1},
                              {"is_signed", dtype_get, nullptr, "", (void*)2},
                              {"itemsize", dtype_get, nullptr, "", (void*)3}, {}};
PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
                               {"to_real", dtype_to_real, METH_NOARGS, nullptr},
                               {"to_complex", dtype_to_complex, METH_NOARGS, nullptr}, {}};

PyTypeObject DTypeType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.dtype";
  t.tp_basicsize = sizeof(DTypeObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT;
  t.tp_repr = dtype_repr;
  t.tp_methods = dtype_methods;
  t.tp_getset = dtype_getset;
  t.tp_doc = "The type of a tensor's elements.";
  return t;
}();

// ---------------------------------------------------------------- device
bool parse_device(const char* s, Device& out) {
  std::string_view v(s);
  static constexpr std::pair<std::string_view, Device::Type> names[] = {
      {"cpu", Device::cpu}, {"cuda", Device::cuda}, {"meta", Device::meta}, {"mps", Device::mps}};
  const auto colon = v.find(':');
  for (auto& [n, type] : names)
    if (v.substr(0, colon) == n) {
      out = {type, -1};
      if (colon != v.npos) {
        const auto digits = v.substr(colon + 1);
        if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != digits.npos)
          throw RuntimeError("Invalid device string: '", v, "'");
        out.index = int8_t(std::stoi(std::string(digits)));
      }
      return true;
    }
  throw RuntimeError("Expected one of cpu, cuda, mps, meta device type at start of device string: ", v.substr(0, colon));
}

extern PyTypeObject DeviceType;
PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    PyObject *type = nullptr, *index = nullptr;
    static const char* names[] = {"type", "index", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:device", const_cast<char**>(names), &type, &index)) return nullptr;
    Device d;
    if (!to_device(type, d)) { PyErr_Format(PyExc_TypeError, "device(): argument 'type' must be str or int, not %s", Py_TYPE(type)->tp_name); return nullptr; }
    if (index && index != Py_None) {
      if (d.index >= 0) throw RuntimeError("type (string) must not include an index because index was passed explicitly: ", d);
      d.index = int8_t(PyLong_AsLong(index));
      if (PyErr_Occurred()) return nullptr;
    }
    return device_object(d);
  });
}
PyObject* device_str(PyObject* o) { return text(device_of(o).str()); }
PyObject* device_repr(PyObject* o) {
  Device d = device_of(o);
  const std::string type = Device{d.type, -1}.str();
  return text(d.index < 0 ? cat("device(type='", type, "')") : cat("device(type='", type, "', index=", int(d.index), ")"));
}
Py_hash_t device_hash(PyObject* o) { return Py_hash_t(device_of(o).type) * 1000 + device_of(o).index + 2; }
PyObject* device_compare(PyObject* a, PyObject* b, int op) {
  if (!PyObject_TypeCheck(b, &DeviceType) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((device_of(a) == device_of(b)) == (op == Py_EQ));
}
PyObject* device_type(PyObject* o, void*) { return text(Device{device_of(o).type, -1}.str()); }
PyObject* device_index(PyObject* o, void*) {
  if (device_of(o).index < 0) Py_RETURN_NONE;
  return PyLong_FromLong(device_of(o).index);
}
PyObject* device_reduce(PyObject* o, PyObject*) {
  return Py_BuildValue("(O(s))", &DeviceType, device_of(o).str().c_str());
}
PyObject* call_hook(const char* function, PyObject* a, PyObject* b = nullptr) {
  Py module(PyImport_ImportModule("facula.utils._device"));
  if (!module) return nullptr;
  return PyObject_CallMethod(module.get(), function, b ? "OO" : "O", a, b);
}
PyObject* device_enter(PyObject* o, PyObject*) { return call_hook("enter", o); }
PyObject* device_exit(PyObject* o, PyObject*) { return call_hook("leave", o); }
PyObject* device_call(PyObject* o, PyObject* args, PyObject*) {
  return PyTuple_GET_SIZE(args) == 1 ? call_hook("decorate", o, PyTuple_GET_ITEM(args, 0)) : nullptr;
}
PyGetSetDef device_getset[] = {{"type", device_type, nullptr, "", nullptr}, {"index", device_index, nullptr, "", nullptr}, {}};
PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS, nullptr},
                                {"__enter__", device_enter, METH_NOARGS, nullptr},
                                {"__exit__", device_exit, METH_VARARGS, nullptr}, {}};
PyTypeObject DeviceType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.device";
  t.tp_basicsize = sizeof(DeviceObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT;
  t.tp_new = device_new;
  t.tp_repr = device_repr;
  t.tp_str = device_str;
  t.tp_hash = device_hash;
  t.tp_call = device_call;
  t.tp_richcompare = device_compare;
  t.tp_getset = device_getset;
  t.tp_methods = device_methods;
  t.tp_doc = "Where a tensor's memory is: device('cpu'), device('cuda', 0), device('meta').";
  return t;
}();

// ---------------------------------------------------------------- layout, memory_format
PyObject* named_repr(PyObject* o) { return text(prefix() + "." + reinterpret_cast<NamedObject*>(o)->name); }
PyObject* named_reduce(PyObject* o, PyObject*) { return text(reinterpret_cast<NamedObject*>(o)->name); }
PyMethodDef named_methods[] = {{"__reduce__", named_reduce, METH_NOARGS, nullptr}, {}};
PyTypeObject named_type(const char* name) {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = name;
  t.tp_basicsize = sizeof(NamedObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT;
  t.tp_repr = named_repr;
  t.tp_methods = named_methods;
  return t;
}
PyTypeObject LayoutType = named_type("facula.layout");
PyTypeObject FormatType = named_type("facula.memory_format");

// ---------------------------------------------------------------- Size
extern PyTypeObject SizeType;
PyObject* as_size(PyObject* tuple) {  // steals
  if (!tuple || !PyTuple_CheckExact(tuple)) return tuple;
  const Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  PyObject* out = SizeType.tp_alloc(&SizeType, n);
  for (Py_ssize_t i = 0; out && i < n; ++i) PyTuple_SET_ITEM(out, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  Py_DECREF(tuple);
  return out;
}
PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  Py made(PyTuple_Type.tp_new(type, args, kwargs));
  if (!made) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(made.get()); ++i) {
    PyObject* item = PyTuple_GET_ITEM(made.get(), i);
    if (PyLong_Check(item)) continue;
    PyObject* index = PyNumber_Index(item);
    if (!index) {
      PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i, Py_TYPE(item)->tp_name);
      return nullptr;
    }
    PyTuple_SET_ITEM(made.get(), i, index);
    Py_DECREF(item);
  }
  return made.release();
}
PyObject* size_repr(PyObject* o) {
  std::string s = prefix() + ".Size([";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i) {
    Py item(PyObject_Str(PyTuple_GET_ITEM(o, i)));
    if (!item) return nullptr;
    s += (i ? ", " : "") + std::string(PyUnicode_AsUTF8(item.get()));
  }
  return text(s + "])");
}
PyObject* size_numel(PyObject* o, PyObject*) {
  int64_t n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(o, i));
  return PyLong_FromLongLong(n);
}
PyObject* size_reduce(PyObject* o, PyObject*) {
  Py items(PySequence_List(o));
  return items ? Py_BuildValue("(O(N))", &SizeType, PyList_AsTuple(items.get())) : nullptr;
}
PyObject* size_concat(PyObject* a, PyObject* b) {
  if (PyTuple_Check(a) && PyTuple_Check(b)) return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
  Py_RETURN_NOTIMPLEMENTED;
}
PyObject* size_repeat(PyObject* o, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(o, n)); }
PyObject* size_item(PyObject* o, PyObject* key) { return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(o, key)); }
PySequenceMethods size_sequence = [] {
  PySequenceMethods m{};
  m.sq_repeat = size_repeat;
  m.sq_concat = size_concat;
  return m;
}();
PyNumberMethods size_number = [] { PyNumberMethods m{}; m.nb_add = size_concat; return m; }();
PyMappingMethods size_mapping = [] { PyMappingMethods m{}; m.mp_subscript = size_item; return m; }();
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "Number of elements of a tensor of this size."},
                              {"__reduce__", size_reduce, METH_NOARGS, nullptr}, {}};
PyTypeObject SizeType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.Size";
  t.tp_base = &PyTuple_Type;
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  t.tp_new = size_new;
  t.tp_repr = size_repr;
  t.tp_as_sequence = &size_sequence;
  t.tp_as_number = &size_number;
  t.tp_as_mapping = &size_mapping;
  t.tp_methods = size_methods;
  t.tp_doc = "The sizes of a tensor's dimensions: a tuple with numel().";
  return t;
}();

PyObject* add_named(PyObject* module, PyTypeObject* type, int value, const char* name) {
  auto* o = PyObject_New(NamedObject, type);
  o->value = value;
  o->name = name;
  PyModule_AddObjectRef(module, name, reinterpret_cast<PyObject*>(o));
  return reinterpret_cast<PyObject*>(o);
}

}  // namespace

PyObject* dtype_object(DType t) { return dtypes[int(t)]; }
bool is_dtype(PyObject* o) {
  return Py_IS_TYPE(o, &DTypeType) || o == (PyObject*)&PyFloat_Type || o == (PyObject*)&PyLong_Type ||
         o == (PyObject*)&PyBool_Type || o == (PyObject*)&PyComplex_Type;
}
DType as_dtype(PyObject* o) {
  if (Py_IS_TYPE(o, &DTypeType)) return type_of(o);
  if (o == (PyObject*)&PyFloat_Type) return DType::float64;
  if (o == (PyObject*)&PyLong_Type) return DType::int64;
  if (o == (PyObject*)&PyBool_Type) return DType::bool_;
  if (o == (PyObject*)&PyComplex_Type) return DType::complex128;
  throw TypeError("expected a dtype, got ", Py_TYPE(o)->tp_name);
}

PyObject* device_object(Device d) {
  auto* o = PyObject_New(DeviceObject, &DeviceType);
  if (o) o->device = d;
  return reinterpret_cast<PyObject*>(o);
}
bool to_device(PyObject* o, Device& out) {
  if (Py_IS_TYPE(o, &DeviceType)) { out = device_of(o); return true; }
  if (PyUnicode_Check(o)) return parse_device(PyUnicode_AsUTF8(o), out);
  if (PyLong_CheckExact(o)) { out = {Device::cuda, int8_t(PyLong_AsLong(o))}; return true; }
  return false;
}

PyObject* size_object(std::span<const int64_t> sizes) {
  PyObject* out = SizeType.tp_alloc(&SizeType, Py_ssize_t(sizes.size()));
  for (size_t i = 0; out && i < sizes.size(); ++i) PyTuple_SET_ITEM(out, Py_ssize_t(i), PyLong_FromLongLong(sizes[i]));
  return out;
}

PyObject* strided_layout() { return layouts[0]; }
bool is_memory_format(PyObject* o) { return Py_IS_TYPE(o, &FormatType); }
MemoryFormat as_memory_format(PyObject* o) { return MemoryFormat(reinterpret_cast<NamedObject*>(o)->value); }

int add_value_types(PyObject* module) {
  for (auto* t : {&DTypeType, &DeviceType, &LayoutType, &FormatType, &SizeType})
    if (PyType_Ready(t) < 0) return -1;
  PyModule_AddObjectRef(module, "dtype", (PyObject*)&DTypeType);
  PyModule_AddObjectRef(module, "device", (PyObject*)&DeviceType);
  PyModule_AddObjectRef(module, "layout", (PyObject*)&LayoutType);
  PyModule_AddObjectRef(module, "memory_format", (PyObject*)&FormatType);
  PyModule_AddObjectRef(module, "Size", (PyObject*)&SizeType);
  for (int i = 0; i < int(DType::count); ++i) {
    auto* o = PyObject_New(DTypeObject, &DTypeType);
    o->type = DType(i);
    dtypes[i] = reinterpret_cast<PyObject*>(o);
    if (PyModule_AddObjectRef(module, std::string(name(DType(i))).c_str(), dtypes[i]) < 0) return -1;
  }
  int i = 0;
  for (auto* n : {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"})
    layouts[i] = add_named(module, &LayoutType, i, n), ++i;
  i = 0;
  for (auto* n : {"contiguous_format", "channels_last", "channels_last_3d", "preserve_format"})
    formats[i] = add_named(module, &FormatType, i, n), ++i;
  return 0;
}

}  // namespace facula
