// The one door: every call of an operation passes `op_call`.
#include "bind/op.h"

#include <algorithm>

#include "bind/parse.h"
#include "cpu/copy.h"

namespace facula {
namespace {

OpObject* op_of(PyObject* o) { return reinterpret_cast<OpObject*>(o); }

uint32_t tensor_flags(const Overload& op, PyObject* const* slots) {
  uint32_t flags = 0;
  for (size_t i = 0; i < op.params.size(); ++i) {
    PyObject* o = slots[i];
    if (op.params[i].type <= ParamType::operand) {
      if (is_tensor(o)) flags |= tensor_of(o)->flags;
    } else if (op.params[i].type == ParamType::tensors && o != Py_None) {
      for (Py_ssize_t k = 0, n = PySequence_Fast_GET_SIZE(o); k < n; ++k)
        if (PyObject* t = PySequence_Fast_GET_ITEM(o, k); is_tensor(t)) flags |= tensor_of(t)->flags;
    }
  }
  return flags;
}

PyObject* slow_call(OpObject* op, const Overload& overload, PyObject* const* slots, PyObject* out) {
  static PyObject* handler = callback("slow_call");
  const size_t n = overload.params.size();
  Py values = checked(PyTuple_New(Py_ssize_t(n)));
  for (size_t i = 0; i < n; ++i) PyTuple_SET_ITEM(values.get(), Py_ssize_t(i), Py_NewRef(slots[i]));
  return PyObject_CallFunctionObjArgs(handler, op, overload.python, values.get(), out ? out : Py_None, nullptr);
}

// ---------------------------------------------------------------- promotion
DType number_type(const Tensor& t) {
  if (t.dtype() == DType::float64) return default_dtype();
  return t.dtype() == DType::complex128 ? to_complex(default_dtype()) : t.dtype();
}

// A category of operands with dimensions beats 0-dim ones, which beat Python numbers,
// unless the lesser one is of a higher kind.
DType combine(DType higher, DType lower) {
  if (higher == DType::undefined) return lower;
  if (lower == DType::undefined || is_complex(higher)) return higher;
  if (is_floating(higher)) return is_complex(lower) ? to_complex(higher) : higher;
  if (higher == DType::bool_ || is_inexact(lower)) return promote(higher, lower);
  return higher;
}

DType common_of(std::span<const Tensor> operands, uint64_t taking_part) {
  DType dims = DType::undefined, zero = DType::undefined, wrapped = DType::undefined;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Tensor& t = operands[i];
    if (!t || !(taking_part >> i & 1)) continue;
    if (t->flags & kWrapped) wrapped = promote(number_type(t), wrapped);
    else if (t.dim() == 0) zero = promote(t.dtype(), zero);
    else dims = dims == t.dtype() ? dims : promote(t.dtype(), dims);
  }
  return combine(dims, combine(zero, wrapped));
}

struct Types { DType common, result; };
Types pointwise_types(const Overload& op, DType common) {
  switch (op.kind) {
    case PointwiseKind::floating:
      if (!is_inexact(common)) common = default_dtype();
      return {common, common};
    case PointwiseKind::boolean: return {common, DType::bool_};
    case PointwiseKind::number: if (common == DType::bool_) common = DType::int64; return {common, common};
    case PointwiseKind::real: return {common, to_real(common)};
    case PointwiseKind::floating_real:
      if (!is_inexact(common)) common = default_dtype();
      return {common, to_real(common)};
    case PointwiseKind::integral:
      if (is_inexact(common)) not_implemented_for(op.name, common);
      return {common, common};
    default: return {common, common};
  }
}

// `common` is the operands' dtype before integers become floating.
bool reached(Limit::Kind kind, const Overload& op, PyObject* const* slots, std::span<const Tensor> operands, DType common) {
  const auto bools = std::count_if(operands.begin(), operands.end(), [](auto& t) { return t.dtype() == DType::bool_; });
  const bool integers = !is_inexact(common);
  auto number = [&](auto test) {
    for (int i : op.operands) if (Scalar s; !is_tensor(slots[i]) && to_scalar(slots[i], s) && test(s)) return true;
    return false;
  };
  switch (kind) {
    case Limit::bool_result: return common == DType::bool_;
    case Limit::any_bool: return bools > 0;
    case Limit::two_bools: return bools > 1;
    case Limit::integral: return integers;
    case Limit::half: return common == DType::float16 || common == DType::bfloat16;
    case Limit::float_number: return integers && number([](const Scalar& s) { return s.kind != Scalar::integer && s.kind != Scalar::boolean; });
    case Limit::negative_number: return integers && number([](const Scalar& s) { return s.kind == Scalar::integer && s.i < 0; });
  }
  return false;
}

void check_limits(const Overload& op, PyObject* const* slots, std::span<const Tensor> operands, DType common) {
  for (auto& limit : op.limits) {
    if (!reached(limit.kind, op, slots, operands, common)) continue;
    if (limit.text.find(' ') == std::string::npos) not_implemented_for(limit.text, common);
    throw RuntimeError(limit.text);
  }
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && !is_inexact(to)) return false;
  return to != DType::bool_ || from == DType::bool_;
}

