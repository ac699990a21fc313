// Resizing of planes, one axis after the other: every way of interpolating is a table of taps per axis.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 32 << 10;  // elements written

enum class Mode { nearest, nearest_exact, linear, cubic, linear_antialias, cubic_antialias, lanczos_antialias };

// Output i of an axis is the sum of weight[i * width + k] * input[index[i * width + k]].
template <class T>
struct Taps {
  int64_t in = 0, out = 0, width = 1;
  std::vector<int64_t> index;
  std::vector<T> weight;
  bool identity = true;
  void add(int64_t i, T w) { index.push_back(std::clamp<int64_t>(i, 0, in - 1)); weight.push_back(w); }
};

// Input pixels per output pixel, in the precision of the data, as PyTorch has it.
template <class T>
T pixel_scale(int64_t in, int64_t out, bool align_corners, double scale) {
  if (align_corners) return out > 1 ? T(in - 1) / T(out - 1) : T(0);
  return scale > 0 ? T(1.0 / scale) : T(in) / T(out);
}

template <class T>
T cubic_filter(T x, T a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : T(0);
}

template <class T>
void nearest_taps(Taps<T>& t, bool exact, double scale) {
  const float step = scale > 0 ? float(1.0 / scale) : float(t.in) / float(t.out);
  for (int64_t o = 0; o < t.out; ++o) {
    if (!exact && t.out == t.in) t.add(o, 1);
    else if (!exact && t.out == 2 * t.in) t.add(o / 2, 1);
    else t.add(int64_t(std::floor((exact ? float(o) + 0.5f : float(o)) * step)), 1);
  }
}

template <class T>
void linear_taps(Taps<T>& t, bool align, double scale) {
  t.width = 2;
  const T step = pixel_scale<T>(t.in, t.out, align, scale);
  for (int64_t o = 0; o < t.out; ++o) {
    const T at = t.in == t.out ? T(o) : align ? step * T(o) : std::max(T(0), step * (T(o) + T(0.5)) - T(0.5));
    const int64_t i = std::min<int64_t>(int64_t(at), t.in - 1);
    const T w = std::clamp(at - T(i), T(0), T(1));
    t.add(i, 1 - w);
    t.add(i + 1, w);
  }
}

template <class T>
void cubic_taps(Taps<T>& t, bool align, double scale) {
  t.width = 4;
  const T step = pixel_scale<T>(t.in, t.out, align, scale);
  for (int64_t o = 0; o < t.out; ++o) {
    const T at = align ? step * T(o) : step * (T(o) + T(0.5)) - T(0.5), floor = std::floor(at);
    for (int k = -1; k <= 2; ++k) t.add(int64_t(floor) + k, cubic_filter<T>(at - floor - T(k), T(-0.75)));
  }
}

template <class T>
T filter_value(Mode mode, T x) {
  const T pi = T(3.14159265358979323846), ax = std::abs(x);
  if (mode == Mode::linear_antialias) return std::max(T(0), 1 - ax);
  if (mode == Mode::cubic_antialias) return cubic_filter<T>(x, T(-0.5));
  return ax < T(1e-7) ? T(1) : ax < 3 ? std::sin(pi * x) / (pi * x) * (std::sin(pi * x / 3) / (pi * x / 3)) : T(0);
}

// The filter is stretched where the image shrinks, so that every input pixel has its part.
template <class T>
void antialias_taps(Taps<T>& t, Mode mode, bool align, double scale) {
  const T step = pixel_scale<T>(t.in, t.out, align, scale), stretch = std::max(step, T(1));
  const T support = stretch * T(mode == Mode::linear_antialias ? 1 : mode == Mode::cubic_antialias ? 2 : 3);
  t.width = int64_t(std::ceil(support)) * 2 + 1;
  for (int64_t o = 0; o < t.out; ++o) {
    const T centre = step * (T(o) + T(0.5));
    const int64_t from = std::max<int64_t>(int64_t(centre - support + T(0.5)), 0), to = std::min<int64_t>(int64_t(centre + support + T(0.5)), t.in);
    T total = 0;
    for (int64_t k = 0; k < t.width; ++k) {
      const T w = from + k >= to ? T(0) : filter_value<T>(mode, (T(from + k) - centre + T(0.5)) / stretch);
      t.add(from + k, w);
      total += w;
    }
    if (total != 0)
      for (int64_t k = 0; k < t.width; ++k) t.weight[size_t(o * t.width + k)] /= total;
  }
}

