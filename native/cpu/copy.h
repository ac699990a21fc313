// Moving and setting elements.
#pragma once
#include "tensor/call.h"

namespace facula {
void fill_scalar(const Tensor& x, const Scalar& value);
}  // namespace facula
