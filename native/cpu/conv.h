// Convolutions over up to three spatial dimensions; fewer are padded with ones in front.
#pragma once
#include <array>

#include "tensor/tensor.h"

namespace facula {

struct ConvShape {
  int64_t batch, groups, cin, cout;  // channels of one group
  std::array<int64_t, 3> in, out, kernel, stride, pad, dilation;
  int64_t inputs() const { return in[0] * in[1] * in[2]; }
  int64_t outputs() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  bool depthwise() const { return cin == 1 && cout == 1; }
};

// All contiguous: x (batch, groups * cin, in), w (groups * cout, cin, kernel), y (batch, groups * cout, out);
// bias may be null. T: float or double.
template <class T> void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T> void conv_backward_data(const ConvShape& s, const T* dy, const T* w, const T* bias, T* dx);
template <class T> void conv_backward_weight(const ConvShape& s, const T* x, const T* dy, T* dw);

}  // namespace facula