void check_devices(const Overload& op, std::span<const Tensor> operands, Device& device) {
  bool found = false;
  for (auto& t : operands) {
    if (!t || (t.dim() == 0 && (t->flags & kWrapped))) continue;
    if (found && !(t.device() == device) && t.dim() && device.type != t.device().type) {
      throw RuntimeError("Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
                         t.device(), "! (when checking arguments of ", op.name, ")");
    }
    if (!found || t.dim()) device = t.device();
    found = true;
  }
}

bool overlaps_itself(const Tensor& t) {
  if (t.numel() == 0) return false;
  for (int d = 0; d < t.dim(); ++d) if (t.size(d) > 1 && t.stride(d) == 0) return true;
  return false;
}

void resize_out(const Tensor& out, const Dims& sizes) {
  if (out.sizes() == sizes) return;
  if (out.numel() != 0)
    PyErr_WarnFormat(PyExc_UserWarning, 1,
                     "An output with one or more elements was resized since it had shape %s, which does not match the required "
                     "output shape %s. This behavior is deprecated, and in a future PyTorch release outputs will not be resized "
                     "unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero "
                     "elements with t.resize_(0).", cat(out.sizes()).c_str(), cat(sizes).c_str());
  if (PyErr_Occurred()) throw PythonError();
  auto* p = out.get();
  p->sizes = sizes;
  p->strides = contiguous_strides(sizes);
  p->numel = sizes.numel();
  resize_storage(*p->storage.get(), (p->offset + p->numel) * item_size(p->dtype));
}

constexpr size_t kMaxOperands = 16;

void copy_to_out(const Overload& op, const Tensor& out, const Tensor& result);

