// The extension module: puts the types together, and the few functions that are no operations.
#include <dlfcn.h>

#include <map>
#include <unordered_set>

#include "autograd/graph.h"
#include "bind/data.h"
#include "bind/op.h"
#include "bind/tensor_type.h"
#include "cpu/parallel.h"
#include "linalg/lapack.h"
#include "tensor/storage.h"

namespace facula {

int add_generator_type(PyObject* module);  // generator.cpp

void set_python_error() {
  try {
    throw;
  } catch (const PythonError&) {
  } catch (const IndexError& e) { PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const TypeError& e) { PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const ValueError& e) { PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const NotImplementedError& e) { PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const LinAlgError& e) {
    PyErr_SetString(callback("LinAlgError"), e.what());
  } catch (const OutOfMemoryError& e) { PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (const std::bad_alloc&) { PyErr_SetString(PyExc_RuntimeError, "not enough memory");
  } catch (const std::exception& e) { PyErr_SetString(PyExc_RuntimeError, e.what()); }
}

namespace {

PyObject* callbacks = nullptr;

PyObject* set_callbacks(PyObject*, PyObject* dict) {
  Py_XSETREF(callbacks, Py_NewRef(dict));
  Py_RETURN_NONE;
}
PyObject* set_operators(PyObject*, PyObject* list) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list) && i < int(Operator::count); ++i)
    Py_XSETREF(operators[i], Py_NewRef(PyList_GET_ITEM(list, i)));
  Py_RETURN_NONE;
}
// attach(type, name, value): sets an attribute on the Tensor class, which is immutable to Python.
PyObject* attach(PyObject*, PyObject* args) {
  PyObject *name, *value;
  if (!PyArg_ParseTuple(args, "UO", &name, &value)) return nullptr;
  if (PyDict_SetItem(TensorType.tp_dict, name, value) < 0) return nullptr;
  PyType_Modified(&TensorType);
  Py_RETURN_NONE;
}
PyObject* subclass(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *type, *from;
    int requires_grad, overrides;
    if (!PyArg_ParseTuple(args, "OOpp", &type, &from, &requires_grad, &overrides)) return nullptr;
    return make_subclass(reinterpret_cast<PyTypeObject*>(type), Tensor(tensor_of(from)), requires_grad, overrides);
  });
}
// become(tensor, type, overrides): makes a tensor an instance of another class, which may be Tensor itself.
PyObject* become(PyObject*, PyObject* args) {
  PyObject *o, *type;
  int overrides;
  if (!PyArg_ParseTuple(args, "O!O!p", &TensorType, &o, &PyType_Type, &type, &overrides)) return nullptr;
  PyTypeObject *from = Py_TYPE(o), *to = reinterpret_cast<PyTypeObject*>(type);
  if (!PyType_IsSubtype(to, &TensorType) || to->tp_basicsize != from->tp_basicsize) {
    PyErr_SetString(PyExc_TypeError, "become: the classes' objects differ in layout");
    return nullptr;
  }
  if (PyType_HasFeature(to, Py_TPFLAGS_HEAPTYPE)) Py_INCREF(to);
  Py_SET_TYPE(o, to);
  if (PyType_HasFeature(from, Py_TPFLAGS_HEAPTYPE)) Py_DECREF(from);
  auto& flags = tensor_of(o)->flags;
  flags = overrides ? flags | uint32_t(kSubclass) : flags & ~uint32_t(kSubclass);
  Py_RETURN_NONE;
}
PyObject* alias_tensor(PyObject*, PyObject* o) { return guarded([&]() -> PyObject* { return give(shallow_copy(Tensor(tensor_of(o)))); }); }

