// Losses between the classes of each row of scores: multi_margin_loss and multilabel_margin_loss. A row's rule gives
// its value, and on the way back its gradients; reduction and batching are the same for both.
#include <cmath>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 16 << 10;
enum Reduction : int64_t { kNone, kMean, kSum };

struct Rows {
  int64_t rows, classes;
  bool batched;
  Dims loss_sizes(int64_t reduction) const { return reduction == kNone && batched ? Dims{rows} : Dims(); }
};
// Scores are (classes), (rows, classes) or a single number.
Rows rows_of(const Tensor& x) {
  const bool batched = x.dim() == 2;
  if (x.dim() > 2 || (x.dim() > 0 && x.size(-1) == 0))
    throw RuntimeError("Expected non-empty vector or matrix with optional 0-dim batch size, but got: ", x.sizes());
  return {batched ? x.size(0) : 1, x.dim() ? x.size(-1) : 1, batched};
}

// rule(row) adds up the losses of rows; the sum does not depend on the number of threads.
template <class T, class Rule>
void reduce_rows(const Rows& s, int64_t reduction, T* loss, const Rule& rule) {
  const int64_t each = std::max<int64_t>(1, kPiece / s.classes), pieces = (s.rows + each - 1) / each;
  std::vector<double> sums(static_cast<size_t>(pieces));
  parallel_for(s.rows, each, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t r = begin; r < end; ++r) {
      const T value = rule(r);
      if (reduction == kNone) loss[r] = value;
      sum += double(value);
    }
    sums[size_t(begin / each)] = sum;
  });
  if (reduction == kNone) return;
  double sum = 0;
  for (double v : sums) sum += v;
  loss[0] = T(reduction == kMean ? sum / double(s.rows) : sum);
}

// rule(row, gradient of the row's loss) for every row.
template <class T, class Rule>
void differentiate_rows(const Rows& s, int64_t reduction, const T* grad, const Rule& rule) {
  const T shared = reduction == kMean ? grad[0] / T(s.rows) : grad[0];
  parallel_for(s.rows, std::max<int64_t>(1, kPiece / s.classes), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) rule(r, reduction == kNone ? grad[s.batched ? r : 0] : shared);
  });
}

// ---------------------------------------------------------------- one target class per row

struct Hinge {
  int64_t p;
  double margin;
};

Tensor class_targets(const Tensor& x, const Tensor& t, const Rows& s) {
  if (t.dim() > 1 || t.numel() != s.rows || (s.batched && t.dim() != 1))
    throw RuntimeError("multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). Expected target size [",
                       s.rows, "], but got ", t.sizes(), ". ");
  if (t.dtype() != DType::int64) throw RuntimeError("expected scalar type Long but found ", scalar_type_name(t.dtype()));
  Tensor target = contiguous_as(t, DType::int64);
  if (!x.is_meta())
    for (int64_t i = 0; i < s.rows; ++i)
      if (target.data<int64_t>()[i] < 0 || target.data<int64_t>()[i] >= s.classes) throw RuntimeError("target out of range");
  return target;
}

Tensor class_weights(const Tensor& weight, const Rows& s, DType type) {
  if (!weight) return weight;
  if (weight.dim() > 1 || weight.numel() != s.classes)
    throw RuntimeError("inconsistent weight size, expected ", s.classes, " but got ", weight.sizes());
  return contiguous_as(weight, type);
}

template <class T>
T hinge_row(const Hinge& h, const T* x, int64_t y, T weight, int64_t n) {
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) {
    const T gap = j == y ? T(0) : std::max(T(h.margin) - x[y] + x[j], T(0));
    sum += double(h.p == 2 ? gap * gap : gap);
  }
  return T(sum) * weight / T(n);
}
template <class T>
void hinge_row_back(const Hinge& h, const T* x, int64_t y, T scale, int64_t n, T* out) {
  T total = 0;
  for (int64_t j = 0; j < n; ++j) {
    const T gap = T(h.margin) - x[y] + x[j];
    out[j] = j == y || !(gap > 0) ? T(0) : scale * (h.p == 2 ? 2 * gap : T(1));
    total += out[j];
  }
  out[y] = -total;
}

// (input, target, p, margin, weight?, reduction)
void multi_margin(Call& c) {
  const Tensor& x = c.tensor(0);
  if (!is_floating(x.dtype())) not_implemented_for("multi_margin_loss", x.dtype());
  const Rows s = rows_of(x);
  const DType type = compute_dtype(x.dtype());
  const Tensor in = contiguous_as(x, type), target = class_targets(x, c.tensor(1), s), weight = class_weights(c.tensor(4), s, type);
  const Hinge h{c.integer(2), c.real(3)};
  const Tensor out = empty(s.loss_sizes(c.integer(5)), type, x.device());
  if (!x.is_meta())
    for_floating(type, c.op, [&]<class T> {
      reduce_rows<T>(s, c.integer(5), out.data<T>(), [&, t = target.data<int64_t>(), w = weight ? weight.data<T>() : nullptr, p = in.data<T>()](int64_t r) {
        return hinge_row(h, p + r * s.classes, t[r], w ? w[t[r]] : T(1), s.classes);
      });
    });
  c.out.push_back(cast(out, x.dtype()));
}

