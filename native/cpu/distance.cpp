// p-norms of the differences of rows, without holding the differences: the second set is turned so that
// one row of the first meets all rows of the second in vector lanes.
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/moments.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

enum class Norm { zero, one, two, infinity, other };
Norm norm_of(double p) {
  return p == 0 ? Norm::zero : p == 1 ? Norm::one : p == 2 ? Norm::two : std::isinf(p) ? Norm::infinity : Norm::other;
}
template <class Body>
void with_norm(double p, const Body& body) {
  switch (norm_of(p)) {
    case Norm::zero: return body.template operator()<Norm::zero>();
    case Norm::one: return body.template operator()<Norm::one>();
    case Norm::two: return body.template operator()<Norm::two>();
    case Norm::infinity: return body.template operator()<Norm::infinity>();
    default: return body.template operator()<Norm::other>();
  }
}

// (rows, size) -> (size, rows)
template <class T>
void turn(const T* x, int64_t rows, int64_t size, T* out) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < size; ++k) out[k * rows + i] = x[i * size + k];
}

// Distances of `row` from rows [first, count) of the turned set, to out[0...].
template <Norm norm, class T>
void distances(const T* row, const T* turned, int64_t first, int64_t count, int64_t size, T p, T* out) {
  const int64_t n = count - first;
  std::fill_n(out, n, T(0));
  for (int64_t k = 0; k < size; ++k) {
    const T *other = turned + k * count + first, x = row[k];
    for (int64_t j = 0; j < n; ++j) {
      const T gap = std::abs(x - other[j]);
      if constexpr (norm == Norm::zero) out[j] += gap != 0 ? T(1) : T(0);
      else if constexpr (norm == Norm::one) out[j] += gap;
      else if constexpr (norm == Norm::two) out[j] += gap * gap;
      else if constexpr (norm == Norm::infinity) out[j] = (gap > out[j]) | (gap != gap) ? gap : out[j];
      else out[j] += std::pow(gap, p);
    }
  }
  if constexpr (norm == Norm::two) for (int64_t j = 0; j < n; ++j) out[j] = std::sqrt(out[j]);
  if constexpr (norm == Norm::other) for (int64_t j = 0; j < n; ++j) out[j] = std::pow(out[j], 1 / p);
}

// Sums over all other rows: weight[j] * (what the difference contributes to the slope).
template <Norm norm, class T>
void slopes(const T* row, const T* turned, const T* grad, const T* dist, int64_t count, int64_t size, T p, T* weight, T* out) {
  for (int64_t j = 0; j < count; ++j) {
    if constexpr (norm == Norm::two) weight[j] = dist[j] == 0 ? T(0) : grad[j] / dist[j];
    else if constexpr (norm == Norm::other) weight[j] = dist[j] == 0 ? T(0) : grad[j] / std::pow(dist[j], p - 1);
    else weight[j] = grad[j];
  }
  for (int64_t k = 0; k < size; ++k) {
    const T *other = turned + k * count, x = row[k];
    double total[1] = {};
    lane_sums<1, T>(count, total, [&](int64_t j, int lane, auto& lanes) {
      const T gap = x - other[j], sign = T(gap > 0) - T(gap < 0);
      T& sum = lanes[0][lane];
      if constexpr (norm == Norm::one) sum += weight[j] * sign;
      else if constexpr (norm == Norm::two) sum += weight[j] * gap;
      else if constexpr (norm == Norm::infinity) sum += std::abs(gap) == dist[j] ? weight[j] * sign : T(0);
      else if constexpr (norm == Norm::other) sum += gap == 0 ? T(0) : weight[j] * sign * std::pow(std::abs(gap), p - 1);
    });
    out[k] = T(total[0]);
  }
}

struct Sets {
  Tensor first, second;  // (batch..., rows, size), batches broadcast
  Dims batch;
  int64_t batches, p, r, size;
};
Sets sets_of(const Tensor& a, const Tensor& b, DType compute) {
  Dims la(a.sizes().data(), size_t(a.dim() - 2)), lb(b.sizes().data(), size_t(b.dim() - 2)), batch = broadcast_sizes(la, lb);
  const auto spread = [&](const Tensor& t) {
    Dims sizes = batch;
    sizes.push_back(t.size(-2));
    sizes.push_back(t.size(-1));
    return contiguous_as(expand_to(t, sizes), compute);
  };
  return {spread(a), spread(b), batch, batch.numel(), a.size(-2), b.size(-2), a.size(-1)};
}

