// Blocked products after Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication" (2008): panels of B are packed once by all threads; each task packs its rows of A
// and runs register tiles over them. Where packing would cost more than it saves, operands are read
// in place.
#include "cpu/gemm.h"

#include <algorithm>
#include <array>
#include <complex>
#include <utility>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/tile.h"

namespace facula {
namespace {

using namespace tile;

constexpr int64_t kDepth = 512;              // of a block: sums pass through C once for each
constexpr int64_t kPacked = int64_t(1) << 20;  // elements of B packed at a time
constexpr int64_t kTaskWork = 150'000;       // flops that pay for handing out a task
constexpr int64_t kSmall = 300'000;          // flops below which one thread is quickest

template <class S>
struct Problem {
  using T = Compute<S>;
  int64_t m, n, k;
  T alpha, beta;
  Strided<const S> a, b;
  Strided<S> c;
  const S* row_bias;
  const S* col_bias;
  bool relu;
  bool a_in_place, b_in_place;
  const T* packed_left = nullptr;  // all rows of A for the current depths, where several tasks need them
  int64_t left_rows() const { return (m + kRows - 1) / kRows * kRows; }
};

thread_local Scratch left_scratch, right_scratch, tile_scratch;

template <class S>
void pack_left(const Problem<S>& x, Compute<S>* to, int64_t i0, int64_t i1, int64_t p, int64_t d) {
  for (int64_t i = i0; i < i1; i += kRows)
    pack<kRows>(to + (i - i0) * d, x.a.data + i * x.a.row + p * x.a.col, x.a.row, x.a.col, std::min<int64_t>(kRows, i1 - i), d);
}

// Rows [i0, i1) and columns [j0, j1) of the product over the depths [p0, p1); `packed` holds the
// panels of B from column `packed_from` on, or is null when B is read in place.
template <class S>
void run_block(const Problem<S>& x, int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t p0, int64_t p1,
               const Compute<S>* packed, int64_t packed_from, Target<Compute<S>> to) {
  using T = Compute<S>;
  constexpr int N = kCols<T>, W = kLanes<T>;
  const int64_t depth = p1 - p0;
  const T beta = to.beta;
  const Target<T> last = to;
  const int64_t panels = (i1 - i0 + kRows - 1) / kRows;
  const int64_t block = std::min(depth, kDepth);
  T* own_left = x.a_in_place || x.packed_left ? nullptr : left_scratch.get<T>(panels * kRows * block);
  T* right = packed ? nullptr : right_scratch.get<T>(N * block);
  for (int64_t p = p0; p < p1; p += kDepth) {
    const int64_t d = std::min(kDepth, p1 - p);
    to.beta = p == p0 ? beta : T(1);
    const bool final = p + d == p1;
    to.row_bias = final ? last.row_bias : nullptr;
    to.col_bias = final ? last.col_bias : nullptr;
    to.relu = final && last.relu;
    to.mark();
    if (own_left) pack_left(x, own_left, i0, i1, p, d);
    const T* left = own_left ? own_left : x.packed_left ? x.packed_left + (p - p0) * x.left_rows() + i0 * d : nullptr;
    for (int64_t j = j0; j < j1; j += N) {
      const int64_t cols = std::min<int64_t>(N, j1 - j);
      const T* b;
      int64_t ldb = N;
      if (packed) {
        b = packed + (j - packed_from) * depth + (p - p0) * N;
      } else {
        const S* from = x.b.data + j * x.b.col + p * x.b.row;
        b = right;
        if constexpr (std::is_same_v<S, T>) {
          if (x.b.col == 1 && (cols == N || cols == W)) { b = from; ldb = x.b.row; }
        }
        if (b == right) pack<N>(right, from, x.b.col, x.b.row, cols, d);
      }
      for (int64_t i = i0; i < i1; i += kRows) {
        const int64_t rows = std::min<int64_t>(kRows, i1 - i);
        const auto& run = kTiles<T>[2 * (rows - 1) + (cols > W)];
        if (left) {
          run(d, left + (i - i0) * d, 1, kRows, b, ldb, to, i, j, cols);
        } else if constexpr (std::is_same_v<S, T>) {
          run(d, x.a.data + i * x.a.row + p * x.a.col, x.a.row, x.a.col, b, ldb, to, i, j, cols);
        }
      }
    }
  }
}

// One task: into C directly, or through a float tile that is rounded once at the end.
template <class S>
void run_task(const Problem<S>& x, int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t p0, int64_t p1,
              const Compute<S>* packed, int64_t packed_from, bool first, bool last) {
  using T = Compute<S>;
  if constexpr (std::is_same_v<S, T>) {
    run_block<S>(x, i0, i1, j0, j1, p0, p1, packed, packed_from,
                 {x.c, x.alpha, first ? x.beta : T(1), last ? x.row_bias : nullptr,
                  last ? x.col_bias : nullptr, last && x.relu});
  } else {
    const int64_t rows = i1 - i0, cols = j1 - j0;
    T* tile = tile_scratch.get<T>(rows * cols);
    run_block<S>(x, i0, i1, j0, j1, p0, p1, packed, packed_from,
                 {{tile - i0 * cols - j0, cols, 1}, x.alpha, T(0), nullptr, nullptr, false});
    finish_tile<S, T>(tile, cols, {x.c.data + i0 * x.c.row + j0 * x.c.col, x.c.row, x.c.col}, rows, cols, T(1), x.beta, x.relu,
                      bias_from(x.row_bias, i0), bias_from(x.col_bias, j0));
  }
}

constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The size of a task's rectangle, by sizes only.
template <class T>
std::pair<int64_t, int64_t> task_shape(int64_t m, int64_t n, int64_t k) {
  int64_t rows = std::min(round_up(m, kRows), int64_t(16) * kRows), cols = round_up(n, kCols<T>);
  const auto count = [&](int64_t r, int64_t c) { return ((m + r - 1) / r) * ((n + c - 1) / c); };
  while (count(rows, cols) < 32 && 2 * rows * cols * k > kTaskWork) {
    if (rows > 4 * kRows || (rows > kRows && cols <= 4 * kCols<T>)) rows = round_up(rows / 2, kRows);
    else if (cols > kCols<T>) cols = round_up(cols / 2, kCols<T>);
    else break;
  }
  return {rows, cols};
}

template <class S>
void run_small(const Problem<S>& x) {
  run_task<S>(x, 0, x.m, 0, x.n, 0, x.k, nullptr, 0, true, true);
}

// A for the depths [p0, p1), by all threads.
template <class S>
void pack_all_left(const Problem<S>& x, Compute<S>* to, int64_t p0, int64_t p1) {
  const int64_t slices = (p1 - p0 + kDepth - 1) / kDepth, rows = 8 * kRows, runs = (x.m + rows - 1) / rows;
  parallel_for(runs * slices, 1, [&](int64_t t, int64_t) {
    const int64_t i = t / slices * rows, p = p0 + t % slices * kDepth, d = std::min(kDepth, p1 - p);
    pack_left(x, to + (p - p0) * x.left_rows() + i * d, i, std::min(x.m, i + rows), p, d);
  });
}

template <class S>
void run_large(Problem<S> x) {
  using T = Compute<S>;
  constexpr int N = kCols<T>;
  // Sums longer than a chunk pass through C, so only where C has the compute type.
  const int64_t chunk = std::is_same_v<S, T> ? std::min<int64_t>(x.k, 4096) : x.k;
  const int64_t width = std::min(round_up(x.n, N), std::max<int64_t>(round_up(kPacked / chunk, N), 16 * N));
  thread_local Scratch scratch, shared_left;
  for (int64_t j0 = 0; j0 < x.n; j0 += width) {
    const int64_t j1 = std::min(x.n, j0 + width), panels = (j1 - j0 + N - 1) / N;
    for (int64_t p0 = 0; p0 < x.k; p0 += chunk) {
      const int64_t p1 = std::min(x.k, p0 + chunk), depth = p1 - p0;
      T* packed = nullptr;
      if (!x.b_in_place) {
        packed = scratch.get<T>(panels * N * depth);
        const int64_t slices = (depth + kDepth - 1) / kDepth;
        parallel_for(panels * slices, std::max<int64_t>(1, 8192 / (N * std::min(depth, kDepth))),
                     [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            const int64_t j = j0 + t / slices * N, p = p0 + t % slices * kDepth;
            pack<N>(packed + (j - j0) * depth + (p - p0) * N, x.b.data + j * x.b.col + p * x.b.row, x.b.col,
                    x.b.row, std::min<int64_t>(N, j1 - j), std::min(kDepth, p1 - p));
          }
        });
      }
      const auto [rows, cols] = task_shape<T>(x.m, j1 - j0, depth);
      const int64_t down = (x.m + rows - 1) / rows, across = (j1 - j0 + cols - 1) / cols;
      x.packed_left = nullptr;
      if (!x.a_in_place && across > 1 && x.left_rows() * depth <= 4 * kPacked) {
        T* to = shared_left.get<T>(x.left_rows() * depth + kCols<T>);
        pack_all_left(x, to, p0, p1);
        x.packed_left = to;
      }
      parallel_for(down * across, 1, [&, rows = rows, cols = cols](int64_t t, int64_t) {
        const int64_t i = t / across * rows, j = j0 + t % across * cols;
        run_task<S>(x, i, std::min(x.m, i + rows), j, std::min(j1, j + cols), p0, p1, packed, j0, p0 == 0,
                    p1 == x.k);
      });
    }
  }
}

// C^T = B^T A^T: the roles of the operands are not alike (the left one can be read in place along k,
// the right one along n), so the cheaper way round is taken.
template <class S>
void swap_roles(Problem<S>& x) {
  std::swap(x.m, x.n);
  std::swap(x.row_bias, x.col_bias);
  x.c = x.c.t();
  const auto a = x.a;
  x.a = x.b.t();
  x.b = a.t();
}

template <class S>
void run(Problem<S> x) {
  using T = Compute<S>;
  const int64_t work = 2 * x.m * x.n * x.k;
  const bool small = work < kSmall;
  const bool same = std::is_same_v<S, T>;
  // Costs in elements moved.
  const auto cost = [&](const Problem<S>& y) {
    const int64_t right = y.b.col == 1 && (small || y.m <= 4 * kRows) ? 0 : y.n * y.k;
    const int64_t left = same && (small || y.a.col == 1) ? 0 : y.m * y.k;
    const int64_t out = y.c.col == 1 ? 0 : y.m * y.n;
    // A tile that is mostly empty wastes the multiplications too.
    const int64_t waste = (round_up(y.m, kRows) * round_up(y.n, kLanes<T>) - y.m * y.n) * y.k / 8;
    return right + left + out + waste;
  };
  Problem<S> y = x;
  swap_roles(y);
  if (cost(y) < cost(x)) x = y;
  x.b_in_place = same && x.b.col == 1 && (small || x.m <= 4 * kRows);
  x.a_in_place = same && (small || x.a.col == 1);
  if (small) run_small(x);
  else run_large(x);
}

// Long sums into small results: partial results by depth give the threads something to do.
constexpr int64_t kSlice = 8192;

template <class S>
void run_deep(const Problem<S>& x) {
  using T = Compute<S>;
  const int64_t slices = (x.k + kSlice - 1) / kSlice, size = x.m * x.n;
  thread_local Scratch scratch;
  T* partial = scratch.get<T>(slices * size);
  parallel_for(slices, 1, [&](int64_t s, int64_t) {
    Problem<S> y = x;
    y.k = std::min(kSlice, x.k - s * kSlice);
    y.a.data += s * kSlice * y.a.col;
    y.b.data += s * kSlice * y.b.row;
    y.a_in_place = y.b_in_place = false;
    run_block<S>(y, 0, y.m, 0, y.n, 0, y.k, nullptr, 0,
                 {{partial + s * size, y.n, 1}, y.alpha, T(0), nullptr, nullptr, false});
  });
  for (int64_t t = 1; t < slices; ++t)
    for (int64_t i = 0; i < size; ++i) partial[i] += partial[t * size + i];
  finish_tile<S, T>(partial, x.n, x.c, x.m, x.n, T(1), x.beta, x.relu, x.row_bias, x.col_bias);
}

// A matrix times a vector: memory sets the pace, so nothing is packed.
template <class S>
void run_vector(const Problem<S>& x) {  // n == 1
  using T = Compute<S>;
  constexpr int W = kLanes<T>, kAcross = 8;
  const T* v;
  if constexpr (std::is_same_v<S, T>) v = x.b.row == 1 ? x.b.data : nullptr;
  else v = nullptr;
  if (!v) {
    T* copy = right_scratch.get<T>(x.k);
    for (int64_t p = 0; p < x.k; ++p) copy[p] = T(x.b.data[p * x.b.row]);
    v = copy;
  }
  const auto finish = [&](int64_t i, const T* sums, int64_t n) {
    finish_line<S, T>(x.c.data + i * x.c.row, x.c.row, sums, 1, n, x.alpha, x.beta, x.relu, bias_from(x.row_bias, i), x.col_bias);
  };
  const auto dots = [&]<int M>(int64_t i) {
    Vec<T> acc[M] = {};
    int64_t p = 0;
    const S* a = x.a.data + i * x.a.row;
    for (; p + W <= x.k; p += W) {
      const Vec<T> right = load(v + p);
#pragma GCC unroll 4
      for (int r = 0; r < M; ++r) acc[r] += load_as(a + r * x.a.row + p) * right;
    }
    T sums[M] = {};
    for (int r = 0; r < M; ++r) {
      for (int l = 0; l < W; ++l) sums[r] += acc[r][l];
      for (int64_t q = p; q < x.k; ++q) sums[r] += T(a[r * x.a.row + q]) * v[q];
    }
    finish(i, sums, M);
  };
  const auto columns = [&]<int M>(int64_t i) {
    Vec<T> acc[M] = {};
    const S* a = x.a.data + i;
    for (int64_t p = 0; p < x.k; ++p, a += x.a.col) {
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) acc[r] += load_as(a + r * W) * v[p];
    }
    finish(i, reinterpret_cast<const T*>(acc), M * W);
  };
  const int64_t grain = round_up(std::max<int64_t>(1, 65536 / x.k), kAcross * W);
  parallel_for(x.m, grain, [&](int64_t i, int64_t end) {
    if (x.a.col == 1) {
      for (; i + 4 <= end; i += 4) dots.template operator()<4>(i);
      for (; i < end; ++i) dots.template operator()<1>(i);
      return;
    }
    if (x.a.row == 1) {
      for (; i + kAcross * W <= end; i += kAcross * W) columns.template operator()<kAcross>(i);
      for (; i + W <= end; i += W) columns.template operator()<1>(i);
    }
    for (; i < end; ++i) {
      T sum = 0;
      for (int64_t p = 0; p < x.k; ++p) sum += T(x.a.data[i * x.a.row + p * x.a.col]) * v[p];
      finish(i, &sum, 1);
    }
  });
}

