// Copies between any dtypes and strides, and fills.
#include "cpu/copy.h"

#include "cpu/convert.h"
#include "cpu/parallel.h"
#include "tensor/strided.h"
#include "cpu/tile.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 32 << 10;  // elements a thread takes at once

// Pairs that get loops of whole vectors of their own; the other conversions are rare, and 200 such loops slow to build.
template <class T>
constexpr bool kUsual = is_complex_v<T> || std::is_same_v<T, bool> || std::is_same_v<T, uint8_t> || std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t> ||
                        std::is_same_v<T, float16> || std::is_same_v<T, bfloat16> || std::is_same_v<T, float> || std::is_same_v<T, double>;
template <class To, class From>
constexpr bool kQuick = std::is_same_v<To, From> || (kUsual<To> && kUsual<From> && is_complex_v<To> == is_complex_v<From>) ||
                        std::is_same_v<To, float> || std::is_same_v<From, float>;

// Truncates floats to small integers. Most lie within int32, where a processor converts many at once and what wraps is the same.
template <class To, class From>
void truncate_row(To* __restrict t, const From* __restrict f, int64_t n) {
  constexpr int64_t kBlock = 512;
  for (int64_t done = 0; done < n; done += kBlock, t += kBlock, f += kBlock) {
    const int64_t count = std::min(kBlock, n - done);
    int32_t outside = 0;
    for (int64_t i = 0; i < count; ++i) outside |= !(f[i] >= From(-2147483648.0)) | !(f[i] < From(2147483648.0));
    if (outside) for (int64_t i = 0; i < count; ++i) t[i] = convert<To>(f[i]);
    else for (int64_t i = 0; i < count; ++i) t[i] = To(int32_t(f[i]));
  }
}

template <class To, class From>
void convert_row(std::byte* to, int64_t to_step, const std::byte* from, int64_t from_step, int64_t n) {
  auto* __restrict t = reinterpret_cast<To*>(to);
  auto* __restrict f = reinterpret_cast<const From*>(from);
  if constexpr (kQuick<To, From>) {
    if (to_step == sizeof(To) && from_step == sizeof(From)) {
      if constexpr (std::is_same_v<To, From>) std::memcpy(to, from, size_t(n) * sizeof(To));
      else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) <= 4 && !std::is_same_v<To, bool>)
        truncate_row(t, f, n);
      else for (int64_t i = 0; i < n; ++i) t[i] = convert<To>(f[i]);
      return;
    }
    if (to_step == sizeof(To) && from_step == 0) {
      std::fill_n(t, n, convert<To>(f[0]));
      return;
    }
  }
  for (int64_t i = 0; i < n; ++i, to += to_step, from += from_step)
    *reinterpret_cast<To*>(to) = convert<To>(*reinterpret_cast<const From*>(from));
}
using Row = void (*)(std::byte*, int64_t, const std::byte*, int64_t, int64_t);

Row row_of(DType to, DType from) {
  return for_stored(to, "copy_", [&]<class To>() -> Row {
    return for_stored(from, "copy_", [&]<class From>() -> Row { return convert_row<To, From>; });
  });
}

// Same-size elements with swapped fast dimensions: square tiles of whole cache lines keep both sides in cache.
constexpr int64_t kTile = 16;
template <class T>
void transpose_tile(T* to, int64_t to_row, const T* from, int64_t from_col, int64_t rows, int64_t cols) {
  if constexpr (sizeof(T) >= 4) {
    using Real = std::conditional_t<sizeof(T) == 4, float, double>;
    constexpr int W = tile::kLanes<Real>;
    if (rows == kTile && cols == kTile) {
      for (int64_t r = 0; r < kTile; r += W)
        for (int64_t c = 0; c < kTile; c += W) {
          tile::Vec<Real> v[W];
#pragma GCC unroll 16
          for (int j = 0; j < W; ++j) v[j] = tile::load(reinterpret_cast<const Real*>(from + (c + j) * from_col + r));
          tile::transpose<Real>(v);
#pragma GCC unroll 16
          for (int j = 0; j < W; ++j) tile::store(reinterpret_cast<Real*>(to + (r + j) * to_row + c), v[j]);
        }
      return;
    }
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) to[i * to_row + j] = from[j * from_col + i];
}

template <class T>
void transpose_tiles(std::byte* to, int64_t to_row, const std::byte* from, int64_t from_col, int64_t cols, int64_t r0, int64_t r1) {
  for (int64_t r = r0; r < r1; r += kTile)
    for (int64_t c = 0; c < cols; c += kTile) {
      // Columns of the source lie on pages of their own, which the processor does not fetch ahead.
      for (int64_t j = c + kTile; j < std::min(cols, c + 2 * kTile); ++j) __builtin_prefetch(from + j * from_col + r * int64_t(sizeof(T)));
      transpose_tile(reinterpret_cast<T*>(to + r * to_row) + c, to_row / int64_t(sizeof(T)), reinterpret_cast<const T*>(from + c * from_col) + r,
                     from_col / int64_t(sizeof(T)), std::min(r1 - r, kTile), std::min(cols - c, kTile));
    }
}

