// The dimensions that several strided arrays of one shape really have.
#include "tensor/strided.h"

#include <algorithm>
#include <cstdlib>

namespace facula {
namespace {

// Whether dimension a goes outside of b, by the first operand whose strides tell.
bool outside(const Tensor* const* operands, int count, int a, int b) {
  for (int k = 0; k < count; ++k) {
    const int64_t x = std::abs(operands[k]->stride(a)), y = std::abs(operands[k]->stride(b));
    if (x != y && x && y) return x > y;
  }
  return false;
}

}  // namespace

int essential_dims(const Dims& shape, const Tensor* const* operands, int count, int64_t* sizes, int64_t (*steps)[kMaxDims]) {
  int order[kMaxDims], n = 0, ndim = 0;
  for (int d = 0; d < shape.ndim(); ++d) {
    if (shape[d] == 1) continue;
    int at = n++;
    for (; at > 0 && outside(operands, count, d, order[at - 1]); --at) order[at] = order[at - 1];
    order[at] = d;
  }
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool merge = ndim > 0;
    for (int k = 0; k < count && merge; ++k) merge = steps[k][ndim - 1] == operands[k]->stride(d) * item_size(operands[k]->dtype()) * shape[d];
    if (merge) sizes[ndim - 1] *= shape[d];
    else sizes[ndim++] = shape[d];
    for (int k = 0; k < count; ++k) steps[k][ndim - 1] = operands[k]->stride(d) * item_size(operands[k]->dtype());
  }
  if (ndim == 0) {
    sizes[ndim++] = 1;
    for (int k = 0; k < count; ++k) steps[k][0] = 0;
  }
  return ndim;
}

}  // namespace facula
