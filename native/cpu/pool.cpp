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

// Whether a maximum is wanted decides what PyTorch says of bad shapes.
void check_shape(const Tensor& x, int n, bool maximum) {
  bool good = x.dim() == n + 1 || x.dim() == n + 2;
  for (int d = x.dim() == n + 2; good && d < x.dim(); ++d) good = x.size(d) != 0;
  if (good) return;
  const std::string kinds = cat(n + 1, "D or ", n + 2, "D (batch mode) tensor");
  if (!maximum || (x.dim() != n + 1 && x.dim() != n + 2 && n > 1)) throw RuntimeError("non-empty ", kinds, " expected for input");
  throw RuntimeError(n == 1 ? "max_pool1d: " : "", "Expected ", kinds, " with optional 0 dim batch size for input, but got:", x.sizes());
}

Window plan(const Tensor& x, int n, const Dims& kernel, const Dims& stride, const Dims& pad, const Dims& dilation, bool ceil, bool maximum) {
  const std::string op = cat(maximum ? "max" : "avg", "_pool", n, "d");
  const char* counts[] = {"one int", "two ints", "three ints"};
  for (auto [what, list] : {std::pair("kernel_size", &kernel), std::pair("stride", &stride), std::pair("padding", &pad), std::pair("dilation", &dilation)})
    if (list->size() != 1 && int(list->size()) != n && (!list->empty() || list == &kernel))
      throw RuntimeError(op, ": ", what, " must ", list == &stride ? "either be omitted, or be" : "either be", " a single int, or a tuple of ", counts[n - 1]);
  Window w;
  w.sizes = x.sizes();
  for (int d = 0; d < x.dim() - n; ++d) w.planes *= x.size(d);
  for (int i = 0; i < n; ++i) {
    const int s = 3 - n + i;
    w.kernel[s] = at(kernel, i, 1);
    w.stride[s] = at(stride, i, w.kernel[s]);
    w.pad[s] = at(pad, i, 0);
    w.dilation[s] = at(dilation, i, 1);
    for (auto [what, value] : {std::pair("kernel_size", w.kernel[s]), std::pair("stride", w.stride[s]), std::pair("dilation", w.dilation[s])})
      if (value <= 0) throw RuntimeError(op, "() ", what, " must be greater than zero, but got ", value);
    if (w.pad[s] < 0) throw RuntimeError("pad must be non-negative, but got pad: ", w.pad[s]);
    if (w.pad[s] > ((w.kernel[s] - 1) * w.dilation[s] + 1) / 2)
      throw RuntimeError("pad should be at most half of effective kernel size, but got pad=", w.pad[s], ", kernel_size=", w.kernel[s], " and dilation=", w.dilation[s]);
  }
  check_shape(x, n, maximum);
  bool fits = true;
  for (int i = 0; i < n; ++i) {
    const int s = 3 - n + i, axis = x.dim() - n + i;
    w.in[s] = x.size(axis);
    const int64_t span = w.in[s] + 2 * w.pad[s] - w.dilation[s] * (w.kernel[s] - 1) - 1;
    int64_t out = (span < 0 ? -1 : (span + (ceil ? w.stride[s] - 1 : 0)) / w.stride[s]) + 1;
    if (ceil && (out - 1) * w.stride[s] >= w.in[s] + w.pad[s]) --out;
    fits = fits && out > 0;
    w.out[s] = w.sizes[size_t(axis)] = out;
  }
  if (!fits) {
    if (n == 1 && maximum) throw RuntimeError("max_pool1d() Invalid computed output size: ", w.out[2]);
    Dims from = x.sizes(), to = w.sizes;
    if (x.dim() == n + 2) { from.erase(0); to.erase(0); }
    throw RuntimeError("Given input size: (", by(from), "). Calculated output size: (", by(to), "). Output size is too small");
  }
  return w;
}

int64_t cells(const int64_t (&d)[3]) { return d[0] * d[1] * d[2]; }

// body(plane, first output, slices of a row of windows) for every row of windows; the last dimension is left to `taps`.
struct Row { int64_t plane, out, z, y; };
template <class Body>
void each_row(const Window& w, const Body& body) {
  const int64_t rows = w.out[0] * w.out[1], work = rows * w.out[2] * cells(w.kernel);
  parallel_for(w.planes, std::max<int64_t>(1, (32 << 10) / std::max<int64_t>(1, work)), [&](int64_t a, int64_t b) {
    for (int64_t p = a; p < b; ++p)
      for (int64_t z = 0; z < w.out[0]; ++z)
        for (int64_t y = 0; y < w.out[1]; ++y)
          body(Row{p, ((p * w.out[0] + z) * w.out[1] + y) * w.out[2], z * w.stride[0] - w.pad[0], y * w.stride[1] - w.pad[1]});
  });
}

