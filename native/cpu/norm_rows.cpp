// Normalisation over runs of memory: layer_norm (a run is what the weight covers) and group_norm (a run
// is a group of channel planes). Both are rows of `count` numbers, with one weight per `span` neighbours.
#include <cmath>

#include "cpu/moments.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 16 << 10;

struct Shape {
  int64_t rows, count;  // rows of `count` elements
  int64_t span, groups; // weights[(row % groups) * count / span + i / span]
  int64_t weights() const { return count / span; }
};

int64_t rows_per_piece(const Shape& s) { return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, s.count)); }

// y = (x - mean) rstd w + b, in spans of one weight or element by element.
template <class T>
void apply_row(const Shape& s, const T* x, const T* w, const T* b, T mean, T rstd, T* y) {
  if (s.span == 1) {
    if (w && b) for (int64_t i = 0; i < s.count; ++i) y[i] = (x[i] - mean) * rstd * w[i] + b[i];
    else if (w) for (int64_t i = 0; i < s.count; ++i) y[i] = (x[i] - mean) * rstd * w[i];
    else for (int64_t i = 0; i < s.count; ++i) y[i] = (x[i] - mean) * rstd + (b ? b[i] : T(0));
    return;
  }
  for (int64_t k = 0; k < s.weights(); ++k) {
    const T scale = w ? rstd * w[k] : rstd, shift = b ? b[k] : T(0);
    for (int64_t i = k * s.span; i < (k + 1) * s.span; ++i) y[i] = (x[i] - mean) * scale + shift;
  }
}

template <class T>
void forward(const Shape& s, const T* x, const T* w, const T* b, double eps, T* y, T* means, T* rstds) {
  parallel_for(s.rows, rows_per_piece(s), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      Moments m;
      add_run(m, x + r * s.count, s.count);
      means[r] = T(m.mean);
      rstds[r] = T(1 / std::sqrt(m.variance() + eps));
      const int64_t first = r % s.groups * s.weights();
      apply_row(s, x + r * s.count, w ? w + first : nullptr, b ? b + first : nullptr, means[r], rstds[r], y + r * s.count);
    }
  });
}

// gx = rstd (g w - mean(g w) - xhat mean(g w xhat))
template <class T>
void back_row(const Shape& s, const T* g, const T* x, const T* w, T mean, T rstd, T* gx) {
  double sums[2] = {};
  for (int64_t k = 0; k < (s.span == 1 ? 1 : s.weights()); ++k) {
    const int64_t from = s.span == 1 ? 0 : k * s.span, n = s.span == 1 ? s.count : s.span;
    double part[2] = {};
    lane_sums<2, T>(n, part, [&](int64_t i, int l, auto& lanes) {
      const T v = s.span == 1 && w ? g[from + i] * w[from + i] : g[from + i];
      lanes[0][l] += v;
      lanes[1][l] += v * ((x[from + i] - mean) * rstd);
    });
    const double scale = s.span > 1 && w ? double(w[k]) : 1.0;
    sums[0] += part[0] * scale;
    sums[1] += part[1] * scale;
  }
  const T a = T(sums[0] / double(s.count)), b = T(sums[1] / double(s.count));
  if (s.span == 1) {
    if (w) for (int64_t i = 0; i < s.count; ++i) gx[i] = rstd * (g[i] * w[i] - a - (x[i] - mean) * rstd * b);
    else for (int64_t i = 0; i < s.count; ++i) gx[i] = rstd * (g[i] - a - (x[i] - mean) * rstd * b);
    return;
  }
  for (int64_t k = 0; k < s.weights(); ++k) {
    const T scale = w ? w[k] : T(1);
    for (int64_t i = k * s.span; i < (k + 1) * s.span; ++i) gx[i] = rstd * (g[i] * scale - a - (x[i] - mean) * rstd * b);
  }
}

