// Winograd's F(2x2, 3x3), after Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
// (2016): tiles of 2 x 2 results come from 4 x 4 inputs with 16 products instead of 36. All transforms
// add and halve, so that the rounding error stays below that of the plain sum. With
//   Y = A^T [(G g G^T) . (B^T d B)] A   the gradient of the weights is   G^T [sum (A dY A^T) . (B^T d B)] G.
#include "cpu/winograd.h"

#include <atomic>

#include "cpu/conv_plan.h"

namespace facula {
namespace {

using namespace tile;
using namespace conv;

constexpr int kSpots = 16;  // of a transformed tile
constexpr int64_t kDepth = 256, kRowBlock = 8 * kRows, kMinTiles = 32, kMinChannels = 12;

// ---------------------------------------------------------------- transforms of vectors of tiles

template <class V>
inline __attribute__((always_inline)) void input_line(V& a, V& b, V& c, V& d) {  // B^T
  const V first = a - c, second = b + c, third = c - b;
  d = b - d;
  a = first, b = second, c = third;
}

template <class V>
inline __attribute__((always_inline)) void input_transform(V (&d)[kSpots]) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) input_line(d[i], d[4 + i], d[8 + i], d[12 + i]);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) input_line(d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]);
}

template <class V>
inline __attribute__((always_inline)) void output_transform(const V (&m)[kSpots], V (&y)[4]) {  // A^T m A
  V t[2][4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[0][i] = m[i] + m[4 + i] + m[8 + i];
    t[1][i] = m[4 + i] - m[8 + i] - m[12 + i];
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    y[2 * i] = t[i][0] + t[i][1] + t[i][2];
    y[2 * i + 1] = t[i][1] - t[i][2] - t[i][3];
  }
}

template <class V>
inline __attribute__((always_inline)) void gradient_transform(const V (&y)[4], V (&z)[kSpots]) {  // A y A^T
  V t[4][2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    t[0][i] = y[i];
    t[1][i] = y[i] + y[2 + i];
    t[2][i] = y[i] - y[2 + i];
    t[3][i] = -y[2 + i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    z[4 * i] = t[i][0];
    z[4 * i + 1] = t[i][0] + t[i][1];
    z[4 * i + 2] = t[i][0] - t[i][1];
    z[4 * i + 3] = -t[i][1];
  }
}

template <class V, class T>
inline __attribute__((always_inline)) void filter_transform(const V (&g)[9], V (&u)[kSpots], T half) {  // G g G^T
  V t[4][3];
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const V sum = (g[i] + g[6 + i]) * half, middle = g[3 + i] * half;
    t[0][i] = g[i];
    t[1][i] = sum + middle;
    t[2][i] = sum - middle;
    t[3][i] = g[6 + i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const V sum = (t[i][0] + t[i][2]) * half, middle = t[i][1] * half;
    u[4 * i] = t[i][0];
    u[4 * i + 1] = sum + middle;
    u[4 * i + 2] = sum - middle;
    u[4 * i + 3] = t[i][2];
  }
}

template <class V, class T>
inline __attribute__((always_inline)) void weight_transform(const V (&m)[kSpots], V (&g)[9], T half) {  // G^T m G
  V t[3][4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const V sum = (m[4 + i] + m[8 + i]) * half;
    t[0][i] = m[i] + sum;
    t[1][i] = (m[4 + i] - m[8 + i]) * half;
    t[2][i] = sum + m[12 + i];
  }
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const V sum = (t[i][1] + t[i][2]) * half;
    g[3 * i] = t[i][0] + sum;
    g[3 * i + 1] = (t[i][1] - t[i][2]) * half;
    g[3 * i + 2] = sum + t[i][3];
  }
}

// Whether results of all tasks are finite: x - x is 0 then, and NaN otherwise.
class Finite {
 public:
  template <class V>
  void note(V differences) {
    for (int l = 0; l < int(sizeof(V) / sizeof(differences[0])); ++l)
      if (differences[l] != 0) all_.store(false, std::memory_order_relaxed);
  }
  explicit operator bool() const { return all_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> all_ = true;
};

// ---------------------------------------------------------------- tiles

// The tiles of a chunk of images in one long line, across, down, image after image.
struct Grid {
  int64_t down, across;
  explicit Grid(const ConvShape& s) : down((s.out[1] + 1) / 2), across((s.out[2] + 1) / 2) {}
  int64_t each() const { return down * across; }

