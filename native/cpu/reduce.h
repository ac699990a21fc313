// A reduction's shape: [outer, count, inner], where `count` elements become one.
#pragma once
#include "tensor/call.h"

namespace facula {

struct Reduction {
  Tensor x;                    // contiguous, of the compute dtype
  int64_t outer, count, inner;
  Dims sizes;                  // of the result
};

// Brings the reduced dimensions together, without a copy where they are neighbours already.
// An empty list of dims means all of them.
Reduction plan_reduction(const Tensor& x, DType compute, bool has_dims, const Dims& dims, bool keepdim);

}  // namespace facula
