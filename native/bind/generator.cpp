// facula.Generator: a random stream of its own.
#include <random>

#include "bind/parse.h"
#include "cpu/random.h"

namespace facula {
namespace {

struct GeneratorObject {
  PyObject_HEAD
  Generator* generator;
  bool owned;
};
Generator& of(PyObject* o) { return *reinterpret_cast<GeneratorObject*>(o)->generator; }

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* device = nullptr;
  static const char* names[] = {"device", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(names), &device)) return nullptr;
  return guarded([&]() -> PyObject* {
    Device d;
    if (device && device != Py_None && (!to_device(device, d) || d.type != Device::cpu))
      throw RuntimeError("Device type ", d, " is not supported for torch.Generator() api.");
    auto* o = reinterpret_cast<GeneratorObject*>(type->tp_alloc(type, 0));
    o->generator = new Generator;
    o->owned = true;
    return reinterpret_cast<PyObject*>(o);
  });
}
void dealloc(PyObject* o) {
  auto* g = reinterpret_cast<GeneratorObject*>(o);
  if (g->owned) delete g->generator;
  Py_TYPE(o)->tp_free(o);
}
PyObject* manual_seed(PyObject* o, PyObject* seed) {
  Py index(PyNumber_Index(seed));
  if (!index) { PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s", Py_TYPE(seed)->tp_name); return nullptr; }
  // Negative seeds wrap to 64 bits.
  int overflow;
  const long long v = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  uint64_t s = uint64_t(v);
  if (overflow > 0) s = PyLong_AsUnsignedLongLong(index.get());
  if (overflow < 0 || PyErr_Occurred()) {
    PyErr_Clear();
    PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long: seeds are from -0x8000_0000_0000_0000 to 0xffff_ffff_ffff_ffff");
    return nullptr;
  }
  of(o).reseed(s);
  return Py_NewRef(o);
}
PyObject* seed(PyObject* o, PyObject*) {
  std::random_device source;
  const uint64_t s = (uint64_t(source()) << 32 | source()) & 0x1fffffffffffffULL;
  of(o).reseed(s);
  return PyLong_FromUnsignedLongLong(s);
}
PyObject* initial_seed(PyObject* o, PyObject*) { return PyLong_FromUnsignedLongLong(of(o).seed); }
PyObject* get_state(PyObject* o, PyObject*) {
  return guarded([&]() -> PyObject* {
    Tensor t = empty({Generator::kStateBytes}, DType::uint8);
    of(o).save(t.data<uint8_t>());
    return give(t);
  });
}
PyObject* set_state(PyObject* o, PyObject* state) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(state)) throw TypeError("expected a torch.ByteTensor, but got ", Py_TYPE(state)->tp_name);
    Tensor t(tensor_of(state));
    if (t.dtype() != DType::uint8) throw TypeError("RNG state must be a torch.ByteTensor");
    if (t.numel() != Generator::kStateBytes) throw RuntimeError("RNG state is wrong size");
    of(o).load(contiguous(t).data<uint8_t>());
    return Py_NewRef(o);
  });
}
PyObject* device(PyObject*, void*) { return device_object({}); }
PyObject* clone_state(PyObject* o, PyObject*) {
  PyObject* made = PyObject_CallNoArgs(reinterpret_cast<PyObject*>(Py_TYPE(o)));
  if (made) of(made) = of(o);
  return made;
}
PyObject* repr(PyObject* o) { return PyUnicode_FromFormat("<torch._C.Generator object at %p>", o); }
// Pickles as PyTorch's do: Generator(device), then (seed, offset of a GPU's stream, state).
PyObject* pickled_set_state(PyObject* o, PyObject* saved) {
  PyObject *seed, *offset, *state;
  if (!PyArg_ParseTuple(saved, "OOO", &seed, &offset, &state)) return nullptr;
  return set_state(o, state);
}
PyObject* reduce(PyObject* o, PyObject*) {
  return Py_BuildValue("(O(N)(NON))", Py_TYPE(o), device_object({}), initial_seed(o, nullptr), Py_None, get_state(o, nullptr));
}

PyMethodDef methods[] = {{"manual_seed", manual_seed, METH_O, "Starts the stream of a seed."},
                         {"seed", seed, METH_NOARGS, "Starts a stream of a random seed, which is returned."},
                         {"initial_seed", initial_seed, METH_NOARGS, "The seed of the stream."},
                         {"get_state", get_state, METH_NOARGS, "The state as a tensor of 5056 bytes."},
                         {"set_state", set_state, METH_O, "Continues from a saved state."},
                         {"graphsafe_get_state", clone_state, METH_NOARGS, ""},
                         {"clone_state", clone_state, METH_NOARGS, "A generator that continues the same stream."},
                         {"__setstate__", pickled_set_state, METH_O, nullptr},
                         {"__reduce__", reduce, METH_NOARGS, nullptr}, {}};
PyGetSetDef getset[] = {{"device", device, nullptr, "", nullptr}, {}};
PyTypeObject GeneratorType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.Generator";
  t.tp_basicsize = sizeof(GeneratorObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  t.tp_new = make;
  t.tp_dealloc = dealloc;
  t.tp_repr = repr;
  t.tp_methods = methods;
  t.tp_getset = getset;
  t.tp_doc = "A stream of random numbers.";
  return t;
}();

}  // namespace

Generator* generator_from(PyObject* o) {
  if (!PyObject_TypeCheck(o, &GeneratorType)) throw TypeError("expected a Generator, got ", Py_TYPE(o)->tp_name);
  return &of(o);
}

int add_generator_type(PyObject* module) {
  if (PyType_Ready(&GeneratorType) < 0) return -1;
  auto* o = reinterpret_cast<GeneratorObject*>(GeneratorType.tp_alloc(&GeneratorType, 0));
  o->generator = &default_generator();
  o->owned = false;
  PyModule_AddObjectRef(module, "default_generator", reinterpret_cast<PyObject*>(o));
  return PyModule_AddObjectRef(module, "Generator", reinterpret_cast<PyObject*>(&GeneratorType));
}

}  // namespace facula
