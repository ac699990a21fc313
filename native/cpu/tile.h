// Register tiles: vectors of the level's width, transposed loads, and the micro-kernel that
// matrix products and convolutions share.
#pragma once
#ifndef FACULA_LEVEL
#error "this header differs between the levels: only the files that are compiled for each may include it"
#endif
#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "cpu/gemm.h"

namespace facula::tile {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64, kRows = 14;  // 28 accumulators of 32 registers
#elif defined(__AVX__)
inline constexpr int kBytes = 32, kRows = 6;   // 12 accumulators of 16 registers
#else
inline constexpr int kBytes = 16, kRows = 6;
#endif

// Element alignment, so that loads and stores may be anywhere.
template <class T>
struct VecOf { typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias)); };
template <class T> using Vec = typename VecOf<T>::type;
template <class T> inline constexpr int kLanes = kBytes / int(sizeof(T));
template <class T> inline constexpr int kCols = 2 * kLanes<T>;

template <class T> struct ComputeOf { using type = T; };
template <> struct ComputeOf<bfloat16> { using type = float; };
template <> struct ComputeOf<float16> { using type = float; };
template <class T> using Compute = typename ComputeOf<T>::type;

template <class T>
inline __attribute__((always_inline)) Vec<T> load(const T* p) { return *reinterpret_cast<const Vec<T>*>(p); }
template <class T>
inline __attribute__((always_inline)) void store(T* p, Vec<T> v) { *reinterpret_cast<Vec<T>*>(p) = v; }

// a * b + c, fused where the processor fuses: every file compiles it alike, whatever its flags.
inline __attribute__((always_inline)) Vec<float> mad(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__)
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#else
  return a * b + c;
#endif
}
inline __attribute__((always_inline)) Vec<double> mad(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__)
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddpd256(a, b, c);
#else
  return a * b + c;
#endif
}

// Contiguous elements as computed with: 16-bit floats widen.
inline __attribute__((always_inline)) Vec<float> load_as(const float* p) { return load(p); }
inline __attribute__((always_inline)) Vec<double> load_as(const double* p) { return load(p); }
inline __attribute__((always_inline)) Vec<float> load_as(const bfloat16* p) {
  typedef uint16_t Half __attribute__((vector_size(kBytes / 2), aligned(2), may_alias));
  typedef uint32_t Word __attribute__((vector_size(kBytes)));
  Word w = __builtin_convertvector(*reinterpret_cast<const Half*>(p), Word) << 16;
  return reinterpret_cast<Vec<float>&>(w);
}
inline __attribute__((always_inline)) Vec<float> load_as(const float16* p) {
  Vec<float> v{};
#if defined(__F16C__) && defined(__AVX__)
  typedef short Eight __attribute__((vector_size(16), aligned(2), may_alias));
  typedef float Floats __attribute__((vector_size(32)));
  for (int i = 0; i < kLanes<float>; i += 8) {
    const Floats f = __builtin_ia32_vcvtph2ps256(*reinterpret_cast<const Eight*>(p + i));
    std::memcpy(reinterpret_cast<float*>(&v) + i, &f, sizeof f);
  }
#else
  for (int i = 0; i < kLanes<float>; ++i) v[i] = float(p[i]);
#endif
  return v;
}

// Transposes a square of vectors by repeated perfect shuffles.
template <class T>
inline __attribute__((always_inline)) void transpose(Vec<T> (&v)[kLanes<T>]) {
  constexpr int W = kLanes<T>;
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(kBytes)));
  Index low, high;
  for (int i = 0; i < W; ++i) {
    low[i] = i % 2 * W + i / 2;
    high[i] = i % 2 * W + W / 2 + i / 2;
  }
  for (int stage = 1; stage < W; stage *= 2) {
    Vec<T> w[W];
#pragma GCC unroll 16
    for (int i = 0; i < W / 2; ++i) {
      w[2 * i] = __builtin_shuffle(v[i], v[i + W / 2], low);
      w[2 * i + 1] = __builtin_shuffle(v[i], v[i + W / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) v[i] = w[i];
  }
}

// acc[i][j] += sum over p of a[i * row + p * step] * b[p * ldb + j].
template <class T, int M, int V>
inline __attribute__((always_inline)) void multiply(int64_t k, const T* a, int64_t row, int64_t step,
                                                    const T* b, int64_t ldb, Vec<T> (&acc)[M][V]) {
  for (int64_t p = 0; p < k; ++p) {
    Vec<T> right[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) right[j] = load(b + j * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec<T> left = a[i * row] - Vec<T>{};
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) acc[i][j] = mad(left, right[j], acc[i][j]);
    }
    a += step;
    b += ldb;
  }
}