// body(batch, turned second set) over pieces of rows of all batches.
template <class T, class Body>
void each_piece(const Sets& s, const Body& body) {
  const int64_t each = std::max<int64_t>(1, (32 << 10) / std::max<int64_t>(1, s.r * s.size));
  std::vector<T> turned(size_t(s.r * s.size));
  for (int64_t b = 0; b < s.batches; ++b) {
    turn(s.second.data<T>() + b * s.r * s.size, s.r, s.size, turned.data());
    const T* t = turned.data();
    parallel_for(s.p, each, [&](int64_t begin, int64_t end) { body(b, t, begin, end); });
  }
}

// (x1, x2, p)
void cdist(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  const double p = c.real(2);
  const DType compute = compute_dtype(a.dtype());
  Sets s = sets_of(a, b, compute);
  Dims sizes = s.batch;
  sizes.push_back(s.p);
  sizes.push_back(s.r);
  Tensor out = empty(sizes, compute, a.device());
  if (!a.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      with_norm(p, [&]<Norm norm> {
        each_piece<T>(s, [&](int64_t batch, const T* turned, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            distances<norm>(s.first.data<T>() + (batch * s.p + i) * s.size, turned, 0, s.r, s.size, T(p), out.data<T>() + (batch * s.p + i) * s.r);
        });
      });
    });
  c.out.push_back(cast(out, a.dtype()));
}

// (grad, x1, x2, p, distances) -> gradient of x1, before it is summed over broadcast batches
void cdist_back(Call& c) {
  const Tensor &a = c.tensor(1), &b = c.tensor(2);
  const double p = c.real(3);
  const DType compute = compute_dtype(a.dtype());
  Sets s = sets_of(a, b, compute);
  Tensor out = full(s.first.sizes(), 0, compute, a.device());
  if (!a.is_meta() && s.r) {
    const Tensor grad = contiguous_as(c.tensor(0), compute), dist = contiguous_as(c.tensor(4), compute);
    for_floating(compute, c.op, [&]<class T> {
      with_norm(p, [&]<Norm norm> {
        if constexpr (norm != Norm::zero)
          each_piece<T>(s, [&](int64_t batch, const T* turned, int64_t begin, int64_t end) {
            std::vector<T> weight(static_cast<size_t>(s.r));
            for (int64_t i = begin; i < end; ++i) {
              const int64_t at = batch * s.p + i;
              slopes<norm>(s.first.data<T>() + at * s.size, turned, grad.data<T>() + at * s.r, dist.data<T>() + at * s.r, s.r, s.size, T(p),
                           weight.data(), out.data<T>() + at * s.size);
            }
          });
      });
    });
  }
  c.out.push_back(cast(out, a.dtype()));
}

// (x, p): the pairs i < j
void pdist(Call& c) {
  const Tensor& x = c.tensor(0);
  const double p = c.real(1);
  const DType compute = compute_dtype(x.dtype());
  const int64_t n = x.size(0);
  Tensor out = empty({std::max<int64_t>(0, n * (n - 1) / 2)}, compute, x.device());
  if (!x.is_meta() && n > 1) {
    const Sets s = sets_of(x, x, compute);
    for_floating(compute, c.op, [&]<class T> {
      with_norm(p, [&]<Norm norm> {
        each_piece<T>(s, [&](int64_t, const T* turned, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            distances<norm>(s.first.data<T>() + i * s.size, turned, i + 1, n, s.size, T(p), out.data<T>() + i * n - i * (i + 1) / 2);
        });
      });
    });
  }
  c.out.push_back(cast(out, x.dtype()));
}

const Register here[] = {{"distance.cdist", cdist}, {"distance.cdist_back", cdist_back}, {"distance.pdist", pdist}};

}  // namespace
}  // namespace facula
