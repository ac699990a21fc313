// One element type to another, as PyTorch converts.
#pragma once
#include "tensor/dtype.h"

namespace facula {

template <class To, class From>
inline To convert(From v) {
  if constexpr (std::is_same_v<To, From>) return v;
  else if constexpr (std::is_same_v<From, c32>) return convert<To>(c64(float(v.re), float(v.im)));
  else if constexpr (std::is_same_v<To, c32>) {
    const c64 z = convert<c64>(v);
    return {float16(z.real()), float16(z.imag())};
  }
  else if constexpr (is_complex_v<From>) {
    if constexpr (is_complex_v<To>) return To(typename To::value_type(v.real()), typename To::value_type(v.imag()));
    else if constexpr (std::is_same_v<To, bool>) return v != From(0);
    else return convert<To>(v.real());
  } else if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) return convert<To>(float(v));
  else if constexpr (is_complex_v<To>) return To(convert<typename To::value_type>(v));
  else if constexpr (std::is_same_v<To, bool>) return v != From(0);
  else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) return To(float(v));
  // Through int64: out-of-range floats wrap as they do on x86, and stay defined.
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From> && sizeof(To) < 8)
    return To(v >= From(-9.2e18) && v <= From(9.2e18) ? int64_t(v) : INT64_MIN);
  else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>)
    return v >= From(-9.223372036854775e18) && v < From(9.223372036854775e18) ? To(int64_t(v)) : To(INT64_MIN);
  else return To(v);
}

}  // namespace facula
