// The gamma function's family for formulas: digamma, polygamma, Hurwitz' zeta, incomplete gamma functions. All in double.
#pragma once
#include "cpu/special.h"

namespace facula::m {

// pi / tan(pi x), from the fraction of x so that large numbers keep their accuracy.
inline double pi_cot(double x) { return kPi / std::tan(kPi * (x - std::nearbyint(x))); }

// Where the asymptotic series of digamma and trigamma begin: eight terms leave less than T's rounding.
template <class T> inline constexpr double kAsymptotic = sizeof(T) == 4 ? 4 : 10;

// digamma: reflection below 0, steps upwards, then the asymptotic series (DLMF 5.11.2).
template <class T> inline T digamma(T v) {
  double y = v, reflected = 0, steps = 0;
  if (v == 0) return std::copysign(inf<T>, -v);
  if (y < 0) {
    if (y == std::floor(y)) return nan<T>;
    reflected = pi_cot(y);
    y = 1 - y;
  }
  for (; y < kAsymptotic<T>; y += 1) steps += 1 / y;
  const double z = 1 / (y * y);
  const double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return T(std::log(y) - 0.5 / y - tail - steps - reflected);
}

// sum of (q + k)^-x over k >= 0: nine terms or more, then Euler and Maclaurin's formula (DLMF 25.11.5).
inline double hurwitz(double x, double q) {
  static constexpr double kBernoulli[] = {  // B_2j / (2j)!
      8.333333333333333e-2, -1.388888888888889e-3, 3.306878306878307e-5, -8.267195767195767e-7, 2.08767569878681e-8, -5.284190138687493e-10,
      1.3382536530684679e-11, -3.389680296322583e-13, 8.586062056277845e-15, -2.174868698558062e-16, 5.509002828360230e-18, -1.395446468581252e-19};
  if (x == 1) return inf<double>;
  if (!(x > 1)) return nan<double>;
  if (q <= 0) {
    if (q == std::floor(q)) return inf<double>;
    if (x != std::floor(x)) return nan<double>;
  }
  double sum = std::pow(q, -x), a = q, term = 0;
  for (int i = 0; i < 9 || a <= 9; ++i) {
    a += 1;
    term = std::pow(a, -x);
    sum += term;
    if (std::fabs(term) < 1e-17 * std::fabs(sum)) return sum;
  }
  sum += term * a / (x - 1) - 0.5 * term;
  double factor = x, power = term / a;
  for (int j = 0; j < 12; ++j) {
    const double t = kBernoulli[j] * factor * power;
    sum += t;
    if (std::fabs(t) < 1e-17 * std::fabs(sum)) break;
    factor *= (x + 2 * j + 1) * (x + 2 * j + 2);
    power /= a * a;
  }
  return sum;
}
template <class T> inline T zeta(T x, T q) { return T(hurwitz(double(x), double(q))); }

// trigamma by reflection, steps and its asymptotic series (DLMF 5.15.8). As in PyTorch the sine is of pi x rounded to T:
// at negative integers it leaves a large number in place of the pole.
template <class T> inline T trigamma(T v) {
  double x = v, sign = 1, reflected = 0, steps = 0;
  if (x < 0.5) {
    const double ratio = kPi / std::sin(T(kPi) * v);
    reflected = -ratio * ratio;
    sign = -1;
    x = 1 - x;
  }
  for (; x < kAsymptotic<T>; x += 1) steps += 1 / (x * x);
  const double z = 1 / (x * x);
  const double tail = 1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730 - z * 7 / 6)))));
  return T(sign * (reflected + steps + (1 + 0.5 / x + z * tail) / x));
}
template <class T> inline T polygamma(T order, T x) {
  const double n = order;
  if (n == 0) return digamma(x);
  if (n == 1) return trigamma(x);
  return T((std::fmod(n, 2) == 0 ? -1 : 1) * std::tgamma(n + 1) * hurwitz(n + 1, double(x)));
}

