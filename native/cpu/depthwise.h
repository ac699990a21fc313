// Convolutions with one channel a group: sums of shifted rows, no products of matrices.
#pragma once
#include "cpu/conv_plan.h"

namespace facula {

template <class T>
void depthwise_forward(const ConvShape& s, const conv::Axes& axes, const conv::Layout& l, const T* x, const T* w, const T* bias, T* y);
template <class T>
void depthwise_backward_data(const ConvShape& s, const conv::Axes& axes, const conv::Layout& l, const T* dy, const T* w, const T* bias, T* dx);
template <class T>
void depthwise_backward_weight(const ConvShape& s, const conv::Axes& axes, const conv::Layout& l, const T* x, const T* dy, T* dw);

}  // namespace facula
