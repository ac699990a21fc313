// Operations as Python objects: overloads with typed parameters, a kernel or formula, and rules
// for gradients. Made from the table in facula/ops.
#pragma once
#include "autograd/graph.h"
#include "cpu/pointwise.h"

namespace facula {

enum class ParamType : uint8_t {
  tensor, operand /* Tensor|Scalar */, tensors, scalar, integer, boolean, real, ints, reals, string, dtype, device,
  generator, format, any
};

struct Param {
  PyObject* name;         // interned
  ParamType type;
  bool nullable, keyword_only, has_default, one_int;  // one_int: int[1], a single int stands for a list
  PyObject* fallback;     // the default
};

// What a gradient rule's parameter stands for: an index of the signature, or one of these.
enum RuleArgument : int { kGrad = -1, kGrads = -2, kResult = -3, kResults = -4, kNeeds = -5, kOthers = -6, kShapeOf = -100, kGeometryOf = -200 };
// kShapeOf - i: the shape of parameter i (a list for lists); kGeometryOf - i: (shape, strides, offset). Neither keeps
// the tensor alive nor minds in-place changes.

struct Rule {
  std::vector<int> inputs;     // parameters it gives gradients of
  bool joint;                  // several at once, as a tuple
  PyObject* function;
  std::vector<int> arguments;  // RuleArgument or parameter index
  const Formula* fused;        // the same rule as one kernel, where it is a formula
};

// What an elementwise operation refuses, as its entry in the table says.
struct Limit {
  enum Kind : uint8_t { bool_result, any_bool, two_bools, integral, half, float_number, negative_number } kind;
  std::string text;            // one word: the kernel that "is not implemented"; else a RuntimeError's text
};

struct Overload {
  std::string name;            // public, for messages
  std::vector<Param> params;
  Kernel kernel = nullptr;
  const Formula* formula = nullptr;
  PyObject* composed = nullptr; // called instead where a gradient is recorded and PyTorch's graph has several nodes
  PyObject* compute = nullptr;  // in place of a kernel: Python that makes the result of other operations
  PointwiseKind kind = PointwiseKind::promote;
  int reduction = -1;          // formula: the parameter that asks for the values (0), their mean (1) or their sum (2)
  std::vector<int> operands;   // formula: parameters in the order of the formula
  uint64_t promoting = 0;      // parameters that take part in promotion
  std::vector<Rule> rules;
  std::vector<std::pair<int, bool>> edge_order;  // parameters in the order of the node's edges, and whether through a transpose
  std::vector<Limit> limits;
  uint64_t edges = 0;          // parameters that some rule gives a gradient (all, where there are no rules)
  uint64_t saved = 0;          // parameters that some rule reads
  bool saves_results = false, view = false, in_place = false, list_result = false, strict_out = false, differentiable = true;
  int results = 1;
  PyObject* result_type = nullptr;
  PyTypeObject* node = nullptr;
  PyTypeObject* in_place_node = nullptr;  // of the in-place form, where it differs
  PyTypeObject* number_node = nullptr;  // where an operand is a plain number and PyTorch tells the two apart
  PyObject* python = nullptr;  // the table's entry, for the slow path
};

enum class Variant : uint8_t { function, in_place };

struct OpObject {
  PyObject_HEAD
  vectorcallfunc call;
  PyObject* name;
  PyObject* dict;
  Variant variant;
  std::vector<Overload*>* overloads;
  PyObject* fallback;  // plain Python for calls that no overload takes; may be null
};
extern PyTypeObject OpType;

constexpr size_t kMaxParams = 32;
using Slots = PyObject* [kMaxParams];  // borrowed; null where the default applies

struct SavedArgument {
  int param;
  SavedTensor tensor;
  std::vector<SavedTensor> list;
  Py object;               // anything that is no tensor
  bool is_list = false, is_tensor = false;
};
struct OpNodeState {
  const Overload* overload;
  std::vector<SavedArgument> args;
  std::vector<SavedTensor> results;
  std::vector<int> first_edge;  // by parameter: its first edge in `next`, -1 if none
  double scale = 1;             // of the incoming gradient: 1 / n of a mean inside the formula
};

void record(const Overload& op, PyObject* const* slots, const std::vector<Tensor>& results, bool in_place, double scale = 1,
            const Tensor& original = {});
bool rules_read_first(const Overload& op, PyObject* const* slots);
bool any_requires_grad(const Overload& op, PyObject* const* slots);
void to_value(const Param& p, PyObject* o, Value& out);
bool accepts(const Param& p, PyObject* o);
PyObject* wrap_results(const Overload& op, std::vector<Tensor>&& out);
DType common_dtype(std::span<const Tensor> operands);

}  // namespace facula
