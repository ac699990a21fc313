// Elementary functions for formulas. Those of float and the hot ones of double have no branches
// and no calls, so that the compiler turns whole loops into vector code.
#pragma once
#ifndef FACULA_LEVEL
#error "this header differs between the levels: only the files that are compiled for each may include it"
#endif
#include <cmath>
#include <cstdlib>
#include <limits>

#include "tensor/dtype.h"

namespace facula::m {

template <class T> inline constexpr T inf = std::numeric_limits<T>::infinity();
template <class T> inline constexpr T nan = std::numeric_limits<T>::quiet_NaN();

inline float bits_float(uint32_t u) { float f; std::memcpy(&f, &u, 4); return f; }
inline uint32_t float_bits(float f) { uint32_t u; std::memcpy(&u, &f, 4); return u; }
inline double bits_double(uint64_t u) { double f; std::memcpy(&f, &u, 8); return f; }
inline uint64_t double_bits(double f) { uint64_t u; std::memcpy(&u, &f, 8); return u; }

// Reads where a loop needs no branch: both sides are computed.
template <class C, class A, class B>
inline auto where(C c, A a, B b) {
  using R = std::common_type_t<A, B>;
  if constexpr (std::is_same_v<C, bool>) return c ? R(a) : R(b);
  else return c != C(0) ? R(a) : R(b);
}

// a * b + c, fused where the processor fuses.
inline float mad(float a, float b, float c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
inline double mad(double a, double b, double c) {
#ifdef __FMA__
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
// Horner's scheme, highest coefficient first.
inline float horner(float, float c) { return c; }
template <class... Rest>
inline float horner(float x, float a, float b, Rest... rest) { return horner(x, mad(a, x, b), rest...); }

// 2^n * y, with 2^n in two factors, so that subnormal results and 2^128 come out right.
inline float scale2(float y, int32_t n) {
  const int32_t half = n >> 1;
  return y * bits_float(uint32_t(half + 127) << 23) * bits_float(uint32_t(n - half + 127) << 23);
}
inline constexpr float kRound = 12582912.0f;  // adding it rounds to an integer, which then stands in the low bits

// exp(r) - 1 for |r| <= ln2 / 2.
inline float small_expm1(float r) {
  return mad(r * r, horner(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f), r);
}
// exp: x = k ln2 + r, |r| <= ln2 / 2. Beyond the limits the scaling gives infinity or zero by itself; NaN stays.
inline float exp(float x) {
  const float lo = -104.0f > x ? -104.0f : x, c = 89.0f < lo ? 89.0f : lo;
  const float shifted = mad(c, 1.44269504088896341f, kRound), k = shifted - kRound;
  const float r = mad(k, 2.12194440e-4f, mad(k, -0.693359375f, c));
  return scale2(1.0f + small_expm1(r), int32_t(float_bits(shifted) - float_bits(kRound)));
}
inline float exp2(float x) {
  const float lo = -151.0f > x ? -151.0f : x, c = 129.0f < lo ? 129.0f : lo;
  const float shifted = c + kRound, r = (c - (shifted - kRound)) * 0.693147180559945309f;
  return scale2(1.0f + small_expm1(r), int32_t(float_bits(shifted) - float_bits(kRound)));
}
inline double exp(double x) {
  const double lo = x < -746.0 ? -746.0 : x, c = lo > 710.0 ? 710.0 : lo;
  const double shifted = c * 1.4426950408889634074 + 6755399441055744.0;
  const double k = shifted - 6755399441055744.0;
  const double r = (c - k * 6.93145751953125e-1) - k * 1.42860682030941723212e-6;
  const double rr = r * r;
  const double p = r * ((1.26177193074810590878e-4 * rr + 3.02994407707441961300e-2) * rr + 9.99999999999999999910e-1);
  const double q = ((3.00198505138664455042e-6 * rr + 2.52448340349684104192e-3) * rr + 2.27265548208155028766e-1) * rr + 2.0;
  const double e = 1.0 + 2.0 * (p / (q - p));
  const int64_t n = int64_t(double_bits(shifted) & 0xfffffffffffffULL) - 0x8000000000000LL;
  const int64_t half = n >> 1;
  const double y = e * bits_double(uint64_t(half + 1023) << 52) * bits_double(uint64_t(n - half + 1023) << 52);
  return x != x ? x : x > 709.782712893384 ? inf<double> : x < -745.13321910194122 ? 0.0 : y;
}

// log: x = 2^e (1 + m) with 1 + m in [sqrt(1/2), sqrt(2)); Cephes' minimax polynomial in m.
struct LogParts { float e, m, tail; };  // log(1 + m) = m + tail
inline LogParts log_parts(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const uint32_t u = float_bits(tiny ? x * 8388608.0f : x);
  const float m = bits_float((u & 0x7fffff) | 0x3f000000);
  const bool low = m < 0.707106781186547524f;
  const float f = (low ? m + m : m) - 1.0f, z = f * f;
  const float p = horner(f, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                         -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
  return {float(int32_t(u >> 23) - (tiny ? 149 : 126) - int32_t(low)), f, mad(p * f, z, -0.5f * z)};
}
inline float log_ends(float x, float y) {
  y = x == inf<float> ? x : y;
  return x > 0 ? y : x == 0 ? -inf<float> : nan<float>;
}
inline float log(float x) {
  const auto [e, m, tail] = log_parts(x);
  return log_ends(x, mad(e, 0.693359375f, m + mad(e, -2.12194440e-4f, tail)));
}
// The integer part is exact, so powers of two are.
inline float log2(float x) {
  const auto [e, m, tail] = log_parts(x);
  return log_ends(x, e + mad(m, 1.44269504088896341f, tail * 1.44269504088896341f));
}
inline float log10(float x) {
  const auto [e, m, tail] = log_parts(x);
  return log_ends(x, mad(e, 0.30102539062f, mad(m, 0.43429448190325182765f, mad(tail, 0.43429448190325182765f, e * 4.6050389811952137e-6f))));
}
// What rounding of 1 + x loses is put back at first order.
inline float log1p(float x) {
  const float u = 1.0f + x, lost = x - (u - 1.0f);
  const float y = log(u) + (u == 0 ? 0.0f : lost / u);
  return x == inf<float> ? x : std::fabs(x) < 1e-4f ? x - 0.5f * x * x : y;
}

inline double log(double x) { return std::log(x); }

#define FACULA_LIBM1(name) \
  inline float name(float x) { return std::name(x); } \
  inline double name(double x) { return std::name(x); }
// Rare enough that the C library serves.
FACULA_LIBM1(sin) FACULA_LIBM1(cos) FACULA_LIBM1(tan) FACULA_LIBM1(asin) FACULA_LIBM1(acos) FACULA_LIBM1(atan)
FACULA_LIBM1(sinh) FACULA_LIBM1(cosh) FACULA_LIBM1(asinh) FACULA_LIBM1(acosh) FACULA_LIBM1(atanh) FACULA_LIBM1(erfc)
FACULA_LIBM1(lgamma) FACULA_LIBM1(sqrt)
#undef FACULA_LIBM1
#define FACULA_LIBM_DOUBLE(name) inline double name(double x) { return std::name(x); }
FACULA_LIBM_DOUBLE(expm1) FACULA_LIBM_DOUBLE(tanh) FACULA_LIBM_DOUBLE(erf) FACULA_LIBM_DOUBLE(log1p) FACULA_LIBM_DOUBLE(log2)
FACULA_LIBM_DOUBLE(log10) FACULA_LIBM_DOUBLE(exp2)
#undef FACULA_LIBM_DOUBLE

// exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1), at half the scale so that 2^128 can be reached.
inline float expm1(float x) {
  const float lo = -18.0f > x ? -18.0f : x, c = 89.0f < lo ? 89.0f : lo;
  const float shifted = mad(c, 1.44269504088896341f, kRound), k = shifted - kRound;
  const float r = mad(k, 2.12194440e-4f, mad(k, -0.693359375f, c)), p = small_expm1(r);
  const float half = bits_float((float_bits(shifted) - float_bits(kRound) + 126) << 23);
  return k == 0.0f ? p : 2.0f * mad(half, p, half - 0.5f);
}
// tanh: an odd minimax polynomial near 0, beyond it (exp(2x) - 1) / (exp(2x) + 1).
inline float tanh(float x) {
  const float a = std::fabs(x), z = x * x, e = expm1(2.0f * (10.0f < a ? 10.0f : a));
  const float near = horner(z, -0.005721637513488531f, 0.020655225962400436f, -0.053745146840810776f, 0.13331514596939087f, -0.3333328366279602f);
  return a < 0.625f ? mad(x * z, near, x) : std::copysign(e / (e + 2.0f), x);
}
// erf: minimax polynomials, of erf(x)/x - 1 in x^2 up to 1, and of erfc on [1, 3.925], where the result is 1 in float.
inline float erf(float x) {
  const float a = std::fabs(x), z = a * a, c = 3.925f < a ? 3.925f : a, u = mad(c, 0.6837607026100159f, -1.6837607622146606f);
  const float near = horner(z, 7.853860734030604e-05f, -0.0008010193705558777f, 0.005188327748328447f, -0.026853812858462334f,
                            0.1128358542919159f, -0.3761262595653534f, 0.12837916612625122f);
  const float far = horner(u, -0.00022082361101638526f, -1.886934660433326e-05f, 0.0016484851948916912f, -0.001582446857355535f,
                           -0.003411158686503768f, 0.009111205115914345f, -0.00731659447774291f, -0.006673102267086506f,
                           0.02866450883448124f, -0.045200612396001816f, 0.04496863856911659f, -0.030448535457253456f,
                           0.013819809071719646f, -0.00383723434060812f, 0.0004967535496689379f);
  const float y = a < 1.0f ? mad(a, near, a) : 1.0f - far;
  return x != x ? x : std::copysign(y, x);
}

inline float rsqrt(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
template <class T> inline T softplus(T x) { return x > T(20) ? x : log1p(exp(x)); }
template <class T> inline T sigmoid(T x) { return T(1) / (T(1) + exp(-x)); }
inline float floor(float x) { return std::floor(x); }
inline double floor(double x) { return std::floor(x); }
inline float ceil(float x) { return std::ceil(x); }
inline double ceil(double x) { return std::ceil(x); }
inline float trunc(float x) { return std::trunc(x); }
inline double trunc(double x) { return std::trunc(x); }
inline float round(float x) { return std::nearbyint(x); }
inline double round(double x) { return std::nearbyint(x); }
inline int64_t floor(int64_t x) { return x; }
inline int64_t ceil(int64_t x) { return x; }
inline int64_t trunc(int64_t x) { return x; }
inline int64_t round(int64_t x) { return x; }
inline float abs(float x) { return std::fabs(x); }
inline double abs(double x) { return std::fabs(x); }
inline int64_t abs(int64_t x) { return x < 0 ? -x : x; }
template <class T> inline T abs(std::complex<T> x) { return std::abs(x); }
template <class T> inline T conj(T x) { if constexpr (is_complex_v<T>) return std::conj(x); else return x; }
template <class T> inline auto real(T x) { if constexpr (is_complex_v<T>) return x.real(); else return x; }
template <class T> inline auto imag(T x) { if constexpr (is_complex_v<T>) return x.imag(); else return T(0); }
template <class T> inline auto angle(T x) {
  if constexpr (is_complex_v<T>) return std::arg(x);
  else return x != x ? x : x < 0 ? T(3.14159265358979323846) : T(0);
}
template <class T> inline T angle_gradient(T grad, T x) {
  if constexpr (is_complex_v<T>) return x == T(0) ? T(0) : grad * T(-x.imag(), x.real()) / std::norm(x);
  else return grad * T(0);
}
// From a to b, counted from the nearer end: exact at both.
template <class T> inline T lerp(T a, T b, T weight) {
  const bool near_a = std::abs(weight) < 0.5;
  if constexpr (is_complex_v<T>) return near_a ? a + weight * (b - a) : b - (b - a) * (T(1) - weight);
  else if constexpr (std::is_same_v<T, float>) return mad(near_a ? weight : weight - 1, b - a, near_a ? a : b);
  else return T(std::fma(near_a ? weight : weight - 1, b - a, near_a ? a : b));
}
// a * b + c as PyTorch adds scaled operands: rounded once, where the type and the processor allow it.
template <class T> inline T muladd(T a, T b, T c) {
  if constexpr (std::is_floating_point_v<T>) return mad(a, b, c);
  else return T(c + a * b);
}
template <class T> inline T neg(T x) { return -x; }
template <class T> inline T sign(T x) { return T(T(0) < x) - T(x < T(0)); }
template <class T> inline T sgn(T x) {
  if constexpr (is_complex_v<T>) { auto a = std::abs(x); return a == 0 ? T(0) : x / a; }
  else return sign(x);
}
template <class T> inline bool isnan(T x) { return x != x; }
template <class T> inline bool signbit(T x) { if constexpr (std::is_floating_point_v<T>) return std::signbit(x); else return x < 0; }
template <class T> inline T reciprocal(T x) { return T(1) / x; }
template <class T> inline T maximum(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }
template <class T> inline T minimum(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; }
template <class T> inline T fmax(T a, T b) { return a != a ? b : b != b ? a : a > b ? a : b; }
template <class T> inline T fmin(T a, T b) { return a != a ? b : b != b ? a : a < b ? a : b; }

// Python's division and remainder: the result has the divisor's sign.
inline int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) throw RuntimeError("ZeroDivisionError");
  if (b == -1) return int64_t(0 - uint64_t(a));
  const int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}
template <class T> inline T floor_divide(T a, T b) {
  if (b == 0) return a / b;
  T mod = std::fmod(a, b), div = (a - mod) / b;
  if (mod != 0 && (b < 0) != (mod < 0)) div -= T(1);
  if (div == 0) return std::copysign(T(0), a / b);
  const T f = std::floor(div);
  return div - f > T(0.5) ? f + T(1) : f;
}
inline int64_t trunc_divide(int64_t a, int64_t b) {
  if (b == 0) throw RuntimeError("ZeroDivisionError");
  return b == -1 ? int64_t(0 - uint64_t(a)) : a / b;
}
template <class T> inline T trunc_divide(T a, T b) { return std::trunc(a / b); }
inline int64_t remainder(int64_t a, int64_t b) {
  if (b == 0) throw RuntimeError("ZeroDivisionError");
  if (b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
template <class T> inline T remainder(T a, T b) {
  const T r = std::fmod(a, b);
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
inline int64_t fmod(int64_t a, int64_t b) {
  if (b == 0) throw RuntimeError("ZeroDivisionError");
  return b == -1 ? 0 : a % b;
}
template <class T> inline T fmod(T a, T b) { return std::fmod(a, b); }
template <class T> inline T pow(T a, T b) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    uint64_t result = 1, base = uint64_t(a);
    for (; b; b >>= 1, base *= base) if (b & 1) result *= base;
    return int64_t(result);
  } else if constexpr (is_complex_v<T>) {
    if (b == T(0)) return T(1);
    if (a == T(0)) return T(0);
    return std::pow(a, b);
  } else {
    return b == T(2) ? a * a : b == T(0.5) ? std::sqrt(a) : b == T(1) ? a : b == T(-1) ? T(1) / a : b == T(3) ? a * a * a : std::pow(a, b);
  }
}
template <class T> inline T atan2(T a, T b) { return std::atan2(a, b); }
template <class T> inline T hypot(T a, T b) { return std::hypot(a, b); }
template <class T> inline T copysign(T a, T b) { return std::copysign(a, b); }
template <class T> inline T nextafter(T a, T b) { return std::nextafter(a, b); }
inline int64_t bitwise_and(int64_t a, int64_t b) { return a & b; }
inline int64_t bitwise_or(int64_t a, int64_t b) { return a | b; }
inline int64_t bitwise_xor(int64_t a, int64_t b) { return a ^ b; }
inline int64_t bitwise_not(int64_t a) { return ~a; }
inline int64_t lshift(int64_t a, int64_t b) { return b < 0 || b > 63 ? 0 : int64_t(uint64_t(a) << b); }
inline int64_t rshift(int64_t a, int64_t b) { return b < 0 || b > 63 ? (a < 0 ? -1 : 0) : a >> b; }
inline int64_t gcd(int64_t a, int64_t b) { a = abs(a); b = abs(b); while (b) { const int64_t r = a % b; a = b; b = r; } return a; }
inline int64_t lcm(int64_t a, int64_t b) { const int64_t g = gcd(a, b); return g ? abs(a / g * b) : 0; }
template <class T> inline bool truth(T x) { return x != T(0); }
// Complex functions are the library's; formulas only see one name for all types.
#define FACULA_COMPLEX(name) template <class T> inline std::complex<T> name(std::complex<T> x) { return std::name(x); }
FACULA_COMPLEX(exp) FACULA_COMPLEX(log) FACULA_COMPLEX(sin) FACULA_COMPLEX(cos) FACULA_COMPLEX(tan) FACULA_COMPLEX(asin)
FACULA_COMPLEX(acos) FACULA_COMPLEX(atan) FACULA_COMPLEX(sinh) FACULA_COMPLEX(cosh) FACULA_COMPLEX(tanh)
FACULA_COMPLEX(asinh) FACULA_COMPLEX(acosh) FACULA_COMPLEX(atanh) FACULA_COMPLEX(sqrt) FACULA_COMPLEX(log10)
#undef FACULA_COMPLEX
template <class T> inline std::complex<T> rsqrt(std::complex<T> x) { return T(1) / std::sqrt(x); }
template <class T> inline std::complex<T> log2(std::complex<T> x) { return std::log(x) / T(0.69314718055994530942); }
template <class T> inline std::complex<T> exp2(std::complex<T> x) { return std::exp(x * T(0.69314718055994530942)); }
template <class T> inline std::complex<T> expm1(std::complex<T> x) {
  const T s = std::sin(x.imag() / 2);
  return {std::expm1(x.real()) * std::cos(x.imag()) - 2 * s * s, std::exp(x.real()) * std::sin(x.imag())};
}
template <class T> inline std::complex<T> log1p(std::complex<T> x) { return std::log(T(1) + x); }

// log(exp(a) + exp(b)) from the larger of the two, so that nothing overflows.
template <class T> inline T logaddexp(T a, T b) {
  if constexpr (is_complex_v<T>) {
    if (a == b) return a + T(std::log(real(T(2))));
    const bool first = a.real() >= b.real() || a != a;
    const T high = first ? a : b, low = first ? b : a;
    return std::isinf(high.real()) ? high : high + log1p(std::exp(low - high));
  } else {
    const T high = a > b || a != a ? a : b, low = a > b || a != a ? b : a;
    return high == low && std::isinf(high) ? high : high + log1p(exp(low - high));
  }
}

}  // namespace facula::m
