// Special functions for formulas: Bessel, Airy, error and normal distribution functions. Each is a few Chebyshev
// series (special_tables.h) joined by the function's known growth and waves; all is computed in double.
#pragma once
#include "cpu/math.h"
#include "cpu/special_tables.h"

namespace facula::m {

inline constexpr double kPi = 3.14159265358979323846, kRootHalf = 0.70710678118654752440;

// How many terms of a series count in T; the rest are below its rounding.
template <class T, size_t N>
consteval int terms_of(const double (&c)[N]) {
  double largest = 0;
  for (double v : c) largest = v > largest ? v : -v > largest ? -v : largest;
  const double small = largest * (sizeof(T) == 4 ? 0x1p-29 : 0x1p-57);
  int n = N;
  while (n > 1 && c[n - 1] < small && c[n - 1] > -small) --n;
  return n;
}
// A Chebyshev series in t as E(s) + t O(s), two series in s = 2 t^2 - 1 of half the length, which the processor works on at once.
template <class T, const auto& c>
struct Halves {
  static constexpr int kTerms = terms_of<T>(c), kEven = (kTerms + 1) / 2, kOdd = kTerms / 2;
  double even[kEven], odd[kOdd + 1] = {};
  consteval Halves() : even() {
    for (int k = 0; k < kEven; ++k) even[k] = c[2 * k];
    // t T_k(s) = (T_{2k+1}(t) + T_{2k-1}(t)) / 2
    for (int k = kOdd - 1; k >= 0; --k) odd[k] = k ? 2 * c[2 * k + 1] - odd[k + 1] : c[1] - odd[1] / 2;
  }
};
// The Chebyshev series c at t in [-1, 1], by Clenshaw's recurrence.
template <class T, const auto& c>
inline double series(double t) {
  static constexpr Halves<T, c> h;
  double a = 0, b = 0, p = 0, q = 0;
  const double s = mad(2 * t, t, -1), twice = 2 * s;
  for (int k = h.kEven - 1; k > 0; --k) {
    const double next = mad(twice, a, h.even[k] - b), other = k < h.kOdd ? mad(twice, p, h.odd[k] - q) : 0;
    b = a;
    a = next;
    q = p;
    p = other;
  }
  return mad(t, mad(s, p, h.odd[0] - q), mad(s, a, h.even[0] - b));
}

// ---------------------------------------------------------------- Bessel functions
struct Waves { double j, y; };

// J and Y of an order, 0 or 1, where x > 8: waves of slowly varying modulus and phase.
template <class T, int order, const auto& modulus_p, const auto& modulus_q>
inline Waves far_waves(double x) {
  const double t = 128 / (x * x) - 1, scale = std::sqrt(2 / (kPi * x)) * kRootHalf;
  const double p = series<T, modulus_p>(t) * scale, q = series<T, modulus_q>(t) / x * scale;
  const double c = std::cos(x), s = std::sin(x);
  const double cosine = order ? s - c : c + s, sine = order ? -s - c : s - c;  // of x - (2 order + 1) pi / 4, times sqrt(2)
  return {p * cosine - q * sine, p * sine + q * cosine};
}
template <class T> inline double near_j0(double x) { return series<T, table::j0>(x * x / 32 - 1); }
template <class T> inline double near_j1(double x) { return x * series<T, table::j1>(x * x / 32 - 1); }

template <class T> inline T bessel_j0(T v) {
  const double x = std::fabs(double(v));
  return T(x <= 8 ? near_j0<T>(x) : far_waves<T, 0, table::j0_p, table::j0_q>(x).j);
}
template <class T> inline T bessel_j1(T v) {
  const double x = std::fabs(double(v)), y = x <= 8 ? near_j1<T>(x) : far_waves<T, 1, table::j1_p, table::j1_q>(x).j;
  return T(v < 0 ? -y : std::copysign(y, x > 0 ? y : double(v)));
}
template <class T> inline T bessel_y0(T v) {
  const double x = v;
  if (!(x > 0)) return x == 0 ? -inf<T> : nan<T>;
  return T(x <= 8 ? series<T, table::y0>(x * x / 32 - 1) + 2 / kPi * std::log(x) * near_j0<T>(x) : far_waves<T, 0, table::j0_p, table::j0_q>(x).y);
}
template <class T> inline T bessel_y1(T v) {
  const double x = v;
  if (!(x > 0)) return x == 0 ? -inf<T> : nan<T>;
  return T(x <= 8 ? x * series<T, table::y1>(x * x / 32 - 1) + 2 / kPi * (std::log(x) * near_j1<T>(x) - 1 / x)
                  : far_waves<T, 1, table::j1_p, table::j1_q>(x).y);
}
template <class T> inline T spherical_bessel_j0(T v) {
  const double x = v;
  return x == 0 ? T(1) : std::isinf(x) ? T(0) : T(std::sin(x) / x);
}

// exp(-|x|) I0(x), exp(-|x|) I1(x) and, beyond 2, exp(x) K(x).
template <class T> inline double scaled_i0(double v) {
  const double x = std::fabs(v);
  return x <= 8 ? series<T, table::i0>(x / 4 - 1) : series<T, table::i0_far>(16 / x - 1) / std::sqrt(x);
}
template <class T> inline double scaled_i1(double v) {
  const double x = std::fabs(v), y = x <= 8 ? x * series<T, table::i1>(x / 4 - 1) : series<T, table::i1_far>(16 / x - 1) / std::sqrt(x);
  return v < 0 ? -y : y;
}
template <class T> inline T i0(T x) { return T(scaled_i0<T>(x) * exp(std::fabs(double(x)))); }
template <class T> inline T i0e(T x) { return T(scaled_i0<T>(x)); }
template <class T> inline T i1(T x) { return T(scaled_i1<T>(x) * exp(std::fabs(double(x)))); }
template <class T> inline T i1e(T x) { return T(scaled_i1<T>(x)); }

template <class T> inline double near_k0(double x) {
  return series<T, table::k0>(x * x / 2 - 1) - std::log(x / 2) * scaled_i0<T>(x) * exp(x);
}
template <class T> inline double near_k1(double x) {
  return series<T, table::k1>(x * x / 2 - 1) / x + std::log(x / 2) * scaled_i1<T>(x) * exp(x);
}
template <class T> inline double far_k0(double x) { return series<T, table::k0_far>(4 / x - 1) / std::sqrt(x); }
template <class T> inline double far_k1(double x) { return series<T, table::k1_far>(4 / x - 1) / std::sqrt(x); }
// `scaled`: times exp(x).
template <bool scaled, class T, class Near, class Far>
inline T modified_k(T v, Near near, Far far) {
  const double x = v;
  if (!(x > 0)) return x == 0 ? inf<T> : nan<T>;
  return T(x <= 2 ? near(x) * (scaled ? exp(x) : 1) : far(x) * (scaled ? 1 : exp(-x)));
}
template <class T> inline T modified_bessel_k0(T x) { return modified_k<false>(x, near_k0<T>, far_k0<T>); }
template <class T> inline T modified_bessel_k1(T x) { return modified_k<false>(x, near_k1<T>, far_k1<T>); }
template <class T> inline T scaled_modified_bessel_k0(T x) { return modified_k<true>(x, near_k0<T>, far_k0<T>); }
template <class T> inline T scaled_modified_bessel_k1(T x) { return modified_k<true>(x, near_k1<T>, far_k1<T>); }

template <class T> inline T airy_ai(T v) {
  const double x = v;
  if (std::isinf(x)) return nan<T>;
  if (x > 103.892) return T(0);
  if (x >= -4 && x <= 1) return T(series<T, table::airy>((x + 1.5) / 2.5));
  const double root = std::sqrt(std::fabs(x)), zeta = 2.0 / 3 * std::fabs(x) * root, scale = std::sqrt(kPi * root);
  if (x > 0) return T(series<T, table::airy_far>(4.0 / 3 / zeta - 1) * exp(-zeta) / (2 * scale));
  const double ratio = 16.0 / 3 / zeta, t = 2 * ratio * ratio - 1;
  const double p = series<T, table::airy_p>(t), q = series<T, table::airy_q>(t) / zeta;
  const double c = std::cos(zeta), s = std::sin(zeta);
  return T((p * (c + s) + q * (s - c)) * kRootHalf / scale);
}

// ---------------------------------------------------------------- the normal distribution
// exp(x^2), with what rounding of the square loses put back.
inline double exp_square(double x) {
  const double square = x * x;
  return exp(square) * (1 + (std::isfinite(square) ? std::fma(x, x, -square) : 0));
}
template <class T> inline double scaled_erfc(double x) {
  if (x < 0) return x < -26.7 ? inf<double> : 2 * exp_square(x) - scaled_erfc<T>(-x);
  if (x > 1e8) return 0.56418958354775628695 / x;
  return series<T, table::erfcx>((x - 3.75) / (x + 3.75)) / (1 + 2 * x);
}
template <class T> inline T erfcx(T x) { return T(scaled_erfc<T>(x)); }
template <class T> inline T log_ndtr(T v) {
  const double x = v, t = x * kRootHalf;
  return T(x < -1 ? std::log(scaled_erfc<T>(-t) / 2) - t * t : std::log1p(-std::erfc(t) / 2));
}
template <class T> inline T ndtri(T v) {
  const double p = v;
  if (!(p > 0 && p < 1)) return p == 0 ? -inf<T> : p == 1 ? inf<T> : nan<T>;
  const double y = p - 0.5, square = y * y;
  if (square <= 0.18) return T(y * series<T, table::ndtri>(square / 0.09 - 1));
  const double r = std::sqrt(-std::log(y < 0 ? p : 1 - p));
  const double x = r <= 5 ? series<T, table::ndtri_tail>((r - 3.3) / 1.7) : series<T, table::ndtri_far>((r - 16.5) / 11.5);
  return T(y < 0 ? -x : x);
}

// erfinv: of float x times a polynomial in w = -log(1 - x^2) or, in the tails, in its root (Giles 2012); of double by the quantile's series.
inline float erfinv(float x) {
  const float w = -log((1 - x) * (1 + x)), u = w - 2.5f, v = std::sqrt(w) - 3.12f;
  const float near = horner(u, -8.73983097e-9f, 2.32858445e-8f, 4.6542873e-7f, -3.46335617e-6f, -4.9597435e-6f, 0.000218346915f, -0.00125274842f,
                           -0.00417738976f, 0.246640289f, 1.50140936f);
  const float far = horner(v, -1.11128387e-5f, -3.00606313e-5f, 0.000150256915f, -0.000121438658f, -0.000329976309f, 0.00128261672f, -0.0025567578f,
                           0.00385594802f, -0.00537763989f, 0.00712810342f, 1.00364782f, 2.95330173f);
  const float y = x * (w < 5 ? near : far);
  return x == 1 ? inf<float> : x == -1 ? -inf<float> : y;
}
inline double erfinv(double x) {
  const double square = x * x / 4;
  if (square <= 0.18) return x / 2 * series<double, table::ndtri>(square / 0.09 - 1) * kRootHalf;
  if (!(x > -1 && x < 1)) return x == 1 ? inf<double> : x == -1 ? -inf<double> : nan<double>;
  const double r = std::sqrt(-std::log((1 - std::fabs(x)) / 2));
  return std::copysign((r <= 5 ? series<double, table::ndtri_tail>((r - 3.3) / 1.7) : series<double, table::ndtri_far>((r - 16.5) / 11.5)) * kRootHalf, x);
}

// ---------------------------------------------------------------- orthogonal polynomials
// The recurrence q <- slope(k) q - step(k, p) over degrees k = 1 ... n; NaN stays.
template <class T, class Slope, class Step, class Scale>
inline T recur(T p, T q, int64_t n, Slope slope, Step step, Scale scale) {
  for (int64_t k = 1; k < n && q == q; ++k) {
    const T r = scale(T(k), mad(slope(T(k)), q, -step(T(k), p)));
    p = q;
    q = r;
  }
  return q;
}
template <class T> inline T plain(T, T q) { return q; }
template <class T> inline T by_degree(T k, T q) { return q / (k + 1); }
template <class T> inline T times_degree(T k, T p) { return k * p; }
inline int64_t degree(double n) { return n > -9.2e18 && n < 9.2e18 ? int64_t(n) : -1; }

// The four kinds of Chebyshev polynomials differ in degree 1, at the ends and in their waves in between.
enum class Kind { t, u, v, w };
template <Kind kind, class T>
inline T chebyshev(T x, T order) {
  const int64_t n = degree(order);
  const T sign = n % 2 ? T(-1) : T(1);
  if (n < 0) return T(0);
  if (x == T(1)) return kind == Kind::u ? T(n + 1) : kind == Kind::w ? T(2 * n + 1) : T(1);
  if (x == T(-1)) return kind == Kind::t ? sign : kind == Kind::u ? sign * T(n + 1) : kind == Kind::v ? sign * T(2 * n + 1) : sign;
  if (n > 6 && std::fabs(x) < 1) {
    const double a = std::acos(double(x)), m = double(n);
    if (kind == Kind::t) return T(std::cos(m * a));
    if (kind == Kind::u) return T(std::sin((m + 1) * a) / std::sin(a));
    if (kind == Kind::v) return T(std::cos((m + 0.5) * a) / std::cos(a / 2));
    return T(std::sin((m + 0.5) * a) / std::sin(a / 2));
  }
  if (n == 0) return T(1);
  const T first = kind == Kind::t ? x : kind == Kind::u ? x + x : kind == Kind::v ? x + x - 1 : x + x + 1;
  return recur(T(1), first, n, [x](T) { return x + x; }, plain<T>, plain<T>);
}
template <class T> inline T chebyshev_polynomial_t(T x, T n) { return chebyshev<Kind::t>(x, n); }
template <class T> inline T chebyshev_polynomial_u(T x, T n) { return chebyshev<Kind::u>(x, n); }
template <class T> inline T chebyshev_polynomial_v(T x, T n) { return chebyshev<Kind::v>(x, n); }
template <class T> inline T chebyshev_polynomial_w(T x, T n) { return chebyshev<Kind::w>(x, n); }
template <class T> inline T shifted_chebyshev_polynomial_t(T x, T n) { return chebyshev<Kind::t>(x + x - 1, n); }
template <class T> inline T shifted_chebyshev_polynomial_u(T x, T n) { return chebyshev<Kind::u>(x + x - 1, n); }
template <class T> inline T shifted_chebyshev_polynomial_v(T x, T n) { return chebyshev<Kind::v>(x + x - 1, n); }
template <class T> inline T shifted_chebyshev_polynomial_w(T x, T n) { return chebyshev<Kind::w>(x + x - 1, n); }

template <class T> inline constexpr int64_t kHermiteLimit = sizeof(T) == 4 ? 128 : 512;  // where overflow is certain
template <class T> inline T hermite_polynomial_h(T x, T order) {
  const int64_t n = degree(order);
  if (n <= 0) return n < 0 ? T(0) : T(1);
  if (n > kHermiteLimit<T>) return nan<T>;
  return recur(T(1), x + x, n, [x](T) { return x + x; }, [](T k, T p) { return 2 * k * p; }, plain<T>);
}
template <class T> inline T hermite_polynomial_he(T x, T order) {
  const int64_t n = degree(order);
  if (n <= 0) return n < 0 ? T(0) : T(1);
  if (n > kHermiteLimit<T>) return nan<T>;
  return recur(T(1), x, n, [x](T) { return x; }, times_degree<T>, plain<T>);
}
template <class T> inline T laguerre_polynomial_l(T x, T order) {
  const int64_t n = degree(order);
  if (n <= 0 || x == 0) return n < 0 ? T(0) : T(1);
  return recur(T(1), T(1) - x, n, [x](T k) { return k + k + (1 - x); }, times_degree<T>, by_degree<T>);
}
template <class T> inline T legendre_polynomial_p(T x, T order) {
  const int64_t n = degree(order);
  if (n < 0) return T(0);
  if (std::fabs(x) == T(1)) return x > 0 || n % 2 == 0 ? T(1) : T(-1);
  if (n == 0) return T(1);
  return recur(T(1), x, n, [x](T k) { return (k + k + 1) * x; }, times_degree<T>, by_degree<T>);
}

}  // namespace facula::m
