// Backward: runs the graph on the calling thread, iteratively, later nodes first.
#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_map>

#include "autograd/graph.h"

namespace facula {
namespace {

struct Task {
  std::vector<Tensor> grads;   // by slot
  int32_t waiting = 0;         // edges still to come
  bool needed = true;
};
struct Later { bool operator()(const NodeRef& a, const NodeRef& b) const { return a->sequence < b->sequence; } };

Py as_object(const Tensor& t) { return t ? Py::borrow(object_of(t.get())) : Py::borrow(Py_None); }

Py tuple_of(const std::vector<Tensor>& v) {
  Py out = checked(PyTuple_New(Py_ssize_t(v.size())));
  for (size_t i = 0; i < v.size(); ++i) PyTuple_SET_ITEM(out.get(), Py_ssize_t(i), as_object(v[i]).release());
  return out;
}

std::string_view shown_type(PyObject* o) {  // without its module
  const std::string_view name = Py_TYPE(o)->tp_name;
  return name.substr(name.rfind('.') + 1);
}

void from_tuple(PyObject* result, std::vector<Tensor>& v) {
  if (!PyTuple_Check(result)) throw TypeError("expected tuple, but hook returned '", shown_type(result), "'");
  Py items = Py::borrow(result);
  v.assign(size_t(PyTuple_GET_SIZE(items.get())), Tensor());
  for (size_t i = 0; i < v.size(); ++i) {
    PyObject* o = PyTuple_GET_ITEM(items.get(), Py_ssize_t(i));
    if (is_tensor(o)) v[i] = Tensor(tensor_of(o));
    else if (o != Py_None) throw TypeError("expected Variable, but hook returned '", Py_TYPE(o)->tp_name, "'");
  }
}

std::string hook_text(PyObject* hook, const char* what) {
  Py name(PyObject_GetAttrString(hook, "__name__"));
  if (!name) { PyErr_Clear(); name = checked(PyObject_Repr(hook)); }
  return cat("hook '", PyUnicode_AsUTF8(name.get()), "' has ", what, " ");
}

void check_replacement(PyObject* hook, const Tensor& before, const Tensor& after) {
  const bool sizes = before.sizes() == after.sizes();
  if (sizes && before.dtype() == after.dtype()) return;
  const std::string text = hook_text(hook, "changed the");
  if (!sizes) throw RuntimeError(text, "size of value");
  throw RuntimeError(text, "type of value (was torch.", scalar_type_name(before.dtype()), "Tensor got torch.", scalar_type_name(after.dtype()), "Tensor)");
}

// Hooks of a tensor: each may replace the gradient.
void run_tensor_hooks(PyObject* hooks, Tensor& grad) {
  if (!hooks) return;
  Py list = checked(PyDict_Values(hooks));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
    PyObject* hook = PyList_GET_ITEM(list.get(), i);
    Py result = checked(PyObject_CallOneArg(hook, as_object(grad).get()));
    if (result.get() == Py_None) continue;
    if (!is_tensor(result.get())) throw TypeError("expected Variable, but hook returned '", Py_TYPE(result.get())->tp_name, "'");
    Tensor changed(tensor_of(result.get()));
    if (!grad) throw RuntimeError("can't replace a None gradient with a non-None value");
    check_replacement(hook, grad, changed);
    grad = std::move(changed);
  }
}

void run_slot_hooks(Node& node, std::vector<Tensor>& grads) {
  PyObject* slots = node.tensor_hooks.get();
  for (Py_ssize_t s = 0; slots && s < PyList_GET_SIZE(slots) && size_t(s) < grads.size(); ++s)
    if (PyObject* hooks = PyList_GET_ITEM(slots, s); hooks != Py_None) run_tensor_hooks(hooks, grads[size_t(s)]);
}

void replace_all(PyObject* hook, PyObject* result, std::vector<Tensor>& grads) {
  std::vector<Tensor> changed;
  from_tuple(result, changed);
  if (changed.size() != grads.size())
    throw RuntimeError(hook_text(hook, "returned an incorrect number of values"), "(got ", changed.size(), ", but expected ", grads.size(), ")");
  for (size_t i = 0; i < grads.size(); ++i) {
    if (grads[i] && changed[i]) check_replacement(hook, grads[i], changed[i]);
    else if (changed[i]) throw RuntimeError("can't replace a None gradient with a non-None value");
  }
  grads = std::move(changed);
}

void run_node_hooks(PyObject* hooks, std::vector<Tensor>& first, const std::vector<Tensor>* second) {
  Py list = checked(PyDict_Values(hooks));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
    Py a = tuple_of(first), b = second ? tuple_of(*second) : Py();
    Py result = checked(PyObject_CallFunctionObjArgs(PyList_GET_ITEM(list.get(), i), a.get(), b.get(), nullptr));
    if (result.get() != Py_None) replace_all(PyList_GET_ITEM(list.get(), i), result.get(), first);
  }
}

