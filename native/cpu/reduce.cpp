// Reductions: sum, product, extrema, any/all, variance. Work is cut by size only, so results do
// not depend on the number of threads.
#include "cpu/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "tensor/storage.h"

namespace facula {

Reduction plan_reduction(const Tensor& x, DType compute, bool has_dims, const Dims& dims, bool keepdim) {
  const int n = x.dim();
  if (n > 64) throw RuntimeError("only tensors with up to 64 dims are supported");
  std::vector<bool> gone(size_t(std::max(n, 1)), !has_dims || dims.empty());
  for (auto d : dims) {
    const auto w = size_t(wrap_dim(d, n));
    if (gone[w] && has_dims) throw RuntimeError("dim ", w, " appears multiple times in the list of dims");
    gone[w] = true;
  }
  Reduction r{{}, 1, 1, 1, {}};
  int first = n, last = -1;
  bool together = true;
  for (int d = 0; d < n; ++d) {
    if (!gone[size_t(d)]) { r.sizes.push_back(x.size(d)); continue; }
    if (keepdim) r.sizes.push_back(1);
    if (last >= 0 && last != d - 1) together = false;
    first = std::min(first, d);
    last = d;
  }
  Tensor y = x;
  if (!together) {
    Dims order;
    for (int d = 0; d < n; ++d) if (!gone[size_t(d)]) order.push_back(d);
    first = order.ndim();
    for (int d = 0; d < n; ++d) if (gone[size_t(d)]) order.push_back(d);
    last = n - 1;
    y = permuted(x, order);
  }
  for (int d = 0; d < n; ++d) (d < first ? r.outer : d <= last ? r.count : r.inner) *= y.size(d);
  r.x = x.is_meta() ? x : contiguous_as(y, compute);
  return r;
}

namespace {

constexpr int64_t kPiece = 32 << 10;   // elements per parallel piece
constexpr int64_t kLanes = 16;

// A short row in the order in which PyTorch's AVX2 kernel adds it, so that losses and what follows from them are equal to the
// last bit: four registers in turn, what is left over first, then the lanes. From 16 rounds on it has a cascade of levels.
template <class T>
T short_sum(const T* p, int64_t n) {
  constexpr int64_t width = 32 / sizeof(T);
  T total = 0;
  const int64_t vectors = n / width;
  if (vectors == 0) {
    T part[4] = {};
    for (int64_t i = 0; i < n; ++i) part[i < n / 4 * 4 ? i % 4 : 0] += p[i];
    return part[0] + part[1] + part[2] + part[3];
  }
  T lanes[4][width] = {};
  int64_t v = 0;
  for (; v + 4 <= vectors; v += 4)
    for (int64_t r = 0; r < 4; ++r)
      for (int64_t k = 0; k < width; ++k) lanes[r][k] += p[(v + r) * width + k];
  for (; v < vectors; ++v)
    for (int64_t k = 0; k < width; ++k) lanes[0][k] += p[v * width + k];
  if (vectors >= 4)
    for (int64_t r = 1; r < 4; ++r)
      for (int64_t k = 0; k < width; ++k) lanes[0][k] += lanes[r][k];
  for (int64_t i = vectors * width; i < n; ++i) total += p[i];
  for (int64_t k = 0; k < width; ++k) total += lanes[0][k];
  return total;
}


struct Sum {
  template <class T> static Wide<T> run(const T* p, int64_t n) {
    if constexpr (std::is_floating_point_v<T>) if (n < int64_t(16 * 4 * 32 / sizeof(T))) return short_sum(p, n);
    return sum_terms<T>(n, [p](int64_t i) { return p[i]; });
  }
  template <class T> static T start() { return T(0); }
  template <class T> static T join(T a, T b) { return a + b; }
};
struct Product {
  template <class T> static Wide<T> run(const T* p, int64_t n) { Wide<T> v = 1; for (int64_t i = 0; i < n; ++i) v *= Wide<T>(p[i]); return v; }
  template <class T> static T start() { return T(1); }
  template <class T> static T join(T a, T b) { return a * b; }
};
struct ExclusiveOr {
  template <class T> static T run(const T* p, int64_t n) { T v = 0; for (int64_t i = 0; i < n; ++i) v ^= p[i]; return v; }
  template <class T> static T start() { return T(0); }
  template <class T> static T join(T a, T b) { return a ^ b; }
};
template <bool kMax>
struct Extreme {
  template <class T> static bool better(T a, T b) { return kMax ? a > b : a < b; }
  template <class T> static T join(T a, T b) {  // NaN wins
    if constexpr (std::is_floating_point_v<T>) return b != b ? b : a != a ? a : better(b, a) ? b : a;
    else return better(b, a) ? b : a;
  }
  template <class T> static T start() {
    if constexpr (std::is_floating_point_v<T>) return kMax ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
    else return kMax ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  }
  template <class T> static T run(const T* p, int64_t n) {
    using Lanes [[gnu::vector_size(32)]] = T;
    using Mask = decltype(Lanes{} != Lanes{});
    constexpr int64_t kWidth = sizeof(Lanes) / sizeof(T), kChains = 4;  // comparisons that do not wait for one another
    Lanes best[kChains];
    Mask nan = {};
    for (auto& l : best) l = Lanes{} + start<T>();
    int64_t i = 0;
    for (; i + kChains * kWidth <= n; i += kChains * kWidth) {
      for (int64_t k = 0; k < kChains; ++k) {
        Lanes x;
        std::memcpy(&x, p + i + k * kWidth, sizeof x);
        best[k] = (kMax ? x > best[k] : x < best[k]) ? x : best[k];
        if constexpr (std::is_floating_point_v<T>) nan |= x != x;
      }
    }
    T v = start<T>();
    bool bad = false;
    for (int64_t k = 0; k < kWidth; ++k) {
      for (auto& l : best) v = better(l[k], v) ? T(l[k]) : v;
      bad |= nan[k] != 0;
    }
    for (; i < n; ++i) { v = better(p[i], v) ? p[i] : v; bad |= p[i] != p[i]; }
    if constexpr (std::is_floating_point_v<T>) if (bad) return std::numeric_limits<T>::quiet_NaN();
    return v;
  }
};

// One result per (outer, inner); R is the accumulator's type.
template <class Op, class T, class R>
void reduce_into(const Reduction& r, R* out) {
  const T* p = r.x.data<T>();
  if (r.inner == 1) {
    if (r.outer == 1 && r.count > kPiece) {
      const int64_t pieces = (r.count + kPiece - 1) / kPiece;
      Scratch<R> partial(pieces);
      R* q = partial.get();
      parallel_for(pieces, 1, [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; ++i) q[i] = R(Op::template run<T>(p + i * kPiece, std::min(kPiece, r.count - i * kPiece)));
      });
      R v = q[0];
      for (int64_t i = 1; i < pieces; ++i) v = Op::template join<R>(v, q[i]);
      out[0] = v;
      return;
    }
    parallel_for(r.outer, std::max<int64_t>(1, kPiece / std::max<int64_t>(r.count, 1)), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) out[i] = R(Op::template run<T>(p + i * r.count, r.count));
    });
    return;
  }
  // Columns: rows are added up a strip of columns at a time.
  const int64_t strip = 256, strips = (r.inner + strip - 1) / strip;
  parallel_for(r.outer * strips, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, strip * r.count)), [&](int64_t a, int64_t b) {
    R acc[strip];
    for (int64_t job = a; job < b; ++job) {
      const int64_t o = job / strips, c0 = job % strips * strip, n = std::min(strip, r.inner - c0);
      for (int64_t c = 0; c < n; ++c) acc[c] = Op::template start<R>();
      for (int64_t k = 0; k < r.count; ++k) {
        const T* row = p + (o * r.count + k) * r.inner + c0;
        for (int64_t c = 0; c < n; ++c) acc[c] = Op::template join<R>(acc[c], R(row[c]));
      }
      std::copy_n(acc, n, out + o * r.inner + c0);
    }
  });
}

