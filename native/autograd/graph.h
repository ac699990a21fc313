// The dynamic graph: what a tensor knows of its history, and the nodes of that history.
// Nodes are Python objects (`grad_fn`), so that Python functions can be nodes and one
// reference count serves both sides; this room therefore knows Python's headers.
#pragma once
#include <memory>

#include "bind/python.h"

namespace facula {

struct Node;
using NodeRef = Ref<Node>;
struct Edge {
  NodeRef node;        // null: no gradient wanted
  uint32_t slot = 0;   // which of the node's results
};

// Metadata of the value that a gradient flowing into a slot belongs to.
struct Slot { Dims sizes; DType dtype = DType::undefined; Device device; };

struct SavedTensor {
  Tensor tensor;         // an input itself, or a graphless copy of an output
  uint32_t version = 0;
  int32_t output = -1;   // >= 0: output of the node that saves it
  struct Packed { Py value, unpack; Edge edge; };
  std::unique_ptr<Packed> packed;  // with saved-tensor hooks: what pack gave, the unpack function, the history to give back
  void save(const Tensor& t, int32_t output_index);
  Tensor get(Node& owner, bool with_graph);
  [[noreturn]] static void was_changed(const Tensor& t, uint32_t version, int32_t output, Node& owner);
};

struct OpNodeState;  // bind/op.cpp: overload, saved arguments
struct Node {
  PyObject_HEAD
  PyObject* dict;         // attributes that Python sets (metadata)
  PyObject* weakrefs;
  uint64_t sequence;      // later nodes run first in backward
  // Gradients of the slots in, gradients of `next` out; entries may be empty.
  void (*apply)(Node&, std::vector<Tensor>& grads, bool create_graph);
  std::vector<Edge> next;
  std::vector<Slot> slots;
  Py tensor_hooks;        // list per slot of dict id -> hook, run on the slot's gradient
  Py pre_hooks, post_hooks;  // dict id -> hook
  OpNodeState* state;     // owned; only nodes of table operations
  Tensor variable;        // accumulate nodes: the leaf
  bool released;
  bool always;            // runs even if all gradients are undefined (autograd.Function)
};
extern PyTypeObject NodeType;
Node* new_node(PyTypeObject* type);  // sequence set, count 1
PyTypeObject* node_type(const std::string& name);  // "AddBackward0": one Python type each

struct Autograd {
  Tensor grad;
  Edge edge;                 // grad_fn and which of its results this tensor is
  Node* accumulator = nullptr;  // leaves: made when first used; the node owns the leaf, not the reverse
  Tensor base;               // views: the tensor viewed
  uint32_t base_version = 0; // storage version when `edge` was made
  bool retains_grad = false;
  Py hooks;                  // leaves: dict id -> hook
  Py post_accumulate_hooks;
  Py wrapped;                // vmap, forward mode: (level, value, dimension or tangent), see facula/_dispatch.py
};
Autograd& autograd_of(const Tensor& t);  // makes it
Tensor graphless(const Tensor& t);       // same value without history; inside vmap and forward mode, wrapped as `t` is

Edge gradient_edge(const Tensor& t);      // where t's gradient goes; empty if none is wanted
NodeRef grad_fn(const Tensor& t);         // null for leaves; refreshed for views of changed bases
inline bool is_leaf(const Tensor& t) { return !t->autograd || (t->autograd->base ? !grad_fn(t) : !t->autograd->edge.node); }
void note_view(const Tensor& base, const Tensor& view, bool one_of_many);  // `view` shows memory of `base`
void set_history(const Tensor& t, NodeRef node, uint32_t slot);
bool should_track(const Tensor& t);

// ---- modes: thread-local, set by scopes
struct Modes {
  bool grad = true, inference = false;
  uint32_t slow = 0;       // > 0: a Python-side interpreter wants to see every call
  bool anomaly = false;
  bool no_overrides = false;    // subclasses count as plain tensors
  uint32_t autocast = 0;        // active autocast regions; they count in `slow` too
  uint32_t function_modes = 0;  // active TorchFunctionModes; they count in `slow` too
  uint32_t capture = 0;    // calls are being recorded (facula/_capture.py): sizes and values that are read are noted; counts in `slow` too
  uint32_t profile = 0;    // calls and nodes are timed (facula/profiler); counts in `slow` too
  PyObject* pack_hooks = nullptr;  // borrowed (pack, unpack) on top of the stack
};
extern thread_local Modes modes;
struct GradMode {
  explicit GradMode(bool on) : before_(modes.grad) { modes.grad = on; }
  ~GradMode() { modes.grad = before_; }
  bool before_;
};

// ---- engine
struct Capture { Edge edge; Tensor result; };
void run_backward(std::vector<Edge> roots, std::vector<Tensor> gradients, bool keep_graph, bool create_graph,
                  std::vector<Capture>* captures, bool accumulate);
uint64_t backward_run();            // the number of the backward pass of this thread, 0 outside
bool backward_accumulates();        // whether that pass adds to all leaves
bool backward_reaches(Node* node);  // whether that pass is going to run a node
Tensor add_gradients(const Tensor& a, const Tensor& b);  // differentiable when grad mode is on
void defer_destruction(NodeRef node);  // no recursion however long the chain

// An in-place operation wrote `t`, a view or not: its history becomes `node`'s output `slot`.
void rebase_history(const Tensor& t, NodeRef node, uint32_t slot);
std::string forward_name(const Node& node);  // "Exp" of ExpBackward0
void check_inplace(const Tensor& t, bool recorded);  // whether t may be written; `recorded`: some argument requires a gradient
// Python functions that the core calls: "rebase_view", "slow_call", ... (facula/_callbacks.py).
PyObject* callback(const char* name);
void release_saved(Node& node);
// What a node of the table keeps under a parameter's name ("self": the first one; "result"); throws AttributeError.
PyObject* saved_attribute(Node& node, std::string_view name);

}  // namespace facula
