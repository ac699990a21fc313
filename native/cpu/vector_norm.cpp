// Vector norms in one pass, and dot products.
#include <cmath>

#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/reduce.h"
#include "tensor/storage.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 32 << 10;  // elements per parallel piece

enum class Power { zero, one, two, any };

template <class T> struct RealType { using type = T; };
template <class R> struct RealType<std::complex<R>> { using type = R; };

template <Power kPower, class T>
typename RealType<T>::type term(T x, [[maybe_unused]] typename RealType<T>::type p) {
  if constexpr (kPower == Power::zero) return x != T(0);
  else if constexpr (kPower == Power::one) return std::abs(x);
  else if constexpr (kPower == Power::two) {
    if constexpr (is_complex_v<T>) return x.real() * x.real() + x.imag() * x.imag();
    else return x * x;
  } else return std::pow(std::abs(x), p);
}

template <Power kPower, class T>
void norms(const Reduction& r, double exponent, typename RealType<T>::type* out) {
  using R = typename RealType<T>::type;
  const R p = R(exponent);
  const T* x = r.x.data<T>();
  const auto finish = [&](double total) {
    return R(kPower == Power::two ? std::sqrt(total) : kPower == Power::any ? std::pow(total, 1 / exponent) : total);
  };
  const auto row = [&](const T* from, int64_t n) { return double(sum_terms<R>(n, [&](int64_t i) { return term<kPower>(from[i], p); })); };
  if (r.inner == 1 && r.outer == 1 && r.count > kPiece) {
    const int64_t pieces = (r.count + kPiece - 1) / kPiece;
    Scratch<double> partial(pieces);
    double* sums = partial.get();
    parallel_for(pieces, 1, [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) sums[i] = row(x + i * kPiece, std::min(kPiece, r.count - i * kPiece));
    });
    double total = 0;
    for (int64_t i = 0; i < pieces; ++i) total += sums[i];
    out[0] = finish(total);
  } else if (r.inner == 1) {
    parallel_for(r.outer, std::max<int64_t>(1, kPiece / std::max<int64_t>(r.count, 1)), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) out[i] = finish(row(x + i * r.count, r.count));
    });
  } else {
    constexpr int64_t strip = 256;
    const int64_t strips = (r.inner + strip - 1) / strip;
    parallel_for(r.outer * strips, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, strip * r.count)), [&](int64_t a, int64_t b) {
      double sums[strip];
      for (int64_t job = a; job < b; ++job) {
        const int64_t first = job % strips * strip, n = std::min(strip, r.inner - first);
        const T* from = x + job / strips * r.count * r.inner + first;
        std::fill_n(sums, n, 0.0);
        for (int64_t k = 0; k < r.count; ++k)
          for (int64_t c = 0; c < n; ++c) sums[c] += double(term<kPower>(from[k * r.inner + c], p));
        for (int64_t c = 0; c < n; ++c) out[job / strips * r.inner + first + c] = finish(sums[c]);
      }
    });
  }
}

// (input, p, dims, keepdim), p finite
void vector_norm(Call& c) {
  const Tensor& x = c.tensor(0);
  const double p = c.real(1);
  const Reduction r = plan_reduction(x, compute_dtype(x.dtype()), c.has(2), c.has(2) ? c.ints(2) : Dims(), c.flag(3));
  const DType type = to_real(x.dtype());
  if (x.is_meta()) { c.out.push_back(empty(r.sizes, type, x.device())); return; }
  const Tensor out = empty(r.sizes, to_real(r.x.dtype()));
  for_inexact(r.x.dtype(), "linalg_vector_norm", [&]<class T> {
    auto* to = out.data<typename RealType<T>::type>();
    if (p == 0) norms<Power::zero, T>(r, p, to);
    else if (p == 1) norms<Power::one, T>(r, p, to);
    else if (p == 2) norms<Power::two, T>(r, p, to);
    else norms<Power::any, T>(r, p, to);
  });
  c.out.push_back(cast(out, type));
}

const Register here{"linalg.vector_norm", vector_norm};

}  // namespace
}  // namespace facula
