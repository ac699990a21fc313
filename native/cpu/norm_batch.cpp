// batch_norm: statistics per channel over the batch. Two layouts: planes (N, C, S), where a channel's
// numbers lie in runs of S, and columns (M, C), channels last, where neighbours are of different channels.
#include <cmath>

#include "cpu/moments.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 32 << 10, kRows = 128;

struct Layout {
  int64_t batch, channels, plane;
  bool columns;
  int64_t per_channel() const { return batch * plane; }
  int64_t channel_grain() const { return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, per_channel())); }
  int64_t plane_grain() const { return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, plane)); }
  int64_t pieces() const { return (batch + kRows - 1) / kRows; }  // of rows, in columns
};

MemoryFormat format_of(const Tensor& x) {
  if (x.is_contiguous()) return MemoryFormat::contiguous;
  const auto last = x.dim() == 4 ? MemoryFormat::channels_last : x.dim() == 5 ? MemoryFormat::channels_last_3d : MemoryFormat::contiguous;
  return x.strides() == contiguous_strides(x.sizes(), last) ? last : MemoryFormat::contiguous;
}
Layout layout_of(const Tensor& x, MemoryFormat format) {
  Layout l{x.size(0), x.size(1), 1, false};
  for (int d = 2; d < x.dim(); ++d) l.plane *= x.size(d);
  if (l.plane == 1 || format != MemoryFormat::contiguous) l = {l.batch * l.plane, l.channels, 1, true};
  return l;
}
Tensor in_format(const Tensor& x, DType type, MemoryFormat format) {
  if (format == MemoryFormat::contiguous) return contiguous_as(x, type);
  const Dims strides = contiguous_strides(x.sizes(), format);
  if (x.dtype() == type && x.strides() == strides) return x;
  Tensor out = empty_strided(x.sizes(), strides, type, x.device());
  copy_into(out, x);
  return out;
}

// Sums of two values per number, per channel: f(x index, channel) -> values to add.
template <class T, class F>
void channel_sums(const Layout& l, std::vector<double>& first, std::vector<double>& second, const F& f) {
  first.assign(size_t(l.channels), 0);
  second.assign(size_t(l.channels), 0);
  if (!l.columns) {
    parallel_for(l.channels, l.channel_grain(), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double sums[2] = {};
        for (int64_t n = 0; n < l.batch; ++n) {
          const int64_t base = (n * l.channels + c) * l.plane;
          lane_sums<2, T>(l.plane, sums, [&](int64_t i, int k, auto& lanes) { f(base + i, c, lanes[0][k], lanes[1][k]); });
        }
        first[size_t(c)] = sums[0];
        second[size_t(c)] = sums[1];
      }
    });
    return;
  }
  std::vector<T> parts(size_t(l.pieces() * l.channels * 2));
  parallel_for(l.pieces(), std::max<int64_t>(1, kPiece / (kRows * std::max<int64_t>(1, l.channels))), [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      T *a = parts.data() + piece * l.channels * 2, *b = a + l.channels;
      for (int64_t m = piece * kRows; m < std::min(l.batch, (piece + 1) * kRows); ++m)
        for (int64_t c = 0; c < l.channels; ++c) f(m * l.channels + c, c, a[c], b[c]);
    }
  });
  for (int64_t piece = 0; piece < l.pieces(); ++piece)
    for (int64_t c = 0; c < l.channels; ++c) {
      first[size_t(c)] += double(parts[size_t(piece * 2 * l.channels + c)]);
      second[size_t(c)] += double(parts[size_t((piece * 2 + 1) * l.channels + c)]);
    }
}

template <class T>
void statistics(const Layout& l, const T* x, std::vector<double>& mean, std::vector<double>& variance) {
  mean.assign(size_t(l.channels), 0);
  variance.assign(size_t(l.channels), 0);
  if (!l.columns) {
    parallel_for(l.channels, l.channel_grain(), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        Moments m;
        for (int64_t n = 0; n < l.batch; ++n) add_run(m, x + (n * l.channels + c) * l.plane, l.plane);
        mean[size_t(c)] = m.mean;
        variance[size_t(c)] = m.variance();
      }
    });
    return;
  }
  // Columns: the mean first, then squares around it.
  std::vector<double> unused;
  const double count = double(std::max<int64_t>(1, l.batch));
  channel_sums<T>(l, mean, unused, [&](int64_t i, int64_t, T& a, T&) { a += x[i]; });
  std::vector<T> centre(size_t(l.channels));
  for (int64_t c = 0; c < l.channels; ++c) { mean[size_t(c)] /= count; centre[size_t(c)] = T(mean[size_t(c)]); }
  channel_sums<T>(l, variance, unused, [&](int64_t i, int64_t c, T& a, T&) { const T d = x[i] - centre[size_t(c)]; a += d * d; });
  for (int64_t c = 0; c < l.channels; ++c) variance[size_t(c)] /= count;
}

// y = f(x index, channel), everywhere.
template <class T, class F>
void each_number(const Layout& l, T* y, const F& f) {
  if (l.columns) {
    parallel_for(l.batch, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, l.channels)), [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m)
        for (int64_t c = 0; c < l.channels; ++c) y[m * l.channels + c] = f(m * l.channels + c, c);
    });
    return;
  }
  parallel_for(l.batch * l.channels, l.plane_grain(), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t c = p % l.channels;
      for (int64_t i = p * l.plane; i < (p + 1) * l.plane; ++i) y[i] = f(i, c);
    }
  });
}