// Of cells first, first + stride, ... of an axis those inside: [begin, end) of `count`.
struct Span { int64_t begin, end; };
inline Span inside(int64_t first, int64_t stride, int64_t in, int64_t count) {
  const int64_t begin = first < 0 ? (-first + stride - 1) / stride : 0;
  const int64_t end = first >= in ? 0 : std::min(count, (in - 1 - first) / stride + 1);
  return {begin, std::max(begin, end)};
}

// body(index of the cell that the row's window 0 would have, first window, end) for every cell of the windows of a row:
// window x has cell index + x * stride.
template <class Body>
inline void taps(const Window& w, const Row& r, const Body& body) {
  for (int64_t i = 0; i < w.kernel[0]; ++i) {
    const int64_t z = r.z + i * w.dilation[0];
    if (z < 0 || z >= w.in[0]) continue;
    for (int64_t j = 0; j < w.kernel[1]; ++j) {
      const int64_t y = r.y + j * w.dilation[1];
      if (y < 0 || y >= w.in[1]) continue;
      for (int64_t k = 0; k < w.kernel[2]; ++k) {
        const int64_t x = k * w.dilation[2] - w.pad[2];
        const Span s = inside(x, w.stride[2], w.in[2], w.out[2]);
        if (s.begin < s.end) body((z * w.in[1] + y) * w.in[2] + x, s.begin, s.end);
      }
    }
  }
}

// The usual strides as constants, for vector code.
template <class Body>
inline void with_stride(int64_t stride, const Body& body) {
  if (stride == 1) body(std::integral_constant<int64_t, 1>{});
  else if (stride == 2) body(std::integral_constant<int64_t, 2>{});
  else body(stride);
}

template <class T>
bool is_nan(T v) {
  if constexpr (std::is_floating_point_v<T>) return v != v;
  else return false;
}

template <class T, class I>
void max_rows(const Window& w, const T* p, T* q, int64_t* at) {
  T lowest = std::numeric_limits<T>::lowest();
  if constexpr (std::is_floating_point_v<T>) lowest = -std::numeric_limits<T>::infinity();
  each_row(w, [&](const Row& r) {
    const T* plane = p + r.plane * cells(w.in);
    T* best = q + r.out;
    std::vector<I> where(size_t(w.out[2]), I(-1));
    I* place = where.data();
    std::fill_n(best, w.out[2], lowest);
    taps(w, r, [&](int64_t first, int64_t begin, int64_t end) {
      with_stride(w.stride[2], [&](auto stride) {
        for (int64_t x = begin; x < end; ++x) {
          const T v = plane[first + x * stride];
          const I here = I(first + x * stride);
          const bool better = (v > best[x]) | is_nan(v) | (place[x] < 0);
          best[x] = better ? v : best[x];
          place[x] = better ? here : place[x];
        }
      });
    });
    for (int64_t x = 0; x < w.out[2]; ++x) at[r.out + x] = place[x];
  });
}

// max_pool(input, n, kernel, stride, padding, dilation, ceil_mode) -> values, indices
void max_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Window w = plan(x, int(c.integer(1)), c.ints(2), c.ints(3), c.ints(4), c.ints(5), c.flag(6), true);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(w.sizes, compute, x.device()), index = empty(w.sizes, DType::int64, x.device());
  if (x.is_meta()) { c.out = {empty(w.sizes, x.dtype(), x.device()), index}; return; }
  Tensor in = contiguous_as(x, compute);
  for_ordered(compute, c.op, [&]<class T> {
    // Places in lanes as wide as the values, where they fit.
    if (sizeof(T) == 4 && cells(w.in) < INT32_MAX) max_rows<T, int32_t>(w, in.data<T>(), out.data<T>(), index.data<int64_t>());
    else max_rows<T, int64_t>(w, in.data<T>(), out.data<T>(), index.data<int64_t>());
  });
  c.out = {cast(out, x.dtype()), index};
}

