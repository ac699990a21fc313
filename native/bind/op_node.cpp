// Recording operations in the graph, and running their gradient rules.
#include "bind/op.h"

#include <algorithm>

namespace facula {
namespace {

bool differentiable(PyObject* o) { return is_tensor(o) && wants_grad(*tensor_of(o)); }

Py saved_object(SavedTensor& s, Node& owner, bool with_graph) {
  Tensor t = s.get(owner, with_graph);
  return t ? Py(give(t)) : Py::borrow(Py_None);
}

SavedArgument* find_saved(OpNodeState& state, int param) {
  for (auto& a : state.args) if (a.param == param) return &a;
  return nullptr;
}

Py saved_argument(OpNodeState& state, int param, Node& owner, bool with_graph) {
  SavedArgument* a = find_saved(state, param);
  if (!a) return Py::borrow(Py_None);
  if (a->is_tensor) return saved_object(a->tensor, owner, with_graph);
  if (!a->is_list) return a->object;
  Py list = checked(PyList_New(Py_ssize_t(a->list.size())));
  for (size_t i = 0; i < a->list.size(); ++i) PyList_SET_ITEM(list.get(), Py_ssize_t(i), saved_object(a->list[i], owner, with_graph).release());
  return list;
}

Py optional(const Tensor& t) { return t ? Py::borrow(object_of(t.get())) : Py::borrow(Py_None); }

bool needs(const Node& node, const OpNodeState& state, int param) {
  const int first = state.first_edge[size_t(param)];
  if (first < 0) return false;
  if (state.overload->params[size_t(param)].type != ParamType::tensors) return bool(node.next[size_t(first)].node);
  size_t end = node.next.size();
  for (size_t p = size_t(param) + 1; p < state.first_edge.size(); ++p)
    if (state.first_edge[p] >= 0) { end = size_t(state.first_edge[p]); break; }
  for (size_t i = size_t(first); i < end; ++i) if (node.next[i].node) return true;
  return false;
}

// What a gradient may differ in from its input: broadcast dimensions, dtype, realness.
Tensor fit(Tensor grad, const Node& node, size_t edge) {
  if (!grad) return grad;
  auto& e = node.next[edge];
  if (!e.node || e.slot >= e.node->slots.size()) return grad;
  const Slot& slot = e.node->slots[e.slot];
  if (slot.dtype == DType::undefined || (grad->flags & kOther)) return grad;
  if (!(grad.sizes() == slot.sizes) || grad.dtype() != slot.dtype) {
    Py size = checked(size_object(slot.sizes));
    Py fitted = checked(PyObject_CallFunctionObjArgs(callback("fit_gradient"), object_of(grad.get()), size.get(), dtype_object(slot.dtype), nullptr));
    return Tensor(tensor_of(fitted.get()));
  }
  return grad;
}

// The rule as one kernel: no Python, one pass over memory.
Tensor run_fused(const Rule& rule, Node& node, OpNodeState& state, const Tensor& grad) {
  Tensor operands[16];
  size_t n = 0;
  const Dims* sizes = &grad.sizes();
  for (int a : rule.arguments) {
    Tensor& t = operands[n++];
    if (a == kGrad) t = grad;
    else if (a == kResult) t = state.results.at(0).get(node, false);
    else {
      SavedArgument* s = find_saved(state, a);
      t = s->is_tensor ? s->tensor.get(node, false) : wrapped_number(s->object.get() == Py_None ? Py_False : s->object.get());
    }
  }
  Dims broadcast;
  for (size_t i = 0; i < n; ++i)
    if (operands[i].dim() && !(operands[i].sizes() == *sizes)) { broadcast = broadcast_sizes(*sizes, operands[i].sizes()); sizes = &broadcast; }
  DType common = grad.dtype();
  for (size_t i = 0; i < n; ++i) if (operands[i].dim() && is_inexact(operands[i].dtype())) common = promote(common, operands[i].dtype());
  for (size_t i = 0; i < n; ++i) if (is_complex(operands[i].dtype())) common = promote(common, to_complex(common));
  const auto& e = node.next[size_t(state.first_edge[size_t(rule.inputs[0])])];
  DType type = e.slot < e.node->slots.size() ? e.node->slots[e.slot].dtype : common;
  if (!is_inexact(type) || (is_complex(common) && !is_complex(type))) type = common;
  Tensor out = sizes == &grad.sizes() && !grad.is_contiguous() ? empty_like(grad, type) : empty(*sizes, type, grad.device());
  if (out.numel() && !out.is_meta()) run_formula(*rule.fused, {operands, n}, common, out, "backward");
  return out;
}

Py call_rule(const Rule& rule, Node& node, OpNodeState& state, const std::vector<Tensor>& grads, bool with_graph) {
  PyObject* args[kMaxParams + 4];
  Py owned[kMaxParams + 4];
  size_t n = 0;
  for (int a : rule.arguments) {
    Py& v = owned[n];
    if (a == kGrad) v = optional(grads[0]);
    else if (a == kGrads) {
      v = checked(PyList_New(Py_ssize_t(grads.size())));
      for (size_t i = 0; i < grads.size(); ++i) PyList_SET_ITEM(v.get(), Py_ssize_t(i), optional(grads[i]).release());
    } else if (a == kResult) v = saved_object(state.results.at(0), node, with_graph);
    else if (a == kResults || a == kOthers) {
      v = checked(PyTuple_New(Py_ssize_t(state.results.size())));
      for (size_t i = 0; i < state.results.size(); ++i) PyTuple_SET_ITEM(v.get(), Py_ssize_t(i), saved_object(state.results[i], node, with_graph).release());
    } else if (a == kNeeds) {
      v = checked(PyTuple_New(Py_ssize_t(rule.inputs.size())));
      for (size_t i = 0; i < rule.inputs.size(); ++i)
        PyTuple_SET_ITEM(v.get(), Py_ssize_t(i), PyBool_FromLong(needs(node, state, rule.inputs[i])));
    } else v = saved_argument(state, a, node, with_graph);
    args[n] = v.get();
    ++n;
  }
  return checked(PyObject_Vectorcall(rule.function, args, n, nullptr));
}

void place(Node& node, const OpNodeState& state, int param, PyObject* value, std::vector<Tensor>& out) {
  const int first = state.first_edge[size_t(param)];
  if (first < 0 || value == Py_None) return;
  if (is_tensor(value)) {
    for (auto [p, transposed] : state.overload->edge_order)
      if (p == param && transposed && node.next[size_t(first)].node) {
        static PyObject* t = PyUnicode_InternFromString("t");
        Py turned = checked(PyObject_CallMethodNoArgs(value, t));
        out[size_t(first)] = Tensor(tensor_of(turned.get()));
        return;
      }
    if (node.next[size_t(first)].node) out[size_t(first)] = fit(Tensor(tensor_of(value)), node, size_t(first));
    return;
  }
  Py items = checked(PySequence_Tuple(value));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.get()); ++i) {
    PyObject* g = PyTuple_GET_ITEM(items.get(), i);
    const size_t at = size_t(first) + size_t(i);
    if (is_tensor(g) && at < out.size() && node.next[at].node) out[at] = fit(Tensor(tensor_of(g)), node, at);
  }
}