void update_running(const Tensor& running, const std::vector<double>& now, double momentum, double scale) {
  if (!running || running.numel() == 0 || scale <= 0) return;
  Tensor next = contiguous_as(running, DType::float64);
  for (size_t c = 0; c < now.size(); ++c) next.data<double>()[c] = next.data<double>()[c] * (1 - momentum) + momentum * scale * now[c];
  copy_into(running, next);
  running.bump();
}

Tensor as(const Tensor& t, DType type) { return t ? contiguous_as(t, type) : t; }
template <class T> const T* data(const Tensor& t) { return t ? t.data<T>() : nullptr; }

// native_batch_norm(input, weight?, bias?, running_mean?, running_var?, training, momentum, eps) -> output, mean, rstd
void forward(Call& c) {
  const Tensor &input = c.tensor(0), &running_mean = c.tensor(3), &running_var = c.tensor(4);
  const bool training = c.flag(5);
  const double momentum = c.real(6), eps = c.real(7);
  const DType type = input.dtype(), compute = compute_dtype(type);
  const DType kept = c.tensor(1) && c.tensor(1).dtype() != type ? c.tensor(1).dtype() : type;
  const auto format = format_of(input);
  const Layout l = layout_of(input, format);
  Tensor y = empty_strided(input.sizes(), contiguous_strides(input.sizes(), format), compute, input.device());
  Tensor mean = empty({training ? l.channels : 0}, compute, input.device()), rstd = empty({training ? l.channels : 0}, compute, input.device());
  if (!input.is_meta()) {
    const Tensor x = in_format(input, compute, format), w = as(c.tensor(1), compute), b = as(c.tensor(2), compute);
    for_floating(compute, c.op, [&]<class T> {
      const T* in = x.data<T>();
      std::vector<double> means, variances;
      if (training) {
        statistics<T>(l, in, means, variances);
        const double n = double(l.per_channel());
        update_running(running_mean, means, momentum, n > 0);
        update_running(running_var, variances, momentum, n / (n - 1));
      } else {
        const Tensor m = as(running_mean, compute), v = as(running_var, compute);
        means.assign(m.data<T>(), m.data<T>() + l.channels);
        variances.assign(v.data<T>(), v.data<T>() + l.channels);
      }
      std::vector<T> scale(static_cast<size_t>(l.channels)), shift(scale.size()), centre(scale.size());
      for (size_t k = 0; k < scale.size(); ++k) {
        const double r = 1 / std::sqrt(variances[k] + eps);
        centre[k] = T(means[k]);
        scale[k] = T(r * (w ? double(w.data<T>()[k]) : 1.0));
        shift[k] = b ? b.data<T>()[k] : T(0);
        if (training) { mean.data<T>()[k] = T(means[k]); rstd.data<T>()[k] = T(r); }
      }
      each_number<T>(l, y.data<T>(), [&](int64_t i, int64_t k) { return (in[i] - centre[size_t(k)]) * scale[size_t(k)] + shift[size_t(k)]; });
    });
  }
  c.out = {cast(y, type), cast(mean, kept), cast(rstd, kept)};
}

// _batch_norm_back(grad, input, weight?, running_mean?, running_var?, mean, rstd, training, eps, wants_input)
//   -> gradients of input, weight, bias
void backward(Call& c) {
  const Tensor &input = c.tensor(1), &weight = c.tensor(2);
  const bool training = c.flag(7), wants_input = c.flag(9);
  const DType type = input.dtype(), compute = compute_dtype(type), wide = weight ? weight.dtype() : type;
  const auto format = format_of(input);
  const Layout l = layout_of(input, format);
  Tensor gx = wants_input ? empty_strided(input.sizes(), contiguous_strides(input.sizes(), format), compute, input.device()) : Tensor();
  Tensor gw = empty({l.channels}, compute, input.device()), gb = empty({l.channels}, compute, input.device());
  if (!input.is_meta()) {
    const Tensor g = in_format(c.tensor(0), compute, format), x = in_format(input, compute, format), w = as(weight, compute);
    const Tensor m = as(training ? c.tensor(5) : c.tensor(3), compute), r = as(training ? c.tensor(6) : c.tensor(4), compute);
    for_floating(compute, c.op, [&]<class T> {
      const T *grad = g.data<T>(), *in = x.data<T>(), *centre = m.data<T>();
      std::vector<T> rstd(r.data<T>(), r.data<T>() + l.channels);
      if (!training) for (auto& v : rstd) v = T(1 / std::sqrt(double(v) + c.real(8)));
      std::vector<double> sum, dot;
      channel_sums<T>(l, sum, dot, [&](int64_t i, int64_t k, T& a, T& b) { a += grad[i]; b += grad[i] * (in[i] - centre[k]); });
      std::vector<T> scale(static_cast<size_t>(l.channels)), offset(scale.size()), slope(scale.size());
      const double n = double(std::max<int64_t>(1, l.per_channel()));
      for (size_t k = 0; k < scale.size(); ++k) {
        const double rs = double(rstd[k]);
        gw.data<T>()[k] = T(dot[k] * rs);
        gb.data<T>()[k] = T(sum[k]);
        scale[k] = T(rs * (w ? double(w.data<T>()[k]) : 1.0));
        offset[k] = training ? T(sum[k] / n) : T(0);
        slope[k] = training ? T(dot[k] * rs * rs / n) : T(0);
      }
      if (gx) each_number<T>(l, gx.data<T>(), [&](int64_t i, int64_t k) {
        const auto j = size_t(k);
        return (grad[i] - offset[j] - (in[i] - centre[k]) * slope[j]) * scale[j];
      });
    });
  }
  c.out = {gx ? cast(gx, type) : gx, cast(gw, wide), cast(gb, wide)};
}

const Register here[] = {{"norm.batch", forward}, {"norm.batch_back", backward}};

}  // namespace
}  // namespace facula