template <class T>
Taps<T> make_taps(Mode mode, int64_t in, int64_t out, bool align, double scale) {
  Taps<T> t;
  t.in = in;
  t.out = out;
  switch (mode) {
    case Mode::nearest: case Mode::nearest_exact: nearest_taps(t, mode == Mode::nearest_exact, scale); break;
    case Mode::linear: linear_taps(t, align, scale); break;
    case Mode::cubic: cubic_taps(t, align, scale); break;
    default: antialias_taps(t, mode, align, scale);
  }
  t.identity = in == out;
  for (int64_t o = 0; t.identity && o < out; ++o)
    for (int64_t k = 0; k < t.width; ++k) {
      const size_t at = size_t(o * t.width + k);
      t.identity = t.identity && (t.index[at] == o || t.weight[at] == 0);
    }
  return t;
}

// (outer, in, inner) -> (outer, out, inner)
template <class T>
void gather(const Taps<T>& t, int64_t outer, int64_t inner, const T* x, T* y) {
  for (int64_t p = 0; p < outer; ++p, x += t.in * inner, y += t.out * inner)
    for (int64_t o = 0; o < t.out; ++o) {
      const int64_t* at = t.index.data() + o * t.width;
      const T* w = t.weight.data() + o * t.width;
      T* to = y + o * inner;
      if (t.width == 1) { std::copy_n(x + at[0] * inner, inner, to); continue; }
      if (inner == 1) {
        T total = w[0] * x[at[0]];
        for (int64_t k = 1; k < t.width; ++k) total += w[k] * x[at[k]];
        *to = total;
        continue;
      }
      const T *a = x + at[0] * inner, *b = x + at[1] * inner, u = w[0], v = w[1];
      for (int64_t i = 0; i < inner; ++i) to[i] = u * a[i] + v * b[i];
      for (int64_t k = 2; k < t.width; ++k) {
        const T *more = x + at[k] * inner, weight = w[k];
        for (int64_t i = 0; i < inner; ++i) to[i] += weight * more[i];
      }
    }
}

// The transpose: (outer, out, inner) is added to (outer, in, inner).
template <class T>
void spread(const Taps<T>& t, int64_t outer, int64_t inner, const T* g, T* x) {
  for (int64_t p = 0; p < outer; ++p, x += t.in * inner, g += t.out * inner)
    for (int64_t o = 0; o < t.out; ++o)
      for (int64_t k = 0; k < t.width; ++k) {
        const T w = t.weight[size_t(o * t.width + k)], *from = g + o * inner;
        T* to = x + t.index[size_t(o * t.width + k)] * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += w * from[i];
      }
}

// Resamples one plane through all axes; the two scratch buffers take turns.
template <class T>
void resample_plane(const std::vector<Taps<T>>& axes, bool backward, const T* x, T* y, std::vector<T> (&scratch)[2]) {
  const int n = int(axes.size());
  std::vector<int64_t> sizes;
  int steps = 0;
  for (const auto& t : axes) {
    sizes.push_back(backward ? t.out : t.in);
    steps += !t.identity;
  }
  if (steps == 0) {
    int64_t count = 1;
    for (auto s : sizes) count *= s;
    std::copy_n(x, count, y);
    return;
  }
  for (int i = 0, turn = 0; i < n; ++i) {
    const int d = backward ? i : n - 1 - i;
    const auto& t = axes[size_t(d)];
    if (t.identity) continue;
    int64_t outer = 1, inner = 1;
    for (int k = 0; k < d; ++k) outer *= sizes[size_t(k)];
    for (int k = d + 1; k < n; ++k) inner *= sizes[size_t(k)];
    sizes[size_t(d)] = backward ? t.in : t.out;
    const int64_t count = outer * inner * sizes[size_t(d)];
    T* to = y;
    if (--steps > 0) {
      scratch[turn].resize(size_t(count));
      to = scratch[turn].data();
      turn ^= 1;
    }
    if (backward) {
      std::fill_n(to, count, T(0));
      spread(t, outer, inner, x, to);
    } else {
      gather(t, outer, inner, x, to);
    }
    x = to;
  }
}

// ---------------------------------------------------------------- bytes

// Images of bytes are resized in whole numbers, as PyTorch and Pillow do: weights of 16 bits, bytes again after each axis.
struct ByteTaps {
  int64_t in = 0, out = 0, width = 1;
  int shift = 0;  // weights are times 2^shift
  bool identity = true;
  std::vector<int32_t> from;      // first pixel of each output
  std::vector<int16_t> weight;    // `width` each
};