void apply_rules(Node& node, std::vector<Tensor>& grads, bool with_graph) {
  OpNodeState& state = *node.state;
  const Overload& op = *state.overload;
  if (grads.size() < size_t(op.results)) grads.resize(size_t(op.results));
  std::vector<Tensor> out(node.next.size());
  if (state.scale != 1 && grads[0]) {
    Py factor = checked(PyFloat_FromDouble(state.scale));
    grads[0] = Tensor(tensor_of(checked(PyNumber_Multiply(object_of(grads[0].get()), factor.get())).get()));
  }
  bool slow = modes.slow != modes.profile;
  for (auto& g : grads) slow = slow || (g && (g->flags & kNeedsSlowPath));
  for (auto& a : state.args) slow = slow || (a.is_tensor && a.tensor.tensor && (a.tensor.tensor->flags & kNeedsSlowPath));
  for (auto& r : state.results) slow = slow || (r.tensor && (r.tensor->flags & kNeedsSlowPath));
  for (const Rule& rule : op.rules) {
    bool wanted = false;
    for (int i : rule.inputs) wanted = wanted || needs(node, state, i);
    if (!wanted) continue;
    if (rule.fused && !with_graph && !slow && grads[0]) {
      const size_t edge = size_t(state.first_edge[size_t(rule.inputs[0])]);
      out[edge] = fit(run_fused(rule, node, state, grads[0]), node, edge);
      continue;
    }
    Py result = call_rule(rule, node, state, grads, with_graph);
    if (!rule.joint) { place(node, state, rule.inputs[0], result.get(), out); continue; }
    if (result.get() == Py_None) continue;
    if (!PyTuple_Check(result.get()) && !PyList_Check(result.get())) throw RuntimeError("internal error: the joint gradient rule of ", op.name, " must return a tuple");
    for (size_t i = 0; i < rule.inputs.size() && Py_ssize_t(i) < PySequence_Fast_GET_SIZE(result.get()); ++i)
      place(node, state, rule.inputs[i], PySequence_Fast_GET_ITEM(result.get(), Py_ssize_t(i)), out);
  }
  grads = std::move(out);
}

}  // namespace

