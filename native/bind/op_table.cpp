// Making operations from the table's entries, once at import.
#include <cstring>

#include "bind/op.h"

namespace facula {

OpObject* make_op(PyObject* name, Variant variant, std::vector<Overload*>* overloads, PyObject* fallback);

namespace {

Py attribute(PyObject* o, const char* name) { return checked(PyObject_GetAttrString(o, name)); }
std::string text(PyObject* o) { return PyUnicode_AsUTF8(o); }
bool truth(PyObject* o, const char* name) { return PyObject_IsTrue(attribute(o, name).get()) == 1; }

ParamType param_type(const std::string& t) {
  static constexpr std::pair<const char*, ParamType> table[] = {
      {"Tensor", ParamType::tensor}, {"Tensor|Scalar", ParamType::operand}, {"Tensor[]", ParamType::tensors},
      {"Scalar", ParamType::scalar}, {"int", ParamType::integer}, {"bool", ParamType::boolean}, {"float", ParamType::real},
      {"int[]", ParamType::ints}, {"float[]", ParamType::reals}, {"str", ParamType::string}, {"dtype", ParamType::dtype},
      {"device", ParamType::device}, {"Generator", ParamType::generator}, {"memory_format", ParamType::format}, {"any", ParamType::any}};
  for (auto& [n, p] : table) if (t == n) return p;
  throw ValueError("unknown parameter type '", t, "' in the table of operations");
}

PointwiseKind kind_of(const std::string& s) {
  static constexpr std::pair<const char*, PointwiseKind> table[] = {
      {"promote", PointwiseKind::promote}, {"number", PointwiseKind::number}, {"floating", PointwiseKind::floating}, {"boolean", PointwiseKind::boolean},
      {"real", PointwiseKind::real}, {"floating_real", PointwiseKind::floating_real}, {"integral", PointwiseKind::integral}};
  for (auto& [n, k] : table) if (s == n) return k;
  throw ValueError("unknown dtype rule '", s, "' in the table of operations");
}

Limit::Kind limit_kind(const std::string& s) {
  static constexpr std::pair<const char*, Limit::Kind> table[] = {
      {"bool", Limit::bool_result}, {"any bool", Limit::any_bool}, {"two bools", Limit::two_bools}, {"integral", Limit::integral}, {"half", Limit::half},
      {"float number", Limit::float_number}, {"negative number", Limit::negative_number}};
  for (auto& [n, k] : table) if (s == n) return k;
  throw ValueError("unknown limit '", s, "' in the table of operations");
}

// entry: facula.ops._table.Entry
Overload* make_overload(PyObject* entry) {
  auto* op = new Overload;
  op->python = Py_NewRef(entry);
  op->name = text(attribute(entry, "name").get());
  Py params = attribute(entry, "params");
  for (Py_ssize_t i = 0; i < PySequence_Size(params.get()); ++i) {
    Py p = checked(PySequence_GetItem(params.get(), i));  // (name, type, nullable, kwonly, has_default, default, one_int)
    PyObject *name, *type, *fallback;
    int nullable, kwonly, has, one;
    if (!PyArg_ParseTuple(p.get(), "UUpppOp", &name, &type, &nullable, &kwonly, &has, &fallback, &one)) throw PythonError();
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name);
    op->params.push_back({name, param_type(text(type)), bool(nullable), bool(kwonly), bool(has), bool(one), Py_NewRef(fallback)});
  }
  if (op->params.size() > kMaxParams) throw ValueError(op->name, ": too many parameters");
  Py kernel = attribute(entry, "kernel");
  if (truth(entry, "is_pointwise")) {
    op->formula = find_formula(text(kernel.get()));
    if (!op->formula) throw RuntimeError("no formula named ", text(kernel.get()), " was compiled; rebuild the core");
    op->kind = kind_of(text(attribute(entry, "dtype").get()));
    op->reduction = int(PyLong_AsLong(attribute(entry, "reduction").get()));
    Py limits = attribute(entry, "limits");
    for (Py_ssize_t i = 0; i < PySequence_Size(limits.get()); ++i) {
      Py pair = checked(PySequence_GetItem(limits.get(), i));
      PyObject *kind, *message;
      if (!PyArg_ParseTuple(pair.get(), "UU", &kind, &message)) throw PythonError();
      op->limits.push_back({limit_kind(text(kind)), text(message)});
    }
    Py operands = attribute(entry, "operands"), promoting = attribute(entry, "promoting");
    for (Py_ssize_t i = 0; i < PySequence_Size(operands.get()); ++i)
      op->operands.push_back(int(PyLong_AsLong(Py(PySequence_GetItem(operands.get(), i)).get())));
    for (Py_ssize_t i = 0; i < PySequence_Size(promoting.get()); ++i)
      op->promoting |= uint64_t(1) << PyLong_AsLong(Py(PySequence_GetItem(promoting.get(), i)).get());
  } else if (Py compute = attribute(entry, "compute"); compute.get() != Py_None) {
    op->compute = compute.release();
  } else {
    // Kernel names point into the registry's string literals; found once, here.
    op->kernel = find_kernel(text(kernel.get()));
    if (!op->kernel) throw RuntimeError("no kernel named ", text(kernel.get()), " is registered (operation ", op->name, ")");
  }
  Py rules = attribute(entry, "rules");  // [(inputs, joint, function, arguments, fused name or None)]
  for (Py_ssize_t i = 0; i < PySequence_Size(rules.get()); ++i) {
    Py r = checked(PySequence_GetItem(rules.get(), i));
    PyObject *inputs, *function, *arguments, *fused;
    int joint;
    if (!PyArg_ParseTuple(r.get(), "OpOOO", &inputs, &joint, &function, &arguments, &fused)) throw PythonError();
    Rule rule{{}, bool(joint), Py_NewRef(function), {}, nullptr};
    for (Py_ssize_t k = 0; k < PySequence_Size(inputs); ++k) rule.inputs.push_back(int(PyLong_AsLong(Py(PySequence_GetItem(inputs, k)).get())));
    for (Py_ssize_t k = 0; k < PySequence_Size(arguments); ++k) {
      const int a = int(PyLong_AsLong(Py(PySequence_GetItem(arguments, k)).get()));
      rule.arguments.push_back(a);
      if (a >= 0) op->saved |= uint64_t(1) << a;
      else if (a == kResult || a == kResults || a == kOthers) op->saves_results = true;
    }
    if (fused != Py_None) rule.fused = find_formula(text(fused));
    for (int input : rule.inputs) op->edges |= uint64_t(1) << input;
    op->rules.push_back(std::move(rule));
  }
  if (op->rules.empty()) op->edges = ~uint64_t(0);
  if (Py composed = attribute(entry, "composed"); composed.get() != Py_None) op->composed = composed.release();
  Py order = attribute(entry, "edges");
  for (Py_ssize_t i = 0; i < PySequence_Size(order.get()); ++i) {
    Py pair = checked(PySequence_GetItem(order.get(), i));
    int param, transposed;
    if (!PyArg_ParseTuple(pair.get(), "ip", &param, &transposed)) throw PythonError();
    op->edge_order.emplace_back(param, bool(transposed));
  }
  op->view = truth(entry, "view");
  op->in_place = truth(entry, "in_place");
  op->strict_out = truth(entry, "strict_out");
  op->list_result = truth(entry, "list_result");
  op->differentiable = truth(entry, "differentiable");
  op->results = int(PyLong_AsLong(attribute(entry, "results").get()));
  Py type = attribute(entry, "result_type");
  op->result_type = type.get() == Py_None ? nullptr : type.release();
  Py node = attribute(entry, "node");
  if (node.get() != Py_None) op->node = node_type(text(node.get()));
  Py in_place_node = attribute(entry, "in_place_node");
  if (in_place_node.get() != Py_None) op->in_place_node = node_type(text(in_place_node.get()));
  Py number_node = attribute(entry, "number_node");
  if (number_node.get() != Py_None) op->number_node = node_type(text(number_node.get()));
  return op;
}

// define(name, entries, in_place, fallback) -> operation
PyObject* define(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    PyObject *name, *entries, *fallback;
    int in_place;
    if (!PyArg_ParseTuple(args, "UOpO", &name, &entries, &in_place, &fallback)) return nullptr;
    auto* overloads = new std::vector<Overload*>;
    for (Py_ssize_t i = 0; i < PySequence_Size(entries); ++i)
      overloads->push_back(make_overload(Py(PySequence_GetItem(entries, i)).get()));
    return reinterpret_cast<PyObject*>(make_op(name, in_place ? Variant::in_place : Variant::function, overloads, fallback));
  });
}