bool copy_transposed(const Walk<2>& w, std::byte* to, const std::byte* from, int64_t item) {
  // The target runs along the last dimension, the source along another one.
  const int last = w.ndim - 1;
  if (w.ndim < 2 || w.steps[0][last] != item || (item != 4 && item != 8 && item != 2)) return false;
  int other = -1;
  for (int d = 0; d < last; ++d) if (w.steps[1][d] == item) other = d;
  if (other < 0 || w.sizes[last] < 8 || w.sizes[other] < 8) return false;
  int64_t outer = 1;
  int dims[Walk<2>::kMax], n = 0;
  for (int d = 0; d < last; ++d) if (d != other) { dims[n++] = d; outer *= w.sizes[d]; }
  const int64_t rows = w.sizes[other], cols = w.sizes[last];
  const int64_t strip = std::max<int64_t>(16, std::min(rows, kPiece / std::max<int64_t>(cols, 1)) / 16 * 16);
  const int64_t strips = (rows + strip - 1) / strip;
  parallel_for(outer * strips, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, strip * cols)), [&](int64_t a, int64_t b) {
    for (int64_t job = a; job < b; ++job) {
      int64_t rest = job / strips, t = 0, f = 0;
      for (int i = n - 1; i >= 0; --i) {
        const int64_t at = rest % w.sizes[dims[i]];
        rest /= w.sizes[dims[i]];
        t += at * w.steps[0][dims[i]];
        f += at * w.steps[1][dims[i]];
      }
      const int64_t r0 = job % strips * strip, r1 = std::min(rows, r0 + strip);
      auto run = [&]<class T> { transpose_tiles<T>(to + t, w.steps[0][other], from + f, w.steps[1][last], cols, r0, r1); };
      if (item == 4) run.template operator()<uint32_t>();
      else if (item == 8) run.template operator()<uint64_t>();
      else run.template operator()<uint16_t>();
    }
  });
  return true;
}

void walk_rows(const Walk<2>& w, Row row, std::byte* to, const std::byte* from) {
  const int64_t inner = w.sizes[w.ndim - 1], rows = w.rows();
  const int64_t ts = w.steps[0][w.ndim - 1], fs = w.steps[1][w.ndim - 1];
  if (rows == 1) {
    parallel_for(inner, kPiece, [&](int64_t a, int64_t b) { row(to + a * ts, ts, from + a * fs, fs, b - a); });
    return;
  }
  parallel_for(rows, std::max<int64_t>(1, kPiece / inner), [&](int64_t a, int64_t b) {
    w.each_row(a, b, [&](const int64_t (&at)[2]) { row(to + at[0], ts, from + at[1], fs, inner); });
  });
}

bool share_memory(const Tensor& a, const Tensor& b) {
  return a->storage == b->storage && a.get() != b.get() &&
         !(a.strides() == b.strides() && a->offset == b->offset && a.sizes() == b.sizes());
}

}  // namespace

void copy_into(const Tensor& to, const Tensor& source) {
  if (to.numel() == 0 || to.is_meta()) return;
  if (source.is_meta()) throw NotImplementedError("Cannot copy out of meta tensor; no data!");
  Tensor from = expand_to(source, to.sizes());
  if (share_memory(to, from)) {
    Tensor copy = empty(from.sizes(), from.dtype());
    copy_into(copy, from);
    from = copy;
  }
  if (to.dtype() == from.dtype() && to.is_contiguous() && from.is_contiguous()) {
    const int64_t item = item_size(to.dtype());
    std::byte* t = to.raw();
    const std::byte* f = from.raw();
    if (t == f) return;
    parallel_for(to.numel(), kPiece * 4, [&](int64_t a, int64_t b) { std::memcpy(t + a * item, f + a * item, size_t((b - a) * item)); });
    return;
  }
  const Walk<2> w(to.sizes(), {&to, &from});
  if (to.dtype() == from.dtype() && copy_transposed(w, to.raw(), from.raw(), item_size(to.dtype()))) return;
  walk_rows(w, row_of(to.dtype(), from.dtype()), to.raw(), from.raw());
}

void fill_scalar(const Tensor& x, const Scalar& value) {
  if (x.numel() == 0 || x.is_meta()) return;
  for_stored(x.dtype(), "fill_", [&]<class T> {
    T v;
    if constexpr (is_complex_v<T> || std::is_same_v<T, c32>) v = convert<T>(value.c());
    else if constexpr (std::is_integral_v<T>) v = value.kind <= Scalar::integer ? convert<T>(value.i) : convert<T>(value.d());
    else v = T(value.d());
    if (x.is_contiguous()) {
      T* p = x.data<T>();
      parallel_for(x.numel(), kPiece * 4, [&](int64_t a, int64_t b) { std::fill(p + a, p + b, v); });
      return;
    }
    const Walk<1> w(x.sizes(), {&x});
    const int64_t inner = w.sizes[w.ndim - 1], step = w.steps[0][w.ndim - 1];
    std::byte* base = x.raw();
    parallel_for(w.rows(), std::max<int64_t>(1, kPiece / inner), [&](int64_t a, int64_t b) {
      w.each_row(a, b, [&](const int64_t (&at)[1]) {
        for (int64_t i = 0; i < inner; ++i) *reinterpret_cast<T*>(base + at[0] + i * step) = v;
      });
    });
  });
}

void fill(const Tensor& x, double value) { fill_scalar(x, Scalar{Scalar::real, 0, c128(value)}); }

}  // namespace facula