// ---------------------------------------------------------------- pointwise
PyObject* run_pointwise(const Overload& op, PyObject* const* slots, Variant variant, PyObject* out_object) {
  Tensor operands[kMaxOperands];
  const size_t n = op.operands.size();
  uint64_t taking_part = 0;
  for (size_t i = 0; i < n; ++i) {
    PyObject* o = slots[op.operands[i]];
    operands[i] = is_tensor(o) ? Tensor(tensor_of(o)) : wrapped_number(o == Py_None ? Py_False : o);
    if (op.promoting >> op.operands[i] & 1) taking_part |= uint64_t(1) << i;
  }
  std::span<const Tensor> all(operands, n);
  const DType given = common_of(all, taking_part);
  if (!op.limits.empty()) check_limits(op, slots, all, given);
  const auto [common, result_type] = pointwise_types(op, given);
  const Dims* sizes = &operands[0].sizes();
  Dims broadcast;
  for (size_t i = 1; i < n; ++i)
    if (operands[i].dim() && !(operands[i].sizes() == *sizes)) { broadcast = broadcast_sizes(*sizes, operands[i].sizes()); sizes = &broadcast; }
  Device device = operands[0].device();
  check_devices(op, all, device);
  Tensor out;
  if (const int64_t code = op.reduction < 0 ? 0 : PyLong_AsLongLong(slots[op.reduction]); code != 0) {
    out = empty({}, result_type, device);
    const double n = double(sizes->numel()), scale = code == 1 ? 1 / n : 1;
    if (!out.is_meta()) fill_scalar(out, Scalar{Scalar::real, 0, sum_formula(*op.formula, all, common, *sizes, op.name) * scale});
    if (modes.grad && op.differentiable && any_requires_grad(op, slots)) record(op, slots, {out}, false, scale);
    if (out_object) { copy_to_out(op, Tensor(tensor_of(out_object)), out); return Py_NewRef(out_object); }
    return give(out);
  }
  const bool in_place = variant == Variant::in_place;
  Tensor original;
  if (in_place) {
    if (modes.grad && op.differentiable && rules_read_first(op, slots)) {
      original = empty_like(Tensor(tensor_of(slots[0])));
      if (!original.is_meta()) copy_into(original, Tensor(tensor_of(slots[0])));
    }
    out = Tensor(tensor_of(slots[0]));
    check_inplace(out, modes.grad && any_requires_grad(op, slots));
    if (!(out.sizes() == *sizes))
      throw RuntimeError("output with shape ", out.sizes(), " doesn't match the broadcast shape ", *sizes);
    if (overlaps_itself(out))
      throw RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single memory "
                         "location. Please clone() the tensor before performing the operation.");
  } else if (out_object) {
    out = Tensor(tensor_of(out_object));
    if (modes.grad && (out.requires_grad() || any_requires_grad(op, slots)))
      throw RuntimeError(op.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
    check_inplace(out, false);
    resize_out(out, *sizes);
  }
  if (out) {
    if (!can_cast(result_type, out.dtype()))
      throw RuntimeError("result type ", scalar_type_name(result_type) == "Bool" ? "Bool" : scalar_type_name(result_type),
                         " can't be cast to the desired output type ", scalar_type_name(out.dtype()));
    for (size_t i = 0; i < n; ++i)  // partly overlapping memory: work on a copy
      if (operands[i]->storage == out->storage && operands[i].get() != out.get() &&
          !(operands[i].strides() == out.strides() && operands[i]->offset == out->offset)) {
        Tensor copy = empty_like(operands[i]);
        copy_into(copy, operands[i]);
        operands[i] = copy;
      }
    out.bump();
  } else {
    // The layout follows the first operand of the full size.
    const Tensor* model = nullptr;
    for (size_t i = 0; i < n && !model; ++i) if (operands[i].sizes() == *sizes) model = &operands[i];
    out = model && !model->is_contiguous() ? empty_like(*model, result_type) : empty(*sizes, result_type, device);
    if (device.type != out.device().type) out->device = device;
  }
  if (out.numel() && !out.is_meta()) run_formula(*op.formula, all, common, out, op.name);
  if (modes.grad && op.differentiable && is_inexact(out.dtype()) && any_requires_grad(op, slots))
    record(op, slots, {out}, in_place, 1, original);
  return give(out);
}

// ---------------------------------------------------------------- kernels
std::vector<Value>& argument_pool(size_t depth) {
  static thread_local std::vector<std::vector<Value>> pools;
  if (pools.size() <= depth) { pools.reserve(64); pools.resize(depth + 1); }
  return pools[depth];
}

// The forward pass in Python, outside of the graph: the operation is one node, as its entry says.
std::vector<Tensor> run_compute(const Overload& op, PyObject* const* slots) {
  GradMode off(false);
  Py result = checked(PyObject_Vectorcall(op.compute, slots, op.params.size(), nullptr));
  std::vector<Tensor> out;
  auto take = [&](PyObject* o) {
    if (o != Py_None && !is_tensor(o)) throw TypeError("internal error: ", op.name, " computed a ", Py_TYPE(o)->tp_name, " where a Tensor belongs; please report this text");
    out.push_back(o == Py_None ? Tensor() : Tensor(tensor_of(o)));
  };
  if (PyTuple_Check(result.get()) || PyList_Check(result.get()))
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(result.get()); ++i) take(PySequence_Fast_GET_ITEM(result.get(), i));
  else take(result.get());
  return out;
}

