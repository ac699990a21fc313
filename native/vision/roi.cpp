// Pooling of regions: boxes of images become maps of one size. Three of the four poolings are weighted sums of pixels, and
// share forward and backward passes; they differ in the list of pixels of a bin and in the channel that a bin reads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

enum class Kind { align, position_align, position_pool };  // position-sensitive: every bin has channels of its own

struct Setup {
  Kind kind;
  double scale;
  int64_t rows, columns;  // of bins
  int64_t sampling;       // points along a bin; at most 0: by its size
  bool aligned;           // pixel centres are at .5
  int64_t batch, channels, height, width, boxes, outputs;
  int64_t bins() const { return rows * columns; }
  int64_t channel(int64_t output, int64_t bin) const { return kind == Kind::align ? output : output * bins() + bin; }
};

// For every bin of one box: pixels (offsets in a plane), weights, and the number that the sum is divided by.
template <class T>
struct Taps {
  std::vector<int64_t> first, at;
  std::vector<T> weight, count;

  void clear() {
    first.assign(1, 0);
    at.clear(), weight.clear(), count.clear();
  }
  void add(int64_t i, T w) { at.push_back(i), weight.push_back(w); }
  void finish(T n) { first.push_back(int64_t(at.size())), count.push_back(n); }

  // Four neighbours of a point; up to one pixel outside counts as the border.
  void add_point(T y, T x, int64_t height, int64_t width) {
    if (!(y >= -1 && y <= T(height) && x >= -1 && x <= T(width))) return;
    const auto [y_low, y_high, ly] = neighbours(y, height);
    const auto [x_low, x_high, lx] = neighbours(x, width);
    add(y_low * width + x_low, (1 - ly) * (1 - lx));
    add(y_low * width + x_high, (1 - ly) * lx);
    add(y_high * width + x_low, ly * (1 - lx));
    add(y_high * width + x_high, ly * lx);
  }

 private:
  struct Pair { int64_t low, high; T rest; };
  static Pair neighbours(T v, int64_t size) {
    v = std::max(v, T(0));
    const int64_t low = int64_t(v);
    return low >= size - 1 ? Pair{size - 1, size - 1, T(0)} : Pair{low, low + 1, v - T(low)};
  }
};

int64_t samples(double bin, int64_t wanted) {
  return wanted > 0 ? wanted : std::isfinite(bin) ? int64_t(std::ceil(bin)) : 0;
}

template <class T>
void align_taps(const Setup& s, const T* box, Taps<T>& taps) {
  const T offset = s.aligned ? T(0.5) : T(0), scale = T(s.scale);
  const T x = box[1] * scale - offset, y = box[2] * scale - offset;
  T width = box[3] * scale - offset - x, height = box[4] * scale - offset - y;
  if (!s.aligned) width = std::max(width, T(1)), height = std::max(height, T(1));
  const T bin_h = height / T(s.rows), bin_w = width / T(s.columns);
  const int64_t grid_h = samples(bin_h, s.sampling), grid_w = samples(bin_w, s.sampling);
  const T count = T(grid_h * grid_w);
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t j = 0; j < s.columns; ++j) {
      for (int64_t a = 0; a < grid_h; ++a)
        for (int64_t b = 0; b < grid_w; ++b)
          taps.add_point(y + T(i) * bin_h + (T(a) + T(0.5)) * bin_h / T(grid_h), x + T(j) * bin_w + (T(b) + T(0.5)) * bin_w / T(grid_w),
                         s.height, s.width);
      taps.finish(s.kind == Kind::align ? std::max(count, T(1)) : count);
    }
}

struct Span { int64_t begin, end; };

// Pixels of bin i of `count` along an axis, where the box covers `size` pixels from `start`.
template <class T>
Span bin_span(int64_t i, int64_t count, int64_t start, int64_t size, int64_t limit) {
  const T bin = T(size) / T(count);
  auto inside = [&](T v) { return std::clamp(int64_t(v) + start, int64_t(0), limit); };
  return {inside(std::floor(T(i) * bin)), inside(std::ceil(T(i + 1) * bin))};
}

template <class T>
int64_t rounded(T v) { return v > T(-1e15) && v < T(1e15) ? int64_t(std::round(v)) : 0; }

template <class T>
void pool_taps(const Setup& s, const T* box, Taps<T>& taps) {
  const int64_t x = rounded(box[1] * T(s.scale)), y = rounded(box[2] * T(s.scale));
  const int64_t width = std::max<int64_t>(rounded(box[3] * T(s.scale)) - x, 1), height = std::max<int64_t>(rounded(box[4] * T(s.scale)) - y, 1);
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t j = 0; j < s.columns; ++j) {
      const Span v = bin_span<T>(i, s.rows, y, height, s.height - 1), h = bin_span<T>(j, s.columns, x, width, s.width - 1);
      for (int64_t a = v.begin; a < v.end; ++a)
        for (int64_t b = h.begin; b < h.end; ++b) taps.add(a * s.width + b, T(1));
      taps.finish(v.end > v.begin && h.end > h.begin ? T((v.end - v.begin) * (h.end - h.begin)) : T(1));
    }
}

