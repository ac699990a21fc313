// Convolutions as products without a column matrix: patches are gathered straight into the register
// kernel's panels. Backward by data runs the same engine once per stride phase; backward by weight
// reads the padded input in place and packs the transposed gradient.
#include "cpu/conv.h"

#include "cpu/conv_plan.h"
#include "cpu/depthwise.h"
#include "cpu/winograd.h"

namespace facula {
namespace {

using namespace tile;
using namespace conv;

constexpr int64_t kDepth = 256;

template <class T>
struct Panel {  // kCols positions and where they are read
  static constexpr int N = kCols<T>, W = kLanes<T>, V = N / W;
  int64_t offset[N], out[N];
  int64_t cols;
  int split[V];  // lanes before the second contiguous run; W: one run; 0: more than two
};

// Gathers patches: to[p * N + lane] = source[taps[p] + offset[lane]].
template <class T>
void gather(T* to, const T* source, const int64_t* taps, int64_t depth, const Panel<T>& panel) {
  constexpr int N = Panel<T>::N, W = Panel<T>::W;
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(kBytes)));
  for (int v = 0; v * W < N; ++v, to += W) {
    const int64_t* offset = panel.offset + v * W;
    const int split = panel.split[v];
    if (v * W >= panel.cols) break;
    if (split == W) {
      const T* from = source + offset[0];
      for (int64_t p = 0; p < depth; ++p) store(to + p * N, load(from + taps[p]));
    } else if (split > 0) {
      const T *first = source + offset[0], *second = source + offset[split] - split;
      Index mask;
      for (int l = 0; l < W; ++l) mask[l] = l < split ? -1 : 0;
      for (int64_t p = 0; p < depth; ++p)
        store(to + p * N, mask ? load(first + taps[p]) : load(second + taps[p]));
    } else {
      const int lanes = int(std::min<int64_t>(W, panel.cols - v * W));
      for (int64_t p = 0; p < depth; ++p) {
        const T* from = source + taps[p];
        for (int l = 0; l < lanes; ++l) to[p * N + l] = from[offset[l]];
        for (int l = lanes; l < W; ++l) to[p * N + l] = 0;
      }
    }
  }
}

// One convolution of step `axes`: reads `m` rows of packed weights, writes results of one phase.
template <class T>
struct Engine {
  static constexpr int N = kCols<T>, W = kLanes<T>;
  const ConvShape& shape;
  const Axes& axes;
  const Layout& layout;
  int64_t from_channels, to_channels;             // of one group
  std::array<int64_t, 3> to_size;
  std::vector<int64_t> taps;
  const T* weights = nullptr;  // group, row panel, depth when packed; where filters lie as they are read, no packing is needed
  int64_t row_step = 1, depth_step = kRows, group_step = 0;
  int64_t depth, rows;         // rows: to_channels rounded up
  bool dense;                  // results lie one after another

  Engine(const ConvShape& s, const Axes& a, const Layout& l, int64_t from, int64_t to, std::array<int64_t, 3> size,
         std::vector<int64_t>* order)
      : shape(s), axes(a), layout(l), from_channels(from), to_channels(to), to_size(size) {
    taps = tap_offsets(l, a, from, s, order);
    depth = int64_t(taps.size());
    rows = (to + kRows - 1) / kRows * kRows;
    dense = axes[0].stride == 1 && axes[1].stride == 1 && axes[2].stride == 1;
  }

  int64_t positions() const { return axes[0].count * axes[1].count * axes[2].count; }

  // Small images share panels, which would be mostly empty otherwise.
  int64_t images_together(int64_t images) const {
    const int64_t most = std::max<int64_t>(1, 8 * N / std::max<int64_t>(1, positions()));
    const int64_t sets = (images + most - 1) / most;
    return (images + sets - 1) / sets;
  }

  std::vector<Panel<T>> panels_for(int64_t images) const {
    std::vector<Panel<T>> panels((images * positions() + N - 1) / N);
    const int64_t from_image = shape.groups * from_channels * layout.channel();
    const int64_t to_image = shape.groups * to_channels * to_size[0] * to_size[1] * to_size[2];
    int64_t i = 0;
    for (int64_t n = 0; n < images; ++n)
      for (int64_t d = 0; d < axes[0].count; ++d)
        for (int64_t h = 0; h < axes[1].count; ++h)
          for (int64_t w = 0; w < axes[2].count; ++w, ++i) {
            Panel<T>& p = panels[i / N];
            p.cols = i % N + 1;
            p.offset[i % N] = n * from_image + layout.position(axes, d, h, w);
            p.out[i % N] = n * to_image + ((axes[0].first + d * axes[0].stride) * to_size[1] + axes[1].first + h * axes[1].stride) * to_size[2] +
                           axes[2].first + w * axes[2].stride;
          }
    find_runs(panels);
    return panels;
  }