// wrap(tensor, payload, flags): an object for `tensor` that the slow path takes apart (vmap, forward mode).
PyObject* wrap_tensor(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *payload;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "O!OI", &TensorType, &o, &payload, &flags)) return nullptr;
    Tensor out = shallow_copy(Tensor(tensor_of(o)));
    out->flags |= flags;
    autograd_of(out).wrapped = Py::borrow(payload);
    return give(out);
  });
}
// wrap_batched(value, dimension, payload): one example of `value`, as functions under vmap see it.
PyObject* wrap_batched(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *payload;
    int at;
    if (!PyArg_ParseTuple(args, "O!iO", &TensorType, &o, &at, &payload)) return nullptr;
    Tensor value(tensor_of(o));
    Dims sizes, strides;
    for (int d = 0; d < value.dim(); ++d)
      if (d != at) { sizes.push_back(value.size(d)); strides.push_back(value.stride(d)); }
    Tensor out = as_view(value, sizes, strides, value->offset);
    out->flags |= kBatched;
    autograd_of(out).wrapped = Py::borrow(payload);
    return give(out);
  });
}
PyObject* graphless_tensor(PyObject*, PyObject* o) { return guarded([&]() -> PyObject* { return give(graphless(Tensor(tensor_of(o)))); }); }
PyObject* saved_was_changed(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *o, *node;
    unsigned version;
    int output;
    if (!PyArg_ParseTuple(args, "O!IiO!", &TensorType, &o, &version, &output, &NodeType, &node)) return nullptr;
    SavedTensor::was_changed(Tensor(tensor_of(o)), version, output, *reinterpret_cast<Node*>(node));
  });
}
// depends_on_others(tensors, nodes): whether a graph has leaves besides the ones of `nodes`.
PyObject* depends_on_others(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *tensors, *own;
    if (!PyArg_ParseTuple(args, "OO", &tensors, &own)) return nullptr;
    std::unordered_set<Node*> seen;
    std::vector<Node*> stack;
    Py roots = checked(PySequence_Tuple(tensors)), leaves = checked(PySequence_Tuple(own));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(leaves.get()); ++i)
      if (Edge e = gradient_edge(Tensor(tensor_of(PyTuple_GET_ITEM(leaves.get(), i)))); e.node && e.node->variable) seen.insert(e.node.get());
    auto visit = [&](const Edge& e) { if (e.node && seen.insert(e.node.get()).second) stack.push_back(e.node.get()); };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots.get()); ++i) visit(gradient_edge(Tensor(tensor_of(PyTuple_GET_ITEM(roots.get(), i)))));
    while (!stack.empty()) {
      Node* n = stack.back();
      stack.pop_back();
      if (n->variable) Py_RETURN_TRUE;
      for (auto& e : n->next) visit(e);
    }
    Py_RETURN_FALSE;
  });
}

