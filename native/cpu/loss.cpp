// The negative log-likelihood of target classes, with weights, ignored targets and the reduction inside.
#include <atomic>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 8 << 10;  // targets
enum Reduction : int64_t { kNone, kMean, kSum };

// The numbers of input (N, C, S...) that stand at the targets (N, S...).
struct Targets {
  const int64_t* at;
  int64_t count, classes, inner, ignore;
  int64_t place(int64_t i) const { return (i / inner * classes + at[i]) * inner + i % inner; }
};

Targets targets_of(const Tensor& target, const Dims& sizes, int64_t ignore) {
  const int64_t n = target.numel();
  if (sizes.ndim() == 1) return {target.data<int64_t>(), n, sizes[0], 1, ignore};
  return {target.data<int64_t>(), n, sizes[1], n ? n / sizes[0] : 1, ignore};
}

// _nll(input, target, weight?, reduction, ignore_index) -> loss, total weight
void nll(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType compute = compute_dtype(x.dtype());
  const Tensor in = contiguous_as(x, compute), target = contiguous_as(c.tensor(1), DType::int64);
  const Tensor weight = c.tensor(2) ? contiguous_as(c.tensor(2), compute) : Tensor();
  const int64_t reduction = c.integer(3), n = target.numel();
  const Targets t = targets_of(target, x.sizes(), c.integer(4));
  Tensor loss = reduction == kNone ? empty(target.sizes(), compute, x.device()) : empty({}, compute, x.device());
  Tensor total = full({}, 0, compute, x.device());
  if (!x.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const T *p = in.data<T>(), *w = weight ? weight.data<T>() : nullptr;
      const int64_t pieces = (n + kPiece - 1) / kPiece;
      std::vector<double> losses(static_cast<size_t>(pieces)), weights(static_cast<size_t>(pieces));
      std::atomic<int64_t> bad{-1};
      parallel_for(n, kPiece, [&](int64_t begin, int64_t end) {
        double a = 0, b = 0;
        for (int64_t i = begin; i < end; ++i) {
          const bool skip = t.at[i] == t.ignore;
          if (!skip && (t.at[i] < 0 || t.at[i] >= t.classes)) { bad = i; return; }
          const T share = skip ? T(0) : w ? w[t.at[i]] : T(1), value = skip ? T(0) : -share * p[t.place(i)];
          if (reduction == kNone) loss.data<T>()[i] = value;
          a += double(value);
          b += double(share);
        }
        losses[size_t(begin / kPiece)] = a;
        weights[size_t(begin / kPiece)] = b;
      });
      if (bad >= 0) throw IndexError("Target ", t.at[bad], " is out of bounds.");
      double a = 0, b = 0;
      for (int64_t i = 0; i < pieces; ++i) { a += losses[size_t(i)]; b += weights[size_t(i)]; }
      total.data<T>()[0] = T(b);
      if (reduction != kNone) loss.data<T>()[0] = T(reduction == kMean ? a / b : a);
    });
  c.out = {cast(loss, x.dtype()), cast(total, x.dtype())};
}

// _nll_back(grad, target, weight?, total, shape of the input, reduction, ignore_index)
void nll_back(Call& c) {
  const Tensor& g = c.tensor(0);
  const DType compute = compute_dtype(g.dtype());
  const Tensor target = contiguous_as(c.tensor(1), DType::int64), gg = contiguous_as(g, compute), all = contiguous_as(c.tensor(3), compute);
  const Tensor weight = c.tensor(2) ? contiguous_as(c.tensor(2), compute) : Tensor();
  const Dims& sizes = c.ints(4);
  const int64_t reduction = c.integer(5), n = target.numel();
  const Targets t = targets_of(target, sizes, c.integer(6));
  Tensor out = full(sizes, 0, compute, g.device());
  if (!g.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const T *grad = gg.data<T>(), *w = weight ? weight.data<T>() : nullptr, scale = reduction == kMean ? T(1) / all.data<T>()[0] : T(1);
      T* to = out.data<T>();
      parallel_for(n, kPiece, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          if (t.at[i] != t.ignore) to[t.place(i)] = -(w ? w[t.at[i]] : T(1)) * (reduction == kNone ? grad[i] : grad[0] * scale);
      });
    });
  c.out.push_back(cast(out, g.dtype()));
}

const Register here[] = {{"loss.nll", nll}, {"loss.nll_back", nll_back}};

}  // namespace
}  // namespace facula
