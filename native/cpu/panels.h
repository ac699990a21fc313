// A right-hand operand packed once for many products on one thread (gemm.h packs for one product on all).
#pragma once
#include <algorithm>
#include <vector>

#include "cpu/tile.h"

namespace facula {

// B (depth x width), packed in panels of the register tile's width.
template <class T>
class Panels {
 public:
  Panels() = default;
  Panels(Strided<const T> b, int64_t depth, int64_t width) { pack(b, depth, width); }
  void pack(Strided<const T> b, int64_t depth, int64_t width) {
    depth_ = depth;
    width_ = width;
    data_.resize(size_t((width + N - 1) / N * depth * N + 2 * N));
    for (int64_t j = 0; j < width; j += N)
      tile::pack<N>(data_.data() + j * depth, b.data + j * b.col, b.col, b.row, std::min<int64_t>(N, width - j), depth);
  }
  // C = A @ B, or C += A @ B, with the first `depth` rows and `width` columns of B only, if given. C's rows are contiguous.
  void multiply(int64_t rows, Strided<const T> a, Strided<T> c, bool add, int64_t depth = -1, int64_t width = -1) const {
    const tile::Target<T> to = target(c, add);
    const int64_t d = depth < 0 ? depth_ : depth, w = width < 0 ? width_ : width;
    const int64_t tiles = (rows + tile::kRows - 1) / tile::kRows, step = rows ? (rows + tiles - 1) / tiles : 1;  // tiles of like height
    for (int64_t j = 0; j < w; j += N) {
      const int64_t cols = std::min<int64_t>(N, w - j);
      for (int64_t i = 0; i < rows; i += step) {
        const int64_t r = std::min(step, rows - i);
        tile::kTiles<T>[2 * (r - 1) + (cols > tile::kLanes<T>)](d, a.data + i * a.row, a.row, a.col, data_.data() + j * depth_, N, to, i, j, cols);
      }
    }
  }

 private:
  static constexpr int N = tile::kCols<T>;
  static tile::Target<T> target(Strided<T> c, bool add) {
    tile::Target<T> to{c, T(1), T(add), nullptr, nullptr, false};
    to.mark();
    return to;
  }
  std::vector<T> data_;
  int64_t depth_ = 0, width_ = 0;
};

}  // namespace facula