  void find_runs(std::vector<Panel<T>>& panels) const {
    // Reading past a run is harmless only where there is slack around the source.
    const bool slack = !layout.in_place();
    for (Panel<T>& p : panels) {
      for (int v = 0; v < p.V; ++v) {
        const int64_t lanes = std::min<int64_t>(W, p.cols - v * W);
        if (lanes <= 0) break;
        int runs = 1, split = W;
        for (int l = 1; l < lanes; ++l) {
          if (p.offset[v * W + l] == p.offset[v * W + l - 1] + 1) continue;
          if (runs++ == 1) split = l;
        }
        const bool whole = lanes == W || slack;
        p.split[v] = !whole || runs > 2 || (runs == 2 && !slack) ? 0 : split;
      }
    }
  }

  // tap_weights(group, row, from channel) leads to the taps of a filter, `order` tells which are used.
  template <class Weights>
  void pack_weights(Scratch& scratch, const std::vector<int64_t>& order, const Weights& tap_weights) {
    T* to = scratch.get<T>(shape.groups * rows * depth);
    weights = to;
    group_step = rows * depth;
    const int64_t count = int64_t(order.size());
    parallel_for(shape.groups * (rows / kRows), std::max<int64_t>(1, 4096 / (kRows * depth)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t g = t / (rows / kRows), i = t % (rows / kRows) * kRows, used = std::min<int64_t>(kRows, to_channels - i);
        T* panel = to + t * kRows * depth;
        for (int64_t c = 0; c < from_channels; ++c, panel += count * kRows) {
          for (int64_t r = 0; r < used; ++r) {
            const T* from = tap_weights(g, i + r, c);
            for (int64_t k = 0; k < count; ++k) panel[k * kRows + r] = from[order[k]];
          }
          for (int64_t r = used; r < kRows; ++r)
            for (int64_t k = 0; k < count; ++k) panel[k * kRows + r] = T(0);
        }
      }
    });
  }

  void run(int64_t images, const T* source, T* result, const T* bias) const {
    const int64_t together = images_together(images);
    const int64_t from_image = shape.groups * from_channels * layout.channel();
    const int64_t to_image = shape.groups * to_channels * to_size[0] * to_size[1] * to_size[2];
    const int64_t whole = images / together, rest = images % together;
    run_sets(whole, panels_for(together), together, source, result, bias);
    if (rest) run_sets(1, panels_for(rest), rest, source + whole * together * from_image, result + whole * together * to_image, bias);
  }

  // `sets` sets of `together` images, each of which has its positions in `panels`.
  void run_sets(int64_t sets, const std::vector<Panel<T>>& panels, int64_t together, const T* source, T* result, const T* bias) const {
    const int64_t count = int64_t(panels.size());
    int64_t across = 8, down = rows;
    const auto tasks = [&] { return sets * shape.groups * ((count + across - 1) / across) * ((rows + down - 1) / down); };
    while (tasks() < 24 && across > 1) across /= 2;
    while (tasks() < 24 && down > 4 * kRows) down = (down / 2 + kRows - 1) / kRows * kRows;
    const int64_t wide = (count + across - 1) / across, tall = (rows + down - 1) / down;
    const int64_t work = 2 * across * N * depth * std::min(down, to_channels);
    parallel_for(tasks(), std::max<int64_t>(1, 100'000 / std::max<int64_t>(1, work)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t j = t % wide * across, i = t / wide % tall * down, g = t / wide / tall % shape.groups;
        run_block(panels, t / wide / tall / shape.groups * together, g, i, std::min(to_channels, i + down), j, std::min(count, j + across),
                  source, result, bias, !dense || together > 1);
      }
    });
  }

  void run_block(const std::vector<Panel<T>>& panels, int64_t image, int64_t g, int64_t i0, int64_t i1, int64_t j0, int64_t j1,
                 const T* source, T* result, const T* bias, bool scattered) const {
    thread_local Scratch scratch, partial_scratch;
    T* right = scratch.get<T>(N * std::min(depth, kDepth));
    const int64_t inner = to_size[0] * to_size[1] * to_size[2];
    source += (image * shape.groups + g) * from_channels * layout.channel();
    result += (image * shape.groups + g) * to_channels * inner;
    const T* left = weights + g * group_step;
    const T* row_bias = bias ? bias + g * to_channels : nullptr;
    T* partial = !scattered ? nullptr : partial_scratch.get<T>((j1 - j0) * N * (i1 - i0));
    for (int64_t p = 0; p < depth; p += kDepth) {
      const int64_t d = std::min(kDepth, depth - p);
      const T* last_bias = p + d == depth ? row_bias : nullptr;
      for (int64_t j = j0; j < j1; ++j) {
        gather(right, source, taps.data() + p, d, panels[j]);
        Target<T> to{{result + panels[j].out[0], inner, 1}, T(1), T(p ? 1 : 0), last_bias, nullptr, false};
        if (partial) to.c = {partial + (j - j0) * N - i0 * (j1 - j0) * N, (j1 - j0) * N, 1};
        to.mark();
        for (int64_t i = i0; i < i1; i += kRows) {
          const int64_t m = std::min<int64_t>(kRows, i1 - i);
          kTiles<T>[2 * (m - 1) + (panels[j].cols > W)](d, left + i * depth + p * depth_step, row_step, depth_step, right, N, to, i, 0,
                                                        !partial ? panels[j].cols : panels[j].cols > W ? N : W);
        }
      }
    }
    if (!partial) return;
    for (int64_t i = i0; i < i1; ++i) {
      const T* from = partial + (i - i0) * (j1 - j0) * N;
      T* to = result + i * inner;
      for (int64_t j = j0; j < j1; ++j, from += N)
        for (int64_t l = 0; l < panels[j].cols; ++l) to[panels[j].out[l]] = from[l];
    }
  }
};

}  // namespace