// Lines of contiguous elements, as many depths as make whole squares: the count of those done.
template <int ld, bool kFull, class T, class S>
int64_t pack_squares(T* to, const S* from, int64_t lane, int64_t width, int64_t k) {
  constexpr int W = kLanes<T>;
  static constexpr S zeros[W] = {};
  int64_t p = 0;
  for (; p + W <= k; p += W, from += W, to += W * ld) {
#pragma GCC unroll 4
    for (int j0 = 0; j0 < ld; j0 += W) {
      Vec<T> v[W];
#pragma GCC unroll 16
      for (int j = 0; j < W; ++j) v[j] = j0 + j < ld ? load_as(kFull || j0 + j < width ? from + (j0 + j) * lane : zeros) : Vec<T>{};
      transpose<T>(v);
#pragma GCC unroll 16
      for (int j = 0; j < W; ++j) {
        if (j0 + W <= ld) store(to + j * ld + j0, v[j]);
        else std::memcpy(to + j * ld + j0, &v[j], (ld % W) * sizeof(T));
      }
    }
  }
  return p;
}

// to[p * ld + j] = from[j * lane + p * step] for j < width, zeros up to ld. `to` has a vector of
// slack at its end, because whole vectors are written at a time.
template <int ld, class T, class S>
void pack(T* to, const S* from, int64_t lane, int64_t step, int64_t width, int64_t k) {
  constexpr int W = kLanes<T>;
  int64_t p = 0;
  if (lane == 1 && width == ld) {
    // Whole vectors: what is read and written too much belongs to the next line, so the last one goes singly.
    for (const int64_t whole = ld % W == 0 ? k : step >= ld ? k - 1 : 0; p < whole; ++p, to += ld, from += step)
#pragma GCC unroll 4
      for (int j = 0; j < ld; j += W) store(to + j, load_as(from + j));
    for (; p < k; ++p, to += ld, from += step)
      for (int j = 0; j < ld; ++j) to[j] = T(from[j]);
    return;
  }
  if (step == 1) p = width == ld ? pack_squares<ld, true>(to, from, lane, width, k) : pack_squares<ld, false>(to, from, lane, width, k);
  to += p * ld;
  from += p * step;
  for (; p < k; ++p, to += ld, from += step) {
    for (int64_t j = 0; j < width; ++j) to[j] = T(from[j * lane]);
    for (int64_t j = width; j < ld; ++j) to[j] = 0;
  }
}

// Where finished tiles go and what is done to them on the way.
template <class T>
struct Target {
  Strided<T> c;
  T alpha, beta;
  const T* row_bias;
  const T* col_bias;
  bool relu;
  bool plain = false;  // contiguous rows, set or added to, and nothing else
  void mark() {
    plain = c.col == 1 && alpha == T(1) && (beta == T(0) || beta == T(1)) && !row_bias && !col_bias && !relu;
  }
};

// Where a bias, if there is one, goes on.
template <class S>
inline const S* bias_from(const S* bias, int64_t i) { return bias ? bias + i : nullptr; }

// A line of results from a line of sums: scaled, added to what is there, `along` (one for each) and `across` (one for all)
// added, cut at zero. One pass for each that is asked for: a loop with every test inside would be copied for every answer.
template <class S, class T>
__attribute__((noinline)) void finish_line(S* to, int64_t to_step, const T* sums, int64_t step, int64_t n, T alpha, T beta, bool relu,
                                           const S* along, const S* across) {
  constexpr int64_t kPart = 64;
  T v[kPart];
  for (int64_t done = 0; done < n; done += kPart, to += kPart * to_step, sums += kPart * step) {
    const int64_t m = std::min(kPart, n - done);
    if (step == 1) for (int64_t s = 0; s < m; ++s) v[s] = alpha * sums[s];
    else for (int64_t s = 0; s < m; ++s) v[s] = alpha * sums[s * step];
    if (beta != T(0)) for (int64_t s = 0; s < m; ++s) v[s] += beta * T(to[s * to_step]);
    if (along) for (int64_t s = 0; s < m; ++s) v[s] += T(along[done + s]);
    if (across) for (int64_t s = 0; s < m; ++s) v[s] += T(*across);
    if (relu) for (int64_t s = 0; s < m; ++s) v[s] = v[s] < T(0) ? T(0) : v[s];
    if (to_step == 1) for (int64_t s = 0; s < m; ++s) to[s] = S(v[s]);
    else for (int64_t s = 0; s < m; ++s) to[s * to_step] = S(v[s]);
  }
}
// The same for rows x cols sums, whose rows are `ld` apart, along the lines of C that are contiguous if any long ones are.
template <class S, class T>
void finish_tile(const T* sums, int64_t ld, Strided<S> c, int64_t rows, int64_t cols, T alpha, T beta, bool relu, const S* row_bias, const S* col_bias) {
  if (c.row == 1 && c.col != 1 && rows > kRows)
    for (int64_t j = 0; j < cols; ++j) finish_line(c.data + j * c.col, 1, sums + j, ld, rows, alpha, beta, relu, row_bias, bias_from(col_bias, j));
  else
    for (int64_t i = 0; i < rows; ++i) finish_line(c.data + i * c.row, c.col, sums + i * ld, 1, cols, alpha, beta, relu, col_bias, bias_from(row_bias, i));
}

