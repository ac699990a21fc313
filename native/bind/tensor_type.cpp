// The Tensor class: life, attributes and protocols. Operations are attached from the table.
#include "bind/tensor_type.h"

#include <structmember.h>

#include <new>

#include "autograd/graph.h"
#include "bind/op.h"

namespace facula {

static_assert(sizeof(Object) == sizeof(PyObject) && offsetof(TensorObject, head) == 0);

PyTypeObject* parameter_type = nullptr;
PyObject* operators[int(Operator::count)] = {};

namespace {

constexpr int kPool = 256;
PyObject* pool[kPool];
int pooled = 0;

void construct(TensorObject* t) {
  t->autograd = nullptr;
  t->dict = t->weakrefs = nullptr;
  t->flags = 0;
  t->offset = t->numel = 0;
  t->dtype = DType::float32;
  new (&t->device) Device();
  new (&t->sizes) Dims();
  new (&t->strides) Dims();
  new (&t->storage) StorageRef();
}

TensorObject* allocate_tensor() {
  PyObject* o;
  if (pooled) {
    o = pool[--pooled];
    PyObject_Init(o, &TensorType);
  } else {
    o = (PyObject*)PyObject_GC_New(TensorObject, &TensorType);
    if (!o) throw PythonError();
  }
  construct(tensor_of(o));
  if (modes.inference) tensor_of(o)->flags = kInference;
  PyObject_GC_Track(o);
  return tensor_of(o);
}

void tensor_dealloc(PyObject* o) {
  TensorObject* t = tensor_of(o);
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  if (t->weakrefs) PyObject_ClearWeakRefs(o);
  if (t->dict) { PyObject* d = (PyObject*)t->dict; t->dict = nullptr; Py_DECREF(d); }
  if (t->autograd) {
    Autograd* a = std::exchange(t->autograd, nullptr);
    NodeRef node = std::move(a->edge.node);
    delete a;
    if (node) defer_destruction(std::move(node));
  }
  t->storage.~StorageRef();
  t->sizes.~Dims();
  t->strides.~Dims();
  if (type == &TensorType && pooled < kPool) {
    pool[pooled++] = o;
    return;
  }
  type->tp_free(o);  // a subclass's own destructor lets go of its class
}

int tensor_traverse(PyObject* o, visitproc visit, void* arg) {
  TensorObject* t = tensor_of(o);
  Py_VISIT((PyObject*)t->dict);
  if (t->autograd) {
    // The gradient may be shared with the core: only visit what nobody else holds.
    if (t->autograd->grad && t->autograd->grad->head.count == 1) Py_VISIT(object_of(t->autograd->grad.get()));
    Py_VISIT(t->autograd->hooks.get());
    Py_VISIT(t->autograd->wrapped.get());
    Py_VISIT(t->autograd->post_accumulate_hooks.get());
    if (auto* n = t->autograd->edge.node.get()) Py_VISIT((PyObject*)n);
  }
  return 0;
}
int tensor_clear(PyObject* o) {
  TensorObject* t = tensor_of(o);
  if (t->dict) { PyObject* d = (PyObject*)t->dict; t->dict = nullptr; Py_DECREF(d); }
  if (t->autograd) {
    t->autograd->hooks = Py();
    t->autograd->wrapped = Py();
    t->autograd->post_accumulate_hooks = Py();
    t->autograd->grad = Tensor();
    NodeRef n = std::move(t->autograd->edge.node);
  }
  return 0;
}

// ---------------------------------------------------------------- attributes
const Tensor as_tensor(PyObject* o) { return Tensor(tensor_of(o)); }

PyObject* get_shape(PyObject* o, void*) {
  if (modes.capture) return PyObject_CallOneArg(callback("captured_shape"), o);
  return size_object(tensor_of(o)->sizes);
}
PyObject* get_ndim(PyObject* o, void*) {
  return PyLong_FromLong(tensor_of(o)->sizes.ndim());
}
PyObject* get_dtype(PyObject* o, void*) { return Py_NewRef(dtype_object(tensor_of(o)->dtype)); }
PyObject* get_device(PyObject* o, void*) { return device_object(tensor_of(o)->device); }
// Layouts written in Python keep their parts in `wrapped`, which says what is to be said of them.
PyObject* get_layout(PyObject* o, void*) {
  if (tensor_of(o)->flags & kOther) return PyObject_GetAttrString(tensor_of(o)->autograd->wrapped.get(), "layout");
  return Py_NewRef(strided_layout());
}
PyObject* get_of_layout(PyObject* o, void* name) {
  if (!(tensor_of(o)->flags & kOther)) Py_RETURN_FALSE;
  return PyObject_GetAttrString(tensor_of(o)->autograd->wrapped.get(), static_cast<const char*>(name));
}
PyObject* get_version(PyObject* o, void*) {
  if (tensor_of(o)->flags & kInference) {
    PyErr_SetString(PyExc_RuntimeError, "Inference tensors do not track version counter.");
    return nullptr;
  }
  return PyLong_FromUnsignedLong(tensor_of(o)->storage ? tensor_of(o)->storage->version : 0);
}
PyObject* get_is_leaf(PyObject* o, void*) { return guarded([&]() -> PyObject* { return PyBool_FromLong(is_leaf(as_tensor(o))); }); }
PyObject* get_output_nr(PyObject* o, void*) {
  return guarded([&]() -> PyObject* {
    auto* a = tensor_of(o)->autograd;
    return PyLong_FromLong(a && grad_fn(as_tensor(o)) ? a->edge.slot : 0);
  });
}
PyObject* get_device_is(PyObject* o, void* type) { return PyBool_FromLong(tensor_of(o)->device.type == Device::Type(intptr_t(type))); }
PyObject* get_itemsize(PyObject* o, void*) { return PyLong_FromLongLong(item_size(tensor_of(o)->dtype)); }
PyObject* get_nbytes(PyObject* o, void*) { return PyLong_FromLongLong(item_size(tensor_of(o)->dtype) * tensor_of(o)->numel); }
PyObject* get_false(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* get_none(PyObject*, void*) { Py_RETURN_NONE; }

PyObject* get_requires_grad(PyObject* o, void*) { return PyBool_FromLong(wants_grad(*tensor_of(o))); }
int set_requires_grad(PyObject* o, PyObject* value, void*) {
  return guarded<int>(-1, [&] {
    if (!value || !PyBool_Check(value)) throw RuntimeError("requires_grad must be a bool");
    TensorObject* t = tensor_of(o);
    if (value == Py_True) {
      if (!is_inexact(t->dtype)) throw RuntimeError("only Tensors of floating point and complex dtype can require gradients");
      if ((t->flags & kInference) && !modes.inference)
        throw RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
      t->flags |= kRequiresGrad;
    } else {
      if (!is_leaf(as_tensor(o)))
        throw RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                           "subgraph that doesn't require differentiation use var_no_grad = var.detach().");
      t->flags &= ~uint32_t(kRequiresGrad);
    }
    return 0;
  });
}

PyObject* get_grad(PyObject* o, void*) {
  auto* a = tensor_of(o)->autograd;
  if (a && a->grad) return Py_NewRef(object_of(a->grad.get()));
  if (a && a->edge.node && !a->retains_grad && (tensor_of(o)->flags & kRequiresGrad) &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated "
                   "during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
                   ".retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf "
                   "Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information.", 1) < 0)
    return nullptr;
  Py_RETURN_NONE;
}
// As C++ calls it: "double", "c10::Half".
std::string c_name(DType t) {
  const std::string_view n = name(t);
  if (n == "float32") return "float";
  if (n == "float64") return "double";
  if (n == "float16") return "c10::Half";
  if (n == "bfloat16") return "c10::BFloat16";
  if (n == "complex64") return "c10::complex<float>";
  if (n == "complex128") return "c10::complex<double>";
  return n == "int64" ? "long" : n == "int32" ? "int" : n == "int16" ? "short" : n == "int8" ? "signed char" : n == "uint8" ? "unsigned char" : std::string(n);
}
int set_grad(PyObject* o, PyObject* value, void*) {
  return guarded<int>(-1, [&] {
    Tensor t = as_tensor(o);
    if (!value || value == Py_None) {
      if (t->autograd) { Tensor dead = std::move(t->autograd->grad); }
      return 0;
    }
    if (!is_tensor(value)) throw TypeError("assigned grad expected to be a Tensor or None but got grad of type ", Py_TYPE(value)->tp_name);
    if (value == o) throw RuntimeError("can't assign Variable as its own grad");
    Tensor g(tensor_of(value));
    if (g.dtype() != t.dtype())
      throw RuntimeError("attempting to assign a gradient with dtype '", c_name(g.dtype()), "' to a tensor with grad_dtype '", scalar_type_name(t.dtype()),
                         "'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype "
                         "attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and "
                         "its gradient may break downstream systems that assume they match.");
    if (!(g.sizes() == t.sizes()))
      throw RuntimeError("attempting to assign a gradient of size '", g.sizes(), "' to a tensor of size '", t.sizes(),
                         "'. Please ensure that the gradient and the tensor are the same size");
    autograd_of(t).grad = g;
    return 0;
  });
}
PyObject* get_grad_fn(PyObject* o, void*) {
  return guarded([&]() -> PyObject* {
    NodeRef n = grad_fn(as_tensor(o));
    return n ? (PyObject*)n.release() : Py_NewRef(Py_None);
  });
}
PyObject* get_data(PyObject* o, void*) {
  if (modes.capture || (tensor_of(o)->flags & kOther)) return PyObject_CallOneArg(callback("slow_detach"), o);
  return guarded([&]() -> PyObject* {
    Tensor v = shallow_copy(as_tensor(o));
    v->flags |= kUntracked;
    return give(v);
  });
}
int set_data(PyObject* o, PyObject* value, void*) {
  return guarded<int>(-1, [&] {
    if (!value || !is_tensor(value)) throw TypeError("Variable data has to be a tensor, but got ", value ? Py_TYPE(value)->tp_name : "nothing");
    TensorObject *t = tensor_of(o), *s = tensor_of(value);
    t->sizes = s->sizes;
    t->strides = s->strides;
    t->offset = s->offset;
    t->numel = s->numel;
    t->storage = s->storage;
    t->dtype = s->dtype;
    t->device = s->device;
    if ((t->flags | s->flags) & kOther) {
      t->flags = (t->flags & ~uint32_t(kOther)) | (s->flags & kOther);
      autograd_of(as_tensor(o)).wrapped = s->flags & kOther ? s->autograd->wrapped : Py();
    }
    return 0;
  });
}
PyObject* get_base(PyObject* o, void*) {
  auto* a = tensor_of(o)->autograd;
  if (!a || !a->base) Py_RETURN_NONE;
  return Py_NewRef(object_of(a->base.get()));
}
template <Py Autograd::* member>
PyObject* get_meta(PyObject* o, void*) {
  auto* a = tensor_of(o)->autograd;
  return Py_NewRef(a && a->*member ? (a->*member).get() : Py_None);
}
template <Py Autograd::* member>
int set_meta(PyObject* o, PyObject* value, void*) {
  auto& slot = autograd_of(as_tensor(o)).*member;
  slot = !value || value == Py_None ? Py() : Py::borrow(value);
  return 0;
}
PyObject* get_retains(PyObject* o, void*) { auto* a = tensor_of(o)->autograd; return PyBool_FromLong(a && a->retains_grad); }
int set_retains(PyObject* o, PyObject* v, void*) { autograd_of(as_tensor(o)).retains_grad = v == Py_True; return 0; }
PyObject* get_flags(PyObject* o, void*) { return PyLong_FromUnsignedLong(tensor_of(o)->flags); }
int set_flags(PyObject* o, PyObject* v, void*) { tensor_of(o)->flags = uint32_t(PyLong_AsUnsignedLong(v)); return 0; }

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "Sizes of the dimensions.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"dtype", get_dtype, nullptr, "Type of the elements.", nullptr},
    {"device", get_device, nullptr, "Where the memory is.", nullptr},
    {"layout", get_layout, nullptr, "Memory layout.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether gradients are wanted.", nullptr},
    {"grad", get_grad, set_grad, "The accumulated gradient, or None.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The operation that made this tensor; None for leaves.", nullptr},
    {"_grad_fn", get_grad_fn, nullptr, "", nullptr},
    {"data", get_data, set_data, "The same memory without history.", nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Whether it was made by the user and not by an operation.", nullptr},
    {"output_nr", get_output_nr, nullptr, "", nullptr},
    {"retains_grad", get_retains, nullptr, "", nullptr},
    {"_retains_grad", get_retains, set_retains, "", nullptr},
    {"_version", get_version, nullptr, "How often the memory was written in place.", nullptr},
    {"_base", get_base, nullptr, "The tensor this is a view of.", nullptr},
    {"_backward_hooks", get_meta<&Autograd::hooks>, set_meta<&Autograd::hooks>, "", nullptr},
    {"_post_accumulate_grad_hooks", get_meta<&Autograd::post_accumulate_hooks>, set_meta<&Autograd::post_accumulate_hooks>, "", nullptr},
    {"_wrapped", get_meta<&Autograd::wrapped>, set_meta<&Autograd::wrapped>, "", nullptr},
    {"_flags", get_flags, set_flags, "", nullptr},
    {"is_cuda", get_device_is, nullptr, "", (void*)Device::cuda},
    {"is_cpu", get_device_is, nullptr, "", (void*)Device::cpu},
    {"is_meta", get_device_is, nullptr, "", (void*)Device::meta},
    {"is_mps", get_device_is, nullptr, "", (void*)Device::mps},
    {"is_xpu", get_false, nullptr, "", nullptr}, {"is_sparse", get_of_layout, nullptr, "", (void*)"is_sparse"},
    {"is_sparse_csr", get_of_layout, nullptr, "", (void*)"is_sparse_csr"}, {"is_quantized", get_false, nullptr, "", nullptr},
    {"is_mkldnn", get_false, nullptr, "", nullptr}, {"is_nested", get_false, nullptr, "", nullptr},
    {"is_xla", get_false, nullptr, "", nullptr}, {"is_ipu", get_false, nullptr, "", nullptr},
    {"name", get_none, nullptr, "", nullptr},
    {"itemsize", get_itemsize, nullptr, "", nullptr},
    {"nbytes", get_nbytes, nullptr, "", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, "", nullptr}, {}};

// Attributes that subclasses see being read: the getters above, behind a look at the class.
std::vector<PyGetSetDef> plain_getset;
PyObject* seen_get(PyObject* o, void* closure) {
  const auto& plain = *static_cast<PyGetSetDef*>(closure);
  if (((tensor_of(o)->flags & kSubclass) && !modes.no_overrides) || modes.function_modes)
    return PyObject_CallFunction(callback("attribute_call"), "sO", plain.name, o);
  return plain.get(o, plain.closure);
}
int seen_set(PyObject* o, PyObject* value, void* closure) {
  const auto& plain = *static_cast<PyGetSetDef*>(closure);
  return plain.set(o, value, plain.closure);
}
void show_attributes_to_subclasses() {
  for (auto* g = getset; g->name; ++g) plain_getset.push_back(*g);
  for (size_t i = 0; i < plain_getset.size(); ++i) {
    if (getset[i].name[0] == '_' && std::string_view(getset[i].name) != "_base") continue;
    getset[i].get = seen_get;
    if (getset[i].set) getset[i].set = seen_set;
    getset[i].closure = &plain_getset[i];
  }
}

// ---------------------------------------------------------------- operators
template <Operator which>
PyObject* binary(PyObject* a, PyObject* b) {
  PyObject* op = operators[int(which)];
  Py wrapped;
  PyObject* args[2] = {a, b};
  // One side may be a number; anything else is left to the other operand's class.
  for (int i = 0; i < 2; ++i) {
    if (is_tensor(args[i])) continue;
    Scalar s;
    if (PyFloat_CheckExact(args[i]) || PyLong_Check(args[i]) || (!PySequence_Check(args[i]) && to_scalar(args[i], s))) {
      if (i == 0) {
        if constexpr (which == Operator::sub || which == Operator::div || which == Operator::pow) {
          constexpr auto reflected = which == Operator::sub ? Operator::rsub : which == Operator::div ? Operator::rdiv : Operator::rpow;
          PyObject* swapped[2] = {b, a};
          return PyObject_Vectorcall(operators[int(reflected)], swapped, 2, nullptr);
        } else if constexpr (which == Operator::add || which == Operator::mul) {
          std::swap(args[0], args[1]);
          break;
        }
        wrapped = guarded<Py>(Py(), [&] { return Py(give(wrapped_number(args[0]))); });
        if (!wrapped) return nullptr;
        args[0] = wrapped.get();
      }
      continue;
    }
    if (PyErr_Occurred()) PyErr_Clear();
    if (PyObject_HasAttrString((PyObject*)Py_TYPE(args[i]), "__torch_function__")) continue;
    PyTypeObject* t = Py_TYPE(args[i]);
    if (i == 1 && t->tp_as_number && !strcmp(t->tp_name, "numpy.ndarray")) continue;
    Py_RETURN_NOTIMPLEMENTED;
  }
  return PyObject_Vectorcall(op, args, 2, nullptr);
}
template <Operator which>
PyObject* power(PyObject* a, PyObject* b, PyObject*) { return binary<which>(a, b); }
template <Operator which>
PyObject* unary(PyObject* a) { return PyObject_CallOneArg(operators[int(which)], a); }

PyObject* compare(PyObject* a, PyObject* b, int op) {
  static constexpr Operator by_code[] = {Operator::lt, Operator::le, Operator::eq, Operator::ne, Operator::gt, Operator::ge};
  Scalar s;
  if (!is_tensor(b) && !to_scalar(b, s)) {
    if (PyErr_Occurred()) PyErr_Clear();
    if (strcmp(Py_TYPE(b)->tp_name, "numpy.ndarray") && !PyObject_HasAttrString((PyObject*)Py_TYPE(b), "__torch_function__")) Py_RETURN_NOTIMPLEMENTED;
    if (!strcmp(Py_TYPE(b)->tp_name, "numpy.ndarray")) {
      Py t(PyObject_CallOneArg(callback("as_tensor"), b));
      return t ? compare(a, t.get(), op) : nullptr;
    }
  }
  PyObject* args[2] = {a, b};
  return PyObject_Vectorcall(operators[int(by_code[op])], args, 2, nullptr);
}

int truth(PyObject* o) {
  TensorObject* t = tensor_of(o);
  if ((t->flags & kNeedsSlowPath) || modes.capture) {
    Py r(PyObject_CallOneArg(callback("slow_bool"), o));
    return r ? PyObject_IsTrue(r.get()) : -1;
  }
  return guarded<int>(-1, [&]() -> int {
    if (t->numel != 1)
      throw RuntimeError("Boolean value of Tensor with ", t->numel ? "more than one value" : "no values", " is ambiguous");
    Py v = checked(scalar_object(as_tensor(o)));
    return PyObject_IsTrue(v.get());
  });
}
PyObject* as_number(PyObject* o, PyObject* (*convert)(PyObject*)) {
  return guarded([&]() -> PyObject* {
    if (tensor_of(o)->numel != 1) throw ValueError("only one element tensors can be converted to Python scalars");
    Py v = checked(PyObject_CallMethod(o, "item", nullptr));
    return convert(v.get());
  });
}
PyObject* as_int(PyObject* o) { return as_number(o, PyNumber_Long); }
PyObject* as_float(PyObject* o) { return as_number(o, PyNumber_Float); }
PyObject* as_index(PyObject* o) {
  if (is_inexact(tensor_of(o)->dtype) || tensor_of(o)->numel != 1) {
    PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return nullptr;
  }
  return as_int(o);
}

PyNumberMethods number = [] {
  PyNumberMethods m{};
  m.nb_add = binary<Operator::add>;
  m.nb_subtract = binary<Operator::sub>;
  m.nb_multiply = binary<Operator::mul>;
  m.nb_true_divide = binary<Operator::div>;
  m.nb_floor_divide = binary<Operator::floor_divide>;
  m.nb_remainder = binary<Operator::remainder>;
  m.nb_power = power<Operator::pow>;
  m.nb_matrix_multiply = binary<Operator::matmul>;
  m.nb_and = binary<Operator::bitwise_and>;
  m.nb_or = binary<Operator::bitwise_or>;
  m.nb_xor = binary<Operator::bitwise_xor>;
  m.nb_lshift = binary<Operator::lshift>;
  m.nb_rshift = binary<Operator::rshift>;
  m.nb_inplace_add = binary<Operator::iadd>;
  m.nb_inplace_subtract = binary<Operator::isub>;
  m.nb_inplace_multiply = binary<Operator::imul>;
  m.nb_inplace_true_divide = binary<Operator::idiv>;
  m.nb_inplace_floor_divide = binary<Operator::ifloor_divide>;
  m.nb_inplace_remainder = binary<Operator::iremainder>;
  m.nb_inplace_power = power<Operator::ipow>;
  m.nb_inplace_and = binary<Operator::iand>;
  m.nb_inplace_or = binary<Operator::ior>;
  m.nb_inplace_xor = binary<Operator::ixor>;
  m.nb_inplace_lshift = binary<Operator::ilshift>;
  m.nb_inplace_rshift = binary<Operator::irshift>;
  m.nb_negative = unary<Operator::neg>;
  m.nb_positive = unary<Operator::positive>;
  m.nb_absolute = unary<Operator::abs>;
  m.nb_invert = unary<Operator::bitwise_not>;
  m.nb_bool = truth;
  m.nb_int = as_int;
  m.nb_float = as_float;
  m.nb_index = as_index;
  return m;
}();

Py_ssize_t length(PyObject* o) {
  if (tensor_of(o)->flags & kNeedsSlowPath) {
    Py s(PyObject_GetAttrString(o, "shape"));
    if (!s) return -1;
    if (PyTuple_GET_SIZE(s.get())) return PyLong_AsSsize_t(PyTuple_GET_ITEM(s.get(), 0));
  } else if (tensor_of(o)->sizes.ndim()) return tensor_of(o)->sizes[0];
  PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
  return -1;
}
PyMappingMethods mapping = {length, getitem, setitem};
PySequenceMethods sequence = [] { PySequenceMethods m{}; m.sq_length = length; return m; }();

// Identity: tensors are keys of dicts by object, whatever == says.
Py_hash_t hash(PyObject* o) { return Py_hash_t(size_t(o) >> 4); }

PyObject* repr(PyObject* o) { return PyObject_CallOneArg(callback("tensor_repr"), o); }
PyObject* iterate(PyObject* o) { return PyObject_CallOneArg(callback("tensor_iter"), o); }

// Subclasses: facula.Tensor._make_subclass / Tensor(...) go through Python's `tensor_new`.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* handler = callback("tensor_new");
  Py all(PyTuple_New(PyTuple_GET_SIZE(args) + 1));
  if (!all) return nullptr;
  PyTuple_SET_ITEM(all.get(), 0, Py_NewRef((PyObject*)type));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) PyTuple_SET_ITEM(all.get(), i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
  return PyObject_Call(handler, all.get(), kwargs);
}
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }

}  // namespace

