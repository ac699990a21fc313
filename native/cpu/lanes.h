// Sums of floats as exact as pairwise ones, at full speed: 32 lanes over short blocks, blocks in double.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tensor/dtype.h"

namespace facula {

template <class T> using Wide = std::conditional_t<std::is_same_v<T, float>, double, std::conditional_t<std::is_same_v<T, c64>, c128, T>>;

// The sum of term(i), of type T, for i in [0, n).
template <class T, class Term>
Wide<T> sum_terms(int64_t n, const Term& term) {
  constexpr int64_t lanes_count = 32, block_size = 1024;
  Wide<T> total = 0;
  if (n < lanes_count) {  // lanes would take longer to clear and to join
    for (int64_t i = 0; i < n; ++i) total += Wide<T>(term(i));
    return total;
  }
  for (int64_t at = 0; at < n; at += block_size) {
    const int64_t m = std::min(block_size, n - at);
    T lanes[lanes_count] = {};
    int64_t i = 0;
    for (; i + lanes_count <= m; i += lanes_count)
      for (int64_t k = 0; k < lanes_count; ++k) lanes[k] += term(at + i + k);
    for (; i < m; ++i) lanes[i % lanes_count] += term(at + i);
    for (int64_t half = lanes_count / 2; half >= 8; half /= 2)
      for (int64_t k = 0; k < half; ++k) lanes[k] += lanes[half + k];
    Wide<T> block = 0;
    for (int64_t k = 0; k < 8; ++k) block += Wide<T>(lanes[k]);
    total += block;
  }
  return total;
}

}  // namespace facula