// Writes a finished tile to its place. Not inlined: every register tile would carry a copy.
template <class T, int V>
__attribute__((noinline)) void put(const T* tile, const Target<T>& to, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  constexpr int W = kLanes<T>;
  const int64_t step = to.c.col;
  T* c = to.c.data + i * to.c.row + j * step;
  if (cols != V * W)
    return finish_tile<T, T>(tile, V * W, {c, to.c.row, step}, rows, cols, to.alpha, to.beta, to.relu, bias_from(to.row_bias, i),
                             bias_from(to.col_bias, j));
  const bool add = to.beta != T(0);
  for (int64_t r = 0; r < rows; ++r, c += to.c.row, tile += V * W) {
#pragma GCC unroll 2
    for (int s = 0; s < V; ++s) {
      T* at = c + s * W * step;
      Vec<T> v = load(tile + s * W) * to.alpha;
      if (add && step == 1) v += to.beta * load(at);
      else if (add) for (int l = 0; l < W; ++l) v[l] += to.beta * at[l * step];
      if (to.row_bias) v += to.row_bias[i + r];
      if (to.col_bias) v += load(to.col_bias + j + s * W);
      if (to.relu) v = v < T(0) ? Vec<T>{} : v;
      if (step == 1) store(at, v);
      else for (int l = 0; l < W; ++l) at[l * step] = v[l];
    }
  }
}

template <class T, int M, int V>
void run_tile(int64_t k, const T* a, int64_t row, int64_t step, const T* b, int64_t ldb,
              const Target<T>& to, int64_t i, int64_t j, int64_t cols) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[M][V];
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 2
    for (int s = 0; s < V; ++s) acc[r][s] = Vec<T>{};
  multiply<T, M, V>(k, a, row, step, b, ldb, acc);
  if (to.plain && cols == V * W) {  // nearly all tiles of large products
    T* c = to.c.data + i * to.c.row + j;
#pragma GCC unroll 16
    for (int r = 0; r < M; ++r, c += to.c.row) {
#pragma GCC unroll 2
      for (int s = 0; s < V; ++s) store(c + s * W, to.beta == T(0) ? acc[r][s] : acc[r][s] + load(c + s * W));
    }
    return;
  }
  alignas(kBytes) T tile[M * V * W];
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 2
    for (int s = 0; s < V; ++s) store(tile + (r * V + s) * W, acc[r][s]);
  put<T, V>(tile, to, i, j, M, cols);
}

template <class T>
using TileFunction = void (*)(int64_t, const T*, int64_t, int64_t, const T*, int64_t, const Target<T>&,
                              int64_t, int64_t, int64_t);
template <class T, size_t... I>
constexpr auto tile_table(std::index_sequence<I...>) {
  return std::array<TileFunction<T>, sizeof...(I)>{run_tile<T, int(I) / 2 + 1, int(I) % 2 + 1>...};
}
template <class T>
constexpr auto kTiles = tile_table<T>(std::make_index_sequence<2 * kRows>{});

// Memory of one thread that stays for the next call: fresh pages would cost more than packing.
class Scratch {
 public:
  ~Scratch() { release(); }
  template <class T>
  T* get(int64_t count) {
    const int64_t bytes = count * int64_t(sizeof(T)) + 4 * kBytes;
    if (bytes > size_ || size_ > kKeep) {
      release();
      data_ = ::operator new(size_t(bytes), std::align_val_t(64));
      size_ = bytes;
    }
    return static_cast<T*>(data_);
  }
 private:
  static constexpr int64_t kKeep = int64_t(64) << 20;
  void release() {
    if (data_) ::operator delete(data_, std::align_val_t(64));
    data_ = nullptr;
    size_ = 0;
  }
  void* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace facula::tile