template <class T>
void back_input(const Shape& s, const T* g, const T* x, const T* w, const T* means, const T* rstds, T* gx) {
  parallel_for(s.rows, rows_per_piece(s), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      back_row(s, g + r * s.count, x + r * s.count, w ? w + r % s.groups * s.weights() : nullptr, means[r], rstds[r], gx + r * s.count);
  });
}

// Gradients of weight and bias: rows are cut into pieces of a fixed size, whose sums are joined in order.
template <class T>
void back_affine(const Shape& s, const T* g, const T* x, const T* means, const T* rstds, T* gw, T* gb) {
  const int64_t n = s.weights() * s.groups, each = std::max<int64_t>(s.groups, (std::max<int64_t>(1, 64 * kPiece / std::max<int64_t>(1, s.count)) + s.groups - 1) / s.groups * s.groups);
  const int64_t pieces = std::max<int64_t>(1, (s.rows + each - 1) / each);
  std::vector<T> sums(size_t(pieces * n * 2));
  parallel_for(pieces, 1, [&](int64_t piece, int64_t) {
    T *w = sums.data() + piece * n * 2, *b = w + n;
    for (int64_t r = piece * each; r < std::min(s.rows, (piece + 1) * each); ++r) {
      const T *gr = g + r * s.count, *xr = x + r * s.count, mean = means[r], rstd = rstds[r];
      const int64_t at = r % s.groups * s.weights();
      if (s.span == 1) {
        for (int64_t i = 0; i < s.count; ++i) { w[at + i] += gr[i] * ((xr[i] - mean) * rstd); b[at + i] += gr[i]; }
        continue;
      }
      for (int64_t k = 0; k < s.weights(); ++k) {
        double part[2] = {};
        lane_sums<2, T>(s.span, part, [&](int64_t i, int l, auto& lanes) {
          const T v = gr[k * s.span + i];
          lanes[0][l] += v * ((xr[k * s.span + i] - mean) * rstd);
          lanes[1][l] += v;
        });
        w[at + k] += T(part[0]);
        b[at + k] += T(part[1]);
      }
    }
  });
  for (int64_t i = 0; i < n; ++i) {
    double w = 0, b = 0;
    for (int64_t p = 0; p < pieces; ++p) { w += double(sums[size_t(p * n * 2 + i)]); b += double(sums[size_t(p * n * 2 + n + i)]); }
    if (gw) gw[i] = T(w);
    if (gb) gb[i] = T(b);
  }
}

Shape layer_shape(const Tensor& x, const Dims& normalized) {
  const int64_t count = normalized.numel();
  return {count ? x.numel() / count : 0, count, 1, 1};
}
Shape group_shape(const Tensor& x, int64_t groups) {
  const int64_t channels = x.size(1), plane = x.size(0) && channels ? x.numel() / (x.size(0) * channels) : 0;
  return {x.size(0) * groups, groups ? channels / groups * plane : 0, std::max<int64_t>(1, plane), groups};
}

Tensor as(const Tensor& t, DType type) { return t ? contiguous_as(t, type) : t; }
template <class T> const T* data(const Tensor& t) { return t ? t.data<T>() : nullptr; }

// (input, weight?, bias?, eps) with statistics of the given shape
void normalise(Call& c, const Shape& s, const Tensor& input, const Tensor& weight, const Tensor& bias, double eps, const Dims& stats) {
  const DType type = input.dtype(), compute = compute_dtype(type);
  const DType kept = weight && weight.dtype() != type ? weight.dtype() : type;  // mixed precision keeps float statistics
  Tensor y = empty(input.sizes(), compute, input.device()), mean = empty(stats, compute, input.device()), rstd = empty(stats, compute, input.device());
  if (!input.is_meta()) {
    const Tensor x = as(input, compute), w = as(weight, compute), b = as(bias, compute);
    for_floating(compute, c.op, [&]<class T> {
      forward<T>(s, x.data<T>(), data<T>(w), data<T>(b), eps, y.data<T>(), mean.data<T>(), rstd.data<T>());
    });
  }
  for (auto& [t, d] : {std::pair(y, type), std::pair(mean, kept), std::pair(rstd, kept)}) c.out.push_back(cast(t, d));
}