template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  if (winograd_suits(s) && winograd_forward(s, x, w, bias, y)) return;
  const Axes axes = forward_axes(s);
  const Layout layout = layout_for(s.in, {axes});
  if (s.depthwise()) return depthwise_forward(s, axes, layout, x, w, bias, y);
  thread_local Scratch source_scratch;
  Engine<T> engine(s, axes, layout, s.cin, s.cout, s.out, nullptr);
  engine.weights = w;
  engine.row_step = engine.depth;
  engine.depth_step = 1;
  engine.group_step = s.cout * engine.depth;
  const int64_t channels = s.groups * s.cin, step = images_at_once(s.batch, channels * layout.channel());
  for (int64_t n = 0; n < s.batch; n += step) {
    const int64_t images = std::min(step, s.batch - n);
    const T* source = lay_out(layout, images * channels, x + n * channels * s.inputs(), source_scratch);
    engine.run(images, source, y + n * s.groups * s.cout * s.outputs(), bias);
  }
}

template <class T>
void conv_backward_data(const ConvShape& s, const T* dy, const T* w, const T* bias, T* dx) {
  if (winograd_suits(s) && winograd_backward_data(s, dy, w, bias, dx)) return;
  std::vector<Axes> phases;
  bool holes = false;  // inputs that no tap reaches
  for (int64_t a = 0; a < std::min(s.stride[0], s.in[0]); ++a)
    for (int64_t b = 0; b < std::min(s.stride[1], s.in[1]); ++b)
      for (int64_t c = 0; c < std::min(s.stride[2], s.in[2]); ++c) {
        Axes axes = backward_axes(s, {a, b, c});
        if (axes[0].taps.empty() || axes[1].taps.empty() || axes[2].taps.empty()) holes = true;
        else phases.push_back(std::move(axes));
      }
  const int64_t to_channels = s.groups * s.cin, inner = s.inputs();
  if (holes) {
    parallel_for(s.batch * to_channels, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, inner)), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        std::fill(dx + c * inner, dx + (c + 1) * inner, bias ? bias[c % to_channels] : T(0));
    });
  }
  if (phases.empty()) return;
  const Layout layout = layout_for(s.out, phases);
  if (s.depthwise()) {
    for (const Axes& axes : phases) depthwise_backward_data(s, axes, layout, dy, w, bias, dx);
    return;
  }
  thread_local Scratch source_scratch, weight_scratch;
  const int64_t channels = s.groups * s.cout, step = images_at_once(s.batch, channels * layout.channel());
  for (int64_t n = 0; n < s.batch; n += step) {
    const int64_t images = std::min(step, s.batch - n);
    const T* source = lay_out(layout, images * channels, dy + n * channels * s.outputs(), source_scratch);
    for (const Axes& axes : phases) {
      std::vector<int64_t> order;
      Engine<T> engine(s, axes, layout, s.cout, s.cin, s.in, &order);
      engine.pack_weights(weight_scratch, order, [&](int64_t g, int64_t c, int64_t o) { return w + ((g * s.cout + o) * s.cin + c) * s.taps(); });
      engine.run(images, source, dx + n * to_channels * inner, bias);
    }
  }
}

