// Ordering rows: keys that compare as unsigned numbers, with NaN last.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "tensor/call.h"
#include "tensor/storage.h"

namespace facula {

template <class T> struct KeyOf { using type = uint64_t; };
template <> struct KeyOf<float> { using type = uint32_t; };

template <class T>
typename KeyOf<T>::type sort_key(T v) {
  using K = typename KeyOf<T>::type;
  constexpr K top = K(1) << (sizeof(K) * 8 - 1);
  if constexpr (std::is_same_v<T, int64_t>) {
    return K(v) ^ top;
  } else {
    if (v != v) return std::numeric_limits<K>::max();
    const K bits = std::bit_cast<K>(v + T(0));  // -0 sorts with 0
    return bits & top ? ~bits : bits | top;
  }
}

template <class K> struct Keyed {
  K key;
  uint32_t index;
  bool operator<(const Keyed& o) const { return key < o.key || (key == o.key && index < o.index); }
};

// Sorts by key; equal keys keep their order. `spare` holds n items too. The result is in `items`.
template <class K>
void sort_keyed(Keyed<K>* items, Keyed<K>* spare, int64_t n) {
  if (n < 300) { std::sort(items, items + n); return; }
  constexpr int digits = sizeof(K);
  Scratch<uint32_t> counts(digits * 256);
  uint32_t* table = counts.get();
  std::fill_n(table, digits * 256, 0);
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < digits; ++d) ++table[d * 256 + ((items[i].key >> (8 * d)) & 255)];
  Keyed<K>*from = items, *to = spare;
  for (int d = 0; d < digits; ++d) {
    uint32_t* at = table + d * 256;
    if (at[(from[0].key >> (8 * d)) & 255] == uint32_t(n)) continue;  // one digit for all
    for (uint32_t i = 0, sum = 0; i < 256; ++i) { const uint32_t c = at[i]; at[i] = sum; sum += c; }
    for (int64_t i = 0; i < n; ++i) to[at[(from[i].key >> (8 * d)) & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != items) std::copy_n(from, n, items);
}

// The dimension to work on comes last, in contiguous memory.
inline Tensor rows_of(const Tensor& x, int64_t dim, DType compute) {
  return contiguous_as(x.dim() ? transposed(x, dim, x.dim() - 1) : x, compute);
}
inline Tensor rows_back(const Tensor& rows, int64_t dim, DType type) {
  return cast(contiguous(rows.dim() ? transposed(rows, dim, rows.dim() - 1) : rows), type);
}

}  // namespace facula
