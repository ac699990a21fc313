// Pooling over windows that are listed axis by axis: adaptive pooling, fractional max pooling; and unpooling.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 16 << 10;  // elements read

// Where the windows of one axis begin and end.
struct Axis {
  int64_t in = 1;
  std::vector<int64_t> start{0}, end{1};
  int64_t out() const { return int64_t(start.size()); }
};
struct Windows {
  Axis axes[3];  // missing dimensions come first and have size 1
  int64_t inside() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t count() const { return axes[0].out() * axes[1].out() * axes[2].out(); }
  // body(window, z, y, x) with the numbers of its slices.
  template <class Body>
  void each(const Body& body) const {
    int64_t at = 0;
    for (int64_t z = 0; z < axes[0].out(); ++z)
      for (int64_t y = 0; y < axes[1].out(); ++y)
        for (int64_t x = 0; x < axes[2].out(); ++x) body(at++, size_t(z), size_t(y), size_t(x));
  }
  // body(first index, length) for every run of neighbours of a window.
  template <class Body>
  void runs(size_t z, size_t y, size_t x, const Body& body) const {
    const int64_t from = axes[2].start[x], n = axes[2].end[x] - from;
    for (int64_t i = axes[0].start[z]; i < axes[0].end[z]; ++i)
      for (int64_t j = axes[1].start[y]; j < axes[1].end[y]; ++j) body((i * axes[1].in + j) * axes[2].in + from, n);
  }
  int64_t volume(size_t z, size_t y, size_t x) const {
    return (axes[0].end[z] - axes[0].start[z]) * (axes[1].end[y] - axes[1].start[y]) * (axes[2].end[x] - axes[2].start[x]);
  }
};

Windows adaptive_windows(const Dims& sizes, int n, const Dims& target) {
  Windows w;
  for (int i = 0; i < n; ++i) {
    Axis& a = w.axes[3 - n + i];
    const int64_t out = target[size_t(i)];
    a.in = sizes[sizes.size() - size_t(n - i)];
    a.start.resize(size_t(out));
    a.end.resize(size_t(out));
    for (int64_t k = 0; k < out; ++k) {
      a.start[size_t(k)] = k * a.in / out;
      a.end[size_t(k)] = ((k + 1) * a.in + out - 1) / out;
    }
  }
  return w;
}

struct Planes { int64_t count = 1; Dims pooled; };
Planes planes_of(const Tensor& x, const Dims& target) {
  Planes p{1, x.sizes()};
  const int lead = x.dim() - target.ndim();
  for (int d = 0; d < lead; ++d) p.count *= x.size(d);
  for (int i = 0; i < target.ndim(); ++i) p.pooled[size_t(lead + i)] = target[size_t(i)];
  return p;
}
int64_t grain(const Windows& w) { return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, w.inside() + w.count())); }

void check_floating(std::string_view op, DType t) {
  if (!is_floating(t)) not_implemented_for(op, t);
}
void check_filled(std::string_view op, const Tensor& x) {
  for (int d = 1; d < x.dim(); ++d)
    if (x.size(d) == 0)
      throw RuntimeError(op, "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ", x.sizes(), " with dimension ", d, " being empty");
}
std::string_view public_name(std::string_view op) { return op.substr(op.starts_with('_')); }

// (input, sizes of the result)
void adaptive_avg(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& target = c.ints(1);
  check_floating(public_name(c.op), x.dtype());
  const Planes planes = planes_of(x, target);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(planes.pooled, compute, x.device());
  if (!x.is_meta()) {
    const Tensor in = contiguous_as(x, compute);
    const Windows w = adaptive_windows(x.sizes(), target.ndim(), target);
    for_floating(compute, c.op, [&]<class T> {
      const T* p = in.data<T>();
      T* q = out.data<T>();
      parallel_for(planes.count, grain(w), [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          const T* plane = p + k * w.inside();
          T* to = q + k * w.count();
          w.each([&](int64_t o, size_t z, size_t y, size_t v) {
            T total = 0;
            w.runs(z, y, v, [&](int64_t at, int64_t n) { for (int64_t i = 0; i < n; ++i) total += plane[at + i]; });
            to[o] = total / T(w.volume(z, y, v));
          });
        }
      });
    });
  }
  c.out.push_back(cast(out, x.dtype()));
}

// (grad, shape of the input, spatial dimensions)
void adaptive_avg_back(Call& c) {
  const Tensor& g = c.tensor(0);
  const Dims& sizes = c.ints(1);
  const int n = int(c.integer(2));
  const DType compute = compute_dtype(g.dtype());
  Tensor out = full(sizes, 0, compute, g.device());
  if (!g.is_meta()) {
    const Tensor grad = contiguous_as(g, compute);
    Dims target;
    for (int i = 0; i < n; ++i) target.push_back(g.size(g.dim() - n + i));
    const Windows w = adaptive_windows(sizes, n, target);
    for_floating(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      parallel_for(w.count() ? g.numel() / w.count() : 0, grain(w), [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          const T* from = p + k * w.count();
          T* plane = q + k * w.inside();
          w.each([&](int64_t o, size_t z, size_t y, size_t v) {
            const T share = from[o] / T(w.volume(z, y, v));
            w.runs(z, y, v, [&](int64_t at, int64_t m) { for (int64_t i = 0; i < m; ++i) plane[at + i] += share; });
          });
        }
      });
    });
  }
  c.out.push_back(cast(out, g.dtype()));
}

