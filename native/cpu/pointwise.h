// Elementwise operations: formulas as contiguous loops, and the one driver that feeds them.
#pragma once
#include <span>

#include "tensor/tensor.h"

namespace facula {

// How the result's dtype follows from the operands' common dtype.
enum class PointwiseKind : uint8_t {
  promote,        // the common dtype
  number,         // bool becomes int64
  floating,       // integers become the default dtype
  boolean,        // computed in the common dtype, bool result
  real,           // complex gives real
  floating_real,  // both of the above
  integral        // only integers and bool
};

// A formula's loops by compute type (float32, float64, int64, complex64, complex128); null: unsupported.
struct Formula {
  const char* name;
  int arity;
  void (*loop[5])(int64_t n, const void* const* in, void* out);
  bool bool_out[5], real_out[5];
};

struct RegisterFormulas { RegisterFormulas(const Formula* first, int count); };
const Formula* find_formula(std::string_view name);

// Computes in compute_dtype(common), converting operands as they are loaded; writes to `out` of
// any dtype and strides, to whose sizes the operands broadcast. `out` may be one of the operands.
void run_formula(const Formula& formula, std::span<const Tensor> operands, DType common, const Tensor& out, std::string_view op);

// The sum of the formula's values over the operands broadcast to `sizes`; they are never stored.
double sum_formula(const Formula& formula, std::span<const Tensor> operands, DType common, const Dims& sizes, std::string_view op);

}  // namespace facula
