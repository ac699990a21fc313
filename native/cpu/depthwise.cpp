// Each channel is padded into a thread's own buffer, where it stays in cache for all its taps.
#include "cpu/depthwise.h"

namespace facula {
namespace {

using namespace tile;
using namespace conv;

thread_local Scratch channel_scratch, row_scratch;

// to[w] = bias + sum over taps of weight[t] * from[offset[t] + w], in blocks that stay in registers.
template <class T, int V>
inline __attribute__((always_inline)) void shifted_sum(const T* from, const int64_t* offsets, const T* weights, int64_t taps,
                                                       T bias, T* to) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) acc[v] = Vec<T>{} + bias;
  for (int64_t t = 0; t < taps; ++t) {
    const T* p = from + offsets[t];
    const T weight = weights[t];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[v] += weight * load(p + v * W);
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) store(to + v * W, acc[v]);
}

template <class T>
void row_sums(const T* from, const int64_t* offsets, const T* weights, int64_t taps, T bias, T* to, int64_t length) {
  constexpr int W = kLanes<T>;
  int64_t w = 0;
  for (; w + 4 * W <= length; w += 4 * W) shifted_sum<T, 4>(from + w, offsets, weights, taps, bias, to + w);
  for (; w + 2 * W <= length; w += 2 * W) shifted_sum<T, 2>(from + w, offsets, weights, taps, bias, to + w);
  for (; w + W <= length; w += W) shifted_sum<T, 1>(from + w, offsets, weights, taps, bias, to + w);
  for (; w < length; ++w) {
    T sum = bias;
    for (int64_t t = 0; t < taps; ++t) sum += weights[t] * from[w + offsets[t]];
    to[w] = sum;
  }
}

template <class T>
const T* padded(const Layout& l, const T* from) {
  if (l.in_place()) return from;
  T* to = channel_scratch.get<T>(l.channel() + 2 * kSlack) + kSlack;
  lay_out_channel(l, from, to);
  return to;
}

template <class T>
void run(const ConvShape& s, const Axes& axes, const Layout& l, std::array<int64_t, 3> to_size, const T* from, const T* w,
         const T* bias, T* to) {
  std::vector<int64_t> order;
  const std::vector<int64_t> offsets = tap_offsets(l, axes, 1, s, &order);
  const int64_t taps = int64_t(offsets.size()), inner = l.source[0] * l.source[1] * l.source[2];
  const int64_t results = to_size[0] * to_size[1] * to_size[2], width = axes[2].count;
  const bool dense = axes[2].stride == 1;
  parallel_for(s.batch * s.groups, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, results * taps)), [&](int64_t begin, int64_t end) {
    T* weights = row_scratch.get<T>(taps + width);
    T* row = weights + taps;
    for (int64_t c = begin; c < end; ++c) {
      const int64_t g = c % s.groups;
      for (int64_t t = 0; t < taps; ++t) weights[t] = w[g * s.taps() + order[t]];
      const T* source = padded(l, from + c * inner);
      const T b = bias ? bias[g] : T(0);
      for (int64_t d = 0; d < axes[0].count; ++d) {
        for (int64_t h = 0; h < axes[1].count; ++h) {
          T* out = to + c * results + ((axes[0].first + d * axes[0].stride) * to_size[1] + axes[1].first + h * axes[1].stride) * to_size[2] + axes[2].first;
          row_sums(source + l.position(axes, d, h, 0), offsets.data(), weights, taps, b, dense ? out : row, width);
          if (!dense) for (int64_t i = 0; i < width; ++i) out[i * axes[2].stride] = row[i];
        }
      }
    }
  });
}

// out[t] = sum over positions of source[offset[t] + position] * gradient[position], G taps at once so
// that each gradient is loaded once for them; lanes are added up only at the end.
template <class T, int G>
void tap_dots(const T* source, const int64_t* offsets, const Axes& axes, const Layout& l, const T* gradient, T* out) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[G];
  T rest[G] = {};
#pragma GCC unroll 4
  for (int t = 0; t < G; ++t) acc[t] = Vec<T>{};
  const int64_t width = axes[2].count, whole = width / W * W;
  for (int64_t d = 0; d < axes[0].count; ++d) {
    for (int64_t h = 0; h < axes[1].count; ++h, gradient += width) {
      const T* from = source + l.position(axes, d, h, 0);
      for (int64_t w = 0; w < whole; w += W) {
        const Vec<T> g = load(gradient + w);
#pragma GCC unroll 4
        for (int t = 0; t < G; ++t) acc[t] += g * load(from + offsets[t] + w);
      }
      for (int64_t w = whole; w < width; ++w)
        for (int t = 0; t < G; ++t) rest[t] += gradient[w] * from[offsets[t] + w];
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < G; ++t) {
    for (int lane = 0; lane < W; ++lane) rest[t] += acc[t][lane];
    out[t] = rest[t];
  }
}

}  // namespace

template <class T>
void depthwise_forward(const ConvShape& s, const Axes& axes, const Layout& l, const T* x, const T* w, const T* bias, T* y) {
  run(s, axes, l, s.out, x, w, bias, y);
}

template <class T>
void depthwise_backward_data(const ConvShape& s, const Axes& axes, const Layout& l, const T* dy, const T* w, const T* bias, T* dx) {
  run(s, axes, l, s.in, dy, w, bias, dx);
}

template <class T>
void depthwise_backward_weight(const ConvShape& s, const Axes& axes, const Layout& l, const T* x, const T* dy, T* dw) {
  const std::vector<int64_t> offsets = tap_offsets(l, axes, 1, s);
  const int64_t taps = int64_t(offsets.size()), count = s.batch * s.groups;
  std::vector<T> partial(count * taps);  // of each image, added in order afterwards
  parallel_for(count, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, s.outputs() * taps)), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const T* source = padded(l, x + c * s.inputs());
      const T* gradient = dy + c * s.outputs();
      T* out = partial.data() + c * taps;
      int64_t t = 0;
      for (; t + 4 <= taps; t += 4) tap_dots<T, 4>(source, offsets.data() + t, axes, l, gradient, out + t);
      for (; t + 3 <= taps; t += 3) tap_dots<T, 3>(source, offsets.data() + t, axes, l, gradient, out + t);
      for (; t < taps; ++t) tap_dots<T, 1>(source, offsets.data() + t, axes, l, gradient, out + t);
    }
  });
  for (int64_t i = 0; i < s.groups * taps; ++i) {
    T sum = 0;
    for (int64_t n = 0; n < s.batch; ++n) sum += partial[n * s.groups * taps + i];
    dw[i] = sum;
  }
}

#define FACULA_DEPTHWISE(T)                                                                                                   \
  template void depthwise_forward<T>(const ConvShape&, const Axes&, const Layout&, const T*, const T*, const T*, T*);         \
  template void depthwise_backward_data<T>(const ConvShape&, const Axes&, const Layout&, const T*, const T*, const T*, T*);   \
  template void depthwise_backward_weight<T>(const ConvShape&, const Axes&, const Layout&, const T*, const T*, T*);
FACULA_DEPTHWISE(float)
FACULA_DEPTHWISE(double)
#undef FACULA_DEPTHWISE

}  // namespace facula
