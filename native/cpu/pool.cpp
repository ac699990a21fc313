// Pooling in one, two or three dimensions by one implementation: missing dimensions have size 1.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

struct Window {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {}, dilation[3] = {1, 1, 1};
  int64_t planes = 1;
  Dims sizes;  // of the result
};

int64_t at(const Dims& d, int i, int64_t otherwise) { return d.empty() ? otherwise : d[d.size() == 1 ? 0 : size_t(i)]; }

Window plan(std::string_view op, const Tensor& x, int n, const Dims& kernel, const Dims& stride, const Dims& pad, const Dims& dilation, bool ceil) {
  if (x.dim() != n + 1 && x.dim() != n + 2)
    throw RuntimeError(op, "(): Expected ", n + 1, "D or ", n + 2, "D (batch mode) tensor, but got input of size: ", x.sizes());
  Window w;
  w.sizes = x.sizes();
  for (int d = 0; d < x.dim() - n; ++d) w.planes *= x.size(d);
  for (int i = 0; i < n; ++i) {
    const int s = 3 - n + i, axis = x.dim() - n + i;
    w.in[s] = x.size(axis);
    w.kernel[s] = at(kernel, i, 1);
    w.stride[s] = at(stride, i, w.kernel[s]);
    w.pad[s] = at(pad, i, 0);
    w.dilation[s] = at(dilation, i, 1);
    if (w.kernel[s] <= 0 || w.stride[s] <= 0) throw RuntimeError(op, "(): kernel size and stride should be greater than zero, but got kernel ", w.kernel[s], " and stride ", w.stride[s]);
    if (w.dilation[s] <= 0) throw RuntimeError(op, "(): dilation should be greater than zero, but got ", w.dilation[s]);
    if (w.pad[s] < 0) throw RuntimeError(op, "(): pad must be non-negative, but got pad: ", w.pad[s]);
    if (w.pad[s] > ((w.kernel[s] - 1) * w.dilation[s] + 1) / 2)
      throw RuntimeError(op, "(): pad should be at most half of effective kernel size, but got pad=", w.pad[s], ", kernel_size=", w.kernel[s], " and dilation=", w.dilation[s]);
    const int64_t span = w.in[s] + 2 * w.pad[s] - w.dilation[s] * (w.kernel[s] - 1) - 1;
    int64_t out = (span < 0 ? -1 : (span + (ceil ? w.stride[s] - 1 : 0)) / w.stride[s]) + 1;
    if (ceil && (out - 1) * w.stride[s] >= w.in[s] + w.pad[s]) --out;
    if (out <= 0) throw RuntimeError("Given input size: (", by(x.sizes()), "). Calculated output size: (", out, "). Output size is too small");
    w.out[s] = w.sizes[size_t(axis)] = out;
  }
  return w;
}

int64_t cells(const int64_t (&d)[3]) { return d[0] * d[1] * d[2]; }

// body(plane, output index, start[3]) for every window.
template <class Body>
void each_window(const Window& w, const Body& body) {
  const int64_t n = cells(w.out);
  parallel_for(w.planes, std::max<int64_t>(1, (8 << 10) / std::max<int64_t>(1, n * cells(w.kernel))), [&](int64_t a, int64_t b) {
    for (int64_t p = a; p < b; ++p) {
      int64_t o = 0, s[3];
      for (int64_t i = 0; i < w.out[0]; ++i)
        for (int64_t j = 0; j < w.out[1]; ++j)
          for (int64_t k = 0; k < w.out[2]; ++k, ++o) {
            s[0] = i * w.stride[0] - w.pad[0];
            s[1] = j * w.stride[1] - w.pad[1];
            s[2] = k * w.stride[2] - w.pad[2];
            body(p, o, s);
          }
    }
  });
}

// body(input index) for the cells of a window that lie inside.
template <class Body>
inline void each_cell(const Window& w, const int64_t (&s)[3], const Body& body) {
  for (int64_t i = 0; i < w.kernel[0]; ++i) {
    const int64_t z = s[0] + i * w.dilation[0];
    if (z < 0 || z >= w.in[0]) continue;
    for (int64_t j = 0; j < w.kernel[1]; ++j) {
      const int64_t y = s[1] + j * w.dilation[1];
      if (y < 0 || y >= w.in[1]) continue;
      for (int64_t k = 0; k < w.kernel[2]; ++k) {
        const int64_t x = s[2] + k * w.dilation[2];
        if (x >= 0 && x < w.in[2]) body((z * w.in[1] + y) * w.in[2] + x);
      }
    }
  }
}