std::vector<Tensor> run_kernel(const Overload& op, PyObject* const* slots) {
  if (op.compute) return run_compute(op, slots);
  static thread_local size_t depth = 0;
  struct Depth { Depth() { ++depth; } ~Depth() { --depth; } } scope;
  std::vector<Value> own;
  auto& values = depth < 32 ? argument_pool(depth) : own;
  if (values.size() < op.params.size()) values.resize(op.params.size());
  struct Clear {  // references must not outlive the call
    std::vector<Value>& v;
    size_t n;
    ~Clear() { for (size_t i = 0; i < n; ++i) { v[i].t = Tensor(); v[i].list.clear(); v[i].dims.resize(0); v[i].floats.clear(); v[i].kind = Value::none; v[i].gen = nullptr; } }
  } clear{values, op.params.size()};
  for (size_t i = 0; i < op.params.size(); ++i) to_value(op.params[i], slots[i], values[i]);
  Call call{op.name, values, {}};
  op.kernel(call);
  return std::move(call.out);
}

void copy_to_out(const Overload& op, const Tensor& out, const Tensor& result) {
  if (!can_cast(result.dtype(), out.dtype()) || (op.strict_out && result.dtype() != out.dtype()))
    throw RuntimeError("Expected out tensor to have dtype ", name(result.dtype()), ", but got ", name(out.dtype()), " instead (", op.name, ")");
  if (out.device().type != result.device().type)
    throw RuntimeError("Expected out tensor to have device ", result.device(), ", but got ", out.device(), " instead (", op.name, ")");
  if (overlaps_itself(out))
    throw RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                       "Please clone() the tensor before performing the operation.");
  check_inplace(out, false);
  resize_out(out, result.sizes());
  if (!out.is_meta()) copy_into(out, result);
  out.bump();
}

void note_views(const Tensor& base, const std::vector<Tensor>& views, bool many) {
  for (auto& v : views)
    if (!v || !v->storage || !(v->storage == base->storage)) continue;  // reshape() may have copied
    else if (base->flags & kInference) v->flags |= kInference;
    else note_view(base, v, many);
}

PyObject* run_general(const Overload& op, PyObject* const* slots, Variant variant, PyObject* out_object) {
  const bool track = modes.grad && op.differentiable && any_requires_grad(op, slots);
  if (variant == Variant::in_place || op.in_place) {
    Tensor self(tensor_of(slots[0]));
    check_inplace(self, modes.grad && any_requires_grad(op, slots));
    Tensor original;
    if (track && rules_read_first(op, slots)) {
      original = empty_like(self);
      if (!original.is_meta()) copy_into(original, self);
    }
    std::vector<Tensor> out = run_kernel(op, slots);
    if (!op.in_place) {
      if (!(out[0].sizes() == self.sizes()))
        throw RuntimeError("output with shape ", self.sizes(), " doesn't match the broadcast shape ", out[0].sizes());
      if (!can_cast(out[0].dtype(), self.dtype()))
        throw RuntimeError("result type ", scalar_type_name(out[0].dtype()), " can't be cast to the desired output type ", scalar_type_name(self.dtype()));
      if (!self.is_meta()) copy_into(self, out[0]);
    }
    self.bump();
    if (track && is_inexact(self.dtype())) record(op, slots, {self}, true, 1, original);
    return give(self);
  }
  if (track && op.composed && !out_object) return PyObject_Vectorcall(op.composed, slots, op.params.size(), nullptr);
  std::vector<Tensor> out = run_kernel(op, slots);
  if (out_object) {
    if (track || (modes.grad && op.differentiable && is_tensor(out_object) && wants_grad(*tensor_of(out_object))))
      throw RuntimeError(op.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
    if (is_tensor(out_object) && out.size() == 1) { copy_to_out(op, Tensor(tensor_of(out_object)), out[0]); return Py_NewRef(out_object); }
    Py items = checked(PySequence_Tuple(out_object));
    for (size_t i = 0; i < out.size() && Py_ssize_t(i) < PyTuple_GET_SIZE(items.get()); ++i) {
      PyObject* o = PyTuple_GET_ITEM(items.get(), Py_ssize_t(i));
      if (!is_tensor(o)) throw TypeError(op.name, "(): argument 'out' must be tuple of Tensors, not ", Py_TYPE(o)->tp_name);
      copy_to_out(op, Tensor(tensor_of(o)), out[i]);
      out[i] = Tensor(tensor_of(o));
    }
    return wrap_results(op, std::move(out));
  }
  if (op.view) {
    Tensor base(tensor_of(slots[0]));
    if (out.size() == 1 && out[0].is(base)) return give(out[0]);  // contiguous() with nothing to do
    note_views(base, out, op.list_result);
    if (base->flags & kUntracked) for (auto& v : out) v->flags |= kUntracked;
  }
  if (track) record(op, slots, out, false);
  return wrap_results(op, std::move(out));
}

// Whether an argument's class may override calls: a tensor subclass, or another library's tensor-like.
bool may_override(PyObject* o) {
  if (is_tensor(o)) return (tensor_of(o)->flags & kSubclass) && !modes.no_overrides;
  PyTypeObject* type = Py_TYPE(o);
  if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || PyType_Check(o)) return false;
  static PyObject* name = PyUnicode_InternFromString("__torch_function__");
  return PyObject_HasAttr(reinterpret_cast<PyObject*>(type), name);
}

