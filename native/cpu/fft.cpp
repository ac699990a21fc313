// Transforms of tensors: lines of any dimension are brought, a few at a time, into the planned one-dimensional transform.
#include <algorithm>
#include <cmath>

#include "cpu/fft_plan.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

using fft::Plan;
using fft::Split;

// A contiguous array as (outer, n, inner); the sizes along the line may differ between input and output.
struct Lines {
  int64_t outer = 1, inner = 1, n_in, n_out;
  Lines(const Dims& in, const Dims& out, int64_t dim) : n_in(in[dim]), n_out(out[dim]) {
    for (int64_t d = 0; d < in.ndim(); ++d) if (d != dim) (d < dim ? outer : inner) *= in[d];
  }
};
// Where the lines of one group begin, and how far apart lines and elements are, in elements.
struct Group { int64_t in, out, count, in_line, out_line, step; };

constexpr int64_t kPiece = 16 << 10;

// body(group, a, b) for groups of neighbouring lines, which are the vector lanes of the transform.
template <class T, class Body>
void each_group(const Lines& x, const Plan<T>& plan, const Body& body) {
  const bool strided = x.inner > 1;
  const int64_t work = std::max(plan.work(), std::max(x.n_in, x.n_out)), most = strided ? x.inner : x.outer;
  const int64_t lanes = std::min<int64_t>(most, strided || plan.size() < 64 ? (work > 1 << 16 ? 4 : 16) : 1);
  const int64_t per_row = (most + lanes - 1) / lanes, groups = strided ? per_row * x.outer : per_row;
  parallel_for(groups, std::max<int64_t>(1, kPiece / (work * lanes)), [&](int64_t begin, int64_t end) {
    thread_local std::vector<T> buffer;
    if (int64_t(buffer.size()) < 4 * work * lanes) buffer.resize(size_t(4 * work * lanes));
    T* at = buffer.data();
    const Split<T> a{at, at + work * lanes}, b{at + 2 * work * lanes, at + 3 * work * lanes};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = strided ? i / per_row : 0, first = (strided ? i % per_row : i) * lanes;
      const int64_t count = std::min(lanes, most - first);
      body(strided ? Group{row * x.n_in * x.inner + first, row * x.n_out * x.inner + first, count, 1, 1, x.inner}
                   : Group{first * x.n_in, first * x.n_out, count, x.n_in, x.n_out, 1}, a, b);
    }
    if (buffer.size() > size_t(1) << 22) std::vector<T>().swap(buffer);
  });
}

// Complex numbers of the group's lines into two arrays and back. Neighbours in memory are one loop, known to be so.
template <class T>
void split(const Group& g, const std::complex<T>* in, int64_t n, T* re, T* im) {
  const auto run = [](const T* p, int64_t count, int64_t hop, T* r, T* i) {
    if (hop == 1) for (int64_t k = 0; k < count; ++k) { r[k] = p[2 * k]; i[k] = p[2 * k + 1]; }
    else for (int64_t k = 0; k < count; ++k) { r[k] = p[2 * k * hop]; i[k] = p[2 * k * hop + 1]; }
  };
  const T* from = reinterpret_cast<const T*>(in + g.in);
  if (g.count == 1 && g.step == 1) return run(from, n, 1, re, im);
  for (int64_t k = 0; k < n; ++k) run(from + 2 * k * g.step, g.count, g.in_line, re + k * g.count, im + k * g.count);
}
template <class T>
void join(const Group& g, const T* re, const T* im, int64_t n, T scale, std::complex<T>* out) {
  const auto run = [scale](const T* r, const T* i, int64_t count, int64_t hop, T* p) {
    if (hop == 1) for (int64_t k = 0; k < count; ++k) { p[2 * k] = r[k] * scale; p[2 * k + 1] = i[k] * scale; }
    else for (int64_t k = 0; k < count; ++k) { p[2 * k * hop] = r[k] * scale; p[2 * k * hop + 1] = i[k] * scale; }
  };
  T* to = reinterpret_cast<T*>(out + g.out);
  if (g.count == 1 && g.step == 1) return run(re, im, n, 1, to);
  for (int64_t k = 0; k < n; ++k) run(re + k * g.count, im + k * g.count, g.count, g.out_line, to + 2 * k * g.step);
}

template <class T>
void complex_lines(const Lines& x, const std::complex<T>* in, std::complex<T>* out, bool forward, T scale) {
  const auto plan = fft::plan_for<T>(x.n_in);
  each_group<T>(x, *plan, [&](const Group& g, Split<T> a, Split<T> b) {
    split(g, in, x.n_in, forward ? a.re : a.im, forward ? a.im : a.re);
    const Split<T> y = plan->run(a, b, g.count);
    join(g, forward ? y.re : y.im, forward ? y.im : y.re, x.n_in, scale, out);
  });
}

