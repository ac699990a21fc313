// Views that kernels of several files take.
#pragma once
#include "tensor/tensor.h"

namespace facula {
Tensor clone(const Tensor& x, MemoryFormat f = MemoryFormat::preserve);
Tensor select_view(const Tensor& x, int64_t dim, int64_t index);
Tensor narrow_view(const Tensor& x, int64_t dim, int64_t start, int64_t length, int64_t step = 1);
Tensor diagonal_view(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2);
// Bounds as Python's slices have them: negative from the end, clamped.
void clamp_slice(int64_t size, int64_t& start, int64_t& end);
Tensor broadcast_view(const Tensor& x, const Dims& sizes);  // expand, -1 keeps a size
}  // namespace facula