template <class S, class T>
void scale(int64_t m, int64_t n, T beta, Strided<S> c, const Epilogue<S>& e) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      S& x = c.data[i * c.row + j * c.col];
      T v = beta == T(0) ? T(0) : T(beta * T(x));
      if (e.row_bias) v += T(e.row_bias[i]);
      if (e.col_bias) v += T(e.col_bias[j]);
      if constexpr (!is_complex_v<T>) {
        if (e.relu && v < T(0)) v = T(0);
      }
      x = S(v);
    }
  }
}

void integer_product(int64_t m, int64_t n, int64_t k, int64_t alpha, Strided<const int64_t> a,
                     Strided<const int64_t> b, int64_t beta, Strided<int64_t> c) {
  // Unsigned, because overflow wraps.
  parallel_for(m, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, n * k)), [&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        int64_t& x = c.data[i * c.row + j * c.col];
        x = beta == 0 ? 0 : int64_t(uint64_t(beta) * uint64_t(x));
      }
      for (int64_t p = 0; p < k; ++p) {
        const uint64_t left = uint64_t(alpha) * uint64_t(a.data[i * a.row + p * a.col]);
        const int64_t* right = b.data + p * b.row;
        int64_t* to = c.data + i * c.row;
        for (int64_t j = 0; j < n; ++j)
          to[j * c.col] = int64_t(uint64_t(to[j * c.col]) + left * uint64_t(right[j * b.col]));
      }
    }
  });
}