// A line of n = 2 m real values passes as m complex ones: even places are the real parts, odd ones the imaginary parts.
// Contiguous lines are that already.
Group as_pairs(Group g) {
  g.in /= 2; g.out /= 2; g.in_line /= 2; g.out_line /= 2;
  return g;
}

// The spectrum z of m complex values -> places 0 ... m of the spectrum of the 2 m real ones, and back.
template <class T, class Body>
void each_mirrored(int64_t m, int64_t lanes, const Body& body) {
  if (lanes == 1) for (int64_t k = 1; k < m; ++k) body(k, k, m - k);
  else for (int64_t k = 1; k < m; ++k)
    for (int64_t l = 0; l < lanes; ++l) body(k, k * lanes + l, (m - k) * lanes + l);
}
template <class T>
void unpack(int64_t m, int64_t lanes, const T* wr, const T* wi, Split<T> z, Split<T> x) {
  for (int64_t l = 0; l < lanes; ++l) {
    x.re[l] = z.re[l] + z.im[l];
    x.re[m * lanes + l] = z.re[l] - z.im[l];
    x.im[l] = x.im[m * lanes + l] = T(0);
  }
  each_mirrored<T>(m, lanes, [=](int64_t k, int64_t i, int64_t j) {
    const T er = z.re[i] + z.re[j], ei = z.im[i] - z.im[j], dr = z.re[i] - z.re[j], di = z.im[i] + z.im[j];
    x.re[i] = T(0.5) * (er + (dr * wi[k] + di * wr[k]));
    x.im[i] = T(0.5) * (ei - (dr * wr[k] - di * wi[k]));
  });
}
template <class T>
void pack(int64_t m, int64_t lanes, const T* wr, const T* wi, Split<T> x, Split<T> z) {
  for (int64_t l = 0; l < lanes; ++l) {
    z.re[l] = x.re[l] + x.re[m * lanes + l];
    z.im[l] = x.re[l] - x.re[m * lanes + l];
  }
  each_mirrored<T>(m, lanes, [=](int64_t k, int64_t i, int64_t j) {
    const T er = x.re[i] + x.re[j], ei = x.im[i] - x.im[j], dr = x.re[i] - x.re[j], di = x.im[i] + x.im[j];
    z.re[i] = er - (di * wr[k] - dr * wi[k]);
    z.im[i] = ei + (dr * wr[k] + di * wi[k]);
  });
}

// Real input; where the output has all n places, the second half mirrors the first.
template <class T>
void from_real(const Lines& x, const T* in, std::complex<T>* out, T scale) {
  const int64_t n = x.n_in, half = n / 2 + 1;
  const bool packed = n % 2 == 0;
  const int64_t m = packed ? n / 2 : n;
  const auto plan = fft::plan_for<T>(m);
  const auto roots = fft::half_roots<T>(packed ? n : 0);
  each_group<T>(x, *plan, [&](const Group& g, Split<T> a, Split<T> b) {
    if (packed && g.step == 1) split(as_pairs(g), reinterpret_cast<const std::complex<T>*>(in), m, a.re, a.im);
    else
      for (int64_t k = 0; k < m; ++k)
        for (int64_t l = 0; l < g.count; ++l) {
          const T* p = in + g.in + (packed ? 2 : 1) * k * g.step + l * g.in_line;
          a.re[k * g.count + l] = p[0];
          a.im[k * g.count + l] = packed ? p[g.step] : T(0);
        }
    Split<T> y = plan->run(a, b, g.count);
    if (packed) {
      const Split<T> other = y.re == a.re || y.re == a.im ? b : a;  // Bluestein exchanges the parts
      unpack(m, g.count, roots->re.data(), roots->im.data(), y, other);
      y = other;
    }
    join(g, y.re, y.im, half, scale, out);
    for (int64_t k = half; k < x.n_out; ++k)
      for (int64_t l = 0; l < g.count; ++l) {
        auto* to = out + g.out + l * g.out_line;
        to[k * g.step] = std::conj(to[(n - k) * g.step]);
      }
  });
}

// Real output, from the first half of a Hermitian spectrum. Imaginary parts that cannot be there are not read.
template <class T>
void to_real_lines(const Lines& x, const std::complex<T>* in, T* out, T scale) {
  const int64_t n = x.n_out, half = n / 2 + 1;
  const bool packed = n % 2 == 0;
  const int64_t m = packed ? n / 2 : n;
  const auto plan = fft::plan_for<T>(m);
  const auto roots = fft::half_roots<T>(packed ? n : 0);
  each_group<T>(x, *plan, [&](const Group& g, Split<T> a, Split<T> b) {
    Split<T> from = packed ? b : a;
    split(g, in, half, from.re, from.im);
    std::fill(from.im, from.im + g.count, T(0));
    if (packed) pack(m, g.count, roots->re.data(), roots->im.data(), from, a);
    else
      for (int64_t i = half; i < n; ++i)
        for (int64_t l = 0; l < g.count; ++l) {
          a.re[i * g.count + l] = a.re[(n - i) * g.count + l];
          a.im[i * g.count + l] = -a.im[(n - i) * g.count + l];
        }
    Split<T> y = plan->run({a.im, a.re}, {b.im, b.re}, g.count);  // exchanged: the transform back
    std::swap(y.re, y.im);
    if (packed && g.step == 1) return join(as_pairs(g), y.re, y.im, m, scale, reinterpret_cast<std::complex<T>*>(out));
    for (int64_t k = 0; k < m; ++k)
      for (int64_t l = 0; l < g.count; ++l) {
        T* p = out + g.out + (packed ? 2 : 1) * k * g.step + l * g.out_line;
        p[0] = y.re[k * g.count + l] * scale;
        if (packed) p[g.step] = y.im[k * g.count + l] * scale;
      }
  });
}