struct Options { bool has_dims; Dims dims; bool keepdim; };
Options options_of(Call& c) { return {c.args.size() > 1 && c.has(1), c.has(1) ? c.ints(1) : Dims(), c.flag(2)}; }

template <class Op, bool kOrdered = false>
Tensor run(const Tensor& x, const Options& o, DType compute, DType result, double scale = 0) {
  const Reduction r = plan_reduction(x, compute, o.has_dims, o.dims, o.keepdim);
  if (x.is_meta()) return empty(r.sizes, result, x.device());
  auto body = [&]<class T>() -> Tensor {
    using R = decltype(Op::template run<T>(nullptr, 0));
    Tensor wide = empty(r.sizes, dtype_of<R>);
    reduce_into<Op, T, R>(r, wide.data<R>());
    if (scale != 0) {
      R* p = wide.data<R>();
      for (int64_t i = 0; i < wide.numel(); ++i) p[i] = R(p[i] / R(double(r.count)));
    }
    return cast(wide, result);
  };
  if constexpr (kOrdered) return for_ordered(compute, "reduce", body);
  else return for_compute(compute, "reduce", body);
}

// sum(input, dim?, keepdim, dtype?)
void sum(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = c.dtype(3, is_integral(x.dtype()) || x.dtype() == DType::bool_ ? DType::int64 : x.dtype());
  c.out.push_back(run<Sum>(x, options_of(c), compute_dtype(type), type));
}
void prod(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = c.dtype(3, is_integral(x.dtype()) || x.dtype() == DType::bool_ ? DType::int64 : x.dtype());
  c.out.push_back(run<Product>(x, options_of(c), compute_dtype(type), type));
}
// exclusive or(input, dim, keepdim) of int64
void exclusive_or(Call& c) {
  const Options o = options_of(c);
  const Reduction r = plan_reduction(c.tensor(0), DType::int64, o.has_dims, o.dims, o.keepdim);
  const Tensor result = empty(r.sizes, DType::int64, c.tensor(0).device());
  c.out.push_back(result);
  if (!result.is_meta()) reduce_into<ExclusiveOr, int64_t, int64_t>(r, result.data<int64_t>());
}
void mean(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = c.dtype(3, x.dtype());
  if (!is_inexact(type))
    throw RuntimeError("mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ", scalar_type_name(x.dtype()));
  c.out.push_back(run<Sum>(x, options_of(c), compute_dtype(type), type, 1));
}

