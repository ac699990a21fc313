// softmax and log_softmax with their gradients: each row is read once from memory, then from cache.
#include <algorithm>
#include <cmath>

#include "cpu/math.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 16 << 10;

struct Rows { int64_t outer, count, inner; };
Rows rows_of(const Tensor& x, int64_t dim) {
  Rows r{1, x.dim() ? x.size(dim) : 1, 1};
  for (int d = 0; d < x.dim(); ++d) (d < dim ? r.outer : d > dim ? r.inner : r.count) *= d == dim ? 1 : x.size(d);
  return r;
}

// Runs body(in row, out row) on contiguous rows; strided ones (inner > 1) pass through a buffer.
template <class T, class Body>
void each_row(const Rows& r, const T* a, const T* b, T* out, const Body& body) {
  parallel_for(r.outer * r.inner, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, r.count)), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(r.inner > 1 ? size_t(3 * r.count) : 0);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t base = i / r.inner * r.count * r.inner + i % r.inner;
      if (r.inner == 1) { body(a + base, b ? b + base : nullptr, out + base, r.count); continue; }
      T *x = buffer.data(), *y = x + r.count, *z = y + r.count;
      for (int64_t k = 0; k < r.count; ++k) { x[k] = a[base + k * r.inner]; if (b) y[k] = b[base + k * r.inner]; }
      body(x, b ? y : nullptr, z, r.count);
      for (int64_t k = 0; k < r.count; ++k) out[base + k * r.inner] = z[k];
    }
  });
}

template <class T>
T row_max(const T* x, int64_t n) {
  T lanes[16];
  for (auto& l : lanes) l = -m::inf<T>;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  T v = lanes[0];
  for (auto l : lanes) v = l > v ? l : v;
  return v == -m::inf<T> ? x[0] : v;
}

// Sixteen lanes keep float sums exact enough and the loop vectorised.
template <class T, class F>
T lane_sum(int64_t n, const F& f) {
  T lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; ++k) lanes[k] += f(i + k);
  for (; i < n; ++i) lanes[0] += f(i);
  double total = 0;
  for (auto l : lanes) total += double(l);
  return T(total);
}

template <class T>
void softmax_row(const T* x, const T*, T* out, int64_t n) {
  const T top = row_max(x, n);
  for (int64_t i = 0; i < n; ++i) out[i] = m::exp(x[i] - top);
  const T scale = T(1) / lane_sum<T>(n, [&](int64_t i) { return out[i]; });
  for (int64_t i = 0; i < n; ++i) out[i] *= scale;
}
template <class T>
void log_softmax_row(const T* x, const T*, T* out, int64_t n) {
  const T top = row_max(x, n);
  const T shift = top + std::log(lane_sum<T>(n, [&](int64_t i) { return m::exp(x[i] - top); }));
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] - shift;
}
template <class T>
void softmax_back(const T* grad, const T* y, T* out, int64_t n) {
  const T dot = lane_sum<T>(n, [&](int64_t i) { return grad[i] * y[i]; });
  for (int64_t i = 0; i < n; ++i) out[i] = y[i] * (grad[i] - dot);
}
template <class T>
void log_softmax_back(const T* grad, const T* y, T* out, int64_t n) {
  const T sum = lane_sum<T>(n, [&](int64_t i) { return grad[i]; });
  for (int64_t i = 0; i < n; ++i) out[i] = grad[i] - m::exp(y[i]) * sum;
}

// (input, dim)
template <bool kLog>
void forward(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t dim = wrap_dim(c.integer(1), x.dim());
  const DType type = x.dtype();
  if (!is_floating(type)) not_implemented_for(kLog ? "log_softmax_lastdim_kernel_impl" : "softmax_lastdim_kernel_impl", type);
  const DType compute = compute_dtype(type);
  Tensor out = empty(x.sizes(), compute, x.device());
  if (x.is_meta()) { c.out.push_back(empty(x.sizes(), type, x.device())); return; }
  Tensor in = contiguous_as(x, compute);
  if (x.numel())
    for_floating(compute, c.op, [&]<class T> {
      each_row<T>(rows_of(in, dim), in.data<T>(), nullptr, out.data<T>(), kLog ? log_softmax_row<T> : softmax_row<T>);
    });
  c.out.push_back(cast(out, type));
}
// (grad, result, dim)
template <bool kLog>
void backward(Call& c) {
  const Tensor &g = c.tensor(0), &y = c.tensor(1);
  const DType compute = compute_dtype(y.dtype());
  Tensor grad = contiguous_as(g, compute), result = contiguous_as(y, compute), out = empty(y.sizes(), compute, y.device());
  if (y.numel() && !y.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      each_row<T>(rows_of(y, wrap_dim(c.integer(2), y.dim())), grad.data<T>(), result.data<T>(), out.data<T>(), kLog ? log_softmax_back<T> : softmax_back<T>);
    });
  c.out.push_back(cast(out, y.dtype()));
}

const Register here[] = {{"softmax.softmax", forward<false>}, {"softmax.log_softmax", forward<true>}, {"softmax.softmax_back", backward<false>},
                         {"softmax.log_softmax_back", backward<true>}};

}  // namespace
}  // namespace facula