// windows_of(plane) gives the windows; fills values and the places of the maxima.
template <class T, class WindowsOf>
void pool_max(const T* p, T* values, int64_t* places, int64_t planes, int64_t each, const WindowsOf& windows_of) {
  parallel_for(planes, each, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const Windows& w = windows_of(k);
      const T* plane = p + k * w.inside();
      w.each([&](int64_t o, size_t z, size_t y, size_t v) {
        int64_t where = -1;
        T best = 0;
        w.runs(z, y, v, [&](int64_t at, int64_t n) {
          for (int64_t i = at; i < at + n; ++i)
            if (where < 0 || plane[i] > best || plane[i] != plane[i]) { best = plane[i]; where = i; }
        });
        values[k * w.count() + o] = best;
        places[k * w.count() + o] = where;
      });
    }
  });
}

// (input, sizes of the result) -> values, indices
void adaptive_max(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& target = c.ints(1);
  check_filled(public_name(c.op), x);
  check_floating(public_name(c.op), x.dtype());
  const Planes planes = planes_of(x, target);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(planes.pooled, compute, x.device()), index = empty(planes.pooled, DType::int64, x.device());
  if (!x.is_meta()) {
    const Tensor in = contiguous_as(x, compute);
    const Windows w = adaptive_windows(x.sizes(), target.ndim(), target);
    for_floating(compute, c.op, [&]<class T> {
      pool_max(in.data<T>(), out.data<T>(), index.data<int64_t>(), planes.count, grain(w), [&](int64_t) -> const Windows& { return w; });
    });
  }
  c.out = {cast(out, x.dtype()), index};
}

// Windows of one size at pseudo-random places, found in the data's own precision, every step rounded, as PyTorch does.
// Source: Graham, "Fractional max-pooling", arXiv 1412.6071.
template <class S>
Axis fractional_axis(int64_t in, int64_t out, int64_t kernel, S sample) {
  Axis a{in, std::vector<int64_t>(size_t(out)), std::vector<int64_t>(size_t(out))};
  using Wide = std::conditional_t<sizeof(S) == 8, double, float>;
  const auto round = [](Wide v) { return Wide(S(v)); };
  const Wide step = out > 1 ? round(round(Wide(in - kernel)) / round(Wide(out - 1))) : Wide(0), first = round(Wide(sample) * step);
  for (int64_t i = 0; i < out; ++i) {
    a.start[size_t(i)] = i == out - 1 ? in - kernel : int64_t(round(round(round(Wide(i)) + Wide(sample)) * step)) - int64_t(first);
    a.end[size_t(i)] = a.start[size_t(i)] + kernel;
  }
  return a;
}

// (input, kernel sizes, sizes of the result, samples (batch, channels, spatial)) -> values, indices
void fractional_max(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims &kernel = c.ints(1), &target = c.ints(2);
  const int n = target.ndim();
  check_floating(public_name(c.op), x.dtype());
  const Planes planes = planes_of(x, target);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty(planes.pooled, compute, x.device()), index = empty(planes.pooled, DType::int64, x.device());
  if (!x.is_meta()) {
    const Tensor in = contiguous_as(x, compute), samples = contiguous_as(c.tensor(3), x.dtype());
    for_all(x.dtype(), c.op, [&]<class S> {
      using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
      const S* s = samples.data<S>();
      if constexpr (sizeof(S) <= 8 && std::is_convertible_v<S, double>) pool_max(in.data<T>(), out.data<T>(), index.data<int64_t>(), planes.count, 1, [&](int64_t k) {
        Windows w;
        // Images have their samples with the last dimension first.
        for (int i = 0; i < n; ++i)
          w.axes[3 - n + i] = fractional_axis<S>(x.size(x.dim() - n + i), target[size_t(i)], kernel[size_t(i)], s[k * n + (n == 2 ? n - 1 - i : i)]);
        return w;
      });
    });
  }
  c.out = {cast(out, x.dtype()), index};
}

// (input, indices, sizes of the result): every element goes to its place, the rest is zero.
void unpool(Call& c) {
  const Tensor &x = c.tensor(0), &where = c.tensor(1);
  const Dims& target = c.ints(2);
  const Planes planes = planes_of(x, target);
  const int64_t from = planes.count ? x.numel() / planes.count : 0, to = target.numel();
  Tensor out = full(planes.pooled, 0, x.dtype(), x.device());
  if (!x.is_meta() && x.numel()) {
    const Tensor in = contiguous(x), index = contiguous(where);
    const int64_t* at = index.data<int64_t>();
    std::atomic<int64_t> bad{-1};
    for_all(x.dtype(), c.op, [&]<class T> {
      const T* p = in.data<T>();
      T* q = out.data<T>();
      parallel_for(planes.count, std::max<int64_t>(1, kPiece / from), [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k)
          for (int64_t i = k * from; i < (k + 1) * from; ++i) {
            if (at[i] < 0 || at[i] >= to) { bad = i; return; }
            q[k * to + at[i]] = p[i];
          }
      });
    });
    if (bad >= 0) throw RuntimeError("Found an invalid max index: ", at[bad], " (output volumes are of size ", by(target), ")");
  }
  c.out.push_back(out);
}

const Register here[] = {{"pool.adaptive_avg", adaptive_avg}, {"pool.adaptive_avg_back", adaptive_avg_back}, {"pool.adaptive_max", adaptive_max},
                         {"pool.fractional_max", fractional_max}, {"pool.unpool", unpool}};

}  // namespace
}  // namespace facula
