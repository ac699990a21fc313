// Pixels of pictures as the numbers that models take.
#include <algorithm>

#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/error.h"

namespace facula {
namespace {

// One picture: `count` pixels of C bytes to C planes of values in [0, 1]. Divided, not multiplied by 1/255: the quotient is exact.
template <int C>
void planes(const uint8_t* from, int64_t begin, int64_t end, int64_t count, float* to) {
  for (int64_t i = begin; i < end; ++i)
    for (int c = 0; c < C; ++c) to[c * count + i] = float(from[i * C + c]) / 255.0f;
}

// (uint8 pixels: ..., height, width, channels) -> float32 (..., channels, height, width) in [0, 1]
void unit_planes(Call& c) {
  const Tensor x = contiguous_as(c.tensor(0), DType::uint8);
  if (x.dim() < 3) throw ValueError("internal error: pixels of ", x.dim(), " dimensions");
  Dims sizes(x.sizes());
  const int d = x.dim();
  const int64_t channels = x.size(d - 1), height = x.size(d - 3), width = x.size(d - 2), count = height * width;
  sizes[d - 3] = channels;
  sizes[d - 2] = height;
  sizes[d - 1] = width;
  const Tensor out = empty(sizes, DType::float32);
  c.out.push_back(out);
  const auto* from = x.data<uint8_t>();
  auto* to = out.data<float>();
  const int64_t images = x.numel() ? x.numel() / (count * channels) : 0;
  constexpr int64_t kGrain = 1 << 16;
  parallel_for(images * count, kGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t k = begin / count, first = begin - k * count, last = std::min(count, first + end - begin);
      const auto* picture = from + k * count * channels;
      auto* made = to + k * count * channels;
      if (channels == 1) planes<1>(picture, first, last, count, made);
      else if (channels == 3) planes<3>(picture, first, last, count, made);
      else
        for (int64_t i = first; i < last; ++i)
          for (int64_t p = 0; p < channels; ++p) made[p * count + i] = float(picture[i * channels + p]) / 255.0f;
      begin += last - first;
    }
  });
}
const Register unit_planes_here{"image.unit_planes", unit_planes};

}  // namespace
}  // namespace facula