template <class T>
int64_t taps_of(const Setup& s, const T* box, Taps<T>& taps) {
  taps.clear();
  if (s.kind == Kind::position_pool) pool_taps(s, box, taps);
  else align_taps(s, box, taps);
  return int64_t(box[0]);
}

template <class T>
void check_images(const T* boxes, int64_t count, int64_t batch) {
  for (int64_t i = 0; i < count; ++i)
    if (!(boxes[i * 5] >= 0 && boxes[i * 5] < T(batch)))
      throw IndexError("box ", i, " is of image ", double(boxes[i * 5]), ", but the batch has ", batch);
}

template <class T>
void pooled(const Setup& s, const T* input, const T* boxes, T* out) {
  parallel_for(s.boxes, 1, [&](int64_t begin, int64_t end) {
    Taps<T> taps;
    for (int64_t r = begin; r < end; ++r) {
      const T* image = input + taps_of(s, boxes + r * 5, taps) * s.channels * s.height * s.width;
      for (int64_t c = 0; c < s.outputs; ++c)
        for (int64_t bin = 0; bin < s.bins(); ++bin) {
          const T* plane = image + s.channel(c, bin) * s.height * s.width;
          T total = 0;
          for (int64_t k = taps.first[bin]; k < taps.first[bin + 1]; ++k) total += taps.weight[k] * plane[taps.at[k]];
          out[(r * s.outputs + c) * s.bins() + bin] = total / taps.count[bin];
        }
    }
  });
}

// Tasks own channels of the input, so boxes that overlap do not meet.
template <class T>
void spread(const Setup& s, const T* grad, const T* boxes, T* to_input) {
  parallel_for(s.outputs, std::max<int64_t>(16, s.outputs / 8), [&](int64_t begin, int64_t end) {
    Taps<T> taps;
    for (int64_t r = 0; r < s.boxes; ++r) {
      T* image = to_input + taps_of(s, boxes + r * 5, taps) * s.channels * s.height * s.width;
      for (int64_t c = begin; c < end; ++c)
        for (int64_t bin = 0; bin < s.bins(); ++bin) {
          T* plane = image + s.channel(c, bin) * s.height * s.width;
          const T g = grad[(r * s.outputs + c) * s.bins() + bin] / taps.count[bin];
          for (int64_t k = taps.first[bin]; k < taps.first[bin + 1]; ++k) plane[taps.at[k]] += taps.weight[k] * g;
        }
    }
  });
}

Setup setup_of(Call& c, const Dims& input, const Tensor& boxes, size_t first) {
  Setup s{Kind(c.integer(first)), c.real(first + 1), c.integer(first + 2), c.integer(first + 3), c.integer(first + 4), c.flag(first + 5),
          input[0], input[1], input[2], input[3], boxes.size(0), input[1]};
  if (s.kind != Kind::align) {
    if (s.channels % s.bins()) throw RuntimeError("input channels must be a multiple of pooling height * pooling width");
    s.outputs = s.channels / s.bins();
  }
  return s;
}

void need_known(const Tensor& x, std::string_view kernel) {
  if (!is_floating(x.dtype()) || x.dtype() == DType::bfloat16) not_implemented_for(std::string(kernel), x.dtype());
}

// (input, boxes, kind, scale, rows, columns, sampling, aligned)
void roi_sums(Call& c) {
  static constexpr std::string_view kernels[] = {"roi_align_forward_kernel", "ps_roi_align_forward_kernel", "ps_roi_pool_forward_kernel"};
  const Tensor &x = c.tensor(0), &boxes = c.tensor(1);
  need_known(x, kernels[c.integer(2)]);
  const Setup s = setup_of(c, x.sizes(), boxes, 2);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty({s.boxes, s.outputs, s.rows, s.columns}, compute, x.device());
  if (!x.is_meta() && out.numel() > 0) {
    const Tensor in = contiguous_as(x, compute), at = contiguous_as(boxes, compute);
    for_floating(compute, c.op, [&]<class T> {
      check_images(at.data<T>(), s.boxes, s.batch);
      pooled<T>(s, in.data<T>(), at.data<T>(), out.data<T>());
    });
  }
  c.out.push_back(cast(out, x.dtype()));
}

// (grad, boxes, sizes of the input, kind, scale, rows, columns, sampling, aligned)
void roi_sums_back(Call& c) {
  const Tensor &g = c.tensor(0), &boxes = c.tensor(1);
  const Setup s = setup_of(c, c.ints(2), boxes, 3);
  const DType compute = compute_dtype(g.dtype());
  Tensor out = full(c.ints(2), 0, compute, g.device());
  if (!g.is_meta() && g.numel() > 0) {
    const Tensor grad = contiguous_as(g, compute), at = contiguous_as(boxes, compute);
    for_floating(compute, c.op, [&]<class T> {
      check_images(at.data<T>(), s.boxes, s.batch);
      spread<T>(s, grad.data<T>(), at.data<T>(), out.data<T>());
    });
  }
  c.out.push_back(cast(out, g.dtype()));
}