PyTypeObject TensorType = [] {
  PyTypeObject t{PyVarObject_HEAD_INIT(nullptr, 0)};
  t.tp_name = "facula.Tensor";
  t.tp_basicsize = sizeof(TensorObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  t.tp_dealloc = tensor_dealloc;
  t.tp_traverse = tensor_traverse;
  t.tp_clear = tensor_clear;
  t.tp_new = tensor_new;
  t.tp_init = tensor_init;
  t.tp_repr = repr;
  t.tp_iter = iterate;
  t.tp_hash = hash;
  t.tp_richcompare = compare;
  t.tp_as_number = &number;
  t.tp_as_mapping = &mapping;
  t.tp_as_sequence = &sequence;
  t.tp_getset = getset;
  t.tp_methods = tensor_methods;
  t.tp_dictoffset = offsetof(TensorObject, dict);
  t.tp_weaklistoffset = offsetof(TensorObject, weakrefs);
  t.tp_doc = "A strided array of one dtype, with automatic differentiation.";
  return t;
}();

// subclass(type, tensor, requires_grad): the same memory as an object of another class.
PyObject* make_subclass(PyTypeObject* type, const Tensor& from, bool requires_grad, bool overrides) {
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) throw PythonError();
  TensorObject* t = tensor_of(o);
  construct(t);
  t->dtype = from.dtype();
  t->device = from.device();
  t->offset = from->offset;
  t->numel = from->numel;
  t->sizes = from.sizes();
  t->strides = from.strides();
  t->storage = from->storage;
  t->flags = (overrides ? uint32_t(kSubclass) : 0u) | (requires_grad ? uint32_t(kRequiresGrad) : 0u) | (from->flags & (kBatched | kDual | kOther));
  if (from->autograd && from->autograd->wrapped) autograd_of(Tensor(t)).wrapped = from->autograd->wrapped;
  return o;
}

int add_tensor_type(PyObject* module) {
  destroy_object = [](Object* o) { _Py_Dealloc(reinterpret_cast<PyObject*>(o)); };
  new_tensor_object = allocate_tensor;
  show_attributes_to_subclasses();
  if (PyType_Ready(&TensorType) < 0) return -1;
  static constexpr const char* names[] = {
      "add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "matmul", "bitwise_and", "bitwise_or", "bitwise_xor",
      "lshift", "rshift", "iadd", "isub", "imul", "idiv", "ifloor_divide", "iremainder", "ipow", "ibitwise_and", "ibitwise_or", "ibitwise_xor",
      "ilshift", "irshift", "neg", "positive", "abs", "bitwise_not", "lt", "le", "eq", "ne", "gt", "ge", "rsub", "rdiv", "rpow"};
  static_assert(std::size(names) == size_t(Operator::count));
  Py table(PyDict_New());
  for (int i = 0; i < int(Operator::count); ++i) PyDict_SetItemString(table.get(), names[i], Py(PyLong_FromLong(i)).get());
  PyModule_AddObjectRef(module, "operator_slots", table.get());
  return PyModule_AddObjectRef(module, "Tensor", (PyObject*)&TensorType);
}

}  // namespace facula