PyObject* grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(modes.grad); }
PyObject* set_grad(PyObject*, PyObject* on) {
  const bool before = std::exchange(modes.grad, PyObject_IsTrue(on) == 1);
  return PyBool_FromLong(before);
}
PyObject* inference(PyObject*, PyObject*) { return PyBool_FromLong(modes.inference); }
PyObject* set_inference(PyObject*, PyObject* on) {
  const bool before = std::exchange(modes.inference, PyObject_IsTrue(on) == 1);
  return PyBool_FromLong(before);
}
PyObject* set_anomaly(PyObject*, PyObject* on) {
  const bool before = std::exchange(modes.anomaly, PyObject_IsTrue(on) == 1);
  return PyBool_FromLong(before);
}
PyObject* add_slow(PyObject*, PyObject* by) {
  modes.slow += uint32_t(PyLong_AsLong(by));
  return PyLong_FromUnsignedLong(modes.slow);
}
PyObject* set_no_overrides(PyObject*, PyObject* on) {
  modes.no_overrides = PyObject_IsTrue(on) == 1;
  Py_RETURN_NONE;
}
PyObject* add_autocast(PyObject*, PyObject* by) {
  const uint32_t n = uint32_t(PyLong_AsLong(by));
  modes.autocast += n;
  modes.slow += n;
  Py_RETURN_NONE;
}
PyObject* autocast_active(PyObject*, PyObject*) { return PyBool_FromLong(modes.autocast > 0); }
PyObject* add_function_mode(PyObject*, PyObject* by) {
  const uint32_t n = uint32_t(PyLong_AsLong(by));
  modes.function_modes += n;
  modes.slow += n;
  Py_RETURN_NONE;
}
PyObject* add_capture(PyObject*, PyObject* by) {
  const uint32_t n = uint32_t(PyLong_AsLong(by));
  modes.capture += n;
  modes.slow += n;
  Py_RETURN_NONE;
}
PyObject* add_profile(PyObject*, PyObject* by) {
  const uint32_t n = uint32_t(PyLong_AsLong(by));
  modes.profile += n;
  modes.slow += n;
  Py_RETURN_NONE;
}
// set_pack_hooks((pack, unpack) or None): Python keeps the stack alive.
PyObject* set_pack_hooks(PyObject*, PyObject* pair) {
  modes.pack_hooks = pair == Py_None ? nullptr : pair;
  Py_RETURN_NONE;
}
PyObject* set_device(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    Device d;
    if (!to_device(o, d)) throw TypeError("set_default_device(): expected a device, got ", Py_TYPE(o)->tp_name);
    set_default_device(d);
    Py_RETURN_NONE;
  });
}
PyObject* get_default_dtype(PyObject*, PyObject*) { return Py_NewRef(dtype_object(default_dtype())); }
PyObject* set_default(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (!is_dtype(o) || !is_floating(as_dtype(o))) throw TypeError("only floating-point types are supported as the default type");
    set_default_dtype(as_dtype(o));
    Py_RETURN_NONE;
  });
}
PyObject* promote_types(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
    return Py_NewRef(dtype_object(promote(as_dtype(a), as_dtype(b))));
  });
}
PyObject* result_type(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    std::vector<Tensor> all;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
      PyObject* o = PyTuple_GET_ITEM(args, i);
      all.push_back(is_tensor(o) ? Tensor(tensor_of(o)) : wrapped_number(o));
    }
    return Py_NewRef(dtype_object(common_dtype(all)));
  });
}
PyObject* threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* set_threads(PyObject*, PyObject* n) {
  if (!PyLong_Check(n)) { PyErr_Format(PyExc_TypeError, "set_num_threads expects an int, but got %s", Py_TYPE(n)->tp_name); return nullptr; }
  const long v = PyLong_AsLong(n);
  if (v <= 0) { PyErr_SetString(PyExc_RuntimeError, "set_num_threads expects a positive integer"); return nullptr; }
  set_num_threads(int(v));
  Py_RETURN_NONE;
}

// backward(roots, gradients, keep, create, inputs or None, accumulate) -> tuple of captured gradients
// Where gradients of a tensor, or of a GradientEdge (node, slot), enter the graph.
Edge edge_of(PyObject* o) {
  if (is_tensor(o)) return gradient_edge(Tensor(tensor_of(o)));
  PyObject* node = PyTuple_Check(o) && PyTuple_GET_SIZE(o) >= 2 ? PyTuple_GET_ITEM(o, 0) : nullptr;
  if (!node || !PyObject_TypeCheck(node, &NodeType)) throw TypeError("expected Tensor or GradientEdge, but got ", Py_TYPE(o)->tp_name);
  return {NodeRef(reinterpret_cast<Node*>(node)), uint32_t(PyLong_AsUnsignedLong(PyTuple_GET_ITEM(o, 1)))};
}
PyObject* backward(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *roots, *grads, *inputs;
    int keep, create, accumulate;
    if (!PyArg_ParseTuple(args, "O!O!ppOp", &PyTuple_Type, &roots, &PyTuple_Type, &grads, &keep, &create, &inputs, &accumulate)) return nullptr;
    std::vector<Edge> edges;
    std::vector<Tensor> gradients;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots); ++i) {
      Edge e = edge_of(PyTuple_GET_ITEM(roots, i));
      if (!e.node) throw RuntimeError("element ", i, " of tensors does not require grad and does not have a grad_fn");
      edges.push_back(e);
      gradients.push_back(Tensor(tensor_of(PyTuple_GET_ITEM(grads, i))));
    }
    if (inputs == Py_None) {
      run_backward(std::move(edges), std::move(gradients), keep, create, nullptr, true);
      Py_RETURN_NONE;
    }
    std::vector<Capture> captures;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i) {
      Edge e = edge_of(PyTuple_GET_ITEM(inputs, i));
      if (!e.node) throw RuntimeError("One of the differentiated Tensors does not require grad");
      captures.push_back({e, {}});
    }
    run_backward(std::move(edges), std::move(gradients), keep, create, &captures, accumulate);
    Py out = checked(PyTuple_New(Py_ssize_t(captures.size())));
    for (size_t i = 0; i < captures.size(); ++i)
      PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), captures[i].result ? give(captures[i].result) : Py_NewRef(Py_None));
    return out.release();
  });
}

