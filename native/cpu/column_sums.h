// The gradient of a bias: sums over all rows.
#pragma once
#include <algorithm>

#include "cpu/gemm.h"
#include "cpu/parallel.h"

namespace facula {

// Sums of columns, in two levels so that long columns keep their digits.
template <class S, class T>
void column_sums(int64_t rows, int64_t cols, Strided<const S> x, S* out) {
  constexpr int64_t kBlock = 64, kRows = 128;
  parallel_for(cols, std::max<int64_t>(kBlock, 65536 / std::max<int64_t>(rows, 1) / kBlock * kBlock),
               [&](int64_t begin, int64_t end) {
    for (int64_t j0 = begin; j0 < end; j0 += kBlock) {
      const int64_t width = std::min(kBlock, end - j0);
      T total[kBlock] = {};
      for (int64_t i0 = 0; i0 < rows; i0 += kRows) {
        T part[kBlock] = {};
        for (int64_t i = i0; i < std::min(rows, i0 + kRows); ++i) {
          const S* from = x.data + i * x.row + j0 * x.col;
          if (x.col == 1) for (int64_t j = 0; j < width; ++j) part[j] += T(from[j]);
          else for (int64_t j = 0; j < width; ++j) part[j] += T(from[j * x.col]);
        }
        for (int64_t j = 0; j < width; ++j) total[j] += part[j];
      }
      for (int64_t j = 0; j < width; ++j) out[j0 + j] = S(total[j]);
    }
  });
}

}  // namespace facula
