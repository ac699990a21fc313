// Nodes as Python objects, gradient accumulation, and the history of tensors.
#include "autograd/graph.h"

#include <map>
#include <mutex>
#include <new>

#include "bind/op.h"
#include "cpu/parallel.h"

namespace facula {

thread_local Modes modes;

namespace {
thread_local uint64_t next_sequence = 0;
thread_local std::vector<NodeRef> doomed;
thread_local bool burying = false;

Node* node_of(PyObject* o) { return reinterpret_cast<Node*>(o); }

void node_dealloc(PyObject* o) {
  Node* n = node_of(o);
  PyObject_GC_UnTrack(o);
  if (n->weakrefs) PyObject_ClearWeakRefs(o);
  if (n->variable && n->variable->autograd) n->variable->autograd->accumulator = nullptr;
  for (auto& e : n->next) if (e.node) defer_destruction(std::move(e.node));
  release_saved(*n);
  Py_CLEAR(n->dict);
  n->next.~vector();
  n->slots.~vector();
  n->tensor_hooks.~Py();
  n->pre_hooks.~Py();
  n->post_hooks.~Py();
  n->variable.~Tensor();
  Py_TYPE(o)->tp_free(o);
}

int node_traverse(PyObject* o, visitproc visit, void* arg) {
  Node* n = node_of(o);
  Py_VISIT(n->dict);
  Py_VISIT(n->tensor_hooks.get());
  Py_VISIT(n->pre_hooks.get());
  Py_VISIT(n->post_hooks.get());
  return 0;
}
int node_clear(PyObject* o) {
  Node* n = node_of(o);
  Py_CLEAR(n->dict);
  n->tensor_hooks = Py();
  n->pre_hooks = Py();
  n->post_hooks = Py();
  return 0;
}

// A node whose rule is a Python method: _backward(*gradients) -> gradients.
void apply_python(Node& node, std::vector<Tensor>& grads, bool) {
  Py args = checked(PyTuple_New(Py_ssize_t(grads.size())));
  for (size_t i = 0; i < grads.size(); ++i)
    PyTuple_SET_ITEM(args.get(), Py_ssize_t(i), Py_NewRef(grads[i] ? object_of(grads[i].get()) : Py_None));
  Py method = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&node), "_backward"));
  Py result = checked(PyObject_Call(method.get(), args.get(), nullptr));
  grads.assign(node.next.size(), Tensor());
  Py items = checked(PySequence_Tuple(result.get()));
  for (size_t i = 0; i < grads.size() && i < size_t(PyTuple_GET_SIZE(items.get())); ++i)
    if (PyObject* g = PyTuple_GET_ITEM(items.get(), i); is_tensor(g)) grads[i] = Tensor(tensor_of(g));
}

Node* init_node(Node* n) {
  new (&n->next) std::vector<Edge>();
  new (&n->slots) std::vector<Slot>();
  new (&n->tensor_hooks) Py();
  new (&n->pre_hooks) Py();
  new (&n->post_hooks) Py();
  new (&n->variable) Tensor();
  n->dict = n->weakrefs = nullptr;
  n->state = nullptr;
  n->released = n->always = false;
  n->sequence = next_sequence++;
  n->apply = apply_python;
  return n;
}

PyObject* node_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* o = type->tp_alloc(type, 0);
  if (o) init_node(node_of(o));
  return o;
}

