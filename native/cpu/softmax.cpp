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

// An operation on rows a (and b): a sum of terms, where kTop less the row's maximum; a number made of it; results from that.
template <class T>
struct Softmax {
  static constexpr bool kTop = true;
  static T term(T a, T, T top) { return m::exp(a - top); }
  static T prepare(T, T sum) { return T(1) / sum; }
  static T result(T, T, T term, T scale) { return term * scale; }
};
template <class T>
struct LogSoftmax {
  static constexpr bool kTop = true;
  static T term(T a, T, T top) { return m::exp(a - top); }
  static T prepare(T top, T sum) { return top + std::log(sum); }
  static T result(T a, T, T, T shift) { return a - shift; }
};
template <class T>
struct SoftmaxBack {
  static constexpr bool kTop = false;
  static T term(T grad, T y, T) { return grad * y; }
  static T prepare(T, T sum) { return sum; }
  static T result(T grad, T y, T, T dot) { return y * (grad - dot); }
};
template <class T>
struct LogSoftmaxBack {
  static constexpr bool kTop = false;
  static T term(T grad, T, T) { return grad; }
  static T prepare(T, T sum) { return sum; }
  static T result(T grad, T y, T, T sum) { return grad - m::exp(y) * sum; }
};

// One contiguous row. Sixteen lanes keep float sums exact enough and the loop vectorised.
template <class Op, class T>
void by_row(const T* a, const T* b, T* __restrict out, int64_t n) {
  const T top = Op::kTop ? row_max(a, n) : T(0);
  T lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; ++k) lanes[k] += out[i + k] = Op::term(a[i + k], b[i + k], top);
  for (; i < n; ++i) lanes[0] += out[i] = Op::term(a[i], b[i], top);
  double sum = 0;
  for (auto l : lanes) sum += double(l);
  const T p = Op::prepare(top, T(sum));
  for (i = 0; i < n; ++i) out[i] = Op::result(a[i], b[i], out[i], p);
}

// Rows side by side: element i of row l stands at i * step + l.
constexpr int64_t kLanes = 64;
template <class Op, class T>
void by_columns(const T* a, const T* b, T* __restrict out, int64_t step, int64_t n, int64_t lanes) {
  T top[kLanes] = {}, p[kLanes];
  double sum[kLanes] = {};
  if (Op::kTop) {
    std::fill_n(top, lanes, -m::inf<T>);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t l = 0; l < lanes; ++l) top[l] = a[i * step + l] > top[l] ? a[i * step + l] : top[l];
    for (int64_t l = 0; l < lanes; ++l) top[l] = top[l] == -m::inf<T> ? a[l] : top[l];
  }
  for (int64_t i = 0; i < n; ++i)
    for (int64_t l = 0; l < lanes; ++l) {
      const T t = Op::term(a[i * step + l], b[i * step + l], top[l]);
      out[i * step + l] = t;
      sum[l] += double(t);
    }
  for (int64_t l = 0; l < lanes; ++l) p[l] = Op::prepare(top[l], T(sum[l]));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t at = i * step + l;
      out[at] = Op::result(a[at], b[at], out[at], p[l]);
    }
}

// Short rows, or ones whose elements lie apart, pass through buffers that hold many of them side by side.
template <class Op, class T>
void by_buffer(const Rows& r, const T* a, const T* b, T* out) {
  const int64_t lanes = r.count <= 256 ? kLanes : kLanes / 4, rows = r.outer * r.inner;
  parallel_for((rows + lanes - 1) / lanes, std::max<int64_t>(1, kPiece / (lanes * r.count)), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(size_t((a == b ? 2 : 3) * lanes * r.count));
    T *x = buffer.data(), *z = x + lanes * r.count, *y = a == b ? x : z + lanes * r.count;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * lanes, m = std::min(lanes, rows - first);
      const auto each = [&](const auto& move) {
        for (int64_t l = 0; l < m; ++l) {
          const int64_t row = first + l, base = row / r.inner * r.count * r.inner + row % r.inner;
          for (int64_t k = 0; k < r.count; ++k) move(k * lanes + l, base + k * r.inner);
        }
      };
      each([&](int64_t to, int64_t from) { x[to] = a[from]; });
      if (a != b) each([&](int64_t to, int64_t from) { y[to] = b[from]; });
      by_columns<Op>(x, y, z, lanes, r.count, m);
      each([&](int64_t from, int64_t to) { out[to] = z[from]; });
    }
  });
}

template <class Op, class T>
void run(const Rows& r, const T* a, const T* b, T* out) {
  if (r.inner == 1 && r.count >= (Op::kTop ? 32 : 8)) {  // the maximum and its exponentials pay for moving, sums alone do not
    parallel_for(r.outer, std::max<int64_t>(1, kPiece / r.count), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) by_row<Op>(a + i * r.count, b + i * r.count, out + i * r.count, r.count);
    });
  } else if (r.inner >= 16) {
    const int64_t strips = (r.inner + kLanes - 1) / kLanes;
    parallel_for(r.outer * strips, std::max<int64_t>(1, kPiece / (kLanes * r.count)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t l = t % strips * kLanes, at = t / strips * r.count * r.inner + l;
        by_columns<Op>(a + at, b + at, out + at, r.inner, r.count, std::min(kLanes, r.inner - l));
      }
    });
  } else by_buffer<Op>(r, a, b, out);
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
      run<std::conditional_t<kLog, LogSoftmax<T>, Softmax<T>>>(rows_of(in, dim), in.data<T>(), in.data<T>(), out.data<T>());
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
      run<std::conditional_t<kLog, LogSoftmaxBack<T>, SoftmaxBack<T>>>(rows_of(y, wrap_dim(c.integer(2), y.dim())), grad.data<T>(), result.data<T>(),
                                                                       out.data<T>());
    });
  c.out.push_back(cast(out, y.dtype()));
}

const Register here[] = {{"softmax.softmax", forward<false>}, {"softmax.log_softmax", forward<true>}, {"softmax.softmax_back", backward<false>},
                         {"softmax.log_softmax_back", backward<true>}};

}  // namespace
}  // namespace facula
