// Walking several strided arrays of one shape together, innermost runs as long as possible.
#pragma once
#include "tensor/tensor.h"

namespace facula {

inline constexpr int kMaxDims = 64;

// Fills `sizes` and `steps` for the operands; the count of dimensions, at least 1.
int essential_dims(const Dims& shape, const Tensor* const* operands, int count, int64_t* sizes, int64_t (*steps)[kMaxDims]);

// A shape reduced to its essential dimensions (innermost last), with byte strides per operand.
template <int kOperands>
struct Walk {
  static constexpr int kMax = kMaxDims;
  int ndim = 0;
  int64_t sizes[kMax];
  int64_t steps[kOperands][kMax];

  // Operands must be broadcast to `sizes` (expand_to). Dimensions are ordered by the first
  // operand's strides and merged where every operand allows it.
  Walk(const Dims& shape, const Tensor* const (&operands)[kOperands]) { ndim = essential_dims(shape, operands, kOperands, sizes, steps); }

  int64_t rows() const {
    int64_t n = 1;
    for (int d = 0; d < ndim - 1; ++d) n *= sizes[d];
    return n;
  }

  // body(offsets) for rows [begin, end); offsets in bytes of the row's first elements.
  template <class Body>
  void each_row(int64_t begin, int64_t end, const Body& body) const {
    int64_t index[kMax] = {}, at[kOperands] = {};
    for (int64_t rest = begin, d = ndim - 2; d >= 0; --d) {
      index[d] = rest % sizes[d];
      rest /= sizes[d];
      for (int k = 0; k < kOperands; ++k) at[k] += index[d] * steps[k][d];
    }
    for (int64_t r = begin; r < end; ++r) {
      body(at);
      for (int d = ndim - 2; d >= 0; --d) {
        for (int k = 0; k < kOperands; ++k) at[k] += steps[k][d];
        if (++index[d] < sizes[d]) break;
        for (int k = 0; k < kOperands; ++k) at[k] -= sizes[d] * steps[k][d];
        index[d] = 0;
      }
    }
  }
};

}  // namespace facula