PyObject* node_next_functions(PyObject* o, void*) {
  Node* n = node_of(o);
  PyObject* out = PyTuple_New(Py_ssize_t(n->next.size()));
  for (size_t i = 0; out && i < n->next.size(); ++i) {
    auto& e = n->next[i];
    PyObject* f = e.node ? reinterpret_cast<PyObject*>(e.node.get()) : Py_None;
    PyTuple_SET_ITEM(out, Py_ssize_t(i), Py_BuildValue("(OI)", f, e.slot));
  }
  return out;
}
PyObject* node_variable(PyObject* o, void*) {
  if (!node_of(o)->variable) { PyErr_SetString(PyExc_AttributeError, "variable"); return nullptr; }
  return Py_NewRef(object_of(node_of(o)->variable.get()));
}
PyObject* node_sequence(PyObject* o, PyObject*) { return PyLong_FromUnsignedLongLong(node_of(o)->sequence); }
PyObject* node_name(PyObject* o, PyObject*) {
  const char* n = strrchr(Py_TYPE(o)->tp_name, '.');
  n = n ? n + 1 : Py_TYPE(o)->tp_name;
  // PyTorch spells these with their C++ namespace.
  for (const char* own : {"AccumulateGrad", "NotImplemented", "CopyBackwards", "CopySlices", "Error"})
    if (!strcmp(n, own)) return PyUnicode_FromFormat("torch::autograd::%s", n);
  return PyUnicode_FromString(n);
}
template <Py Node::* member>
PyObject* node_hooks_get(PyObject* o, void*) {
  Py& hooks = node_of(o)->*member;
  if (!hooks) hooks = Py(PyDict_New());
  return Py_NewRef(hooks.get());
}
// The hooks of one slot's gradient: dict, made on first use.
PyObject* node_slot_hooks(PyObject* o, PyObject* index) {
  const Py_ssize_t slot = PyLong_AsSsize_t(index);
  Py& list = node_of(o)->tensor_hooks;
  if (!list) list = Py(PyList_New(0));
  while (PyList_GET_SIZE(list.get()) <= slot) PyList_Append(list.get(), Py_None);
  if (PyList_GET_ITEM(list.get(), slot) == Py_None) PyList_SetItem(list.get(), slot, PyDict_New());
  return Py_NewRef(PyList_GET_ITEM(list.get(), slot));
}
// _set_next([tensor or None, ...]): where the rule's results go.
PyObject* node_set_next(PyObject* o, PyObject* list) {
  return guarded([&]() -> PyObject* {
    Py items = checked(PySequence_Tuple(list));
    auto& next = node_of(o)->next;
    next.clear();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
      PyObject* t = PyTuple_GET_ITEM(items.get(), i);
      next.push_back(is_tensor(t) ? gradient_edge(Tensor(tensor_of(t))) : Edge{});
    }
    Py_RETURN_NONE;
  });
}
// _take_next(other, first): appends other's edges from `first` on (in-place on views).
PyObject* node_take_next(PyObject* o, PyObject* args) {
  PyObject* other;
  Py_ssize_t first;
  if (!PyArg_ParseTuple(args, "O!n", &NodeType, &other, &first)) return nullptr;
  auto& from = node_of(other)->next;
  for (size_t i = size_t(first); i < from.size(); ++i) node_of(o)->next.push_back(from[i]);
  Py_RETURN_NONE;
}
PyObject* node_slot_meta(PyObject* o, PyObject* index) {
  const size_t i = PyLong_AsSize_t(index);
  if (i >= node_of(o)->slots.size()) Py_RETURN_NONE;
  auto& s = node_of(o)->slots[i];
  if (s.dtype == DType::undefined) Py_RETURN_NONE;
  return Py_BuildValue("(NON)", size_object(s.sizes), dtype_object(s.dtype), device_object(s.device));
}
PyObject* node_needs(PyObject* o, PyObject* index) {
  const size_t i = PyLong_AsSize_t(index);
  return PyBool_FromLong(i < node_of(o)->next.size() && node_of(o)->next[i].node);
}
PyObject* node_set_slots(PyObject* o, PyObject* list) {
  return guarded([&]() -> PyObject* {
    Py items = checked(PySequence_Tuple(list));
    auto& slots = node_of(o)->slots;
    slots.clear();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
      PyObject* t = PyTuple_GET_ITEM(items.get(), i);
      if (is_tensor(t)) slots.push_back({tensor_of(t)->sizes, tensor_of(t)->dtype, tensor_of(t)->device});
      else slots.push_back({});
    }
    Py_RETURN_NONE;
  });
}
// Calling a node applies its rule: node(grad, ...) -> gradients.
PyObject* node_call(PyObject* o, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    std::vector<Tensor> grads;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
      PyObject* g = PyTuple_GET_ITEM(args, i);
      grads.push_back(is_tensor(g) ? Tensor(tensor_of(g)) : Tensor());
    }
    Node* n = node_of(o);
    if (grads.size() < n->slots.size()) grads.resize(n->slots.size());
    n->apply(*n, grads, modes.grad);
    if (grads.size() == 1 && Py_TYPE(o)->tp_base == &NodeType && n->state) return Py_NewRef(grads[0] ? object_of(grads[0].get()) : Py_None);
    Py out = checked(PyTuple_New(Py_ssize_t(grads.size())));
    for (size_t i = 0; i < grads.size(); ++i)
      PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), Py_NewRef(grads[i] ? object_of(grads[i].get()) : Py_None));
    return out.release();
  });
}
PyObject* node_run_always(PyObject* o, PyObject*) { node_of(o)->always = true; Py_RETURN_NONE; }
PyObject* node_released(PyObject* o, void*) { return PyBool_FromLong(node_of(o)->released); }
PyObject* node_apply(PyObject* o, PyObject* grads) { return node_call(o, grads, nullptr); }
PyObject* node_release(PyObject* o, PyObject*) { release_saved(*node_of(o)); Py_RETURN_NONE; }

