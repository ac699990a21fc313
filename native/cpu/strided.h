// Walking several strided arrays of one shape together, innermost runs as long as possible.
#pragma once
#include <algorithm>

#include "tensor/tensor.h"

namespace facula {

// A shape reduced to its essential dimensions (innermost last), with byte strides per operand.
template <int kOperands>
struct Walk {
  static constexpr int kMax = 64;
  int ndim = 0;
  int64_t sizes[kMax];
  int64_t steps[kOperands][kMax];

  // Operands must be broadcast to `sizes` (expand_to). Dimensions are ordered by the first
  // operand's strides and merged where every operand allows it.
  Walk(const Dims& shape, const Tensor* const (&operands)[kOperands]) {
    int order[kMax], n = 0;
    for (int d = 0; d < shape.ndim(); ++d) if (shape[d] != 1) order[n++] = d;
    std::stable_sort(order, order + n, [&](int a, int b) {
      for (auto* t : operands) {
        const int64_t x = std::abs(t->stride(a)), y = std::abs(t->stride(b));
        if (x != y && x && y) return x > y;
      }
      return false;
    });
    for (int i = 0; i < n; ++i) {
      const int d = order[i];
      int64_t step[kOperands];
      bool merge = ndim > 0;
      for (int k = 0; k < kOperands; ++k) {
        step[k] = operands[k]->stride(d) * item_size(operands[k]->dtype());
        merge = merge && steps[k][ndim - 1] == step[k] * shape[d];
      }
      if (merge) sizes[ndim - 1] *= shape[d];
      else sizes[ndim++] = shape[d];
      for (int k = 0; k < kOperands; ++k) steps[k][ndim - 1] = step[k];
    }
    if (ndim == 0) {
      ndim = 1;
      sizes[0] = 1;
      for (auto& s : steps) s[0] = 0;
    }
  }

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