  // visit(image, row, column, count, tiles before) for the pieces of rows among tiles [first, last).
  template <class Visit>
  void for_runs(int64_t first, int64_t last, const Visit& visit) const {
    for (int64_t t = first; t < last;) {
      const int64_t column = t % across, count = std::min(last - t, across - column);
      visit(t / each(), t % each() / across, column, count, t - first);
      t += count;
    }
  }
};

// Positions of tiles in a source with its padding in place and its columns split in even and odd ones.
Axes input_axes(const ConvShape& s, const Grid& grid) {
  Axes axes = forward_axes(s);
  for (int d = 1; d < 3; ++d) {
    axes[d].count = d == 1 ? grid.down : grid.across;
    axes[d].step = 2;
    axes[d].displacement = {-s.pad[d], 1 - s.pad[d], 2 - s.pad[d], 3 - s.pad[d]};
  }
  return axes;
}

template <class T>
struct Inputs {
  const Grid& grid;
  Axes axes;
  Layout layout;
  int64_t spots[kSpots];

  Inputs(const ConvShape& s, const Grid& grid) : grid(grid), axes(input_axes(s, grid)), layout(layout_for(s.in, {axes})) {
    for (int i = 0; i < kSpots; ++i) spots[i] = layout.tap(0, axes[1].displacement[i / 4], axes[2].displacement[i % 4]);
  }

  // Tiles [first, last) of one channel: spot i of tile first + l goes to to[i * step + l]. Whole vectors
  // are written, so what follows them must be written later.
  void transform(const T* channel, int64_t image_step, int64_t first, int64_t last, T* to, int64_t step) const {
    constexpr int W = kLanes<T>;
    grid.for_runs(first, last, [&](int64_t image, int64_t row, int64_t column, int64_t count, int64_t at) {
      const T* from = channel + image * image_step + layout.position(axes, 0, row, column);
      for (int64_t l = 0; l < count; l += W) {
        Vec<T> d[kSpots];
#pragma GCC unroll 16
        for (int i = 0; i < kSpots; ++i) d[i] = load(from + l + spots[i]);
        input_transform(d);
#pragma GCC unroll 16
        for (int i = 0; i < kSpots; ++i) store(to + i * step + at + l, d[i]);
      }
    });
  }
};

// ---------------------------------------------------------------- forward

// Filters as the micro-kernel reads them: group, spot, row panel, depth. taps(g, row, depth) leads to
// nine weights, `row_step` and `flip` to those of the next row and to their order.
template <class T, class Taps>
const T* transform_filters(const ConvShape& s, int64_t rows, int64_t depth, bool flip, const Taps& taps, Scratch& scratch) {
  constexpr int W = kLanes<T>;
  const int64_t panels = (rows + kRows - 1) / kRows, panel = depth * kRows;
  T* const to = scratch.get<T>(s.groups * kSpots * panels * panel + kRows + W);
  parallel_for(s.groups * panels, std::max<int64_t>(1, 2048 / panel), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t g = t / panels, i = t % panels * kRows;
      thread_local Scratch local;
      T* line = local.get<T>(kSpots * (panel + W));
      for (int64_t k = 0; k < depth; ++k) {
        for (int r0 = 0; r0 < kRows; r0 += W) {
          alignas(kBytes) T gathered[9][W] = {};
          for (int64_t r = 0; r < std::min<int64_t>({W, kRows - r0, rows - i - r0}); ++r) {
            const T* from = taps(g, i + r0 + r, k);
            for (int j = 0; j < 9; ++j) gathered[j][r] = from[flip ? 8 - j : j];
          }
          Vec<T> weights[9], u[kSpots];
          for (int j = 0; j < 9; ++j) weights[j] = load(gathered[j]);
          filter_transform(weights, u, T(0.5));
          for (int p = 0; p < kSpots; ++p) store(line + p * (panel + W) + k * kRows + r0, u[p]);
        }
      }
      for (int p = 0; p < kSpots; ++p)
        std::copy_n(line + p * (panel + W), panel, to + ((g * kSpots + p) * panels + i / kRows) * panel);
    }
  });
  return to;
}

template <class T>
struct Forward {
  static constexpr int N = kCols<T>, W = kLanes<T>;
  const ConvShape& shape;
  const Inputs<T>& inputs;
  int64_t from_channels, to_channels;  // of one group
  const T *filters, *bias;
  Finite& finite;

  // Panels of N tiles at once: enough to use each filter often, few enough to stay in cache.
  int64_t panels_at_once(int64_t tasks) const {
    return std::clamp<int64_t>(std::min(256 / from_channels, tasks / 24), 1, 4);
  }