PyObject* node_register_hook(PyObject* o, PyObject* hook) { return PyObject_CallFunctionObjArgs(callback("node_register_hook"), o, hook, nullptr); }
PyObject* node_register_prehook(PyObject* o, PyObject* hook) { return PyObject_CallFunctionObjArgs(callback("node_register_prehook"), o, hook, nullptr); }

// _saved_self, _saved_result ...: what an operation's node keeps for its rule.
PyObject* node_getattro(PyObject* o, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(o, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  constexpr std::string_view prefix = "_saved_";
  const char* text = PyUnicode_AsUTF8(name);
  if (!text || !std::string_view(text).starts_with(prefix) || !node_of(o)->state) return nullptr;
  PyErr_Clear();
  return guarded([&]() -> PyObject* { return saved_attribute(*node_of(o), std::string_view(text).substr(prefix.size())); });
}

PyGetSetDef node_getset[] = {
    {"next_functions", node_next_functions, nullptr, "The nodes that gradients go to next.", nullptr},
    {"variable", node_variable, nullptr, "The leaf that an AccumulateGrad node adds to.", nullptr},
    {"_released", node_released, nullptr, "", nullptr},
    {"_pre_hooks", node_hooks_get<&Node::pre_hooks>, nullptr, "", nullptr},
    {"_post_hooks", node_hooks_get<&Node::post_hooks>, nullptr, "", nullptr},
    {"metadata", PyObject_GenericGetDict, nullptr, "Notes attached to the node.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, "", nullptr}, {}};
PyMethodDef node_methods[] = {{"name", node_name, METH_NOARGS, "The node's name."},
                              {"register_hook", node_register_hook, METH_O, "Calls hook(grad_inputs, grad_outputs) after the node ran."},
                              {"register_prehook", node_register_prehook, METH_O, "Calls hook(grad_outputs) before the node runs."},
                              {"_sequence_nr", node_sequence, METH_NOARGS, ""},
                              {"_slot_hooks", node_slot_hooks, METH_O, ""},
                              {"_set_next", node_set_next, METH_O, ""},
                              {"_take_next", node_take_next, METH_VARARGS, ""},
                              {"_set_slots", node_set_slots, METH_O, ""},
                              {"_slot_meta", node_slot_meta, METH_O, ""},
                              {"_needs", node_needs, METH_O, ""},
                              {"_run_always", node_run_always, METH_NOARGS, ""},
                              {"_apply", node_apply, METH_VARARGS, ""},
                              {"_release", node_release, METH_NOARGS, ""}, {}};

// ---------------------------------------------------------------- leaves
// Two threads that run backward may add to one leaf. The interpreter's lock does not order them: kernels release it.
class AccumulateLock {
 public:
  AccumulateLock() {
    if (mutex().try_lock()) return;
    void* state = release_interpreter ? release_interpreter() : nullptr;  // its owner may be waiting for the interpreter
    mutex().lock();
    if (acquire_interpreter) acquire_interpreter(state);
  }
  ~AccumulateLock() { mutex().unlock(); }

 private:
  static std::recursive_mutex& mutex() { static std::recursive_mutex m; return m; }  // a hook may run backward itself
};

void apply_accumulate(Node& node, std::vector<Tensor>& grads, bool create_graph) {
  Tensor leaf = node.variable, grad = std::move(grads[0]);
  grads.clear();
  if (!grad) return;
  auto& meta = autograd_of(leaf);
  AccumulateLock lock;
  if (!meta.grad) {
    const bool mine = grad->head.count == 1 && !grad->autograd && grad->storage.get()->count == 1 &&
                      grad.strides() == leaf.strides() && grad.dtype() == leaf.dtype();
    if (create_graph) meta.grad = grad;
    else if (grad->flags & kOther) meta.grad = Tensor(tensor_of(checked(PyObject_CallOneArg(callback("own_gradient"), object_of(grad.get()))).get()));
    else if (mine) meta.grad = grad;
    else if (grad->flags & kNeedsSlowPath) meta.grad = grad;
    else {
      Tensor copy = leaf.sizes() == grad.sizes() ? empty_like(leaf, grad.dtype()) : empty_like(grad);
      if (!copy.is_meta()) copy_into(copy, grad);
      meta.grad = copy;
    }
  } else if ((meta.grad->flags & ~grad->flags) & kOther) {  // a sparse one and a dense one give a dense one
    meta.grad = add_gradients(grad, meta.grad);
  } else if (create_graph) {
    meta.grad = add_gradients(meta.grad, grad);
  } else {
    Py name(PyUnicode_InternFromString("add_"));
    checked(PyObject_CallMethodOneArg(object_of(meta.grad.get()), name.get(), object_of(grad.get())));
  }
  if (meta.post_accumulate_hooks) {
    Py list = checked(PyDict_Values(meta.post_accumulate_hooks.get()));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i)
      checked(PyObject_CallOneArg(PyList_GET_ITEM(list.get(), i), object_of(leaf.get())));
  }
}

}  // namespace

PyTypeObject NodeType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.autograd.graph.Node";
  t.tp_basicsize = sizeof(Node);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  t.tp_new = node_new;
  t.tp_getattro = node_getattro;
  t.tp_dealloc = node_dealloc;
  t.tp_traverse = node_traverse;
  t.tp_clear = node_clear;
  t.tp_call = node_call;
  t.tp_methods = node_methods;
  t.tp_getset = node_getset;
  t.tp_dictoffset = offsetof(Node, dict);
  t.tp_weaklistoffset = offsetof(Node, weakrefs);
  t.tp_doc = "One recorded operation of the graph.";
  return t;
}();