void check_not_empty(const Tensor& x, const Options& o, std::string_view op) {
  if (x.numel() != 0) return;
  if (!o.has_dims || o.dims.empty())
    throw RuntimeError(op, "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
  for (auto d : o.dims)
    if (x.dim() && x.size(wrap_dim(d, x.dim())) == 0) throw IndexError(op, "(): Expected reduction dim ", d, " to have non-zero size.");
}
template <bool kMax>
void extreme(Call& c) {
  const Tensor& x = c.tensor(0);
  const Options o = options_of(c);
  check_not_empty(x, o, c.op);
  if (is_complex(x.dtype())) not_implemented_for(c.op, x.dtype());
  c.out.push_back(run<Extreme<kMax>, true>(x, o, compute_dtype(x.dtype()), x.dtype()));
}

// ---- with indices: (input, dim?, keepdim) -> values and positions; the first of equals.
template <bool kMax>
void extreme_index(Call& c, Tensor& values, Tensor& indices) {
  const Tensor& x = c.tensor(0);
  Options o{c.has(1), {}, c.flag(2)};
  if (c.has(1)) o.dims.push_back(c.integer(1));
  check_not_empty(x, o, c.op);
  if (is_complex(x.dtype())) not_implemented_for(c.op, x.dtype());
  const DType compute = compute_dtype(x.dtype());
  const Reduction r = plan_reduction(x, compute, o.has_dims, o.dims, o.keepdim);
  indices = empty(r.sizes, DType::int64, x.device());
  values = empty(r.sizes, compute, x.device());
  if (x.is_meta()) { values = empty(r.sizes, x.dtype(), x.device()); return; }
  for_ordered(compute, c.op, [&]<class T> {
      const T* p = r.x.data<T>();
      T* v = values.data<T>();
      int64_t* at = indices.data<int64_t>();
      if (r.inner == 1) {
        parallel_for(r.outer, std::max<int64_t>(1, kPiece / std::max<int64_t>(r.count, 1)), [&](int64_t a, int64_t b) {
          for (int64_t i = a; i < b; ++i) {
            const T* row = p + i * r.count;
            const T best = Extreme<kMax>::template run<T>(row, r.count);
            int64_t k = 0;
            if (best != best) { while (row[k] == row[k]) ++k; } else { while (row[k] != best) ++k; }
            v[i] = row[k];
            at[i] = k;
          }
        });
        return;
      }
      const int64_t strip = 256, strips = (r.inner + strip - 1) / strip;
      parallel_for(r.outer * strips, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, strip * r.count)), [&](int64_t a, int64_t b) {
        T best[strip];
        int64_t place[strip];
        for (int64_t job = a; job < b; ++job) {
          const int64_t outer = job / strips, c0 = job % strips * strip, n = std::min(strip, r.inner - c0);
          std::copy_n(p + outer * r.count * r.inner + c0, n, best);
          std::fill_n(place, n, 0);
          for (int64_t k = 1; k < r.count; ++k) {
            const T* row = p + (outer * r.count + k) * r.inner + c0;
            for (int64_t i = 0; i < n; ++i) {
              const bool take = Extreme<kMax>::better(row[i], best[i]) || (row[i] != row[i] && best[i] == best[i]);
              const bool keep = best[i] != best[i];
              place[i] = take && !keep ? k : place[i];
              best[i] = take && !keep ? row[i] : best[i];
            }
          }
          std::copy_n(best, n, v + outer * r.inner + c0);
          std::copy_n(place, n, at + outer * r.inner + c0);
        }
      });
  });
  values = cast(values, x.dtype());
}
template <bool kMax>
void with_index(Call& c) {
  Tensor v, i;
  extreme_index<kMax>(c, v, i);
  c.out.push_back(v);
  c.out.push_back(i);
}
template <bool kMax>
void only_index(Call& c) {
  if (c.tensor(0).dtype() == DType::bool_) throw RuntimeError(kMax ? "argmax" : "argmin", "(): does not support bool input");
  Tensor v, i;
  extreme_index<kMax>(c, v, i);
  c.out.push_back(i);
}