// One box of maxima, and the pixel each was found at (-1: an empty bin).
template <class T>
void box_maxima(const T* box, const Setup& s, const T* image, T* out, int64_t* found, std::vector<Span>& spans) {
  const int64_t x = rounded(box[1] * T(s.scale)), y = rounded(box[2] * T(s.scale));
  const int64_t width = std::max<int64_t>(rounded(box[3] * T(s.scale)) - x + 1, 1);
  const int64_t height = std::max<int64_t>(rounded(box[4] * T(s.scale)) - y + 1, 1);
  spans.clear();
  for (int64_t i = 0; i < s.rows; ++i) spans.push_back(bin_span<T>(i, s.rows, y, height, s.height));
  for (int64_t j = 0; j < s.columns; ++j) spans.push_back(bin_span<T>(j, s.columns, x, width, s.width));
  for (int64_t c = 0; c < s.channels; ++c) {
    const T* plane = image + c * s.height * s.width;
    for (int64_t i = 0; i < s.rows; ++i)
      for (int64_t j = 0; j < s.columns; ++j) {
        const Span v = spans[i], h = spans[s.rows + j];
        T best = v.end <= v.begin || h.end <= h.begin ? T(0) : std::numeric_limits<T>::lowest();
        int64_t at = -1;
        for (int64_t a = v.begin; a < v.end; ++a)
          for (int64_t b = h.begin; b < h.end; ++b)
            if (plane[a * s.width + b] > best) best = plane[at = a * s.width + b];
        *out++ = best;
        *found++ = at;
      }
  }
}

// (input, boxes, scale, rows, columns) -> values, pixels they were found at
void roi_max(Call& c) {
  const Tensor &x = c.tensor(0), &boxes = c.tensor(1);
  need_known(x, "roi_pool_forward_kernel");
  const Setup s{Kind::align, c.real(2), c.integer(3), c.integer(4), 0, false, x.size(0), x.size(1), x.size(2), x.size(3), boxes.size(0), x.size(1)};
  const DType compute = compute_dtype(x.dtype());
  const Dims sizes{s.boxes, s.channels, s.rows, s.columns};
  Tensor out = empty(sizes, compute, x.device()), found = empty(sizes, DType::int64, x.device());
  if (!x.is_meta() && out.numel() > 0) {
    const Tensor in = contiguous_as(x, compute), at = contiguous_as(boxes, compute);
    for_floating(compute, c.op, [&]<class T> {
      check_images(at.data<T>(), s.boxes, s.batch);
      parallel_for(s.boxes, 1, [&](int64_t begin, int64_t end) {
        std::vector<Span> spans;
        for (int64_t r = begin; r < end; ++r) {
          const T* box = at.data<T>() + r * 5;
          box_maxima(box, s, in.data<T>() + int64_t(box[0]) * s.channels * s.height * s.width, out.data<T>() + r * s.channels * s.bins(),
                     found.data<int64_t>() + r * s.channels * s.bins(), spans);
        }
      });
    });
  }
  c.out = {cast(out, x.dtype()), found};
}

// (grad, boxes, found, sizes of the input)
void roi_max_back(Call& c) {
  const Tensor& g = c.tensor(0);
  const Dims& sizes = c.ints(3);
  const int64_t boxes = g.size(0), channels = sizes[1], inside = sizes[2] * sizes[3], bins = g.size(2) * g.size(3);
  const DType compute = compute_dtype(g.dtype());
  Tensor out = full(sizes, 0, compute, g.device());
  if (!g.is_meta() && g.numel() > 0) {
    const Tensor grad = contiguous_as(g, compute), at = contiguous_as(c.tensor(1), compute), found = contiguous(c.tensor(2));
    for_floating(compute, c.op, [&]<class T> {
      parallel_for(channels, 16, [&](int64_t begin, int64_t end) {
        for (int64_t r = 0; r < boxes; ++r)
          for (int64_t k = begin; k < end; ++k) {
            T* plane = out.data<T>() + (int64_t(at.data<T>()[r * 5]) * channels + k) * inside;
            for (int64_t i = (r * channels + k) * bins, stop = i + bins; i < stop; ++i)
              if (found.data<int64_t>()[i] >= 0) plane[found.data<int64_t>()[i]] += grad.data<T>()[i];
          }
      });
    });
  }
  c.out.push_back(cast(out, g.dtype()));
}

const Register here[] = {{"vision.roi_sums", roi_sums}, {"vision.roi_sums_back", roi_sums_back}, {"vision.roi_max", roi_max},
                         {"vision.roi_max_back", roi_max_back}};

}  // namespace
}  // namespace facula
