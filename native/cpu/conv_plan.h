// What every convolution kernel reads: a source with its padding in place, and displacements into it.
#pragma once
#include <algorithm>
#include <vector>

#include "cpu/conv.h"
#include "cpu/parallel.h"
#include "cpu/tile.h"

namespace facula::conv {

// Position p along a dimension reads the source at p * step + displacement, for every tap.
struct Axis {
  int64_t count, step;
  std::vector<int64_t> taps;          // which kernel elements
  std::vector<int64_t> displacement;  // of each
  int64_t first = 0, stride = 1;      // where results go: first + p * stride
};
using Axes = std::array<Axis, 3>;

inline Axes forward_axes(const ConvShape& s) {
  Axes axes;
  for (int d = 0; d < 3; ++d) {
    axes[d] = {s.out[d], s.stride[d], {}, {}};
    for (int64_t t = 0; t < s.kernel[d]; ++t) {
      axes[d].taps.push_back(t);
      axes[d].displacement.push_back(t * s.dilation[d] - s.pad[d]);
    }
  }
  return axes;
}

// Inputs q * stride + phase meet only some taps, and with these they see a convolution of stride 1.
inline Axes backward_axes(const ConvShape& s, const std::array<int64_t, 3>& phase) {
  Axes axes;
  for (int d = 0; d < 3; ++d) {
    axes[d] = {std::max<int64_t>(0, (s.in[d] - phase[d] + s.stride[d] - 1) / s.stride[d]), 1, {}, {}, phase[d], s.stride[d]};
    for (int64_t t = 0; t < s.kernel[d]; ++t) {
      const int64_t at = phase[d] + s.pad[d] - t * s.dilation[d];
      if (at % s.stride[d]) continue;
      axes[d].taps.push_back(t);
      axes[d].displacement.push_back(at / s.stride[d]);
    }
  }
  return axes;
}

// A source laid out so that no read is out of bounds and neighbours along the last dimension are
// contiguous: columns are split by their remainder modulo the step.
struct Layout {
  std::array<int64_t, 3> source, before, size;
  int64_t step, width;  // of the last dimension: `step` runs of `width`
  int64_t row() const { return step * width; }
  int64_t channel() const { return size[0] * size[1] * row(); }
  bool in_place() const { return step == 1 && size == source && before == std::array<int64_t, 3>{}; }

  int64_t tap(int64_t d, int64_t h, int64_t w) const {
    const int64_t u = w + before[2];
    return ((d + before[0]) * size[1] + h + before[1]) * row() + u % step * width + u / step;
  }
  int64_t position(const Axes& axes, int64_t d, int64_t h, int64_t w) const {
    return (d * axes[0].step * size[1] + h * axes[1].step) * row() + w;
  }
};

inline Layout layout_for(const std::array<int64_t, 3>& source, const std::vector<Axes>& all) {
  Layout l{source, {}, source, all[0][2].step, 0};
  for (int d = 0; d < 3; ++d) {
    int64_t low = 0, high = source[d] - 1;
    for (const Axes& axes : all) {
      for (int64_t x : axes[d].displacement) {
        low = std::min(low, x);
        high = std::max(high, (axes[d].count - 1) * axes[d].step + x);
      }
    }
    l.before[d] = -low;
    l.size[d] = high - low + 1;
  }
  l.width = (l.size[2] + l.step - 1) / l.step;
  return l;
}

template <class T>
void lay_out_channel(const Layout& l, const T* from, T* to) {
  std::fill(to, to + l.channel(), T(0));
  for (int64_t d = 0; d < l.source[0]; ++d) {
    for (int64_t h = 0; h < l.source[1]; ++h, from += l.source[2]) {
      T* row = to + ((d + l.before[0]) * l.size[1] + h + l.before[1]) * l.row();
      if (l.step == 1) {
        std::copy(from, from + l.source[2], row + l.before[2]);
        continue;
      }
      for (int64_t r = 0; r < l.step; ++r) {
        // Source columns w with (w + before) % step == r.
        int64_t w = ((r - l.before[2]) % l.step + l.step) % l.step;
        for (T* out = row + r * l.width + (w + l.before[2]) / l.step; w < l.source[2]; w += l.step) *out++ = from[w];
      }
    }
  }
}

// `channels` channels in a row, with slack on both sides for whole-vector reads.
inline constexpr int64_t kSlack = 64;
template <class T>
const T* lay_out(const Layout& l, int64_t channels, const T* from, tile::Scratch& scratch) {
  if (l.in_place()) return from;
  T* to = scratch.get<T>(channels * l.channel() + 2 * kSlack) + kSlack;
  const int64_t inner = l.source[0] * l.source[1] * l.source[2];
  parallel_for(channels, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, l.channel())), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) lay_out_channel(l, from + c * inner, to + c * l.channel());
  });
  return to;
}

// Offsets of (channel, tap) pairs, channel first; `order` receives the tap's index in the kernel.
inline std::vector<int64_t> tap_offsets(const Layout& l, const Axes& axes, int64_t channels,
                                        const ConvShape& s, std::vector<int64_t>* order = nullptr) {
  std::vector<int64_t> one;
  for (size_t a = 0; a < axes[0].taps.size(); ++a)
    for (size_t b = 0; b < axes[1].taps.size(); ++b)
      for (size_t c = 0; c < axes[2].taps.size(); ++c) {
        one.push_back(l.tap(axes[0].displacement[a], axes[1].displacement[b], axes[2].displacement[c]));
        if (order) order->push_back((axes[0].taps[a] * s.kernel[1] + axes[1].taps[b]) * s.kernel[2] + axes[2].taps[c]);
      }
  std::vector<int64_t> all;
  all.reserve(one.size() * channels);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t o : one) all.push_back(o + c * l.channel());
  return all;
}

// Images that are handled together: enough to keep the threads busy, few enough to stay in cache.
inline int64_t images_at_once(int64_t batch, int64_t elements_each) {
  return std::clamp<int64_t>((int64_t(4) << 20) / std::max<int64_t>(1, elements_each), 1, std::max<int64_t>(1, batch));
}

}  // namespace facula::conv
