// Element types: their names, sizes, categories, C++ types and promotion.
#pragma once
#include <complex>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "tensor/error.h"

namespace facula {

enum class DType : uint8_t {
  uint8, int8, int16, int32, int64, float16, float32, float64, complex32, complex64, complex128,
  bool_, bfloat16, uint16, uint32, uint64, count, undefined = 255
};

using c64 = std::complex<float>;
using c128 = std::complex<double>;

// 16-bit floats are storage formats: every computation happens in float.
struct bfloat16 {
  uint16_t bits;
  bfloat16() = default;
  bfloat16(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    bits = (u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  operator float() const {
    uint32_t u = uint32_t(bits) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
};

struct float16 {
  uint16_t bits;
  float16() = default;
  float16(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    const uint32_t sign = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) { bits = uint16_t(sign | 0x7e00); return; }
    if (u >= 0x477ff000) { bits = uint16_t(sign | 0x7c00); return; }  // rounds past 65504
    if (u < 0x38800000) {  // subnormal: the addition of 0.5 lets the FPU round to nearest even
      float a;
      std::memcpy(&a, &u, 4);
      a += 0.5f;
      std::memcpy(&u, &a, 4);
      bits = uint16_t(sign | (u - 0x3f000000));
      return;
    }
    u += 0xfff + ((u >> 13) & 1) - (112u << 23);
    bits = uint16_t(sign | (u >> 13));
  }
  operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000) << 16, mag = bits & 0x7fff;
    uint32_t u;
    float f;
    if (mag >= 0x7c00) u = sign | 0x7f800000 | ((mag & 0x3ff) << 13);
    else if (mag >= 0x400) u = sign | ((mag << 13) + (112u << 23));
    else { f = float(mag) * 5.9604644775390625e-08f; std::memcpy(&u, &f, 4); u |= sign; }
    std::memcpy(&f, &u, 4);
    return f;
  }
};
using c32 = struct complex_half { float16 re, im; };

struct DTypeInfo { std::string_view name; uint8_t size; char kind; };  // kind: b u i f c
inline constexpr DTypeInfo kDTypes[] = {
    {"uint8", 1, 'u'}, {"int8", 1, 'i'}, {"int16", 2, 'i'}, {"int32", 4, 'i'}, {"int64", 8, 'i'},
    {"float16", 2, 'f'}, {"float32", 4, 'f'}, {"float64", 8, 'f'}, {"complex32", 4, 'c'},
    {"complex64", 8, 'c'}, {"complex128", 16, 'c'}, {"bool", 1, 'b'}, {"bfloat16", 2, 'f'},
    {"uint16", 2, 'u'}, {"uint32", 4, 'u'}, {"uint64", 8, 'u'}};

constexpr const DTypeInfo& info(DType t) { return kDTypes[int(t)]; }
constexpr std::string_view name(DType t) { return t == DType::undefined ? "undefined" : info(t).name; }
constexpr int64_t item_size(DType t) { return info(t).size; }
constexpr bool is_complex(DType t) { return info(t).kind == 'c'; }
constexpr bool is_floating(DType t) { return info(t).kind == 'f'; }
constexpr bool is_inexact(DType t) { return is_complex(t) || is_floating(t); }
constexpr bool is_integral(DType t) { return info(t).kind == 'i' || info(t).kind == 'u'; }
inline std::ostream& operator<<(std::ostream& out, DType t) { return out << name(t); }

// PyTorch's names in messages such as "not implemented for 'Long'".
std::string_view scalar_type_name(DType t);
DType promote(DType a, DType b);
constexpr DType to_real(DType t) {
  return t == DType::complex64 ? DType::float32 : t == DType::complex128 ? DType::float64
       : t == DType::complex32 ? DType::float16 : t;
}
constexpr DType to_complex(DType t) {
  return t == DType::float64 ? DType::complex128 : t == DType::float16 ? DType::complex32
       : is_complex(t) ? t : DType::complex64;
}

// The C++ type of stored elements -> DType.
template <class T> inline constexpr DType dtype_of = DType::undefined;
template <> inline constexpr DType dtype_of<uint8_t> = DType::uint8;
template <> inline constexpr DType dtype_of<int8_t> = DType::int8;
template <> inline constexpr DType dtype_of<int16_t> = DType::int16;
template <> inline constexpr DType dtype_of<int32_t> = DType::int32;
template <> inline constexpr DType dtype_of<int64_t> = DType::int64;
template <> inline constexpr DType dtype_of<float16> = DType::float16;
template <> inline constexpr DType dtype_of<float> = DType::float32;
template <> inline constexpr DType dtype_of<double> = DType::float64;
template <> inline constexpr DType dtype_of<c64> = DType::complex64;
template <> inline constexpr DType dtype_of<c128> = DType::complex128;
template <> inline constexpr DType dtype_of<bool> = DType::bool_;
template <> inline constexpr DType dtype_of<bfloat16> = DType::bfloat16;
template <> inline constexpr DType dtype_of<uint16_t> = DType::uint16;
template <> inline constexpr DType dtype_of<uint32_t> = DType::uint32;
template <> inline constexpr DType dtype_of<uint64_t> = DType::uint64;

template <> inline constexpr DType dtype_of<c32> = DType::complex32;

template <class T> inline constexpr bool is_complex_v = false;
template <class T> inline constexpr bool is_complex_v<std::complex<T>> = true;

[[noreturn]] void not_implemented_for(std::string_view op, DType t);

// Run-time dtype -> type: body is a lambda with one template parameter.
template <class Body>
decltype(auto) for_all(DType t, std::string_view op, Body&& body) {
  switch (t) {
    case DType::uint8: return body.template operator()<uint8_t>();
    case DType::int8: return body.template operator()<int8_t>();
    case DType::int16: return body.template operator()<int16_t>();
    case DType::int32: return body.template operator()<int32_t>();
    case DType::int64: return body.template operator()<int64_t>();
    case DType::float16: return body.template operator()<float16>();
    case DType::float32: return body.template operator()<float>();
    case DType::float64: return body.template operator()<double>();
    case DType::complex64: return body.template operator()<c64>();
    case DType::complex128: return body.template operator()<c128>();
    case DType::bool_: return body.template operator()<bool>();
    case DType::bfloat16: return body.template operator()<bfloat16>();
    case DType::uint16: return body.template operator()<uint16_t>();
    case DType::uint32: return body.template operator()<uint32_t>();
    case DType::uint64: return body.template operator()<uint64_t>();
    default: not_implemented_for(op, t);
  }
}

// The same with complex32, which is only stored: copies and elementwise operations widen it.
template <class Body>
decltype(auto) for_stored(DType t, std::string_view op, Body&& body) {
  if (t == DType::complex32) return body.template operator()<c32>();
  return for_all(t, op, body);
}

// Computation in few types keeps the code small: kernels take inputs converted to one of these.
template <class Body>
decltype(auto) for_floating(DType t, std::string_view op, Body&& body) {
  switch (t) {
    case DType::float32: return body.template operator()<float>();
    case DType::float64: return body.template operator()<double>();
    default: not_implemented_for(op, t);
  }
}
template <class Body>
decltype(auto) for_inexact(DType t, std::string_view op, Body&& body) {
  switch (t) {
    case DType::float32: return body.template operator()<float>();
    case DType::float64: return body.template operator()<double>();
    case DType::complex64: return body.template operator()<c64>();
    case DType::complex128: return body.template operator()<c128>();
    default: not_implemented_for(op, t);
  }
}
// The ordered compute types: what extrema and comparisons work on.
template <class Body>
decltype(auto) for_ordered(DType t, std::string_view op, Body&& body) {
  if (t == DType::int64) return body.template operator()<int64_t>();
  return for_floating(t, op, std::forward<Body>(body));
}
// The five compute types that every dtype can be widened to (see `compute_dtype`).
template <class Body>
decltype(auto) for_compute(DType t, std::string_view op, Body&& body) {
  if (t == DType::int64) return body.template operator()<int64_t>();
  return for_inexact(t, op, std::forward<Body>(body));
}
constexpr DType compute_dtype(DType t) {
  switch (t) {
    case DType::float16: case DType::bfloat16: return DType::float32;
    case DType::complex32: return DType::complex64;
    case DType::float32: case DType::float64: case DType::complex64: case DType::complex128: return t;
    default: return DType::int64;
  }
}

}  // namespace facula
