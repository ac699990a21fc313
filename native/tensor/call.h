// How an operation's kernel is called: arguments as values, results as tensors; and the registry.
#pragma once
#include <complex>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace facula {

// A Python number. Integers and bools keep their kind, because promotion depends on it.
struct Scalar {
  enum Kind : uint8_t { boolean, integer, real, complex } kind = integer;
  int64_t i = 0;
  c128 z = 0;
  double d() const { return kind <= integer ? double(i) : z.real(); }
  c128 c() const { return kind <= integer ? c128(double(i)) : z; }
  int64_t n() const { return kind <= integer ? i : int64_t(z.real()); }
};

struct Generator;

// One argument. `none` where Python gave None.
struct Value {
  enum Kind : uint8_t { none, tensor, scalar, ints, tensors, dtype, string, scalars, device, generator } kind = none;
  Generator* gen = nullptr;    // null: the default generator
  Tensor t;
  Scalar s;
  Dims dims;                   // int[] arguments
  std::vector<Tensor> list;    // Tensor[] arguments; absent optional tensors are empty handles
  std::vector<double> floats;  // float[] arguments
  DType type = DType::undefined;
  Device dev;
  std::string text;
};

// Kernels read arguments by position, in the order of the signature in `facula/ops`.
struct Call {
  std::string_view op;            // public name, for messages
  std::vector<Value>& args;
  std::vector<Tensor> out;        // the kernel appends its results

  bool has(size_t i) const { return args[i].kind != Value::none; }
  const Tensor& tensor(size_t i) const { return args[i].t; }               // empty handle when None
  const std::vector<Tensor>& tensors(size_t i) const { return args[i].list; }
  int64_t integer(size_t i, int64_t otherwise = 0) const { return has(i) ? args[i].s.n() : otherwise; }
  double real(size_t i, double otherwise = 0) const { return has(i) ? args[i].s.d() : otherwise; }
  bool flag(size_t i, bool otherwise = false) const { return has(i) ? args[i].s.n() != 0 : otherwise; }
  const Scalar& scalar(size_t i) const { return args[i].s; }
  const Dims& ints(size_t i) const { return args[i].dims; }
  DType dtype(size_t i, DType otherwise = DType::undefined) const { return has(i) ? args[i].type : otherwise; }
  const std::string& string(size_t i) const { return args[i].text; }
};

using Kernel = void (*)(Call&);

// `static const Register here{"reduce.sum", sum};` in a kernel's source file makes it known.
struct Register {
  Register(const char* name, Kernel kernel);
};
Kernel find_kernel(std::string_view name);  // null if there is none
DType default_dtype();
void set_default_dtype(DType t);
Device default_device();
void set_default_device(Device d);

}  // namespace facula