void SavedTensor::save(const Tensor& t, int32_t output_index) {
  if (!t) return;
  if ((t->flags & kInference) && !modes.inference)
    throw RuntimeError("Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by "
                       "autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` "
                       "instead of `torch.inference_mode()`.");
  output = output_index;
  if (modes.pack_hooks) {
    PyObject* pack = PyTuple_GET_ITEM(modes.pack_hooks, 0);
    packed = std::make_unique<Packed>();
    packed->unpack = Py::borrow(PyTuple_GET_ITEM(modes.pack_hooks, 1));
    if (output_index < 0) packed->edge = gradient_edge(t);
    // The hook sees no graph of its own.
    GradMode off(false);
    PyObject* hooks = std::exchange(modes.pack_hooks, nullptr);
    Tensor seen = output_index >= 0 ? graphless(t) : t;
    const uint32_t before = seen->storage ? seen->storage->version : 0;
    packed->value = Py(PyObject_CallOneArg(pack, object_of(seen.get())));
    modes.pack_hooks = hooks;
    if (!packed->value) throw PythonError();
    if (seen->storage && seen->storage->version != before)
      throw RuntimeError("A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by in-place "
                         "operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place operations on the "
                         "input to a pack hook.");
    if (output_index < 0) return;
    tensor = Tensor();
    return;
  }
  tensor = output_index >= 0 ? graphless(t) : t;
  version = t->storage ? t->storage->version : 0;
}

void SavedTensor::was_changed(const Tensor& t, uint32_t version, int32_t output, Node& owner) {
  const std::string what = cat("[torch.", is_complex(t.dtype()) ? "Complex" : "", scalar_type_name(t.dtype()), "Tensor ", t.sizes(), "]");
  std::string from;
  NodeRef f = output >= 0 ? NodeRef(&owner) : grad_fn(t);
  if (f) from = cat(", which is output ", output >= 0 ? uint32_t(output) : t->autograd->edge.slot, " of ", forward_name(*f), ",");
  throw RuntimeError("one of the variables needed for gradient computation has been modified by an inplace operation: ", what,
                     from, " is at version ", t->storage->version, "; expected version ", version,
                     " instead. Hint: ", modes.anomaly ? "the backtrace further above shows the operation that failed to compute its gradient. The "
                     "variable in question was changed in there or anywhere later. Good luck!" : "enable anomaly detection to find the operation that "
                     "failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).");
}

Tensor SavedTensor::get(Node& owner, bool with_graph) {
  if (packed) {
    Py t = checked(PyObject_CallOneArg(packed->unpack.get(), packed->value.get()));
    if (!is_tensor(t.get())) throw TypeError("Output of saved tensor unpack_hook expected to be a Tensor but got result of type ", Py_TYPE(t.get())->tp_name);
    const Edge edge = output < 0 ? packed->edge : with_graph ? Edge{NodeRef(&owner), uint32_t(output)} : Edge{};
    if (!edge.node) return Tensor(tensor_of(t.get()));
    Tensor restored = graphless(Tensor(tensor_of(t.get())));
    autograd_of(restored).edge = edge;
    restored->flags |= kRequiresGrad;
    return restored;
  }
  if (!tensor) return {};
  if (tensor->storage && tensor->storage->version != version && !(tensor->flags & kUntracked)) was_changed(tensor, version, output, owner);
  if (output >= 0 && with_graph) {
    Tensor t = graphless(tensor);
    auto& meta = autograd_of(t);
    meta.edge = {NodeRef(&owner), uint32_t(output)};
    t->flags |= kRequiresGrad;
    return t;
  }
  return tensor;
}