PyObject* accumulates(PyObject*, PyObject*) { return PyBool_FromLong(backward_accumulates()); }
PyObject* current_run(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(backward_run()); }
PyObject* reached(PyObject*, PyObject* nodes) {
  Py items(PySequence_Tuple(nodes));
  if (!items) return nullptr;
  PyObject* out = PyList_New(PyTuple_GET_SIZE(items.get()));
  for (Py_ssize_t i = 0; out && i < PyList_GET_SIZE(out); ++i)
    PyList_SET_ITEM(out, i, PyBool_FromLong(backward_reaches(reinterpret_cast<Node*>(PyTuple_GET_ITEM(items.get(), i)))));
  return out;
}
PyObject* memory_stats(PyObject*, PyObject*) {
  const auto s = allocator_statistics();
  return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L}", "allocated_bytes", (long long)s.allocated, "peak_bytes", (long long)s.peak,
                       "cached_bytes", (long long)s.cached, "allocations", (long long)s.allocations,
                       "storage_bytes", (long long)s.in_storages);
}
PyObject* empty_cache(PyObject*, PyObject*) { release_cached_memory(); Py_RETURN_NONE; }
PyObject* has_kernel(PyObject*, PyObject* n) { return PyBool_FromLong(find_kernel(PyUnicode_AsUTF8(n)) != nullptr); }
PyObject* has_formula(PyObject*, PyObject* n) { return PyBool_FromLong(find_formula(PyUnicode_AsUTF8(n)) != nullptr); }

