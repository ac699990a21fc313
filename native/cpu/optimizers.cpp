// Optimizer steps over all parameters of a group at once, in place.
// One pass over memory: each element is read and written once, whatever the formula.
#include <cmath>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/error.h"

namespace facula {
namespace {

constexpr int64_t kGrain = 16384;

// Pieces of all parameters, cut by size only.
struct Piece { int32_t tensor; int64_t begin, end; };

std::vector<Piece> cut(const std::vector<Tensor>& params) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < params.size(); ++i)
    for (int64_t b = 0, n = params[i].numel(); b < n; b += kGrain) pieces.push_back({int32_t(i), b, std::min(n, b + kGrain)});
  return pieces;
}

// body(tensor, begin, end) over all pieces; neighbouring small tensors share a task.
template <class Body>
void for_pieces(const std::vector<Tensor>& params, const Body& body) {
  const auto pieces = cut(params);
  int64_t total = 0;
  for (const auto& p : params) total += p.numel();
  const int64_t count = int64_t(pieces.size());
  const int64_t tasks = std::max<int64_t>(1, total / (4 * kGrain));
  parallel_for(count, (count + tasks - 1) / tasks, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) body(pieces[k].tensor, pieces[k].begin, pieces[k].end);
  });
}

template <class T>
std::vector<T*> pointers(const std::vector<Tensor>& list) {
  std::vector<T*> out;
  for (const auto& t : list) out.push_back(t.data<T>());
  return out;
}

void bump_all(const std::vector<Tensor>& list) {
  for (const auto& t : list) t.bump();
}

// (params, grads, momenta, lr, momentum, dampening, weight_decay, nesterov, maximize, first)
void sgd(Call& c) {
  const auto& params = c.tensors(0);
  if (params.empty()) return;
  const bool with_momentum = !c.tensors(2).empty(), nesterov = c.flag(7), first = c.flag(9);
  for_floating(params[0].dtype(), c.op, [&]<class T>() {
    const auto p = pointers<T>(params), g = pointers<T>(c.tensors(1)), m = pointers<T>(c.tensors(2));
    const T lr = T(c.real(3)), mu = T(c.real(4)), keep = T(1 - c.real(5)), decay = T(c.real(6)), sign = c.flag(8) ? T(-1) : T(1);
    for_pieces(params, [&](int32_t t, int64_t begin, int64_t end) {
      T* __restrict w = p[t];
      const T* __restrict grad = g[t];
      if (!with_momentum) {
        for (int64_t i = begin; i < end; ++i) w[i] -= lr * (sign * grad[i] + decay * w[i]);
        return;
      }
      T* __restrict buffer = m[t];
      for (int64_t i = begin; i < end; ++i) {
        const T d = sign * grad[i] + decay * w[i];
        const T b = first ? d : mu * buffer[i] + keep * d;
        buffer[i] = b;
        w[i] -= lr * (nesterov ? d + mu * b : b);
      }
    });
  });
  bump_all(params);
  bump_all(c.tensors(2));
}
const Register sgd_here{"optimizers.sgd", sgd};

// (params, grads, first, second, largest, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step)
void adam(Call& c) {
  const auto& params = c.tensors(0);
  if (params.empty()) return;
  const bool amsgrad = !c.tensors(4).empty(), decoupled = c.flag(10);
  const double lr = c.real(5), beta1 = c.real(6), beta2 = c.real(7), step = c.real(12);
  for_floating(params[0].dtype(), c.op, [&]<class T>() {
    const auto p = pointers<T>(params), g = pointers<T>(c.tensors(1)), m = pointers<T>(c.tensors(2)), v = pointers<T>(c.tensors(3)),
               x = pointers<T>(c.tensors(4));
    const T size = T(lr / (1 - std::pow(beta1, step))), root = T(std::sqrt(1 - std::pow(beta2, step))), eps = T(c.real(8));
    const T fresh1 = T(1 - beta1), b2 = T(beta2), fresh2 = T(1 - beta2), sign = c.flag(11) ? T(-1) : T(1);
    const T decay = decoupled ? T(0) : T(c.real(9)), shrink = decoupled ? T(1 - lr * c.real(9)) : T(1);
    for_pieces(params, [&](int32_t t, int64_t begin, int64_t end) {
      T* __restrict w = p[t];
      T* __restrict first = m[t];
      T* __restrict second = v[t];
      T* __restrict largest = amsgrad ? x[t] : nullptr;
      const T* __restrict grad = g[t];
      const auto update = [&](int64_t i, T scale) { w[i] = w[i] - size * first[i] / (std::sqrt(scale) / root + eps); };
      for (int64_t i = begin; i < end; ++i) {
        w[i] *= shrink;
        const T d = sign * grad[i] + decay * w[i];
        first[i] += fresh1 * (d - first[i]);
        second[i] = b2 * second[i] + fresh2 * d * d;
        if (!amsgrad) update(i, second[i]);
      }
      if (amsgrad)
        for (int64_t i = begin; i < end; ++i) {
          largest[i] = std::max(largest[i], second[i]);
          update(i, largest[i]);
        }
    });
  });
  for (size_t k : {0, 2, 3, 4}) bump_all(c.tensors(k));
}
const Register adam_here{"optimizers.adam", adam};

}  // namespace
}  // namespace facula