ByteTaps byte_taps(const Taps<double>& t) {
  ByteTaps made{t.in, t.out, 1, 0, t.identity, std::vector<int32_t>(size_t(t.out)), {}};
  std::vector<int64_t> last(static_cast<size_t>(t.out));
  for (int64_t o = 0; o < t.out; ++o) {
    const auto begin = t.index.begin() + o * t.width;
    const auto [low, high] = std::minmax_element(begin, begin + t.width);
    made.from[size_t(o)] = int32_t(*low);
    made.width = std::max(made.width, *high - *low + 1);
  }
  std::vector<double> merged(size_t(t.out * made.width));  // taps beyond the border count for the pixel at it
  for (int64_t i = 0; i < t.out * t.width; ++i) {
    const int64_t o = i / t.width;
    merged[size_t(o * made.width + t.index[size_t(i)] - made.from[size_t(o)])] += t.weight[size_t(i)];
  }
  const double most = merged.empty() ? 0 : *std::max_element(merged.begin(), merged.end());
  while (made.shift < 22 && int64_t(0.5 + most * double(int64_t(2) << made.shift)) < (1 << 15)) ++made.shift;
  made.weight.reserve(merged.size());
  for (double w : merged) made.weight.push_back(int16_t(std::copysign(0.5, w) + w * double(1 << made.shift)));
  return made;
}

uint8_t byte_of(int32_t sum, int shift) { return uint8_t(std::clamp(sum >> shift, 0, 255)); }

// (rows, in) -> (rows, out), eight rows side by side.
void gather_row_bytes(const ByteTaps& t, int64_t rows, const uint8_t* x, uint8_t* y) {
  typedef int16_t Eight __attribute__((vector_size(16)));
  typedef int32_t Sums __attribute__((vector_size(32)));
  std::vector<Eight> side_by_side(static_cast<size_t>(t.in));
  const Sums zero{}, start = zero + (1 << (t.shift - 1)), most = zero + 255;
  for (int64_t r = 0; r < rows; r += 8, x += 8 * t.in, y += 8 * t.out) {
    const int64_t m = std::min<int64_t>(8, rows - r);
    int16_t* pixels = reinterpret_cast<int16_t*>(side_by_side.data());
    for (int64_t k = 0; k < m; ++k)
      for (int64_t i = 0; i < t.in; ++i) pixels[i * 8 + k] = x[k * t.in + i];
    for (int64_t o = 0; o < t.out; ++o) {
      const int16_t* w = t.weight.data() + o * t.width;
      const Eight* at = side_by_side.data() + t.from[size_t(o)];
      const int64_t n = std::min(t.width, t.in - t.from[size_t(o)]);
      Sums sums = start;
      for (int64_t k = 0; k < n; ++k) sums += __builtin_convertvector(at[k], Sums) * int32_t(w[k]);
      sums >>= t.shift;
      sums = sums < zero ? zero : sums;
      sums = sums > most ? most : sums;
      for (int64_t k = 0; k < m; ++k) y[k * t.out + o] = uint8_t(sums[k]);
    }
  }
}

// (in, cols) -> (out, cols)
void gather_column_bytes(const ByteTaps& t, int64_t cols, const uint8_t* x, uint8_t* y, std::vector<int32_t>& sums) {
  sums.resize(size_t(cols));
  int32_t* sum = sums.data();
  for (int64_t o = 0; o < t.out; ++o, y += cols) {
    const int16_t* w = t.weight.data() + o * t.width;
    const int64_t n = std::min(t.width, t.in - t.from[size_t(o)]);
    std::fill_n(sum, cols, 1 << (t.shift - 1));
    for (int64_t k = 0; k < n; ++k) {
      const uint8_t* row = x + (t.from[size_t(o)] + k) * cols;
      const int32_t weight = w[k];
      if (weight)
        for (int64_t i = 0; i < cols; ++i) sum[i] += weight * row[i];
    }
    const int shift = t.shift;
    for (int64_t i = 0; i < cols; ++i) y[i] = byte_of(sum[i], shift);
  }
}

// `x`: contiguous images (..., height, width) of bytes.
void resample_bytes(const ByteTaps (&axes)[2], const Tensor& x, const Tensor& out) {
  const auto& [down, across] = axes;
  const int64_t from = down.in * across.in, to = down.out * across.out, planes = x.numel() / from;
  const uint8_t* p = x.data<uint8_t>();
  uint8_t* q = out.data<uint8_t>();
  parallel_for(planes, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, std::max(from, to))), [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> narrow(down.identity || across.identity ? 0 : size_t(down.in * across.out));
    std::vector<int32_t> sums;
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* image = p + i * from;
      uint8_t* result = q + i * to;
      if (down.identity && across.identity) { std::copy_n(image, from, result); continue; }
      if (!across.identity) {
        uint8_t* rows = down.identity ? result : narrow.data();
        gather_row_bytes(across, down.in, image, rows);
        image = rows;
      }
      if (!down.identity) gather_column_bytes(down, across.out, image, result, sums);
    }
  });
}

