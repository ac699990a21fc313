// Moving blocks of elements to and from computed places.
#pragma once
#include <algorithm>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/views.h"
#include "tensor/call.h"

namespace facula {

// Element offsets into a strided tensor whose places are sums outer[a] + at[j] + inner[r].
struct Places {
  std::vector<int64_t> outer{0}, at, inner{0};
  bool run = false;   // inner is 0, 1, 2, ...
  void finish();
  int64_t count() const { return int64_t(outer.size() * at.size() * inner.size()); }
};

// Offsets of all elements of a shape, in order.
std::vector<int64_t> offsets_of(const Dims& sizes, const Dims& strides);
inline Dims part(const Dims& d, int64_t from, int64_t to) { return Dims(d.data() + from, size_t(std::max<int64_t>(0, to - from))); }

// Signed and unsigned sizes of elements that are only moved.
struct Wide { uint64_t a, b; };
template <class Body>
void for_size(int64_t item, Body&& body) {
  switch (item) {
    case 1: return body.template operator()<uint8_t>();
    case 2: return body.template operator()<uint16_t>();
    case 4: return body.template operator()<uint32_t>();
    case 8: return body.template operator()<uint64_t>();
    default: return body.template operator()<Wide>();
  }
}

// What a write does with the value that is there.
template <class T>
auto add_values(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) return a || b;
  else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) return T(float(a) + float(b));
  else return T(a + b);
}
enum class Reduce { sum, prod, mean, amax, amin };
Reduce reduce_named(const std::string& name, std::string_view op);
template <class T>
T reduce_values(Reduce r, T a, T b) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) return T(reduce_values<float>(r, a, b));
  else if constexpr (is_complex_v<T>) return r == Reduce::prod ? a * b : a + b;
  else {
    switch (r) {
      case Reduce::prod: return T(a * b);
      case Reduce::amax: return a != a ? a : b != b ? b : a < b ? b : a;
      case Reduce::amin: return a != a ? a : b != b ? b : b < a ? b : a;
      default: return add_values(a, b);
    }
  }
}
template <class T>
T identity_of(Reduce r) {
  if constexpr (is_complex_v<T>) return T(r == Reduce::prod ? 1 : 0);
  else if (r == Reduce::prod) return T(1);
  else if (r == Reduce::amax || r == Reduce::amin) {
    const bool max = r == Reduce::amax;
    if constexpr (std::is_same_v<T, bool>) return !max;
    else if constexpr (std::is_integral_v<T>) return max ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
    else return T(max ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity());
  } else return T(0);
}
template <class T>
T mean_of(T sum, int64_t n) {
  if constexpr (std::is_same_v<T, bool>) return sum;
  else if constexpr (std::is_integral_v<T>) {
    const T d = T(n), q = T(sum / d);
    return std::is_signed_v<T> && sum % d != 0 && (sum < 0) != (d < 0) ? T(q - 1) : q;
  } else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) return T(float(sum) / float(n));
  else if constexpr (is_complex_v<T>) return sum / T(typename T::value_type(n));
  else return sum / T(n);
}

// A 0-dim tensor counts as one of a single element.
inline Tensor at_least_1d(const Tensor& x) { return x.dim() ? x : as_view(x, {1}, {1}, x->offset); }
// The tensor that an operation writes: the input itself in the form with an underscore, else a copy.
inline Tensor target(Call& c) { return c.op.ends_with('_') ? c.tensor(0) : clone(c.tensor(0)); }
// index as contiguous int64, checked against [-size, size) and made non-negative if wrap.
std::vector<int64_t> index_values(const Tensor& index, int64_t size, bool wrap, std::string_view message = "");

// Reads: out is contiguous, [outer][at][inner].
void take_places(const Places& p, const Tensor& x, const Tensor& out);
// Writes in order, so that the last of equal places wins; scalar values have step 0.
void put_places(const Places& p, const Tensor& x, const std::byte* values, bool single);
// x[place] += value
void add_places(const Places& p, const Tensor& x, const std::byte* values, bool single, std::string_view op);

}  // namespace facula
