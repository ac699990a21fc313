// Convolutions of 3 x 3 taps and stride 1 by Winograd's algorithm.
#pragma once
#include "cpu/conv.h"

namespace facula {

// Whether it saves more multiplications than its transforms cost.
bool winograd_suits(const ConvShape& s);

// As conv_forward, conv_backward_data and conv_backward_weight, but false where results are not finite: an infinity
// of the inputs reaches all results of a tile as NaN, also those that the plain sum keeps clear of it.
template <class T> bool winograd_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y);
template <class T> bool winograd_backward_data(const ConvShape& s, const T* dy, const T* w, const T* bias, T* dx);
template <class T> bool winograd_backward_weight(const ConvShape& s, const T* x, const T* dy, T* dw);

}  // namespace facula