// ---- any, all
template <bool kAny>
void logical(Call& c) {
  const Tensor& x = c.tensor(0);
  const Options o = options_of(c);
  const Reduction r = plan_reduction(x, DType::bool_, o.has_dims, o.dims, o.keepdim);
  const DType type = x.dtype() == DType::uint8 ? DType::uint8 : DType::bool_;
  Tensor out = empty(r.sizes, DType::bool_, x.device());
  if (!x.is_meta()) {
    const bool* p = r.x.data<bool>();
    bool* q = out.data<bool>();
    parallel_for(r.outer * r.inner, std::max<int64_t>(1, kPiece / std::max<int64_t>(r.count, 1)), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) {
        const bool* row = p + i / r.inner * r.count * r.inner + i % r.inner;
        bool v = !kAny;
        for (int64_t k = 0; k < r.count && v != kAny; ++k) v = row[k * r.inner];
        q[i] = v;
      }
    });
  }
  c.out.push_back(cast(out, type));
}

// body(place of the first element, columns) for strips of columns of [outer, count, inner].
constexpr int64_t kStrip = 256;
template <class Body>
void each_strip(int64_t outer, int64_t count, int64_t inner, const Body& body) {
  const int64_t strips = (inner + kStrip - 1) / kStrip;
  parallel_for(outer * strips, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, kStrip * count)), [&](int64_t a, int64_t b) {
    for (int64_t job = a; job < b; ++job) {
      const int64_t column = job % strips * kStrip;
      body(job / strips * count * inner + column, std::min(kStrip, inner - column));
    }
  });
}