void defer_destruction(NodeRef node) {
  doomed.push_back(std::move(node));
  if (burying) return;
  burying = true;
  while (!doomed.empty()) {
    NodeRef last = std::move(doomed.back());
    doomed.pop_back();
  }
  burying = false;
}

PyTypeObject* node_type(const std::string& name) {
  static std::map<std::string, PyTypeObject*> types;
  auto& at = types[name];
  if (!at) {
    Py made = checked(PyObject_CallFunction((PyObject*)&PyType_Type, "s(O){s:s}", name.c_str(), &NodeType, "__module__", "builtins"));
    at = reinterpret_cast<PyTypeObject*>(made.release());
  }
  return at;
}

Node* new_node(PyTypeObject* type) {
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) throw PythonError();
  return init_node(node_of(o));
}

Autograd& autograd_of(const Tensor& t) {
  if (!t->autograd) t->autograd = new Autograd;
  return *t->autograd;
}

Tensor graphless(const Tensor& t) {
  Tensor out = shallow_copy(t);
  if (t->autograd && t->autograd->wrapped) {
    out->flags |= t->flags & (kBatched | kDual | kOther);
    autograd_of(out).wrapped = t->autograd->wrapped;
  }
  return out;
}

bool should_track(const Tensor& t) { return modes.grad && t.requires_grad(); }

[[noreturn]] static void refuse_view(const Tensor& t, bool indirect);

NodeRef grad_fn(const Tensor& t) {
  if (!t->autograd) return {};
  auto& meta = *t->autograd;
  // A view whose base was written since: its history is a strided view of the base's new one.
  if (meta.base && meta.base_version != t->storage->version && (meta.base->flags & kRequiresGrad) && is_inexact(t.dtype())) {
    if (t->flags & kFragileView) refuse_view(t, true);
    meta.base_version = t->storage->version;
    Py node = checked(PyObject_CallFunctionObjArgs(callback("view_history"), object_of(t.get()), object_of(meta.base.get()), nullptr));
    meta.edge = {NodeRef(node_of(node.get())), 0};
    t->flags |= kRequiresGrad;
  }
  return meta.edge.node;
}

Edge gradient_edge(const Tensor& t) {
  if (!t || !t.requires_grad()) return {};
  if (NodeRef node = grad_fn(t)) return {node, t->autograd->edge.slot};
  if (!(t->flags & kRequiresGrad)) return {};
  auto& meta = autograd_of(t);
  if (meta.accumulator) return {NodeRef(meta.accumulator), 0};
  static PyTypeObject* type = node_type("AccumulateGrad");
  Node* n = new_node(type);
  n->apply = apply_accumulate;
  n->variable = t;
  n->slots.push_back({t.sizes(), t.dtype(), t.device()});
  n->sequence = UINT64_MAX;  // as soon as its gradient is whole
  meta.accumulator = n;
  return {NodeRef::steal(n), 0};
}

void set_history(const Tensor& t, NodeRef node, uint32_t slot) {
  auto& meta = autograd_of(t);
  if (node->slots.size() <= slot) node->slots.resize(slot + 1);
  node->slots[slot] = {t.sizes(), t.dtype(), t.device()};
  meta.edge = {std::move(node), slot};
  meta.accumulator = nullptr;
  t->flags |= kRequiresGrad;
}

