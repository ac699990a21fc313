// Running extrema with their places, and the running log of a sum of exponentials.
#include <cmath>

#include "cpu/parallel.h"
#include "index/sort.h"

namespace facula {
namespace {

template <bool kMax>
void running_extreme(Call& c) {  // cummax(input, dim): the last of equals
  const Tensor& x = c.tensor(0);
  if (is_complex(x.dtype())) not_implemented_for(c.op, x.dtype());
  const int64_t d = wrap_dim(c.integer(1), x.dim());
  if (x.is_meta()) { c.out = {empty(x.sizes(), x.dtype(), x.device()), empty(x.sizes(), DType::int64, x.device())}; return; }
  const DType compute = compute_dtype(x.dtype());
  const Tensor in = rows_of(x, d, compute);
  Tensor values = empty(in.sizes(), compute), indices = empty(in.sizes(), DType::int64);
  const int64_t n = in.dim() ? in.size(-1) : 1;
  for_ordered(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T* v = values.data<T>();
    int64_t* at = indices.data<int64_t>();
    parallel_for(n ? in.numel() / n : 0, std::max<int64_t>(1, 32768 / std::max<int64_t>(n, 1)), [&](int64_t a, int64_t b) {
      for (int64_t i = a * n; i < b * n; i += n) {
        T best = p[i];
        int64_t place = 0;
        for (int64_t k = 0; k < n; ++k) {
          const T y = p[i + k];
          if (y != y || (best == best && (kMax ? y >= best : y <= best))) { best = y; place = k; }
          v[i + k] = best;
          at[i + k] = place;
        }
      }
    });
  });
  c.out = {rows_back(values, d, x.dtype()), rows_back(indices, d, DType::int64)};
}

template <class T>
T log_add(T a, T b) {
  if constexpr (is_complex_v<T>) {
    using R = typename T::value_type;
    if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag()))
      return T(std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::quiet_NaN());
    const T low = a.real() < b.real() ? a : b, high = a.real() < b.real() ? b : a;
    if (std::isinf(low.real()) && low.real() < 0) return high;
    return high + std::log(T(1) + std::exp(low - high));
  } else {
    if (a != a || b != b) return a + b;
    const T low = std::min(a, b), high = std::max(a, b);
    return low == high && std::isinf(low) ? high : high + std::log1p(std::exp(low - high));
  }
}
void logcumsumexp(Call& c) {
  const Tensor& x = c.tensor(0);
  if (!is_inexact(x.dtype())) not_implemented_for("logcumsumexp_out_cpu", x.dtype());
  const int64_t d = wrap_dim(c.integer(1), x.dim());
  if (x.is_meta()) { c.out.push_back(empty(x.sizes(), x.dtype(), x.device())); return; }
  const DType compute = compute_dtype(x.dtype());
  const Tensor in = rows_of(x, d, compute);
  Tensor out = empty(in.sizes(), compute);
  const int64_t n = in.dim() ? in.size(-1) : 1;
  for_inexact(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T* q = out.data<T>();
    parallel_for(n ? in.numel() / n : 0, std::max<int64_t>(1, 4096 / std::max<int64_t>(n, 1)), [&](int64_t a, int64_t b) {
      for (int64_t i = a * n; i < b * n; i += n) {
        T sum = p[i];
        for (int64_t k = 0; k < n; ++k) q[i + k] = sum = k ? log_add(sum, p[i + k]) : sum;
      }
    });
  });
  c.out.push_back(rows_back(out, d, x.dtype()));
}

const Register here[] = {{"scan.cummax", running_extreme<true>}, {"scan.cummin", running_extreme<false>}, {"scan.logcumsumexp", logcumsumexp}};

}  // namespace
}  // namespace facula
