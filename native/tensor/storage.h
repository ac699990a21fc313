// The caching allocator behind storages.
#pragma once
#include "tensor/tensor.h"

namespace facula {

struct AllocatorStatistics { int64_t allocated = 0, peak = 0, cached = 0, allocations = 0, in_storages = 0; };

std::byte* allocate(int64_t nbytes, int64_t& capacity);  // 64-byte aligned; throws OutOfMemoryError
void deallocate(std::byte* p, int64_t capacity);
void release_cached_memory();
AllocatorStatistics allocator_statistics();

// Scratch memory of a kernel, from the same cache.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n) : p_(allocate(n * int64_t(sizeof(T)), capacity_)) {}
  ~Scratch() { deallocate(p_, capacity_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return reinterpret_cast<T*>(p_); }
  T& operator[](int64_t i) const { return get()[i]; }
 private:
  int64_t capacity_ = 0;
  std::byte* p_;
};

}  // namespace facula