void rebase_history(const Tensor& t, NodeRef node, uint32_t slot) {
  if (t->autograd && t->autograd->base) {
    if (node->slots.size() <= slot) node->slots.resize(slot + 1);
    node->slots[slot] = {t.sizes(), t.dtype(), t.device()};
    Tensor base = t->autograd->base;
    checked(PyObject_CallFunctionObjArgs(callback("rebase_view"), object_of(base.get()), object_of(t.get()),
                                         reinterpret_cast<PyObject*>(node.get()), nullptr));
    auto& meta = *t->autograd;
    meta.base_version = t->storage->version;
    Py view = checked(PyObject_CallFunctionObjArgs(callback("view_history"), object_of(t.get()), object_of(base.get()), nullptr));
    set_history(t, NodeRef(node_of(view.get())), 0);
    return;
  }
  const Edge before = t->autograd && t->autograd->retains_grad ? t->autograd->edge : Edge{};
  set_history(t, std::move(node), slot);
  if (before.node)  // the gradient to keep is now that of the new value
    checked(PyObject_CallFunction(callback("move_retained"), "OIOI", before.node.get(), before.slot, t->autograd->edge.node.get(), slot));
}

bool view_wants_grad(const TensorObject& t) {
  return t.autograd->base && (t.autograd->base->flags & kRequiresGrad) && is_inexact(t.dtype);
}

void note_view(const Tensor& base, const Tensor& view, bool one_of_many) {
  auto& meta = autograd_of(view);
  meta.base = base->autograd && base->autograd->base ? base->autograd->base : base;
  meta.base_version = view->storage->version;
  const uint32_t made = modes.inference ? uint32_t(kInferenceView) : !modes.grad ? uint32_t(kNoGradView) : one_of_many ? uint32_t(kManyViews) : 0;
  view->flags = (view->flags & ~uint32_t(kInference)) | (made ? made : base->flags & uint32_t(kFragileView));
}

// The operation whose node this is: "Exp" of ExpBackward0.
std::string forward_name(const Node& node) {
  std::string name = Py_TYPE(reinterpret_cast<PyObject*>(const_cast<Node*>(&node)))->tp_name;
  if (const size_t dot = name.rfind('.'); dot != std::string::npos) name.erase(0, dot + 1);
  if (name == "CopySlices") return "torch::autograd::CopySlices";
  if (const size_t at = name.rfind("Backward"); at != std::string::npos && at > 0) name.resize(at);
  return name;
}

// A view that must not be written where that is recorded, be it through it or (indirect) through its base.
[[noreturn]] static void refuse_view(const Tensor& t, bool indirect) {
  const char* what = indirect ? "its base or another view of its base has been" : "is being";
  const auto& edge = t->autograd->edge;
  const char* mode = t->flags & kInferenceView ? "inference_mode" : "no_grad";
  std::string text = edge.node ? cat("Output ", edge.slot, " of ", forward_name(*edge.node), " is a view and ", what, " modified inplace. ")
                   : t->flags & kInferenceView ? cat("A view was created in inference mode and ", what, " modified inplace in normal mode. ")
                                               : cat("A view was created in no_grad mode and ", what, " modified inplace with grad mode enabled. ");
  if (t->flags & kManyViews)
    text += "This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. "
            "You should replace the inplace operation by an out-of-place one.";
  else if (t->flags & kCustomView)
    text += "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace "
            "would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You "
            "can fix this by cloning the output of the custom Function.";
  else
    text += cat("Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the "
                "inplace either both inside the ", mode, " block (if you don't want the inplace to be tracked) or both outside (if you want the inplace "
                "to be tracked).");
  throw RuntimeError(text);
}

void check_inplace(const Tensor& t, bool recorded) {
  if (modes.grad && recorded) {
    if (t->autograd && (t->flags & kFragileView)) refuse_view(t, false);
    if (t.requires_grad()) {
      if (t->autograd && t->autograd->base && is_leaf(t->autograd->base))
        throw RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.");
      if (is_leaf(t)) throw RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.");
    }
  }
  if ((t->flags & kInference) && !modes.inference)
    throw RuntimeError("Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before "
                       "doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.");
}

int add_graph_types(PyObject* module) {
  if (PyType_Ready(&NodeType) < 0) return -1;
  return PyModule_AddObjectRef(module, "Node", (PyObject*)&NodeType);
}

}  // namespace facula