// (grad, input, target, p, margin, weight?, reduction)
void multi_margin_back(Call& c) {
  const Tensor& x = c.tensor(1);
  const Rows s = rows_of(x);
  const DType type = compute_dtype(x.dtype());
  const Tensor grad = contiguous_as(c.tensor(0), type), in = contiguous_as(x, type), target = class_targets(x, c.tensor(2), s);
  const Tensor weight = class_weights(c.tensor(5), s, type), out = empty(x.sizes(), type, x.device());
  const Hinge h{c.integer(3), c.real(4)};
  if (!x.is_meta())
    for_floating(type, c.op, [&]<class T> {
      const T *p = in.data<T>(), *w = weight ? weight.data<T>() : nullptr;
      differentiate_rows<T>(s, c.integer(6), grad.data<T>(), [&, t = target.data<int64_t>(), to = out.data<T>()](int64_t r, T g) {
        hinge_row_back(h, p + r * s.classes, t[r], g * (w ? w[t[r]] : T(1)) / T(s.classes), s.classes, to + r * s.classes);
      });
    });
  c.out.push_back(cast(out, x.dtype()));
}

// ---------------------------------------------------------------- several target classes per row, ended by -1

int64_t count_labels(const int64_t* t, int64_t n) {
  int64_t k = 0;
  while (k < n && t[k] >= 0) ++k;
  return k;
}

// Marks the targets in `mine`, and calls pair(target, other) for every class that is none.
template <class T, class Pair>
void each_pair(const int64_t* t, int64_t n, T* mine, const Pair& pair) {
  const int64_t count = count_labels(t, n);
  for (int64_t j = 0; j < n; ++j) mine[j] = 0;
  for (int64_t k = 0; k < count; ++k) mine[t[k]] = 1;
  for (int64_t k = 0; k < count; ++k)
    for (int64_t j = 0; j < n; ++j) if (mine[j] == 0) pair(t[k], j);
}

Tensor label_targets(const Tensor& x, const Tensor& t, const Rows& s) {
  if (t.dtype() != DType::int64) throw RuntimeError("expected scalar type Long but found ", scalar_type_name(t.dtype()));
  if (!(t.sizes() == x.sizes()) && !(x.dim() <= 1 && t.dim() <= 1 && t.numel() == s.classes))
    throw RuntimeError("inconsistent target size: ", t.sizes(), " for input of size: ", x.sizes());
  Tensor target = contiguous_as(t, DType::int64);
  if (!x.is_meta())
    for (int64_t i = 0; i < target.numel(); ++i) {
      if (target.data<int64_t>()[i] < -1) throw RuntimeError("target min out of range");
      if (target.data<int64_t>()[i] >= s.classes) throw RuntimeError("target max out of range");
    }
  return target;
}

// (input, target, reduction) -> loss, is_target
void multilabel_margin(Call& c) {
  const Tensor& x = c.tensor(0);
  if (!is_floating(x.dtype())) not_implemented_for("multilabel_margin_loss_forward_out_frame", x.dtype());
  const Rows s = rows_of(x);
  const DType type = compute_dtype(x.dtype());
  const Tensor in = contiguous_as(x, type), target = label_targets(x, c.tensor(1), s);
  const Tensor out = empty(s.loss_sizes(c.integer(2)), type, x.device()), mine = empty(x.sizes(), type, x.device());
  if (!x.is_meta())
    for_floating(type, c.op, [&]<class T> {
      const T* p = in.data<T>();
      reduce_rows<T>(s, c.integer(2), out.data<T>(), [&, t = target.data<int64_t>(), m = mine.data<T>()](int64_t r) {
        const T* row = p + r * s.classes;
        double sum = 0;
        each_pair(t + r * s.classes, s.classes, m + r * s.classes, [&](int64_t k, int64_t j) { sum += double(std::max(T(1) - row[k] + row[j], T(0))); });
        return T(sum / double(s.classes));
      });
    });
  c.out = {cast(out, x.dtype()), cast(mine, x.dtype())};
}

// (grad, input, target, reduction)
void multilabel_margin_back(Call& c) {
  const Tensor& x = c.tensor(1);
  const Rows s = rows_of(x);
  const DType type = compute_dtype(x.dtype());
  const Tensor grad = contiguous_as(c.tensor(0), type), in = contiguous_as(x, type), target = label_targets(x, c.tensor(2), s);
  const Tensor out = full(x.sizes(), 0, type, x.device()), mine = empty(x.sizes(), type, x.device());
  if (!x.is_meta())
    for_floating(type, c.op, [&]<class T> {
      const T* p = in.data<T>();
      differentiate_rows<T>(s, c.integer(3), grad.data<T>(), [&, t = target.data<int64_t>(), m = mine.data<T>(), to = out.data<T>()](int64_t r, T g) {
        const int64_t at = r * s.classes;
        each_pair(t + at, s.classes, m + at, [&](int64_t k, int64_t j) {
          if (!(T(1) - p[at + k] + p[at + j] > 0)) return;
          to[at + k] -= g / T(s.classes);
          to[at + j] += g / T(s.classes);
        });
      });
    });
  c.out.push_back(cast(out, x.dtype()));
}

const Register here[] = {{"loss.multi_margin", multi_margin}, {"loss.multi_margin_back", multi_margin_back},
                         {"loss.multilabel_margin", multilabel_margin}, {"loss.multilabel_margin_back", multilabel_margin_back}};

}  // namespace
}  // namespace facula