// Four real products on the real and imaginary planes, which are just strided views.
template <class R>
void complex_product(int64_t m, int64_t n, int64_t k, std::complex<R> alpha,
                     Strided<const std::complex<R>> a, Strided<const std::complex<R>> b,
                     std::complex<R> beta, Strided<std::complex<R>> c) {
  using C = std::complex<R>;
  const auto plane = [](auto x, int part) {
    using Q = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(x.data)>>, const R, R>;
    return Strided<Q>{reinterpret_cast<Q*>(x.data) + part, 2 * x.row, 2 * x.col};
  };
  // With a scale the product is finished first, so that its terms are rounded once.
  const bool plain = alpha == C(1) && beta == C(0);
  std::vector<C> product(plain ? 0 : m * n);
  const Strided<C> to = plain ? c : Strided<C>{product.data(), n, 1};
  for (int part = 0; part < 2; ++part) {
    gemm<R>(m, n, k, 1, plane(a, 0), plane(b, part), R(0), plane(to, part));
    gemm<R>(m, n, k, part ? R(1) : R(-1), plane(a, 1), plane(b, 1 - part), R(1), plane(to, part));
  }
  if (plain) return;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      C& x = c.data[i * c.row + j * c.col];
      x = beta == C(0) ? alpha * product[i * n + j] : alpha * product[i * n + j] + beta * x;
    }
  }
}

}  // namespace