namespace {

// acc[i] += sum over positions of input[rows[i] + position] * gradient[position]: the positions are
// `lines` contiguous pieces of the padded input.
template <class T, int M, int V>
void weight_tile(const T* source, const int64_t* taps, const int64_t* lines, int64_t count, int64_t length, const T* b,
                 T* acc_memory) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[M][V];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[i][v] = load(acc_memory + (i * 2 + v) * W);
  for (int64_t line = 0; line < count; ++line) {
    const T* a[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) a[i] = source + lines[line] + taps[i];
    for (int64_t w = 0; w < length; ++w, b += 2 * W) {
      Vec<T> right[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) right[v] = load(b + v * W);
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        const Vec<T> left = a[i][w] - Vec<T>{};
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[i][v] = mad(left, right[v], acc[i][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(acc_memory + (i * 2 + v) * W, acc[i][v]);
}

template <class T> using WeightTile = void (*)(const T*, const int64_t*, const int64_t*, int64_t, int64_t, const T*, T*);
template <class T, size_t... I>
constexpr auto weight_table(std::index_sequence<I...>) {
  return std::array<WeightTile<T>, sizeof...(I)>{weight_tile<T, int(I) / 2 + 1, int(I) % 2 + 1>...};
}
template <class T>
constexpr auto kWeightTiles = weight_table<T>(std::make_index_sequence<2 * kRows>{});

// Where rows of the results are short: the patches as columns, and one product for many images.
template <class T>
void weight_by_columns(const ConvShape& s, const Axes& axes, const Layout& layout, const T* x, const T* dy, T* dw) {
  thread_local Scratch source_scratch, column_scratch, gradient_scratch;
  const std::vector<int64_t> taps = tap_offsets(layout, axes, s.cin, s);
  const int64_t channels = s.groups * s.cin, depth = int64_t(taps.size()), outputs = s.outputs(), length = s.out[2];
  const int64_t step = std::clamp<int64_t>((int64_t(1) << 20) / std::max<int64_t>(1, depth * outputs), 1, s.batch), image = channels * layout.channel();
  T* columns = column_scratch.get<T>(depth * step * outputs);
  T* gradient = gradient_scratch.get<T>(s.cout * step * outputs);
  for (int64_t n0 = 0; n0 < s.batch; n0 += step) {
    const int64_t images = std::min(step, s.batch - n0), width = images * outputs;
    const T* source = lay_out(layout, images * channels, x + n0 * channels * s.inputs(), source_scratch);
    for (int64_t g = 0; g < s.groups; ++g) {
      parallel_for(depth + s.cout, std::max<int64_t>(1, 8192 / width), [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
          if (k >= depth) {
            const T* from = dy + ((n0 * s.groups + g) * s.cout + k - depth) * outputs;
            for (int64_t n = 0; n < images; ++n) std::copy_n(from + n * s.groups * s.cout * outputs, outputs, gradient + (k - depth) * width + n * outputs);
            continue;
          }
          T* to = columns + k * width;
          for (int64_t n = 0; n < images; ++n)
            for (int64_t d = 0; d < s.out[0]; ++d)
              for (int64_t h = 0; h < s.out[1]; ++h, to += length)
                std::copy_n(source + n * image + g * s.cin * layout.channel() + layout.position(axes, d, h, 0) + taps[k], length, to);
        }
      });
      gemm<T>(s.cout, depth, width, T(1), {gradient, width, 1}, {columns, 1, width}, n0 ? T(1) : T(0), {dw + g * s.cout * depth, depth, 1});
    }
  }
}

}  // namespace

template <class T>
void conv_backward_weight(const ConvShape& s, const T* x, const T* dy, T* dw) {
  if (winograd_suits(s) && winograd_backward_weight(s, x, dy, dw)) return;
  constexpr int N = kCols<T>, W = kLanes<T>;
  const Axes axes = forward_axes(s);
  const Layout layout = layout_for(s.in, {axes});
  if (s.depthwise()) return depthwise_backward_weight(s, axes, layout, x, dy, dw);
  if (s.out[2] <= kLanes<T>) return weight_by_columns(s, axes, layout, x, dy, dw);
  thread_local Scratch source_scratch, gradient_scratch, partial_scratch;
  const std::vector<int64_t> taps = tap_offsets(layout, axes, s.cin, s);
  const int64_t channels = s.groups * s.cin, depth = int64_t(taps.size()), outputs = s.outputs();
  const int64_t across = (s.cout + N - 1) / N, tiles = (depth + kRows - 1) / kRows;
  const int64_t step = images_at_once(s.batch, channels * layout.channel() + s.groups * across * N * outputs);
  const int64_t size = s.groups * s.cout * depth, lines_each = s.out[0] * s.out[1], length = s.out[2];
  // Tasks: group, panel of output channels, run of (channel, tap) tiles, run of images.
  int64_t run = std::min<int64_t>(tiles, 32);
  while (run > 4 && s.groups * across * ((tiles + run - 1) / run) < 24) run = (run + 1) / 2;
  const int64_t runs = (tiles + run - 1) / run, each = s.groups * across * runs;
  const int64_t parts = std::clamp<int64_t>(24 / each, 1, std::min(step, s.batch));
  T* partial = partial_scratch.get<T>(parts * size);
  std::fill(partial, partial + parts * size, T(0));
  for (int64_t n0 = 0; n0 < s.batch; n0 += step) {
    const int64_t images = std::min(step, s.batch - n0);
    const T* source = lay_out(layout, images * channels, x + n0 * channels * s.inputs(), source_scratch);
    T* gradient = gradient_scratch.get<T>(images * s.groups * across * outputs * N);
    parallel_for(images * s.groups * across, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, outputs * N)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t o = t % across * N, image = t / across;
        pack<N>(gradient + t * outputs * N, dy + (n0 * s.groups + image) * s.cout * outputs + o * outputs, outputs, 1,
                std::min<int64_t>(N, s.cout - o), outputs);
      }
    });
    std::vector<int64_t> lines;
    for (int64_t d = 0; d < s.out[0]; ++d)
      for (int64_t h = 0; h < s.out[1]; ++h) lines.push_back(layout.position(axes, d, h, 0));
    const int64_t block = std::max<int64_t>(1, 384 / length);  // lines whose gradients fit in L1
    parallel_for(each * parts, 1, [&](int64_t t, int64_t) {
      thread_local Scratch acc_scratch;
      const int64_t part = t / each, g = t % each / runs / across, panel = t % each / runs % across;
      const int64_t first = t % runs * run, last = std::min(tiles, first + run);
      const int64_t o = panel * N, cols = std::min<int64_t>(N, s.cout - o);
      T* acc = acc_scratch.get<T>(run * kRows * N);
      std::fill(acc, acc + run * kRows * N, T(0));
      for (int64_t n = images * part / parts; n < images * (part + 1) / parts; ++n) {
        const T* from = source + (n * s.groups + g) * s.cin * layout.channel();
        const T* b = gradient + ((n * s.groups + g) * across + panel) * outputs * N;
        for (int64_t l = 0; l < lines_each; l += block) {
          const int64_t count = std::min(block, lines_each - l);
          for (int64_t i = first; i < last; ++i) {
            const int64_t m = std::min<int64_t>(kRows, depth - i * kRows);
            kWeightTiles<T>[2 * (m - 1) + (cols > W)](from, taps.data() + i * kRows, lines.data() + l, count, length,
                                                      b + l * length * N, acc + (i - first) * kRows * N);
          }
        }
      }
      T* to = partial + part * size + (g * s.cout + o) * depth;
      for (int64_t c = 0; c < cols; ++c)
        for (int64_t k = first * kRows; k < std::min(depth, last * kRows); ++k)
          to[c * depth + k] += acc[(k - first * kRows) * N + c];
    });
  }
  parallel_for(size, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T sum = partial[i];
      for (int64_t p = 1; p < parts; ++p) sum += partial[p * size + i];
      dw[i] = sum;
    }
  });
}

#define FACULA_CONV(T)                                                                              \
  template void conv_forward<T>(const ConvShape&, const T*, const T*, const T*, T*);                \
  template void conv_backward_data<T>(const ConvShape&, const T*, const T*, const T*, T*);          \
  template void conv_backward_weight<T>(const ConvShape&, const T*, const T*, T*);
FACULA_CONV(float)
FACULA_CONV(double)
#undef FACULA_CONV

}  // namespace facula
