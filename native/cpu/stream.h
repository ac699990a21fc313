// Stores that go past the caches: for arrays larger than these, where a plain store would first read the line it fills.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace facula {

constexpr int64_t kBeyondCaches = int64_t(32) << 20;  // bytes

inline void stream_zeros(std::byte* p, size_t n) {
#if defined(__SSE2__)
  const size_t head = std::min(n, size_t(-reinterpret_cast<uintptr_t>(p) & 63)), lines = (n - head) / 64;
  std::memset(p, 0, head);
  p += head;
  n -= head;
  const __m128i zeros = _mm_setzero_si128();
  for (size_t i = 0; i < lines; ++i, p += 64)
    for (int k = 0; k < 4; ++k) _mm_stream_si128(reinterpret_cast<__m128i*>(p) + k, zeros);
  _mm_sfence();
  n -= lines * 64;
#endif
  std::memset(p, 0, n);
}

}  // namespace facula
