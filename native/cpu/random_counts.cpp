// Draws whose number of random numbers varies: Poisson, binomial and gamma variates, in PyTorch's order.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/random.h"

namespace facula {
namespace {

// One result per element of the (broadcast) parameters, computed in double.
template <class Draw>
Tensor draw_each(const Tensor& x, const Tensor* other, const Draw& draw) {
  const Dims sizes = other ? broadcast_sizes(x.sizes(), other->sizes()) : x.sizes();
  Tensor out = empty(sizes, DType::float64, x.device());
  if (x.is_meta()) return empty(sizes, x.dtype(), x.device());
  const Tensor a = contiguous_as(expand_to(x, sizes), DType::float64);
  const Tensor b = other ? contiguous_as(expand_to(*other, sizes), DType::float64) : a;
  for (int64_t i = 0; i < out.numel(); ++i) out.data<double>()[i] = draw(a.data<double>()[i], b.data<double>()[i]);
  return cast(out, x.dtype());
}

// Hörmann, "The transformed rejection method for generating Poisson random variables", 1993: algorithm PTRS.
double large_poisson(double rate, Generator& g) {
  const double root = std::sqrt(rate), log_rate = std::log(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = g.uniform() - 0.5, v = g.uniform(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= squeeze) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <= -rate + k * log_rate - std::lgamma(k + 1)) return k;
  }
}
// Knuth: events before the product of uniform numbers falls below exp(-rate).
double poisson_of(double rate, Generator& g) {
  if (!(rate >= 0)) throw RuntimeError("invalid Poisson rate, expected rate to be non-negative");
  if (rate >= 10) return large_poisson(rate, g);
  if (rate == 0) return 0;
  const double end = std::exp(-rate);
  double product = 1;
  for (int64_t events = 0;; ++events)
    if ((product *= g.uniform()) <= end) return double(events);
}

// log(k!) minus Stirling's approximation.
double stirling_rest(double k) {
  static constexpr double kFirst[] = {0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
                                      0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return kFirst[int(k)];
  const double q = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / q) / q) / (k + 1);
}
// Hörmann, "The generation of binomial random variates", 1993: algorithm BTRS.
double large_binomial(double n, double p, Generator& g) {
  const double deviation = std::sqrt(n * p * (1 - p)), b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double centre = n * p + 0.5, squeeze = 0.92 - 4.2 / b, odds = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation;
  const double mode = std::floor((n + 1) * p);
  for (;;) {
    const double u = g.uniform() - 0.5, us = 0.5 - std::fabs(u);
    double v = g.uniform();
    const double k = std::floor((2 * a / us + b) * u + centre);
    if (us >= 0.07 && v <= squeeze) return k;
    if (k < 0 || k > n) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (n - mode + 1))) + (n + 1) * std::log((n - mode + 1) / (n - k + 1)) +
                         (k + 0.5) * std::log(odds * (n - k + 1) / (k + 1)) + stirling_rest(mode) + stirling_rest(n - mode) -
                         stirling_rest(k) - stirling_rest(n - k);
    if (v <= bound) return k;
  }
}
// Few expected successes: sums of geometric waiting times.
double small_binomial(double n, double p, Generator& g) {
  const double log_miss = std::log1p(-p);
  double waited = 0;
  for (int64_t hits = 0;; ++hits)
    if ((waited += std::ceil(std::log(g.uniform()) / log_miss)) > n) return double(hits);
}
double binomial_of(double n, double p, Generator& g) {
  if (std::isnan(n) || std::isnan(p)) return NAN;
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  const double q = p <= 0.5 ? p : 1 - p, hits = n * q >= 10 ? large_binomial(n, q, g) : small_binomial(n, q, g);
  return p <= 0.5 ? hits : n - hits;
}

// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; below 1 from the next higher shape.
// What is done to the shape itself is done in its own type, as in PyTorch; a third is a float there.
template <class T>
double gamma_of(T shape, Generator& g) {
  double scale = 1;
  if (shape < 1) {
    if (shape == 0) return 0;
    scale = std::pow(1 - g.uniform(), double(1 / shape));
    shape += 1;
  }
  const double d = shape - 1.0f / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x, y;
    do y = 1 + c * (x = g.normal(0, 1)); while (y <= 0);
    const double v = y * y * y, u = 1 - g.uniform(), xx = x * x;
    if (u < 1 - 0.0331 * xx * xx || std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

void need_floating(std::string_view kernel, const Tensor& x) {
  if (!is_floating(x.dtype())) not_implemented_for(kernel, x.dtype());
}

// poisson(input, generator)
void poisson(Call& c) {
  need_floating("poisson_cpu", c.tensor(0));
  Generator& g = generator_of(c, 1);
  c.out.push_back(draw_each(c.tensor(0), nullptr, [&](double rate, double) { return poisson_of(rate, g); }));
}
// binomial(count, prob, generator)
void binomial(Call& c) {
  const Tensor &count = c.tensor(0), &p = c.tensor(1);
  if (!is_floating(count.dtype())) throw ValueError("binomial only supports floating-point dtypes for count, got: ", scalar_type_name(count.dtype()));
  if (!is_floating(p.dtype())) throw ValueError("binomial only supports floating-point dtypes for prob, got: ", scalar_type_name(p.dtype()));
  Generator& g = generator_of(c, 2);
  c.out.push_back(draw_each(count, &p, [&](double n, double q) { return binomial_of(n, q, g); }));
}
// _standard_gamma(input, generator): kept away from 0, where logarithms are taken of it
void standard_gamma(Call& c) {
  need_floating("gamma", c.tensor(0));
  Generator& g = generator_of(c, 1);
  const bool wide = c.tensor(0).dtype() == DType::float64;
  const double least = wide ? 2.2250738585072014e-308
                     : c.tensor(0).dtype() == DType::float16 ? 6.103515625e-05 : 1.1754943508222875e-38;
  c.out.push_back(draw_each(c.tensor(0), nullptr, [&](double shape, double) { return std::fmax(least, wide ? gamma_of(shape, g) : gamma_of(float(shape), g)); }));
}

// _multinomial(input, count, generator): indices drawn with replacement for each row of weights. The weights are added up in
// their own type, as PyTorch adds them, so that draws at the edges agree.
void multinomial(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t count = c.integer(1), n = x.size(x.dim() - 1), rows = n ? x.numel() / n : 0;
  Generator& g = generator_of(c, 2);
  Dims sizes = x.sizes();
  sizes[size_t(x.dim() - 1)] = count;
  const Tensor out = empty(sizes, DType::int64, x.device());
  c.out.push_back(out);
  if (out.is_meta()) return;
  for_floating(compute_dtype(x.dtype()), c.op, [&]<class T> {
    const Tensor weights = contiguous_as(x, dtype_of<T>);
    std::vector<T> reached(static_cast<size_t>(n));
    int64_t* o = out.data<int64_t>();
    for (int64_t r = 0; r < rows; ++r) {
      const T* w = weights.data<T>() + r * n;
      T sum = 0;
      for (int64_t i = 0; i < n; ++i) reached[size_t(i)] = sum += w[i];
      for (auto& v : reached) v /= sum;
      for (int64_t k = 0; k < count; ++k) {
        const double u = g.uniform();
        const auto at = std::lower_bound(reached.begin(), reached.end(), u, [](T v, double u) { return double(v) < u; });
        *o++ = std::min<int64_t>(at - reached.begin(), n - 1);
      }
    }
  });
}

const Register here[] = {{"random.multinomial", multinomial}, {"random.poisson", poisson}, {"random.binomial", binomial}, {"random.standard_gamma", standard_gamma}};

}  // namespace
}  // namespace facula