  void run(int64_t images, const T* source, T* result) const {
    const int64_t tiles = images * inputs.grid.each(), panels = (tiles + N - 1) / N, across = panels_at_once(panels * shape.groups);
    const int64_t wide = (panels + across - 1) / across;
    int64_t down = (to_channels + kRows - 1) / kRows * kRows;
    while (shape.groups * wide * ((to_channels + down - 1) / down) < 12 && down > kRowBlock) down = (down / 2 + kRows - 1) / kRows * kRows;
    const int64_t tall = (to_channels + down - 1) / down;
    parallel_for(shape.groups * wide * tall, 1, [&](int64_t t, int64_t) {
      const int64_t first = t % wide * across * N, i = t / wide % tall * down;
      run_block(t / wide / tall, i, std::min(to_channels, i + down), first, std::min(tiles, first + across * N), source, result);
    });
  }

  void run_block(int64_t g, int64_t i0, int64_t i1, int64_t first, int64_t last, const T* source, T* result) const {
    thread_local Scratch input_scratch, product_scratch;
    const int64_t panels = (last - first + N - 1) / N, channel = inputs.layout.channel();
    const int64_t spot = from_channels * N + W, panel = kSpots * spot;  // of `right`: panel, spot, channel, tile
    T* right = input_scratch.get<T>(panels * panel + W);
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t begin = first + p * N, end = std::min(last, begin + N);
      for (int64_t c = 0; c < from_channels; ++c)
        inputs.transform(source + (g * from_channels + c) * channel, shape.groups * from_channels * channel, begin, end,
                         right + p * panel + c * N, spot);
    }
    const int64_t line = panels * N;  // of `product`: spot, row, tile
    T* product = product_scratch.get<T>(kSpots * kRowBlock * line);
    const int64_t row_panels = (to_channels + kRows - 1) / kRows;
    for (int64_t i = i0; i < i1; i += kRowBlock) {
      const int64_t rows = std::min(kRowBlock, i1 - i);
      for (int s = 0; s < kSpots; ++s) {
        for (int64_t k = 0; k < from_channels; k += kDepth) {
          Target<T> to{{product + s * kRowBlock * line, line, 1}, T(1), T(k ? 1 : 0), nullptr, nullptr, false};
          to.mark();
          for (int64_t r = 0; r < rows; r += kRows) {
            const T* left = filters + (((g * kSpots + s) * row_panels + (i + r) / kRows) * from_channels + k) * kRows;
            const auto& tile = kTiles<T>[2 * (std::min<int64_t>(kRows, rows - r) - 1) + 1];
            for (int64_t p = 0; p < panels; ++p)
              tile(std::min(kDepth, from_channels - k), left, 1, kRows, right + p * panel + s * spot + k * N, N, to, r, p * N, N);
          }
        }
      }
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t channel_out = g * to_channels + i + r;
        finish(product + r * line, kRowBlock * line, first, last, bias ? bias[channel_out] : T(0),
               result + channel_out * shape.outputs(), shape.groups * to_channels * shape.outputs());
      }
    }
  }

  // One output channel: from products to results, two rows at a time.
  void finish(const T* product, int64_t step, int64_t first, int64_t last, T add, T* channel, int64_t image_step) const {
    const int64_t height = shape.out[1], width = shape.out[2];
    Vec<T> differences{};
    inputs.grid.for_runs(first, last, [&](int64_t image, int64_t row, int64_t column, int64_t count, int64_t at) {
      T* to = channel + image * image_step + 2 * row * width + 2 * column;
      for (int64_t l = 0; l < count; l += W) {
        Vec<T> m[kSpots], y[4];
#pragma GCC unroll 16
        for (int i = 0; i < kSpots; ++i) m[i] = load(product + i * step + at + l);
        output_transform(m, y);
        const int64_t columns = std::min<int64_t>({2 * W, 2 * (count - l), width - 2 * (column + l)});
        for (int half = 0; half < 2 && 2 * row + half < height; ++half) {
          alignas(kBytes) T pairs[2 * W];
          interleave(y[2 * half] + add, y[2 * half + 1] + add, pairs);
          if (columns == 2 * W) differences += (y[2 * half] - y[2 * half]) + (y[2 * half + 1] - y[2 * half + 1]);
          else for (int64_t c = 0; c < columns; ++c) differences[0] += pairs[c] - pairs[c];
          T* out = to + half * width + 2 * l;
          if (columns == 2 * W) std::copy_n(pairs, 2 * W, out);
          else std::copy_n(pairs, columns, out);
        }
      }
    });
    finite.note(differences);
  }

  static void interleave(Vec<T> even, Vec<T> odd, T* to) {
    typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(kBytes)));
    Index low, high;
    for (int i = 0; i < W; ++i) {
      low[i] = i % 2 * W + i / 2;
      high[i] = i % 2 * W + W / 2 + i / 2;
    }
    store(to, Vec<T>(__builtin_shuffle(even, odd, low)));
    store(to + W, Vec<T>(__builtin_shuffle(even, odd, high)));
  }
};