// ---- var(input, dim?, correction, keepdim) -> variance, mean: two passes over cached rows.
void variance(Call& c) {
  const Tensor& x = c.tensor(0);
  const Options o{c.has(1), c.has(1) ? c.ints(1) : Dims(), c.flag(3)};
  if (!is_inexact(x.dtype())) throw RuntimeError("std and var only support floating point and complex dtypes");
  const double correction = c.real(2, 1);
  const DType compute = compute_dtype(x.dtype());
  const Reduction r = plan_reduction(x, compute, o.has_dims, o.dims, o.keepdim);
  if (x.is_meta()) { c.out = {empty(r.sizes, to_real(x.dtype()), x.device()), empty(r.sizes, x.dtype(), x.device())}; return; }
  const double divisor = std::max(0.0, double(r.count) - correction);
  Tensor m = empty(r.sizes, compute), v = empty(r.sizes, to_real(compute));
  for_inexact(compute, "var", [&]<class T> {
    using W = Wide<T>;
    Scratch<W> sums(std::max<int64_t>(1, m.numel()));
    reduce_into<Sum, T, W>(r, sums.get());
    const T* p = r.x.data<T>();
    const W* s = sums.get();
    T* means = m.data<T>();
    auto* out = reinterpret_cast<decltype(std::abs(T()))*>(v.raw());
    const int64_t n = m.numel();
    auto deviation = [&](int64_t i, int64_t k0, int64_t k1) {
      const W mean = s[i] / W(double(r.count));
      const T* row = p + i / r.inner * r.count * r.inner + i % r.inner;
      double lanes[8] = {};
      int64_t k = k0;
      if (r.inner == 1)
        for (; k + 8 <= k1; k += 8)
          for (int64_t l = 0; l < 8; ++l) { const auto d = W(row[k + l]) - mean; lanes[l] += std::norm(d); }
      for (; k < k1; ++k) lanes[0] += std::norm(W(row[k * r.inner]) - mean);
      double total = 0;
      for (double l : lanes) total += l;
      return total;
    };
    for (int64_t i = 0; i < n; ++i) means[i] = T(s[i] / W(double(r.count)));
    using Real = decltype(std::abs(T()));
    if (n == 1 && r.count > kPiece) {
      const int64_t pieces = (r.count + kPiece - 1) / kPiece;
      Scratch<double> partial(pieces);
      double* q = partial.get();
      parallel_for(pieces, 1, [&](int64_t a, int64_t b) { for (int64_t i = a; i < b; ++i) q[i] = deviation(0, i * kPiece, std::min(r.count, (i + 1) * kPiece)); });
      double total = 0;
      for (int64_t i = 0; i < pieces; ++i) total += q[i];
      out[0] = Real(total / divisor);
    } else if (r.inner > 1 && r.count > 0) {
      each_strip(r.outer, r.count, r.inner, [&](int64_t base, int64_t width) {
        const int64_t first = base / (r.count * r.inner) * r.inner + base % r.inner;
        W centre[kStrip];
        double total[kStrip] = {};
        for (int64_t i = 0; i < width; ++i) centre[i] = s[first + i] / W(double(r.count));
        for (int64_t k = 0; k < r.count; ++k)
          for (int64_t i = 0; i < width; ++i) total[i] += std::norm(W(p[base + k * r.inner + i]) - centre[i]);
        for (int64_t i = 0; i < width; ++i) out[first + i] = Real(total[i] / divisor);
      });
    } else {
      parallel_for(n, std::max<int64_t>(1, kPiece / std::max<int64_t>(r.count, 1)), [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; ++i) out[i] = Real(deviation(i, 0, r.count) / divisor);
      });
    }
  });
  c.out = {cast(v, to_real(x.dtype())), cast(m, x.dtype())};
}

// Each sum waits for the one before it, so several rows go side by side.
template <bool kProduct, int kRows, class T>
void cumulate_rows(const T* p, T* q, int64_t n) {
  Wide<T> v[kRows];
  for (auto& x : v) x = kProduct ? Wide<T>(1) : Wide<T>(0);
  for (int64_t k = 0; k < n; ++k)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      if constexpr (kProduct) v[r] *= Wide<T>(p[r * n + k]);
      else v[r] += Wide<T>(p[r * n + k]);
      q[r * n + k] = T(v[r]);
    }
}