// A function in Python behind the door: only modes and overriding classes are looked for.
PyObject* guarded_call(OpObject* op, PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf), all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  bool seen = modes.function_modes > 0 || modes.autocast > 0 || modes.profile > 0;
  for (Py_ssize_t i = 0; i < all && !seen; ++i) {
    seen = may_override(args[i]);
    if (!PyList_Check(args[i]) && !PyTuple_Check(args[i])) continue;
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[i]) && !seen; ++k) seen = may_override(PySequence_Fast_GET_ITEM(args[i], k));
  }
  if (!seen) return PyObject_Vectorcall(op->fallback, args, nargsf, kwnames);
  Py values = checked(PyTuple_New(n)), named = checked(PyDict_New());
  for (Py_ssize_t i = 0; i < n; ++i) PyTuple_SET_ITEM(values.get(), i, Py_NewRef(args[i]));
  for (Py_ssize_t i = n; i < all; ++i)
    if (PyDict_SetItem(named.get(), PyTuple_GET_ITEM(kwnames, i - n), args[i]) < 0) throw PythonError();
  return PyObject_CallFunctionObjArgs(callback("composite_call"), callable, op->fallback, values.get(), named.get(), nullptr);
}

// The first object with a __torch_function__ that is no tensor: the argument itself, or one in a list or tuple.
PyObject* foreign_in(PyObject* o) {
  static PyObject* name = PyUnicode_InternFromString("__torch_function__");
  if (is_tensor(o) || PyType_Check(o)) return nullptr;
  if (PyList_Check(o) || PyTuple_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
      if (PyObject* found = foreign_in(PySequence_Fast_GET_ITEM(o, i))) return found;
    return nullptr;
  }
  return PyObject_HasAttr((PyObject*)Py_TYPE(o), name) ? o : nullptr;
}