// variant(operation, name, fallback): the in-place form of the same overloads.
PyObject* variant(PyObject*, PyObject* args) {
  PyObject *op, *name, *fallback;
  if (!PyArg_ParseTuple(args, "O!UO", &OpType, &op, &name, &fallback)) return nullptr;
  return reinterpret_cast<PyObject*>(make_op(name, Variant::in_place, reinterpret_cast<OpObject*>(op)->overloads, fallback));
}

// guard(name, function): a function in Python as an operation, so that modes and subclasses see its calls.
PyObject* guard(PyObject*, PyObject* args) {
  PyObject *name, *function;
  if (!PyArg_ParseTuple(args, "UO", &name, &function)) return nullptr;
  return reinterpret_cast<PyObject*>(make_op(name, Variant::function, new std::vector<Overload*>, function));
}

PyMethodDef functions[] = {{"guard", guard, METH_VARARGS, "A function in Python behind the door."}, {"define", define, METH_VARARGS, "Makes an operation of table entries."},
                           {"variant", variant, METH_VARARGS, "The in-place form of an operation."}, {}};

}  // namespace

int add_op_type(PyObject* module) {
  if (PyType_Ready(&OpType) < 0) return -1;
  if (PyModule_AddObjectRef(module, "Operation", (PyObject*)&OpType) < 0) return -1;
  return PyModule_AddFunctions(module, functions);
}

}  // namespace facula