// While the profiler runs: the time between construction and destruction is the node's.
struct Profiled {
  explicit Profiled(Node& node) : on(modes.profile) {
    if (on) checked(PyObject_CallOneArg(callback("profile_enter"), (PyObject*)&node));
  }
  ~Profiled() {
    if (!on) return;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    Py left(PyObject_CallNoArgs(callback("profile_leave")));
    if (!left) PyErr_Clear();
    PyErr_Restore(type, value, trace);
  }
  const bool on;
};

class Run {
 public:
  Run(bool keep, bool create, std::vector<Capture>* captures, bool accumulate)
      : keep_(keep), create_(create), captures_(captures), accumulate_(accumulate) {}

  ~Run() { current = outer_; }
  bool reaches(Node* n) const {
    auto at = tasks_.find(n);
    return at != tasks_.end() && at->second.needed;
  }
  bool accumulates() const { return !captures_; }
  static thread_local Run* current;
  const uint64_t id = ++runs;

  void go(std::vector<Edge>& roots, std::vector<Tensor>& gradients) {
    count_edges(roots);
    if (captures_) mark_needed();
    for (size_t i = 0; i < roots.size(); ++i) add(roots[i], std::move(gradients[i]));
    for (auto& r : roots) if (tasks_[r.node.get()].waiting == 0) push(r.node);
    while (!ready_.empty()) {
      NodeRef node = ready_.top();
      ready_.pop();
      if (++steps_ % 32 == 0 && PyErr_CheckSignals() != 0) throw PythonError();
      step(node);
    }
  }

 private:
  void count_edges(const std::vector<Edge>& roots) {
    std::vector<Node*> stack;
    for (auto& r : roots) if (tasks_.try_emplace(r.node.get()).second) stack.push_back(r.node.get());
    while (!stack.empty()) {
      Node* n = stack.back();
      stack.pop_back();
      if (order_.size() % 4096 == 0 && PyErr_CheckSignals() != 0) throw PythonError();
      order_.push_back(n);
      for (auto& e : n->next) {
        if (!e.node) continue;
        auto [at, fresh] = tasks_.try_emplace(e.node.get());
        ++at->second.waiting;
        if (fresh) stack.push_back(e.node.get());
      }
    }
  }

  // autograd.grad runs only what leads to the wanted inputs.
  void mark_needed() {
    if (accumulate_) return;
    for (auto& [n, t] : tasks_) t.needed = false;
    auto depth = [](Node* n) { return n->variable ? 0 : n->sequence + 1; };  // leaves run early but stand last
    std::sort(order_.begin(), order_.end(), [&](Node* a, Node* b) { return depth(a) < depth(b); });
    std::unordered_map<Node*, bool> captured;
    for (auto& c : *captures_) captured[c.edge.node.get()] = true;
    for (Node* n : order_) {  // inputs come before outputs
      bool wanted = captured.count(n);
      for (auto& e : n->next) wanted = wanted || (e.node && tasks_[e.node.get()].needed);
      tasks_[n].needed = wanted;
    }
  }

  void push(const NodeRef& n) {
    if (!queued_[n.get()]) { queued_[n.get()] = true; ready_.push(n); }
  }