PyObject* op_call(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    OpObject* op = op_of(callable);
    if (op->overloads->empty()) return guarded_call(op, callable, args, nargsf, kwnames);
    size_t n = size_t(PyVectorcall_NARGS(nargsf));
    PyObject* out = nullptr;
    PyObject* const* given = args;
    PyObject* given_names = kwnames;
    // `out=` belongs to every function: it is taken off before matching.
    PyObject* rest[kMaxParams + 8];
    Py names;
    if (kwnames && op->variant == Variant::function) {
      const Py_ssize_t k = PyTuple_GET_SIZE(kwnames);
      for (Py_ssize_t i = 0; i < k; ++i)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, i), "out") == 0) {
          out = args[n + size_t(i)];
          names = checked(PyTuple_New(k - 1));
          std::copy(args, args + n + size_t(i), rest);
          std::copy(args + n + size_t(i) + 1, args + n + size_t(k), rest + n + size_t(i));
          for (Py_ssize_t j = 0; j < k - 1; ++j)
            PyTuple_SET_ITEM(names.get(), j, Py_NewRef(PyTuple_GET_ITEM(kwnames, j < i ? j : j + 1)));
          args = rest;
          kwnames = names.get();
          break;
        }
      if (out == Py_None) out = nullptr;
      if (out && !is_tensor(out) && !PyTuple_Check(out) && !PyList_Check(out))
        throw TypeError((*op->overloads)[0]->name, "(): argument 'out' must be Tensor, not ", Py_TYPE(out)->tp_name);
    }
    Slots slots;
    Py packed;
    const Overload* chosen = nullptr;
    for (auto* o : *op->overloads)
      if (bind_arguments(*o, args, n, kwnames, slots, packed, nullptr)) { chosen = o; break; }
    if (!chosen) {
      for (size_t i = 0; i < n + size_t(kwnames ? PyTuple_GET_SIZE(kwnames) : 0); ++i) {
        // Another library's tensor-like, or a proxy, may know what to do.
        if (PyObject* owner = foreign_in(args[i])) {
          static PyObject* handler = callback("foreign_call");
          Py values = checked(PyTuple_New(Py_ssize_t(n)));
          for (size_t k = 0; k < n; ++k) PyTuple_SET_ITEM(values.get(), Py_ssize_t(k), Py_NewRef(args[k]));
          Py kw = checked(PyDict_New());
          for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k)
            PyDict_SetItem(kw.get(), PyTuple_GET_ITEM(kwnames, k), args[n + size_t(k)]);
          return PyObject_CallFunctionObjArgs(handler, callable, owner, values.get(), kw.get(), nullptr);
        }
      }
      if (!op->fallback) no_overload(*op->overloads, args, n, kwnames);
    }
    if (op->fallback && (!chosen || (out && !chosen->formula))) return PyObject_Vectorcall(op->fallback, given, nargsf, given_names);
    const uint32_t minded = modes.no_overrides ? kNeedsSlowPath & ~uint32_t(kSubclass) : kNeedsSlowPath;
    if (modes.slow || (tensor_flags(*chosen, slots) & minded) || (out && is_tensor(out) && (tensor_of(out)->flags & minded)))
      return slow_call(op, *chosen, slots, out);
    return chosen->formula ? run_pointwise(*chosen, slots, op->variant, out && is_tensor(out) ? out : nullptr)
                           : run_general(*chosen, slots, op->variant, out);
  });
}

PyObject* op_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}
PyObject* op_repr(PyObject* o) { return PyUnicode_FromFormat("<operation %U>", op_of(o)->name); }
PyObject* op_get_name(PyObject* o, void*) { return Py_NewRef(op_of(o)->name); }
int op_set_name(PyObject*, PyObject*, void*) { return 0; }
PyObject* op_entries(PyObject* o, void*) {
  auto& list = *op_of(o)->overloads;
  PyObject* out = PyTuple_New(Py_ssize_t(list.size()));
  for (size_t i = 0; out && i < list.size(); ++i) PyTuple_SET_ITEM(out, Py_ssize_t(i), Py_NewRef(list[i]->python));
  return out;
}
PyObject* op_function(PyObject* o, void*) { return Py_NewRef(op_of(o)->fallback ? op_of(o)->fallback : Py_None); }
PyObject* op_signature(PyObject* o, void*) { return PyObject_CallOneArg(callback("signature_of"), o); }
PyObject* op_doc(PyObject* o, void*) { return PyObject_CallOneArg(callback("doc_of"), o); }
PyObject* op_module(PyObject* o, void*) { return PyObject_CallOneArg(callback("module_of"), o); }
PyObject* op_in_place(PyObject* o, void*) { return PyBool_FromLong(op_of(o)->variant == Variant::in_place); }
PyObject* op_reduce(PyObject* o, PyObject*) { return PyObject_CallFunctionObjArgs(callback("reduce_op"), o, nullptr); }
// _run(entry, values, out): below the door, for the slow path.
PyObject* op_run(PyObject* o, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *entry, *values, *out = Py_None;
    if (!PyArg_ParseTuple(args, "OO!|O", &entry, &PyTuple_Type, &values, &out)) return nullptr;
    for (auto* overload : *op_of(o)->overloads) {
      if (overload->python != entry) continue;
      Slots slots;
      for (size_t i = 0; i < overload->params.size(); ++i) slots[i] = PyTuple_GET_ITEM(values, Py_ssize_t(i));
      PyObject* target = out == Py_None ? nullptr : out;
      return overload->formula ? run_pointwise(*overload, slots, op_of(o)->variant, target)
                               : run_general(*overload, slots, op_of(o)->variant, target);
    }
    throw RuntimeError("internal error: no such overload; please report this text");
  });
}