// max_pool(input, n, kernel, stride, padding, dilation, ceil_mode) -> values, indices
void max_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Window w = plan(c.op, x, int(c.integer(1)), c.ints(2), c.ints(3), c.ints(4), c.ints(5), c.flag(6));
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(w.sizes, compute, x.device()), index = empty(w.sizes, DType::int64, x.device());
  if (x.is_meta()) { c.out = {empty(w.sizes, x.dtype(), x.device()), index}; return; }
  Tensor in = contiguous_as(x, compute);
  for_ordered(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T* q = out.data<T>();
    int64_t* at = index.data<int64_t>();
    const int64_t plane = cells(w.in), windows = cells(w.out);
    each_window(w, [&](int64_t pl, int64_t o, const int64_t (&s)[3]) {
      const T* base = p + pl * plane;
      T best = std::numeric_limits<T>::lowest();
      if constexpr (std::is_floating_point_v<T>) best = -std::numeric_limits<T>::infinity();
      int64_t where = -1;
      each_cell(w, s, [&](int64_t i) {
        const T v = base[i];
        if (where < 0 || v > best || v != v) { best = v; where = i; }
      });
      q[pl * windows + o] = best;
      at[pl * windows + o] = where;
    });
  });
  c.out = {cast(out, x.dtype()), index};
}

// (grad, indices, input): each gradient goes to the cell that won.
void max_pool_back(Call& c) {
  const Tensor &g = c.tensor(0), &x = c.tensor(2);
  const int n = int(c.integer(3));
  const DType compute = compute_dtype(g.dtype());
  Tensor grad = contiguous_as(g, compute), index = contiguous(c.tensor(1)), out = full(x.sizes(), 0, compute, x.device());
  if (!x.is_meta() && x.numel()) {
    int64_t in = 1, cells = 1;
    for (int d = x.dim() - n; d < x.dim(); ++d) { in *= x.size(d); cells *= g.size(d); }
    for_ordered(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      const int64_t* at = index.data<int64_t>();
      parallel_for(x.numel() / in, std::max<int64_t>(1, (16 << 10) / std::max<int64_t>(1, cells)), [&](int64_t a, int64_t b) {
        for (int64_t pl = a; pl < b; ++pl)
          for (int64_t i = pl * cells; i < (pl + 1) * cells; ++i) q[pl * in + at[i]] += p[i];
      });
    });
  }
  c.out.push_back(cast(out, x.dtype()));
}

struct Average { Window w; bool padded; int64_t divisor; };
int64_t divisor_of(const Average& a, const int64_t (&s)[3], int64_t inside) {
  if (a.divisor) return a.divisor;
  if (!a.padded) return inside;
  int64_t n = 1;
  for (int d = 0; d < 3; ++d) n *= std::min(s[d] + a.w.kernel[d], a.w.in[d] + a.w.pad[d]) - s[d];
  return n;
}

// avg_pool(input, n, kernel, stride, padding, ceil_mode, count_include_pad, divisor?)
void avg_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Average a{plan(c.op, x, int(c.integer(1)), c.ints(2), c.ints(3), c.ints(4), {}, c.flag(5)), c.flag(6, true), c.integer(7, 0)};
  if (c.has(7) && a.divisor == 0) throw RuntimeError("divisor must be not zero");
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(a.w.sizes, compute, x.device());
  if (x.is_meta()) { c.out.push_back(empty(a.w.sizes, x.dtype(), x.device())); return; }
  Tensor in = contiguous_as(x, compute);
  for_ordered(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T* q = out.data<T>();
    const int64_t plane = cells(a.w.in), windows = cells(a.w.out);
    each_window(a.w, [&](int64_t pl, int64_t o, const int64_t (&s)[3]) {
      T total = 0;
      int64_t n = 0;
      each_cell(a.w, s, [&](int64_t i) { total += p[pl * plane + i]; ++n; });
      q[pl * windows + o] = total / T(divisor_of(a, s, n));
    });
  });
  c.out.push_back(cast(out, x.dtype()));
}
// (grad, input, n, kernel, stride, padding, ceil_mode, count_include_pad, divisor?)
void avg_pool_back(Call& c) {
  const Tensor& x = c.tensor(1);
  const Average a{plan(c.op, x, int(c.integer(2)), c.ints(3), c.ints(4), c.ints(5), {}, c.flag(6)), c.flag(7, true), c.integer(8, 0)};
  const DType compute = compute_dtype(x.dtype());
  Tensor grad = contiguous_as(c.tensor(0), compute), out = full(x.sizes(), 0, compute, x.device());
  if (!x.is_meta())
    for_ordered(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      const int64_t plane = cells(a.w.in), windows = cells(a.w.out);
      each_window(a.w, [&](int64_t pl, int64_t o, const int64_t (&s)[3]) {
        int64_t n = 0;
        each_cell(a.w, s, [&](int64_t) { ++n; });
        const T share = p[pl * windows + o] / T(divisor_of(a, s, n));
        each_cell(a.w, s, [&](int64_t i) { q[pl * plane + i] += share; });
      });
    });
  c.out.push_back(cast(out, x.dtype()));
}

const Register here[] = {{"pool.max", max_pool}, {"pool.max_back", max_pool_back}, {"pool.avg", avg_pool}, {"pool.avg_back", avg_pool_back}};

}  // namespace
}  // namespace facula