// cumsum / cumprod (input, dim, dtype?)
template <bool kProduct>
void cumulate(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = c.dtype(2, is_integral(x.dtype()) || x.dtype() == DType::bool_ ? DType::int64 : x.dtype());
  const int64_t d = wrap_dim(c.integer(1), x.dim());
  const DType compute = compute_dtype(type);
  Tensor out = empty(x.sizes(), compute, x.device());
  if (!x.is_meta() && x.numel()) {
    Tensor in = contiguous_as(x, compute);
    int64_t outer = 1, inner = 1, n = x.dim() ? x.size(d) : 1;
    for (int i = 0; i < x.dim(); ++i) (i < d ? outer : i > d ? inner : n) *= i == d ? 1 : x.size(i);
    for_compute(compute, c.op, [&]<class T> {
      const T* p = in.data<T>();
      T* q = out.data<T>();
      if (inner > 1) {  // rows are read in order, a strip of columns at a time
        each_strip(outer, n, inner, [&](int64_t base, int64_t width) {
          Wide<T> v[kStrip];
          std::fill_n(v, width, kProduct ? Wide<T>(1) : Wide<T>(0));
          for (int64_t k = 0; k < n; ++k)
            for (int64_t i = 0, at = base + k * inner; i < width; ++i, ++at) {
              if constexpr (kProduct) v[i] *= Wide<T>(p[at]);
              else v[i] += Wide<T>(p[at]);
              q[at] = T(v[i]);
            }
        });
        return;
      }
      parallel_for(outer, std::max<int64_t>(1, kPiece / n), [&](int64_t a, int64_t b) {
        for (; a + 4 <= b; a += 4) cumulate_rows<kProduct, 4>(p + a * n, q + a * n, n);
        for (; a < b; ++a) cumulate_rows<kProduct, 1>(p + a * n, q + a * n, n);
      });
    });
  }
  c.out.push_back(out.is_meta() ? empty(x.sizes(), type, x.device()) : cast(out, type));
}

// Overloads without dim: (input, dtype?) or (input).
template <void (*kKernel)(Call&)>
void everything(Call& c) {
  std::vector<Value> args(4);
  args[0] = c.args[0];
  if (c.args.size() > 1) args[3] = c.args[1];
  Call all{c.op, args, {}};
  kKernel(all);
  c.out = std::move(all.out);
}
// One dimension given as an integer: (input, dim, keepdim, dtype?).
template <void (*kKernel)(Call&)>
void one_dim(Call& c) {
  std::vector<Value> args(c.args.begin(), c.args.end());
  args[1].kind = Value::ints;
  args[1].dims = {c.integer(1)};
  Call all{c.op, args, {}};
  kKernel(all);
  c.out = std::move(all.out);
}

const Register here[] = {
    {"reduce.sum_all", everything<sum>}, {"reduce.mean_all", everything<mean>}, {"reduce.prod_all", everything<prod>},
    {"reduce.prod_dim", one_dim<prod>}, {"reduce.amax_all", everything<extreme<true>>}, {"reduce.amin_all", everything<extreme<false>>},
    {"reduce.any_everything", everything<logical<true>>}, {"reduce.all_everything", everything<logical<false>>},
    {"reduce.xor", exclusive_or}, {"reduce.sum", sum}, {"reduce.prod", prod}, {"reduce.mean", mean}, {"reduce.amax", extreme<true>}, {"reduce.amin", extreme<false>},
    {"reduce.max_dim", with_index<true>}, {"reduce.min_dim", with_index<false>}, {"reduce.argmax", only_index<true>},
    {"reduce.argmin", only_index<false>}, {"reduce.any", logical<true>}, {"reduce.all", logical<false>}, {"reduce.var_mean", variance},
    {"reduce.cumsum", cumulate<false>}, {"reduce.cumprod", cumulate<true>}};

}  // namespace
}  // namespace facula