bool any_requires_grad(const Overload& op, PyObject* const* slots) {
  for (size_t i = 0; i < op.params.size(); ++i) {
    if (op.params[i].type <= ParamType::operand) {
      if (differentiable(slots[i])) return true;
    } else if (op.params[i].type == ParamType::tensors && slots[i] != Py_None) {
      for (Py_ssize_t k = 0, n = PySequence_Fast_GET_SIZE(slots[i]); k < n; ++k)
        if (differentiable(PySequence_Fast_GET_ITEM(slots[i], k))) return true;
    }
  }
  return false;
}

// Whether a rule that will run reads the first argument: an in-place form must keep a copy of it then.
bool rules_read_first(const Overload& op, PyObject* const* slots) {
  for (auto& rule : op.rules) {
    if (std::find(rule.arguments.begin(), rule.arguments.end(), 0) == rule.arguments.end()) continue;
    for (int i : rule.inputs) if (differentiable(slots[i])) return true;
  }
  return false;
}

// Sizes, or also strides and offset, of a tensor or of each of a list.
Py geometry(PyObject* o, bool strides) {
  if (!is_tensor(o)) {
    if (o == Py_None) return Py::borrow(o);
    Py list = checked(PyList_New(PySequence_Fast_GET_SIZE(o)));
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.get()); ++k)
      PyList_SET_ITEM(list.get(), k, geometry(PySequence_Fast_GET_ITEM(o, k), strides).release());
    return list;
  }
  Py sizes = checked(size_object(tensor_of(o)->sizes));
  if (!strides) return sizes;
  Py steps = checked(size_object(tensor_of(o)->strides));
  return checked(Py_BuildValue("(OOL)", sizes.get(), steps.get(), (long long)tensor_of(o)->offset));
}