// ---------------------------------------------------------------- incomplete gamma functions
// log(1 + t) - t, by its series where the difference would lose its digits.
inline double log1p_excess(double t) {
  if (std::fabs(t) > 0.25) return std::log1p(t) - t;
  double power = -t * t, sum = power / 2;
  for (int k = 3; k < 40; ++k) {
    power *= -t;
    const double term = power / k;
    sum += term;
    if (std::fabs(term) < 1e-17 * std::fabs(sum)) break;
  }
  return sum;
}
// x^a exp(-x) / Gamma(a + 1), from Stirling's series of large a.
inline double gamma_density(double a, double x) {
  if (a < 20) return x < 700 ? std::pow(x, a) * std::exp(-x) / std::tgamma(a + 1) : std::exp(a * std::log(x) - x - std::lgamma(a + 1));
  const double z = 1 / (a * a), mu = (x - a) / a, excess = mu > -0.5 ? log1p_excess(mu) : std::log(x / a) - mu;
  const double correction = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 - z * (691.0 / 360360)))))) / a;
  return std::exp(a * excess - correction) / std::sqrt(2 * kPi * a);
}
// What a sum may leave out for a result of type T.
template <class T> inline constexpr double kRest = sizeof(T) == 4 ? 1e-9 : 1e-17;
template <class T> inline double gamma_series(double a, double x) {  // P(a, x), DLMF 8.11.4
  double term = 1, sum = 1;
  for (int k = 1; k < 2000 && term > kRest<T> * sum; ++k) {
    term *= x / (a + k);
    sum += term;
  }
  return gamma_density(a, x) * sum;
}
template <class T> inline double gamma_ratio(double a, double x) {  // Q(a, x) over x^a exp(-x) / Gamma(a), DLMF 8.9.2 by Lentz' algorithm
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int k = 1; k < 2000; ++k) {
    const double an = -k * (k - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const double change = c * d;
    h *= change;
    if (std::fabs(change - 1) < 10 * kRest<T>) break;
  }
  return h;
}
template <class T> inline double gamma_fraction(double a, double x) { return gamma_density(a, x) * a * gamma_ratio<T>(a, x); }
// Q(a, x) where both are large and near each other: Temme's uniform expansion (DLMF 8.12). `lower`: P instead.
inline double gamma_uniform(double a, double x, bool lower) {
  const double mu = (x - a) / a, half_square = -log1p_excess(mu), eta = std::copysign(std::sqrt(2 * half_square), mu);
  double sum = 0, power = 1;
  for (auto& row : table::temme) {
    double c = 0;
    for (int n = int(std::size(row)) - 1; n >= 0; --n) c = c * eta + row[n];
    sum += c * power;
    power /= a;
  }
  const double rest = std::exp(-a * half_square) / std::sqrt(2 * kPi * a) * sum, side = lower ? -1 : 1;
  return 0.5 * std::erfc(side * eta * std::sqrt(a / 2)) + side * rest;
}
template <class T> inline double incomplete_gamma(double a, double x, bool lower) {
  if (a < 0 || x < 0) return nan<double>;
  if (a == 0) return x > 0 ? (lower ? 1 : 0) : nan<double>;
  if (x == 0) return lower ? 0 : 1;
  if (std::isinf(a)) return std::isinf(x) ? nan<double> : lower ? 0 : 1;
  if (std::isinf(x)) return lower ? 1 : 0;
  if (a != a || x != x) return nan<double>;
  if (a > 20 && std::fabs(x - a) < 0.3 * a) return gamma_uniform(a, x, lower);
  if (x > 1.1 && x > a) {
    const double q = gamma_fraction<T>(a, x);
    return lower ? 1 - q : q;
  }
  if (!lower && a < 0.5 && x < 1.1) {  // Q = 1 - x^a / Gamma(a + 1) (1 + a sum ...), without the loss in 1 - P
    double term = 1, sum = 0;
    for (int k = 1; k < 200; ++k) {
      term *= -x / k;
      sum += term / (a + k);
      if (std::fabs(term) < kRest<T> / 10) break;
    }
    const double whole = std::expm1(a * std::log(x) - std::lgamma(1 + a));
    return -whole - (whole + 1) * a * sum;
  }
  const double p = gamma_series<T>(a, x);
  return lower ? p : 1 - p;
}
template <class T> inline T igamma(T a, T x) { return T(incomplete_gamma<T>(double(a), double(x), true)); }
template <class T> inline T igammac(T a, T x) { return T(incomplete_gamma<T>(double(a), double(x), false)); }

// ---------------------------------------------------------------- how samples move with their distribution's parameters
// Of the sample x of a gamma distribution: -dP/da / density, P's series differentiated term by term, beyond the mean Q's fraction.
template <class T> inline T gamma_sample_slope(T shape, T sample) {
  const double a = shape, x = sample;
  if (!(x > 0 && a > 0)) return x == 0 ? T(0) : nan<T>;
  if (x > 1.2 * a + 2) {
    const double step = std::min(1e-4 * (1 + a), a / 2);
    const double slope = (gamma_ratio<double>(a + step, x) - gamma_ratio<double>(a - step, x)) / (2 * step);
    return T(x * (gamma_ratio<double>(a, x) * (std::log(x) - digamma(a)) + slope));
  }
  double term = 1 / a, psi = digamma(a + 1), sum = 0, total = 0;
  const double log_x = std::log(x);
  for (int k = 0; k < 10000 && term > 1e-17 * total; ++k) {
    sum += term * (psi - log_x);
    total += term;
    psi += 1 / (a + k + 1);
    term *= x / (a + k + 1);
  }
  return T(x * sum);
}
// Of the sample x of a beta distribution (a, total - a), for its first parameter, over 1 - x as Dirichlet's needs it: by the hypergeometric series of F on
// its side of the mean (DLMF 8.17.8), differentiated term by term.
template <class T> inline T beta_sample_slope(T sample, T first, T whole) {
  const double x = sample, a = first, b = double(whole) - a, psi = digamma(a + b) - digamma(a);
  if (!(x > 0 && x <= 1)) return T(0);
  const bool low = x * (a + b) <= a;
  const double y = low ? x : 1 - x, p = low ? a : b;
  double term = 1, lean = 0, sum = 0, slope = 0;
  for (int k = 0; k < 10000 && term > 1e-17 * sum; ++k) {
    sum += term;
    slope += term * lean;
    term *= (a + b + k) / (p + 1 + k) * y;
    lean += 1 / (a + b + k) - (low ? 1 / (p + 1 + k) : 0);
  }
  const double inner = sum * (std::log(x) + psi - (low ? 1 / a : 0)) + slope;
  return T((low ? -1 : 1) * x / p * inner);
}

}  // namespace facula::m
