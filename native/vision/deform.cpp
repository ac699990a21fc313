// Deformable convolution: the columns a product with the kernel needs, sampled at shifted places (Dai et al., arXiv
// 1703.06211; factors of the samples: Zhu et al., arXiv 1811.11168), and their gradients.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

struct Setup {
  int64_t batch, channels, height, width;
  int64_t groups;                // of channels that share offsets
  int64_t kernel[2], stride[2], padding[2], dilation[2], out[2];
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t pixels() const { return out[0] * out[1]; }
  int64_t inside() const { return height * width; }
  int64_t share() const { return channels / groups; }
};

// Four pixels around a place; those outside the image weigh nothing. Slopes are by the place's row and column.
template <class T>
struct Place {
  int64_t at[4];
  T weight[4], by_row[4], by_column[4];
};

template <class T>
Place<T> place_of(T y, T x, const Setup& s) {
  Place<T> p{};
  if (!(y > -1 && y < T(s.height) && x > -1 && x < T(s.width))) return p;
  const T top = std::floor(y), left = std::floor(x), ly = y - top, lx = x - left, hy = 1 - ly, hx = 1 - lx;
  const T weights[4] = {hy * hx, hy * lx, ly * hx, ly * lx}, rows[4] = {-hx, -lx, hx, lx}, columns[4] = {-hy, hy, -ly, ly};
  for (int k = 0; k < 4; ++k) {
    const int64_t i = int64_t(top) + k / 2, j = int64_t(left) + k % 2;
    if (i < 0 || i >= s.height || j < 0 || j >= s.width) continue;
    p.at[k] = i * s.width + j;
    p.weight[k] = weights[k], p.by_row[k] = rows[k], p.by_column[k] = columns[k];
  }
  return p;
}

// All output pixels' places for one image, group and tap of the kernel.
template <class T>
void places_of(const Setup& s, int64_t image, int64_t group, int64_t tap, const T* offset, std::vector<Place<T>>& places) {
  places.resize(s.pixels());
  const T* down = offset + ((image * s.groups + group) * s.taps() + tap) * 2 * s.pixels();
  const T* right = down + s.pixels();
  const int64_t row = tap / s.kernel[1] * s.dilation[0] - s.padding[0], column = tap % s.kernel[1] * s.dilation[1] - s.padding[1];
  for (int64_t i = 0, l = 0; i < s.out[0]; ++i)
    for (int64_t j = 0; j < s.out[1]; ++j, ++l)
      places[l] = place_of(T(i * s.stride[0] + row) + down[l], T(j * s.stride[1] + column) + right[l], s);
}

template <class T>
T sampled(const Place<T>& p, const T* plane) {
  return p.weight[0] * plane[p.at[0]] + p.weight[1] * plane[p.at[1]] + p.weight[2] * plane[p.at[2]] + p.weight[3] * plane[p.at[3]];
}

// body(image, group, tap, places) for all of them, in parallel.
template <class T, class Body>
void each_tap(const Setup& s, const T* offset, const Body& body) {
  parallel_for(s.batch * s.groups * s.taps(), 1, [&](int64_t begin, int64_t end) {
    std::vector<Place<T>> places;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t tap = task % s.taps(), group = task / s.taps() % s.groups, image = task / s.taps() / s.groups;
      places_of(s, image, group, tap, offset, places);
      body(image, group, tap, places.data());
    }
  });
}

template <class T>
void fill_columns(const Setup& s, const T* input, const T* offset, const T* mask, T* columns) {
  each_tap<T>(s, offset, [&](int64_t image, int64_t group, int64_t tap, const Place<T>* places) {
    const T* factors = mask ? mask + ((image * s.groups + group) * s.taps() + tap) * s.pixels() : nullptr;
    for (int64_t c = group * s.share(); c < (group + 1) * s.share(); ++c) {
      const T* plane = input + (image * s.channels + c) * s.inside();
      T* row = columns + ((image * s.channels + c) * s.taps() + tap) * s.pixels();
      for (int64_t l = 0; l < s.pixels(); ++l) row[l] = (factors ? factors[l] : T(1)) * sampled(places[l], plane);
    }
  });
}

template <class T>
void back_to_offsets(const Setup& s, const T* grad, const T* input, const T* offset, const T* mask, T* to_offset, T* to_mask) {
  each_tap<T>(s, offset, [&](int64_t image, int64_t group, int64_t tap, const Place<T>* places) {
    const int64_t at = (image * s.groups + group) * s.taps() + tap;
    T *down = to_offset + at * 2 * s.pixels(), *right = down + s.pixels();
    for (int64_t c = group * s.share(); c < (group + 1) * s.share(); ++c) {
      const T* plane = input + (image * s.channels + c) * s.inside();
      const T* row = grad + ((image * s.channels + c) * s.taps() + tap) * s.pixels();
      for (int64_t l = 0; l < s.pixels(); ++l) {
        const Place<T>& p = places[l];
        const T g = mask ? row[l] * mask[at * s.pixels() + l] : row[l];
        T y = 0, x = 0;
        for (int k = 0; k < 4; ++k) y += p.by_row[k] * plane[p.at[k]], x += p.by_column[k] * plane[p.at[k]];
        down[l] += g * y, right[l] += g * x;
        if (mask) to_mask[at * s.pixels() + l] += row[l] * sampled(p, plane);
      }
    }
  });
}