void record(const Overload& op, PyObject* const* slots, const std::vector<Tensor>& results, bool in_place, double scale, const Tensor& original) {
  bool inexact = false;
  for (auto& r : results) inexact = inexact || (r && is_inexact(r.dtype()));
  if (!inexact || !op.node) return;
  PyTypeObject* type = in_place && op.in_place_node ? op.in_place_node : op.node;
  if (op.number_node)
    for (size_t i = 0; i < op.params.size(); ++i)
      if (op.params[i].type == ParamType::operand && !is_tensor(slots[i])) type = op.number_node;
  std::vector<Edge> ordered;  // a transpose's node must be older than the one that leads to it
  for (auto [i, transposed] : op.edge_order) {
    PyObject* o = slots[i];
    if (!is_tensor(o)) { ordered.emplace_back(); continue; }
    static PyObject* t = PyUnicode_InternFromString("t");
    Py turned = transposed && differentiable(o) ? checked(PyObject_CallMethodNoArgs(o, t)) : Py::borrow(o);
    ordered.push_back(gradient_edge(Tensor(tensor_of(turned.get()))));
  }
  NodeRef node = NodeRef::steal(new_node(type));
  node->apply = apply_rules;
  auto* state = node->state = new OpNodeState{&op, {}, {}, std::vector<int>(op.params.size(), -1), scale};
  for (auto [i, transposed] : op.edge_order) {
    state->first_edge[size_t(i)] = int(node->next.size());
    node->next.push_back(std::move(ordered[node->next.size()]));
  }
  for (size_t i = 0; i < op.params.size(); ++i) {
    PyObject* o = slots[i];
    const Param& p = op.params[i];
    if (!(op.edges >> i & 1) || !op.edge_order.empty()) continue;
    const bool list = p.type == ParamType::tensors && o != Py_None;
    if (p.type == ParamType::operand && !is_tensor(o)) {
      if (!op.number_node) node->next.emplace_back();  // the number stands in the graph as a tensor does
    } else if (p.type == ParamType::tensor && o == Py_None) {
      node->next.emplace_back();  // and so does an optional tensor that is absent
    } else if (p.type <= ParamType::operand && is_tensor(o)) {
      state->first_edge[i] = int(node->next.size());
      node->next.push_back(gradient_edge(Tensor(tensor_of(o))));
    } else if (list) {
      state->first_edge[i] = int(node->next.size());
      for (Py_ssize_t k = 0, n = PySequence_Fast_GET_SIZE(o); k < n; ++k) {
        PyObject* t = PySequence_Fast_GET_ITEM(o, k);
        node->next.push_back(is_tensor(t) ? gradient_edge(Tensor(tensor_of(t))) : Edge{});
      }
    }
  }
  // Save only what the rules that will run are going to read.
  uint64_t wanted = 0;
  bool save_results = false, save_others = false;  // "others": all but the first, which may be changed in place afterwards
  for (auto& rule : op.rules) {
    bool live = false;
    for (int i : rule.inputs) live = live || needs(*node, *state, i);
    if (!live) continue;
    for (int a : rule.arguments) {
      if (a >= 0) wanted |= uint64_t(1) << a;
      else if (a == kResult || a == kResults) save_results = true;
      else if (a == kOthers) save_others = true;
      else if (a <= kShapeOf && !find_saved(*state, a)) {
        SavedArgument& s = state->args.emplace_back();
        s.param = a;
        s.object = geometry(slots[a <= kGeometryOf ? kGeometryOf - a : kShapeOf - a], a <= kGeometryOf);
      }
    }
  }
  for (size_t i = 0; i < op.params.size(); ++i) {
    if (!(wanted >> i & 1)) continue;
    PyObject* o = slots[i];
    SavedArgument& a = state->args.emplace_back();
    a.param = int(i);
    if (is_tensor(o)) {
      a.is_tensor = true;
      if (in_place && i == 0 && original) {
        a.tensor.save(original, -1);
      } else if (in_place && i == 0) {
        // The old value is gone: its rule must not read it. Version 1 behind makes reading an error.
        a.tensor.save(Tensor(tensor_of(o)), -1);
        --a.tensor.version;
      } else a.tensor.save(Tensor(tensor_of(o)), -1);
    } else if (op.params[i].type == ParamType::tensors && o != Py_None) {
      a.is_list = true;
      for (Py_ssize_t k = 0, n = PySequence_Fast_GET_SIZE(o); k < n; ++k) {
        PyObject* t = PySequence_Fast_GET_ITEM(o, k);
        a.list.emplace_back();
        if (is_tensor(t)) a.list.back().save(Tensor(tensor_of(t)), -1);
      }
    } else a.object = Py::borrow(o);
  }
  if (save_results || save_others) {
    state->results.resize(results.size());
    for (size_t i = save_results ? 0 : 1; i < results.size(); ++i) if (results[i]) state->results[i].save(results[i], int32_t(i));
  }
  if (modes.anomaly) checked(PyObject_CallOneArg(callback("note_anomaly"), reinterpret_cast<PyObject*>(node.get())));
  node->slots.resize(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i] || !is_inexact(results[i].dtype())) continue;
    if (in_place) rebase_history(results[i], node, uint32_t(i));
    else set_history(results[i], node, uint32_t(i));
  }
}

PyObject* saved_attribute(Node& node, std::string_view name) {
  OpNodeState& state = *node.state;
  if (node.released) throw RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
                                        "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
                                        "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
                                        "after calling backward.");
  if (name == "result" && !state.results.empty()) return saved_object(state.results[0], node, true).release();
  const auto& params = state.overload->params;
  for (size_t i = 0; i < params.size(); ++i) {
    const bool match = PyUnicode_CompareWithASCIIString(params[i].name, std::string(name).c_str()) == 0 || (i == 0 && name == "self");
    if (match) return saved_argument(state, int(i), node, true).release();
  }
  PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '_saved_%s'", Py_TYPE((PyObject*)&node)->tp_name, std::string(name).c_str());
  return nullptr;
}

void release_saved(Node& node) {
  if (!node.state) {
    if (node.always && node.dict && reinterpret_cast<Object*>(&node)->count > 0 && PyDict_GetItemString(node.dict, "_saved")) {
      node.released = true;
      PyDict_DelItemString(node.dict, "_saved");
    }
    return;
  }
  if (!node.state->args.empty() || !node.state->results.empty()) node.released = true;
  // What is dropped may be the last reference to more of the graph.
  OpNodeState* state = std::exchange(node.state, nullptr);
  auto* keep = new OpNodeState{state->overload, {}, {}, state->first_edge, state->scale};
  node.state = keep;
  if (reinterpret_cast<Object*>(&node)->count <= 0) { delete keep; node.state = nullptr; }
  delete state;
}

}  // namespace facula