// (grad, input, mean, rstd, weight?) -> gradients of input, weight, bias as asked for
void differentiate(Call& c, const Shape& s, const Tensor& grad, const Tensor& input, const Tensor& mean, const Tensor& rstd, const Tensor& weight,
                   const Dims& affine, bool wants_input, bool wants_affine) {
  const DType type = input.dtype(), compute = compute_dtype(type);
  Tensor gx = wants_input ? empty(input.sizes(), compute, input.device()) : Tensor();
  Tensor gw = wants_affine ? full(affine, 0, compute, input.device()) : Tensor(), gb = wants_affine ? full(affine, 0, compute, input.device()) : Tensor();
  if (!input.is_meta()) {
    const Tensor g = as(grad, compute), x = as(input, compute), w = as(weight, compute), m = as(mean, compute), r = as(rstd, compute);
    for_floating(compute, c.op, [&]<class T> {
      if (gx) back_input<T>(s, g.data<T>(), x.data<T>(), data<T>(w), m.data<T>(), r.data<T>(), gx.data<T>());
      if (gw) back_affine<T>(s, g.data<T>(), x.data<T>(), m.data<T>(), r.data<T>(), gw.data<T>(), gb.data<T>());
    });
  }
  const DType wide = weight ? weight.dtype() : type;
  for (auto& [t, d] : {std::pair(gx, type), std::pair(gw, wide), std::pair(gb, wide)}) c.out.push_back(t ? cast(t, d) : t);
}

// native_layer_norm(input, normalized_shape, weight?, bias?, eps)
void layer(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& shape = c.ints(1);
  if (shape.ndim() == 0)
    throw RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []");
  for (auto [name, t] : {std::pair("weight", c.tensor(2)), std::pair("bias", c.tensor(3))})
    if (t && !(t.sizes() == shape))
      throw RuntimeError("Expected ", name, " to be of same shape as normalized_shape, but got ", name, " of shape ", t.sizes(), " and normalized_shape = ", shape);
  bool fits = x.dim() >= shape.ndim();
  for (int d = 0; fits && d < shape.ndim(); ++d) fits = x.size(x.dim() - shape.ndim() + d) == shape[d];
  if (!fits) {
    std::string star = cat(shape);
    throw RuntimeError("Given normalized_shape=", shape, ", expected input with shape [*, ", star.substr(1), ", but got input of size", x.sizes());
  }
  Dims stats = x.sizes();
  for (int d = x.dim() - c.ints(1).ndim(); d < x.dim(); ++d) stats[d] = 1;
  normalise(c, layer_shape(x, c.ints(1)), x, c.tensor(2), c.tensor(3), c.real(4), stats);
}
// _layer_norm_back(grad, input, normalized_shape, mean, rstd, weight?, wants_input, wants_affine)
void layer_back(Call& c) {
  differentiate(c, layer_shape(c.tensor(1), c.ints(2)), c.tensor(0), c.tensor(1), c.tensor(3), c.tensor(4), c.tensor(5), c.ints(2), c.flag(6), c.flag(7));
}
// _group_norm(input, weight?, bias?, groups, eps)
void group(Call& c) {
  const Tensor& x = c.tensor(0);
  normalise(c, group_shape(x, c.integer(3)), x, c.tensor(1), c.tensor(2), c.real(4), {x.size(0), c.integer(3)});
}
// _group_norm_back(grad, input, mean, rstd, weight?, groups, wants_input, wants_affine)
void group_back(Call& c) {
  differentiate(c, group_shape(c.tensor(1), c.integer(5)), c.tensor(0), c.tensor(1), c.tensor(2), c.tensor(3), c.tensor(4), {c.tensor(1).size(1)}, c.flag(6), c.flag(7));
}

const Register here[] = {{"norm.layer", layer}, {"norm.layer_back", layer_back}, {"norm.group", group}, {"norm.group_back", group_back}};

}  // namespace
}  // namespace facula
