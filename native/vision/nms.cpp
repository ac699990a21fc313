// Non-maximum suppression: of boxes that overlap, the best by score stays.
#include <algorithm>
#include <numeric>
#include <vector>

#include "tensor/call.h"

namespace facula {
namespace {

// The boxes best first, one array a coordinate, so that one box meets the rest in vector code.
template <class T>
struct Ranked {
  std::vector<int64_t> order;
  std::vector<T> x1, y1, x2, y2, area;

  Ranked(const T* boxes, const T* scores, int64_t n) : order(n), x1(n), y1(n), x2(n), y2(n), area(n) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {  // NaN first, as PyTorch sorts
      return scores[a] > scores[b] || (scores[a] != scores[a] && scores[b] == scores[b]);
    });
    for (int64_t i = 0; i < n; ++i) {
      const T* box = boxes + order[i] * 4;
      x1[i] = box[0], y1[i] = box[1], x2[i] = box[2], y2[i] = box[3];
      area[i] = (box[2] - box[0]) * (box[3] - box[1]);
    }
  }
};

template <class T>
std::vector<int64_t> kept_of(const Ranked<T>& r, double threshold) {
  const int64_t n = int64_t(r.order.size());
  std::vector<uint8_t> out(n, 0);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < n; ++i) {
    if (out[i]) continue;
    kept.push_back(r.order[i]);
    const T x1 = r.x1[i], y1 = r.y1[i], x2 = r.x2[i], y2 = r.y2[i], area = r.area[i];
    for (int64_t j = i + 1; j < n; ++j) {
      const T width = std::max(T(0), std::min(x2, r.x2[j]) - std::max(x1, r.x1[j]));
      const T height = std::max(T(0), std::min(y2, r.y2[j]) - std::max(y1, r.y1[j]));
      const T common = width * height;
      out[j] |= uint8_t(common / (area + r.area[j] - common) > threshold);
    }
  }
  return kept;
}

// (boxes, scores, threshold) -> indices kept, best first
void nms(Call& c) {
  const Tensor &boxes = c.tensor(0), &scores = c.tensor(1);
  if (boxes.dim() != 2) throw RuntimeError("boxes should be a 2d tensor, got ", boxes.dim(), "D");
  if (boxes.size(1) != 4) throw RuntimeError("boxes should have 4 elements in dimension 1, got ", boxes.size(1));
  if (scores.dim() != 1) throw RuntimeError("scores should be a 1d tensor, got ", scores.dim(), "D");
  if (boxes.size(0) != scores.size(0))
    throw RuntimeError("boxes and scores should have same number of elements in dimension 0, got ", boxes.size(0), " and ", scores.size(0));
  if (boxes.dtype() != scores.dtype()) throw RuntimeError("dets should have the same type as scores");
  if (boxes.is_meta()) throw NotImplementedError("nms: the number of boxes kept is not known without data (meta tensors)");
  if (boxes.dtype() != DType::float32 && boxes.dtype() != DType::float64) not_implemented_for("nms_kernel", boxes.dtype());
  const Tensor flat = contiguous(boxes), values = contiguous(scores);
  std::vector<int64_t> kept;
  for_floating(boxes.dtype(), c.op, [&]<class T> {
    kept = kept_of(Ranked<T>(flat.data<T>(), values.data<T>(), boxes.size(0)), c.real(2));
  });
  Tensor out = empty({int64_t(kept.size())}, DType::int64);
  std::copy(kept.begin(), kept.end(), out.data<int64_t>());
  c.out.push_back(out);
}

const Register here{"vision.nms", nms};

}  // namespace
}  // namespace facula