bool is_channels_last(const Tensor& x) {
  return x.dim() == 4 && x.size(1) > 1 && !x.is_contiguous() && x.is_contiguous(MemoryFormat::channels_last);
}

// Bytes are images: interpolated in float, rounded and kept in range.
Tensor rounded(const Tensor& y, DType type) {
  if (type != DType::uint8) return cast(y, type);
  float* p = y.data<float>();
  for (int64_t i = 0; i < y.numel(); ++i) p[i] = std::clamp(std::nearbyint(p[i]), 0.0f, 255.0f);
  return cast(y, type);
}

// (input, result's spatial sizes, mode's align_corners, scales?); backward: (grad, sizes of grad, sizes of the input, ...)
template <Mode mode, bool backward>
void resample(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& target = c.ints(backward ? 2 : 1);
  const int next = backward ? 3 : 2, n = backward ? c.ints(1).ndim() : target.ndim();
  const bool align = c.flag(size_t(next)), last = is_channels_last(x);
  Dims sizes = x.sizes();
  for (int i = 0; i < n; ++i) sizes[size_t(2 + i)] = target[backward ? size_t(2 + i) : size_t(i)];
  if (x.is_meta()) { c.out.push_back(empty(sizes, x.dtype(), x.device())); return; }
  if (!backward && mode != Mode::nearest && mode != Mode::nearest_exact && x.dtype() == DType::uint8 && n == 2) {
    const auto& scales = c.args[size_t(next + 1)].floats;
    auto taps = [&](int d) { return byte_taps(make_taps<double>(mode, x.size(2 + d), sizes[size_t(2 + d)], align, scales.empty() ? 0.0 : scales[size_t(d)])); };
    Tensor out = empty(sizes, x.dtype(), x.device());
    resample_bytes({taps(0), taps(1)}, contiguous(x), out);
    c.out.push_back(last ? contiguous(out, MemoryFormat::channels_last) : out);
    return;
  }
  const DType compute = x.dtype() == DType::uint8 ? DType::float32 : compute_dtype(x.dtype());
  Tensor in = contiguous_as(x, compute), out = empty(sizes, compute, x.device());
  for_floating(compute, c.op, [&]<class T> {
    std::vector<Taps<T>> axes;
    int64_t from = 1, to = 1;
    for (int i = 0; i < n; ++i) {
      const int64_t a = x.size(2 + i), b = sizes[size_t(2 + i)];
      const auto& scales = c.args[size_t(next + 1)].floats;
      axes.push_back(make_taps<T>(mode, backward ? b : a, backward ? a : b, align, size_t(i) < scales.size() ? scales[size_t(i)] : 0.0));
      from *= a;
      to *= b;
    }
    const T* p = in.data<T>();
    T* q = out.data<T>();
    parallel_for(x.size(0) * x.size(1), std::max<int64_t>(1, kPiece / std::max<int64_t>(1, std::max(from, to))), [&](int64_t begin, int64_t end) {
      std::vector<T> scratch[2];
      for (int64_t i = begin; i < end; ++i) resample_plane(axes, backward, p + i * from, q + i * to, scratch);
    });
  });
  out = rounded(out, x.dtype());
  c.out.push_back(last ? contiguous(out, MemoryFormat::channels_last) : out);
}

const Register here[] = {
    {"resample.nearest", resample<Mode::nearest, false>}, {"resample.nearest_back", resample<Mode::nearest, true>},
    {"resample.nearest_exact", resample<Mode::nearest_exact, false>}, {"resample.nearest_exact_back", resample<Mode::nearest_exact, true>},
    {"resample.linear", resample<Mode::linear, false>}, {"resample.linear_back", resample<Mode::linear, true>},
    {"resample.cubic", resample<Mode::cubic, false>}, {"resample.cubic_back", resample<Mode::cubic, true>},
    {"resample.linear_antialias", resample<Mode::linear_antialias, false>}, {"resample.linear_antialias_back", resample<Mode::linear_antialias, true>},
    {"resample.cubic_antialias", resample<Mode::cubic_antialias, false>}, {"resample.cubic_antialias_back", resample<Mode::cubic_antialias, true>},
    {"resample.lanczos_antialias", resample<Mode::lanczos_antialias, false>}, {"resample.lanczos_antialias_back", resample<Mode::lanczos_antialias, true>}};

}  // namespace
}  // namespace facula