  void add(const Edge& e, Tensor grad) {
    auto& grads = tasks_[e.node.get()].grads;
    if (grads.size() <= e.slot) grads.resize(std::max<size_t>(e.slot + 1, e.node->slots.size()));
    auto& at = grads[e.slot];
    if (!grad) return;
    const bool dense_last = at && ((at->flags & ~grad->flags) & kOther);
    at = dense_last ? add_gradients(grad, at) : at ? add_gradients(at, grad) : std::move(grad);
  }

  void step(const NodeRef& node) {
    auto& task = tasks_[node.get()];
    std::vector<Tensor> grads = std::move(task.grads);
    grads.resize(std::max<size_t>(node->slots.size(), std::max<size_t>(grads.size(), 1)));
    bool any = false;
    for (auto& g : grads) any = any || g;
    std::vector<Tensor> out(node->next.size());
    const bool leaf_hooks = node->variable && node->variable->autograd && node->variable->autograd->hooks;
    const bool watched = leaf_hooks || node->tensor_hooks || node->pre_hooks || node->post_hooks;  // hooks see undefined gradients too
    if ((any || watched || node->always) && task.needed) {
      if (leaf_hooks) run_tensor_hooks(node->variable->autograd->hooks.get(), grads[0]);
      run_slot_hooks(*node, grads);
      bool stop = false;
      if (captures_) stop = capture(node, grads);
      if (!stop) {
        if (node->pre_hooks) run_node_hooks(node->pre_hooks.get(), grads, nullptr);
        if (node->variable && captures_ && !accumulate_) grads.clear();
        else apply(*node, grads, out);
      }
    }
    for (size_t i = 0; i < node->next.size(); ++i) {
      auto& e = node->next[i];
      if (!e.node) continue;
      if (i < out.size() && out[i]) add(e, std::move(out[i]));
      if (--tasks_[e.node.get()].waiting == 0) push(e.node);
    }
  }

  // Notes wanted gradients; true if nothing behind this node is wanted.
  bool capture(const NodeRef& node, const std::vector<Tensor>& grads) {
    bool here = false;
    for (auto& c : *captures_)
      if (c.edge.node == node && c.edge.slot < grads.size()) { c.result = grads[c.edge.slot]; here = true; }
    if (!here || accumulate_) return false;
    for (auto& e : node->next) if (e.node && tasks_[e.node.get()].needed) return false;
    return true;
  }

  void apply(Node& node, std::vector<Tensor>& grads, std::vector<Tensor>& out) {
    std::vector<Tensor> inputs;
    if (node.post_hooks) inputs = grads;
    if (node.released && !node.always)  // a Function may not need what it saved
      throw RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors after they "
                         "have already been freed). Saved intermediate values of the graph are freed when you call "
                         ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
                         "graph a second time or if you need to access saved tensors after calling backward.");
    {
      Profiled timed(node);
      bool defined = node.always;
    for (auto& g : grads) defined = defined || g;
    if (defined) node.apply(node, grads, create_);
    else grads.assign(node.next.size(), Tensor());
    }
    if (node.post_hooks) run_node_hooks(node.post_hooks.get(), grads, &inputs);
    out = std::move(grads);
    if (!keep_) release_saved(node);
  }

  bool keep_, create_;
  std::vector<Capture>* captures_;
  bool accumulate_;
  uint64_t steps_ = 0;
  Run* outer_ = std::exchange(current, this);
  static inline std::atomic<uint64_t> runs{0};
  std::unordered_map<Node*, Task> tasks_;
  std::unordered_map<Node*, bool> queued_;
  std::vector<Node*> order_;
  std::priority_queue<NodeRef, std::vector<NodeRef>, Later> ready_;
};

thread_local Run* Run::current = nullptr;

}  // namespace

uint64_t backward_run() { return Run::current ? Run::current->id : 0; }
bool backward_accumulates() { return Run::current && Run::current->accumulates(); }
bool backward_reaches(Node* node) { return Run::current && Run::current->reaches(node); }

void run_backward(std::vector<Edge> roots, std::vector<Tensor> gradients, bool keep_graph, bool create_graph,
                  std::vector<Capture>* captures, bool accumulate) {
  GradMode mode(create_graph);
  Run(keep_graph, create_graph, captures, accumulate).go(roots, gradients);
}

}  // namespace facula