// The convolution of `from_channels` to `to_channels` of each group that `s` describes.
template <class T, class Taps>
bool convolve(const ConvShape& s, bool flip, const T* x, const Taps& taps, const T* bias, T* y) {
  thread_local Scratch filter_scratch, source_scratch;
  const Grid grid(s);
  const Inputs<T> inputs(s, grid);
  const T* filters = transform_filters<T>(s, s.cout, s.cin, flip, taps, filter_scratch);
  Finite finite;
  const Forward<T> forward{s, inputs, s.cin, s.cout, filters, bias, finite};
  const int64_t channels = s.groups * s.cin, step = images_at_once(s.batch, channels * inputs.layout.channel());
  for (int64_t n = 0; n < s.batch; n += step) {
    const int64_t images = std::min(step, s.batch - n);
    const T* source = lay_out(inputs.layout, images * channels, x + n * channels * s.inputs(), source_scratch);
    forward.run(images, source, y + n * s.groups * s.cout * s.outputs());
  }
  return bool(finite);
}

// ---------------------------------------------------------------- gradient of the weights

// to[spot * step + l] for tiles [first, last) of one channel of the results' gradient.
template <class T>
void transform_gradient(const ConvShape& s, const Grid& grid, const T* channel, int64_t image_step, int64_t first, int64_t last, T* to,
                        int64_t step) {
  constexpr int W = kLanes<T>;
  grid.for_runs(first, last, [&](int64_t image, int64_t row, int64_t column, int64_t count, int64_t at) {
    for (int64_t l = 0; l < count; l += W) {
      const int64_t columns = std::min<int64_t>({2 * W, 2 * (count - l), s.out[2] - 2 * (column + l)});
      const T* from = channel + image * image_step + 2 * row * s.out[2] + 2 * (column + l);
      Vec<T> y[4] = {}, z[kSpots];
      for (int half = 0; half < 2 && 2 * row + half < s.out[1]; ++half) {
        alignas(kBytes) T pairs[2 * W] = {};
        std::copy_n(from + half * s.out[2], columns, pairs);
        typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(kBytes)));
        Index even, odd;
        for (int i = 0; i < W; ++i) even[i] = 2 * i, odd[i] = 2 * i + 1;
        y[2 * half] = __builtin_shuffle(load(pairs), load(pairs + W), even);
        y[2 * half + 1] = __builtin_shuffle(load(pairs), load(pairs + W), odd);
      }
      gradient_transform(y, z);
#pragma GCC unroll 16
      for (int i = 0; i < kSpots; ++i) store(to + i * step + at + l, z[i]);
    }
  });
}

template <class T>
void finish_weights(const ConvShape& s, const T* sums, T* dw, Finite& finite) {
  constexpr int W = kLanes<T>;
  const int64_t size = s.cout * s.cin;
  parallel_for(size, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += W) {
      Vec<T> m[kSpots], g[9];
      for (int p = 0; p < kSpots; ++p) m[p] = load(sums + p * (size + W) + i);
      weight_transform(m, g, T(0.5));
      const int64_t lanes = std::min<int64_t>(W, end - i);
      T difference = 0;
      for (int64_t l = 0; l < lanes; ++l)
        for (int j = 0; j < 9; ++j) {
          dw[(i + l) * 9 + j] = g[j][l];
          difference += g[j][l] - g[j][l];
        }
      finite.note(Vec<T>{} + difference);
    }
  });
}

}  // namespace

bool winograd_suits(const ConvShape& s) {
  const auto all = [](const std::array<int64_t, 3>& a, int64_t first, int64_t rest) { return a[0] == first && a[1] == rest && a[2] == rest; };
  return all(s.kernel, 1, 3) && all(s.stride, 1, 1) && all(s.dilation, 1, 1) && s.in[0] == 1 && s.pad[0] == 0 && s.pad[1] <= 2 && s.pad[2] <= 2 &&
         s.cin >= kMinChannels && s.cout >= kMinChannels && s.batch * Grid(s).each() >= kMinTiles;
}

