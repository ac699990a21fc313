// Matrix products: C = alpha * A @ B + beta * C, for any strides.
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace facula {

// Elements at data[i * row + j * col].
template <class T>
struct Strided {
  T* data;
  int64_t row, col;
  Strided t() const { return {data, col, row}; }
};

// What happens to a finished element: + row_bias[i] + col_bias[j], then relu.
template <class T>
struct Epilogue {
  const T* row_bias = nullptr;
  const T* col_bias = nullptr;
  bool relu = false;
};

template <class T> struct ScaleOf { using type = T; };  // of alpha and beta
template <> struct ScaleOf<bfloat16> { using type = float; };
template <> struct ScaleOf<float16> { using type = float; };

// A is m x k, B is k x n, C is m x n. With beta == 0 C is only written. T: float, double, bfloat16,
// float16 (both summed in float), complex<float>, complex<double>, int64_t.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, typename ScaleOf<T>::type alpha, Strided<const T> a,
          Strided<const T> b, typename ScaleOf<T>::type beta, Strided<T> c, const Epilogue<T>& epilogue = {});

// `count` products; a_step, b_step and c_step lead from one to the next (0: shared operand).
template <class T>
void gemm_batch(int64_t count, int64_t m, int64_t n, int64_t k, typename ScaleOf<T>::type alpha,
                Strided<const T> a, int64_t a_step, Strided<const T> b, int64_t b_step,
                typename ScaleOf<T>::type beta, Strided<T> c, int64_t c_step);

}  // namespace facula