// ---------------------------------------------------------------- operations
enum Normalization { none, by_root, by_size };

double scale_of(int64_t points, int64_t normalization) {
  return normalization == by_root ? 1 / std::sqrt(double(points)) : normalization == by_size ? 1 / double(points) : 1.0;
}
int64_t points_of(const Dims& sizes, const Dims& dims) {
  int64_t n = 1;
  for (auto d : dims) n *= sizes[wrap_dim(d, sizes.ndim())];
  return n;
}
// The transforms' own dtype. Half precision is for other devices.
DType transform_dtype(DType t, bool complex) {
  if (is_floating(to_real(t)) && item_size(to_real(t)) < 4) throw RuntimeError("Unsupported dtype ", scalar_type_name(t));
  if (!is_inexact(t)) t = default_dtype();
  return complex ? to_complex(t) : t;
}

void complex_dims(const Tensor& in, const Tensor& out, std::span<const int64_t> dims, bool forward, double scale) {
  const Tensor* from = &in;
  for (auto d : dims) {
    const Lines lines(out.sizes(), out.sizes(), wrap_dim(d, out.dim()));
    if (out.dtype() == DType::complex64) complex_lines<float>(lines, from->data<c64>(), out.data<c64>(), forward, float(scale));
    else complex_lines<double>(lines, from->data<c128>(), out.data<c128>(), forward, scale);
    from = &out;
    scale = 1;
  }
}

// (input, dim, normalization, forward)
void c2c(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = transform_dtype(x.dtype(), true);
  Tensor out = empty(x.sizes(), type, x.device());
  if (!x.is_meta() && x.numel()) {
    Tensor in = contiguous_as(x, type);
    if (c.ints(1).empty()) copy_into(out, in);
    else complex_dims(in, out, c.ints(1), c.flag(3), scale_of(points_of(x.sizes(), c.ints(1)), c.integer(2)));
  }
  c.out.push_back(out);
}

// (input, dim, normalization, onesided): the last of `dim` first, the others on its complex result
void r2c(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = transform_dtype(x.dtype(), false);
  const Dims& dims = c.ints(1);
  const int64_t last = wrap_dim(dims.back(), x.dim());
  Dims sizes = x.sizes();
  if (c.flag(3)) sizes[last] = sizes[last] / 2 + 1;
  Tensor out = empty(sizes, to_complex(type), x.device());
  if (!x.is_meta() && x.numel()) {
    Tensor in = contiguous_as(x, type);
    const Lines lines(x.sizes(), sizes, last);
    const double scale = scale_of(points_of(x.sizes(), dims), c.integer(2));
    if (type == DType::float32) from_real<float>(lines, in.data<float>(), out.data<c64>(), float(scale));
    else from_real<double>(lines, in.data<double>(), out.data<c128>(), scale);
    complex_dims(out, out, std::span<const int64_t>(dims.data(), dims.size() - 1), true, 1);
  }
  c.out.push_back(out);
}

// (input, dim, normalization, last_dim_size)
void c2r(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = transform_dtype(x.dtype(), true);
  const Dims& dims = c.ints(1);
  const int64_t last = wrap_dim(dims.back(), x.dim());
  Dims sizes = x.sizes();
  sizes[last] = c.integer(3);
  Tensor out = empty(sizes, to_real(type), x.device());
  if (!x.is_meta() && out.numel()) {
    Tensor in = contiguous_as(x, type);
    if (dims.size() > 1) {
      Tensor between = empty(x.sizes(), type, x.device());
      complex_dims(in, between, std::span<const int64_t>(dims.data(), dims.size() - 1), false, 1);
      in = between;
    }
    const Lines lines(x.sizes(), sizes, last);
    const double scale = scale_of(points_of(sizes, dims), c.integer(2));
    if (type == DType::complex64) to_real_lines<float>(lines, in.data<c64>(), out.data<float>(), float(scale));
    else to_real_lines<double>(lines, in.data<c128>(), out.data<double>(), scale);
  }
  c.out.push_back(out);
}

const Register here[] = {{"fft.c2c", c2c}, {"fft.r2c", r2c}, {"fft.c2r", c2r}};

}  // namespace
}  // namespace facula