// (grad, indices, sizes of the input, n): each gradient goes to the cell that won.
void max_pool_back(Call& c) {
  const Tensor& g = c.tensor(0);
  const Dims& sizes = c.ints(2);
  const int n = int(c.integer(3));
  const DType compute = compute_dtype(g.dtype());
  Tensor grad = contiguous_as(g, compute), index = contiguous(c.tensor(1)), out = full(sizes, 0, compute, g.device());
  if (!g.is_meta() && sizes.numel()) {
    int64_t in = 1, cells = 1;
    for (int d = g.dim() - n; d < g.dim(); ++d) { in *= sizes[size_t(d)]; cells *= g.size(d); }
    for_ordered(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      const int64_t* at = index.data<int64_t>();
      parallel_for(sizes.numel() / in, std::max<int64_t>(1, (16 << 10) / std::max<int64_t>(1, cells)), [&](int64_t a, int64_t b) {
        for (int64_t pl = a; pl < b; ++pl)
          for (int64_t i = pl * cells; i < (pl + 1) * cells; ++i) q[pl * in + at[i]] += p[i];
      });
    });
  }
  c.out.push_back(cast(out, g.dtype()));
}

struct Average { Window w; bool padded; int64_t divisor; };

// 1 / (cells that count) for the windows of a row.
template <class T>
void shares(const Average& a, const Row& r, std::vector<T>& out) {
  const Window& w = a.w;
  const auto counted = [&](int d, int64_t start) {
    const int64_t from = a.padded ? start : std::max<int64_t>(start, 0), to = std::min(start + w.kernel[d], w.in[d] + (a.padded ? w.pad[d] : 0));
    return to - from;
  };
  const int64_t slice = counted(0, r.z) * counted(1, r.y);
  for (int64_t x = 0; x < w.out[2]; ++x) out[size_t(x)] = T(a.divisor ? a.divisor : slice * counted(2, x * w.stride[2] - w.pad[2]));
}

// avg_pool(input, n, kernel, stride, padding, ceil_mode, count_include_pad, divisor?)
void avg_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Average a{plan(x, int(c.integer(1)), c.ints(2), c.ints(3), c.ints(4), {}, c.flag(5), false), c.flag(6, true), c.integer(7, 0)};
  if (c.has(7) && a.divisor == 0) throw RuntimeError("divisor must be not zero");
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(a.w.sizes, compute, x.device());
  if (x.is_meta()) { c.out.push_back(empty(a.w.sizes, x.dtype(), x.device())); return; }
  Tensor in = contiguous_as(x, compute);
  for_ordered(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T* q = out.data<T>();
    each_row(a.w, [&](const Row& r) {
      const T* plane = p + r.plane * cells(a.w.in);
      T* total = q + r.out;
      std::vector<T> count(size_t(a.w.out[2]));
      shares(a, r, count);
      std::fill_n(total, a.w.out[2], T(0));
      taps(a.w, r, [&](int64_t first, int64_t begin, int64_t end) {
        with_stride(a.w.stride[2], [&](auto stride) { for (int64_t x = begin; x < end; ++x) total[x] += plane[first + x * stride]; });
      });
      for (int64_t x = 0; x < a.w.out[2]; ++x) total[x] /= count[size_t(x)];
    });
  });
  c.out.push_back(cast(out, x.dtype()));
}
// (grad, input, n, kernel, stride, padding, ceil_mode, count_include_pad, divisor?)
void avg_pool_back(Call& c) {
  const Tensor& x = c.tensor(1);
  const Average a{plan(x, int(c.integer(2)), c.ints(3), c.ints(4), c.ints(5), {}, c.flag(6), false), c.flag(7, true), c.integer(8, 0)};
  const DType compute = compute_dtype(x.dtype());
  Tensor grad = contiguous_as(c.tensor(0), compute), out = full(x.sizes(), 0, compute, x.device());
  if (!x.is_meta())
    for_ordered(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      each_row(a.w, [&](const Row& r) {
        T* plane = q + r.plane * cells(a.w.in);
        std::vector<T> share(size_t(a.w.out[2]));
        shares(a, r, share);
        for (int64_t x = 0; x < a.w.out[2]; ++x) share[size_t(x)] = p[r.out + x] / share[size_t(x)];
        const T* s = share.data();
        taps(a.w, r, [&](int64_t first, int64_t begin, int64_t end) {
          with_stride(a.w.stride[2], [&](auto stride) { for (int64_t x = begin; x < end; ++x) plane[first + x * stride] += s[x]; });
        });
      });
    });
  c.out.push_back(cast(out, x.dtype()));
}

const Register here[] = {{"pool.max", max_pool}, {"pool.max_back", max_pool_back}, {"pool.avg", avg_pool}, {"pool.avg_back", avg_pool_back}};

}  // namespace
}  // namespace facula