// rename_type(type, "torch.Tensor"): the name under which a type of the core prints and pickles.
PyObject* rename_type(PyObject*, PyObject* args) {
  PyTypeObject* type;
  const char* name;
  if (!PyArg_ParseTuple(args, "O!s", &PyType_Type, &type, &name)) return nullptr;
  const std::string_view whole = name;
  const Py kept(PyUnicode_InternFromString(name));
  Py module(PyUnicode_FromStringAndSize(name, Py_ssize_t(whole.rfind('.'))));
  if (!module || PyDict_SetItemString(type->tp_dict, "__module__", module.get()) < 0) return nullptr;
  Py_INCREF(kept.get());  // tp_name points into it for good
  if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) type->tp_name = PyUnicode_AsUTF8(kept.get());
  PyType_Modified(type);
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"rename_type", rename_type, METH_VARARGS, nullptr},
    {"set_callbacks", set_callbacks, METH_O, nullptr},
    {"set_operators", set_operators, METH_O, nullptr},
    {"attach", attach, METH_VARARGS, nullptr},
    {"make_subclass", subclass, METH_VARARGS, nullptr},
    {"become", become, METH_VARARGS, nullptr},
    {"alias", alias_tensor, METH_O, nullptr},
    {"wrap", wrap_tensor, METH_VARARGS, nullptr},
    {"wrap_batched", wrap_batched, METH_VARARGS, nullptr},
    {"graphless", graphless_tensor, METH_O, nullptr},
    {"depends_on_others", depends_on_others, METH_VARARGS, nullptr},
    {"is_grad_enabled", grad_enabled, METH_NOARGS, nullptr},
    {"set_grad_enabled", set_grad, METH_O, nullptr},
    {"is_inference_mode_enabled", inference, METH_NOARGS, nullptr},
    {"set_inference_mode", set_inference, METH_O, nullptr},
    {"set_anomaly", set_anomaly, METH_O, nullptr},
    {"add_slow", add_slow, METH_O, nullptr},
    {"add_profile", add_profile, METH_O, "Starts (1) or ends (-1) that calls and nodes are timed by facula/profiler."},
    {"add_capture", add_capture, METH_O, "Starts (1) or ends (-1) that calls, sizes and values are seen by facula/_capture.py."},
    {"set_no_overrides", set_no_overrides, METH_O, nullptr},
    {"add_autocast", add_autocast, METH_O, nullptr},
    {"autocast_active", autocast_active, METH_NOARGS, nullptr},
    {"add_function_mode", add_function_mode, METH_O, nullptr},
    {"set_pack_hooks", set_pack_hooks, METH_O, nullptr},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, nullptr},
    {"set_default_dtype", set_default, METH_O, nullptr},
    {"set_default_device", set_device, METH_O, nullptr},
    {"promote_types", promote_types, METH_VARARGS, nullptr},
    {"result_type", result_type, METH_VARARGS, nullptr},
    {"get_num_threads", threads, METH_NOARGS, nullptr},
    {"set_num_threads", set_threads, METH_O, nullptr},
    {"backward", backward, METH_VARARGS, nullptr},
    {"backward_run", current_run, METH_NOARGS, nullptr},
    {"saved_was_changed", saved_was_changed, METH_VARARGS, "Raises the error of a saved tensor that has another version now."},
    {"backward_accumulates", accumulates, METH_NOARGS, "Whether the running backward pass adds to the leaves, with no inputs chosen."},
    {"backward_reaches", reached, METH_O, nullptr},
    {"memory_stats", memory_stats, METH_NOARGS, nullptr},
    {"empty_cache", empty_cache, METH_NOARGS, nullptr},
    {"has_kernel", has_kernel, METH_O, nullptr},
    {"has_formula", has_formula, METH_O, nullptr},
    {}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "core", "The native core of Facula.", -1, functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyObject* callback(const char* name) {
  PyObject* f = callbacks ? PyDict_GetItemString(callbacks, name) : nullptr;
  if (!f) throw RuntimeError("internal error: Python callback '", name, "' is missing; please report this text");
  return f;
}

Tensor add_gradients(const Tensor& a, const Tensor& b) {
  PyObject* args[2] = {object_of(a.get()), object_of(b.get())};
  Py sum = checked(PyObject_Vectorcall(operators[int(Operator::add)], args, 2, nullptr));
  return Tensor(tensor_of(sum.get()));
}

PyObject* init_module() {
  PyObject* m = PyModule_Create(&definition);
  if (!m) return nullptr;
  release_interpreter = []() -> void* { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; };
  acquire_interpreter = [](void* state) { if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state)); };
  interrupted = [] {
    const PyGILState_STATE s = PyGILState_Ensure();
    const bool stop = PyErr_CheckSignals() != 0;
    PyGILState_Release(s);
    return stop;
  };
  find_lapack = [] {
    const PyGILState_STATE s = PyGILState_Ensure();
    PyObject* path = PyObject_CallNoArgs(callback("lapack_path"));
    const char* text = path ? PyUnicode_AsUTF8(path) : nullptr;
    std::string found = text ? text : "";
    if (!text) PyErr_Clear();
    Py_XDECREF(path);
    PyGILState_Release(s);
    return found;
  };
  return guarded([&]() -> PyObject* {
    if (add_value_types(m) || add_tensor_type(m) || add_graph_types(m) || add_op_type(m) || add_generator_type(m) ||
        PyModule_AddFunctions(m, data_functions) || PyModule_AddFunctions(m, shared_functions))
      return nullptr;
    return m;
  });
}

}  // namespace facula