// Tasks own channels of the input, so taps that overlap do not meet.
template <class T>
void back_to_input(const Setup& s, const T* grad, const T* offset, const T* mask, T* to_input) {
  const int64_t grain = 8, pieces = (s.share() + grain - 1) / grain;
  parallel_for(s.batch * s.groups * pieces, 1, [&](int64_t begin, int64_t end) {
    std::vector<Place<T>> places;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task / pieces % s.groups, image = task / pieces / s.groups;
      const int64_t first = group * s.share() + task % pieces * grain, last = std::min(first + grain, (group + 1) * s.share());
      for (int64_t tap = 0; tap < s.taps(); ++tap) {
        places_of(s, image, group, tap, offset, places);
        const T* factors = mask ? mask + ((image * s.groups + group) * s.taps() + tap) * s.pixels() : nullptr;
        for (int64_t c = first; c < last; ++c) {
          T* plane = to_input + (image * s.channels + c) * s.inside();
          const T* row = grad + ((image * s.channels + c) * s.taps() + tap) * s.pixels();
          for (int64_t l = 0; l < s.pixels(); ++l) {
            const T g = factors ? row[l] * factors[l] : row[l];
            for (int k = 0; k < 4; ++k) plane[places[l].at[k]] += g * places[l].weight[k];
          }
        }
      }
    }
  });
}

// Lists from argument `first`: kernel, stride, padding, dilation. Users' checks are in Python.
Setup setup_of(Call& c, const Tensor& x, const Tensor& offset, size_t first) {
  Setup s{x.size(0), x.size(1), x.size(2), x.size(3), 1, {}, {}, {}, {}, {offset.size(2), offset.size(3)}};
  for (int d = 0; d < 2; ++d) {
    s.kernel[d] = c.ints(first)[d], s.stride[d] = c.ints(first + 1)[d];
    s.padding[d] = c.ints(first + 2)[d], s.dilation[d] = c.ints(first + 3)[d];
  }
  s.groups = offset.size(1) / (2 * s.taps());
  return s;
}

// (input, offset, mask or None, kernel, stride, padding, dilation) -> (batch, channels * taps, output pixels)
void columns(Call& c) {
  const Tensor &x = c.tensor(0), &offset = c.tensor(1);
  if (!is_floating(x.dtype())) not_implemented_for("deformable_im2col", x.dtype());
  const Setup s = setup_of(c, x, offset, 3);
  const DType compute = compute_dtype(x.dtype());
  Tensor out = empty({s.batch, s.channels * s.taps(), s.pixels()}, compute, x.device());
  if (!x.is_meta() && out.numel() > 0) {
    const Tensor in = contiguous_as(x, compute), at = contiguous_as(offset, compute), mask = c.has(2) ? contiguous_as(c.tensor(2), compute) : Tensor();
    for_floating(compute, c.op, [&]<class T> {
      fill_columns<T>(s, in.data<T>(), at.data<T>(), mask ? mask.data<T>() : nullptr, out.data<T>());
    });
  }
  c.out.push_back(cast(out, x.dtype()));
}

// (grad, input, offset, mask or None, kernel, stride, padding, dilation) -> gradients of input, offset and (if there is one) mask
void columns_back(Call& c) {
  const Tensor &x = c.tensor(1), &offset = c.tensor(2);
  const Setup s = setup_of(c, x, offset, 4);
  const DType compute = compute_dtype(x.dtype());
  const Tensor mask = c.has(3) ? contiguous_as(c.tensor(3), compute) : Tensor();
  Tensor gx = full(x.sizes(), 0, compute, x.device()), go = full(offset.sizes(), 0, compute, x.device());
  Tensor gm = full(mask ? mask.sizes() : Dims{0}, 0, compute, x.device());
  if (!x.is_meta() && c.tensor(0).numel() > 0) {
    const Tensor grad = contiguous_as(c.tensor(0), compute), in = contiguous_as(x, compute), at = contiguous_as(offset, compute);
    for_floating(compute, c.op, [&]<class T> {
      const T* factors = mask ? mask.data<T>() : nullptr;
      back_to_offsets<T>(s, grad.data<T>(), in.data<T>(), at.data<T>(), factors, go.data<T>(), gm.data<T>());
      back_to_input<T>(s, grad.data<T>(), at.data<T>(), factors, gx.data<T>());
    });
  }
  c.out = {cast(gx, x.dtype()), cast(go, offset.dtype()), cast(gm, x.dtype())};
}

const Register here[] = {{"vision.deform_columns", columns}, {"vision.deform_columns_back", columns_back}};

}  // namespace
}  // namespace facula