// _record(entry, values, results): the call's node, for calls that the slow path has run in parts.
PyObject* op_record(PyObject* o, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *entry, *values, *results;
    if (!PyArg_ParseTuple(args, "OO!O!", &entry, &PyTuple_Type, &values, &PyTuple_Type, &results)) return nullptr;
    for (auto* overload : *op_of(o)->overloads) {
      if (overload->python != entry) continue;
      Slots slots;
      for (size_t i = 0; i < overload->params.size(); ++i) slots[i] = PyTuple_GET_ITEM(values, Py_ssize_t(i));
      std::vector<Tensor> out;
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(results); ++i) {
        PyObject* r = PyTuple_GET_ITEM(results, i);
        out.push_back(is_tensor(r) ? Tensor(tensor_of(r)) : Tensor());
      }
      if (overload->view) note_views(Tensor(tensor_of(slots[0])), out, overload->list_result);
      if (modes.grad && overload->differentiable && any_requires_grad(*overload, slots))
        record(*overload, slots, out, op_of(o)->variant == Variant::in_place || overload->in_place);
      Py_RETURN_NONE;
    }
    throw RuntimeError("internal error: no such overload; please report this text");
  });
}

PyGetSetDef op_getset[] = {{"__name__", op_get_name, op_set_name, nullptr, nullptr},
                           {"__qualname__", op_get_name, op_set_name, nullptr, nullptr},
                           {"entries", op_entries, nullptr, "The table's entries, one per overload.", nullptr},
                           {"__wrapped_function__", op_function, nullptr, "The Python that runs where no entry does.", nullptr},
                           {"__signature__", op_signature, nullptr, nullptr, nullptr}, {"__doc__", op_doc, nullptr, nullptr, nullptr},
                           {"__module__", op_module, nullptr, nullptr, nullptr},
                           {"in_place", op_in_place, nullptr, "", nullptr},
                           {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
PyMethodDef op_methods[] = {{"_run", op_run, METH_VARARGS, nullptr}, {"_record", op_record, METH_VARARGS, nullptr}, {"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};

}  // namespace

PyTypeObject OpType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.Operation";
  t.tp_basicsize = sizeof(OpObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  t.tp_vectorcall_offset = offsetof(OpObject, call);
  t.tp_dictoffset = offsetof(OpObject, dict);
  t.tp_call = PyVectorcall_Call;
  t.tp_descr_get = op_get;
  t.tp_repr = op_repr;
  t.tp_getset = op_getset;
  t.tp_methods = op_methods;
  return t;
}();

DType common_dtype(std::span<const Tensor> operands) { return common_of(operands, ~uint64_t(0)); }

PyObject* wrap_results(const Overload& op, std::vector<Tensor>&& out) {
  if (op.results == 0) Py_RETURN_NONE;
  if (op.results == 1 && !op.list_result) return give(std::move(out.at(0)));
  Py tuple = checked(PyTuple_New(Py_ssize_t(out.size())));
  for (size_t i = 0; i < out.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), Py_ssize_t(i), out[i] ? give(std::move(out[i])) : Py_NewRef(Py_None));
  if (!op.result_type) return tuple.release();
  return PyObject_CallOneArg(op.result_type, tuple.get());
}

PyObject* call_op(PyObject* op, PyObject* const* args, size_t n) { return op_call(op, args, n, nullptr); }

OpObject* make_op(PyObject* name, Variant variant, std::vector<Overload*>* overloads, PyObject* fallback) {
  auto* o = PyObject_New(OpObject, &OpType);
  o->call = op_call;
  o->name = Py_NewRef(name);
  o->dict = nullptr;
  o->variant = variant;
  o->overloads = overloads;
  o->fallback = fallback == Py_None ? nullptr : Py_XNewRef(fallback);
  return o;
}

}  // namespace facula