template <class T>
bool winograd_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  return convolve<T>(s, false, x, [&](int64_t g, int64_t o, int64_t c) { return w + ((g * s.cout + o) * s.cin + c) * 9; }, bias, y);
}

// The gradient of the inputs is a convolution of the results' gradient with the filters turned around.
template <class T>
bool winograd_backward_data(const ConvShape& s, const T* dy, const T* w, const T* bias, T* dx) {
  ConvShape back = s;
  std::swap(back.cin, back.cout);
  std::swap(back.in, back.out);
  back.pad = {0, 2 - s.pad[1], 2 - s.pad[2]};
  return convolve<T>(back, true, dy, [&](int64_t g, int64_t c, int64_t o) { return w + ((g * s.cout + o) * s.cin + c) * 9; }, bias, dx);
}

template <class T>
bool winograd_backward_weight(const ConvShape& s, const T* x, const T* dy, T* dw) {
  constexpr int W = kLanes<T>;
  thread_local Scratch source_scratch, input_scratch, gradient_scratch, sum_scratch;
  const Grid grid(s);
  const Inputs<T> inputs(s, grid);
  const int64_t channels = s.groups * s.cin, channel = inputs.layout.channel(), size = s.cout * s.cin;
  const int64_t step = images_at_once(s.batch, channels * channel);
  // Sums over blocks of tiles whose transforms stay in cache.
  const int64_t longest = std::min(step * grid.each(), std::max<int64_t>(256, (int64_t(1) << 16) / (s.cin + s.cout)));
  T* right = input_scratch.get<T>(s.cin * kSpots * longest + W);
  T* left = gradient_scratch.get<T>(s.cout * kSpots * longest + W);
  T* sums = sum_scratch.get<T>(s.groups * kSpots * (size + W));
  for (int64_t n = 0; n < s.batch; n += step) {
    const int64_t images = std::min(step, s.batch - n), tiles = images * grid.each();
    const T* source = lay_out(inputs.layout, images * channels, x + n * channels * s.inputs(), source_scratch);
    const T* gradient = dy + n * s.groups * s.cout * s.outputs();
    for (int64_t g = 0; g < s.groups; ++g) {
      for (int64_t first = 0; first < tiles; first += longest) {
        const int64_t last = std::min(tiles, first + longest), count = last - first;
        // Lines of one channel: spot after spot, so that what a vector writes too much is overwritten in time.
        parallel_for(s.cin + s.cout, std::max<int64_t>(1, 1024 / count), [&](int64_t begin, int64_t end) {
          for (int64_t c = begin; c < end; ++c) {
            thread_local Scratch line_scratch;
            const int64_t length = count + W;
            T* line = line_scratch.get<T>(kSpots * length);
            T* to = c < s.cin ? right + c * count : left + (c - s.cin) * count;
            if (c < s.cin)
              inputs.transform(source + (g * s.cin + c) * channel, channels * channel, first, last, line, length);
            else
              transform_gradient(s, grid, gradient + (g * s.cout + c - s.cin) * s.outputs(), s.groups * s.cout * s.outputs(), first, last, line, length);
            const int64_t spot = (c < s.cin ? s.cin : s.cout) * count;
            for (int i = 0; i < kSpots; ++i) std::copy_n(line + i * length, count, to + i * spot);
          }
        });
        gemm_batch<T>(kSpots, s.cout, s.cin, count, T(1), {left, count, 1}, s.cout * count, {right, 1, count}, s.cin * count,
                      n || first ? T(1) : T(0), {sums + g * kSpots * (size + W), s.cin, 1}, size + W);
      }
    }
  }
  Finite finite;
  for (int64_t g = 0; g < s.groups; ++g) finish_weights<T>(s, sums + g * kSpots * (size + W), dw + g * size * 9, finite);
  return bool(finite);
}

#define FACULA_WINOGRAD(T)                                                                            \
  template bool winograd_forward<T>(const ConvShape&, const T*, const T*, const T*, T*);              \
  template bool winograd_backward_data<T>(const ConvShape&, const T*, const T*, const T*, T*);        \
  template bool winograd_backward_weight<T>(const ConvShape&, const T*, const T*, T*);
FACULA_WINOGRAD(float)
FACULA_WINOGRAD(double)
#undef FACULA_WINOGRAD

}  // namespace facula