template <class S>
void gemm(int64_t m, int64_t n, int64_t k, typename ScaleOf<S>::type alpha, Strided<const S> a,
          Strided<const S> b, typename ScaleOf<S>::type beta, Strided<S> c, const Epilogue<S>& e) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0 || alpha == typename ScaleOf<S>::type(0)) return scale(m, n, beta, c, e);
  if constexpr (is_complex_v<S>) {
    complex_product(m, n, k, alpha, a, b, beta, c);
  } else if constexpr (std::is_same_v<S, int64_t>) {
    integer_product(m, n, k, alpha, a, b, beta, c);
  } else {
    Problem<S> x{m, n, k, alpha, beta, a, b, c, e.row_bias, e.col_bias, e.relu, false, false};
    if (m == 1) swap_roles(x);
    if (x.n == 1 && k < 4 * kSlice) run_vector(x);
    else if (k >= 2 * kSlice && m * n <= 4096) run_deep(x);
    else run(x);
  }
}

template <class S>
void gemm_batch(int64_t count, int64_t m, int64_t n, int64_t k, typename ScaleOf<S>::type alpha,
                Strided<const S> a, int64_t a_step, Strided<const S> b, int64_t b_step,
                typename ScaleOf<S>::type beta, Strided<S> c, int64_t c_step) {
  const int64_t work = 2 * m * n * std::max<int64_t>(k, 1);
  const auto one = [&](int64_t i) {
    gemm<S>(m, n, k, alpha, {a.data + i * a_step, a.row, a.col}, {b.data + i * b_step, b.row, b.col}, beta,
            {c.data + i * c_step, c.row, c.col});
  };
  if (count < 8 && work > 4'000'000) {
    for (int64_t i = 0; i < count; ++i) one(i);
    return;
  }
  parallel_for(count, std::max<int64_t>(1, kSmall / std::max<int64_t>(work, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

#define FACULA_GEMM(S)                                                                                   \
  template void gemm<S>(int64_t, int64_t, int64_t, ScaleOf<S>::type, Strided<const S>, Strided<const S>, \
                        ScaleOf<S>::type, Strided<S>, const Epilogue<S>&);                               \
  template void gemm_batch<S>(int64_t, int64_t, int64_t, int64_t, ScaleOf<S>::type, Strided<const S>,    \
                              int64_t, Strided<const S>, int64_t, ScaleOf<S>::type, Strided<S>, int64_t);
FACULA_GEMM(float)
FACULA_GEMM(double)
FACULA_GEMM(bfloat16)
FACULA_GEMM(float16)
FACULA_GEMM(c64)
FACULA_GEMM(c128)
FACULA_GEMM(int64_t)
#undef FACULA_GEMM

}  // namespace facula
