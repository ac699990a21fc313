// Memory: a caching allocator with size classes, and the storages made from it.
#include "tensor/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>

namespace facula {
namespace {

constexpr int64_t kAlign = 64, kSmall = 4096;      // small blocks: per-thread free lists
constexpr int64_t kHuge = 4 << 20, kKeep = 1 << 30;  // large blocks: kept up to 1 GiB in all

struct Block { Block* next; };

// Small blocks never go back to the system: they are a few pages per thread.
struct SmallCache {
  Block* free[kSmall / kAlign + 1] = {};
};
thread_local SmallCache small_cache;

struct LargeCache {
  std::mutex mutex;
  Block* free[64 * 4] = {};
  int64_t kept = 0;
};
LargeCache& large_cache() {
  static auto* cache = new LargeCache;  // outlives static destructors
  return *cache;
}
AllocatorStatistics counters;
thread_local int64_t in_storages = 0;  // bytes as asked for: allocated minus freed by this thread

// Four classes per power of two: at most a quarter is lost to rounding.
int size_class(int64_t n, int64_t& rounded) {
  const int top = 63 - std::countl_zero(uint64_t(n - 1) | 1);
  const int64_t step = int64_t(1) << (top >= 2 ? top - 2 : 0);
  rounded = (n + step - 1) / step * step;
  const int high = 63 - std::countl_zero(uint64_t(rounded));
  return high * 4 + int((rounded >> (high - 2)) & 3);
}

std::byte* system_allocate(int64_t nbytes) {
  void* p = nullptr;
  const int64_t align = nbytes >= kHuge ? 2 << 20 : kAlign;
  if (posix_memalign(&p, size_t(align), size_t(nbytes)) != 0) return nullptr;
  if (nbytes >= kHuge) madvise(p, size_t(nbytes), MADV_HUGEPAGE);
  return static_cast<std::byte*>(p);
}

}  // namespace

void release_cached_memory() {
  auto& cache = large_cache();
  std::lock_guard lock(cache.mutex);
  for (auto& head : cache.free)
    while (head) std::free(std::exchange(head, head->next));
  cache.kept = 0;
}

std::byte* allocate(int64_t nbytes, int64_t& capacity) {
  if (nbytes <= 0) { capacity = 0; return nullptr; }
  if (nbytes <= kSmall) {
    const int64_t c = (nbytes + kAlign - 1) / kAlign;
    capacity = c * kAlign;
    if (auto*& head = small_cache.free[c]) return reinterpret_cast<std::byte*>(std::exchange(head, head->next));
    constexpr int64_t kSlab = 64 << 10;
    auto* slab = system_allocate(kSlab);
    if (!slab) throw OutOfMemoryError("DefaultCPUAllocator: not enough memory: you tried to allocate ", nbytes, " bytes.");
    for (int64_t at = capacity; at + capacity <= kSlab; at += capacity) {
      auto* b = reinterpret_cast<Block*>(slab + at);
      b->next = std::exchange(small_cache.free[c], b);
    }
    return slab;
  }
  if (nbytes > (int64_t(1) << 46))
    throw OutOfMemoryError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ", nbytes, " bytes.");
  const int k = size_class(nbytes, capacity);
  auto& cache = large_cache();
  {
    std::lock_guard lock(cache.mutex);
    counters.allocated += capacity;
    counters.peak = std::max(counters.peak, counters.allocated);
    ++counters.allocations;
    if (auto*& head = cache.free[k]) {
      cache.kept -= capacity;
      return reinterpret_cast<std::byte*>(std::exchange(head, head->next));
    }
  }
  auto* p = system_allocate(capacity);
  if (!p) {
    release_cached_memory();
    p = system_allocate(capacity);
  }
  if (!p) throw OutOfMemoryError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ", nbytes,
                                 " bytes. Error code 12 (Cannot allocate memory)");
  return p;
}

void deallocate(std::byte* p, int64_t capacity) {
  if (!p) return;
  auto* b = reinterpret_cast<Block*>(p);
  if (capacity <= kSmall) {
    auto*& head = small_cache.free[capacity / kAlign];
    b->next = std::exchange(head, b);
    return;
  }
  int64_t rounded;
  const int k = size_class(capacity, rounded);
  auto& cache = large_cache();
  {
    std::lock_guard lock(cache.mutex);
    counters.allocated -= capacity;
    if (cache.kept + capacity <= kKeep) {
      cache.kept += capacity;
      b->next = std::exchange(cache.free[k], b);
      return;
    }
  }
  std::free(p);
}

AllocatorStatistics allocator_statistics() {
  auto& cache = large_cache();
  std::lock_guard lock(cache.mutex);
  counters.cached = cache.kept;
  counters.in_storages = in_storages;
  return counters;
}

StorageRef new_storage(int64_t nbytes, Device device) {
  auto* s = new Storage;
  StorageRef ref(s);
  s->device = device;
  s->nbytes = nbytes;
  if (device.type != Device::meta) {
    s->data = allocate(nbytes, s->capacity);
    in_storages += nbytes;
  }
  return ref;
}

StorageRef borrow_storage(void* data, int64_t nbytes, void (*deleter)(void*), void* context) {
  auto* s = new Storage;
  s->data = static_cast<std::byte*>(data);
  s->nbytes = s->capacity = nbytes;
  s->deleter = deleter;
  s->context = context;
  s->resizable = false;
  return StorageRef(s);
}

void StorageRef::destroy(Storage* s) {
  if (s->deleter) s->deleter(s->context);
  else if (s->data) {
    in_storages -= s->nbytes;
    deallocate(s->data, s->capacity);
  }
  delete s;
}

void resize_storage(Storage& s, int64_t nbytes) {
  if (nbytes <= s.capacity || s.device.type == Device::meta) {
    if (!s.deleter && s.data) in_storages += nbytes - s.nbytes;
    s.nbytes = nbytes;
    return;
  }
  if (!s.resizable) throw RuntimeError("Trying to resize storage that is not resizable");
  int64_t capacity;
  auto* p = allocate(nbytes, capacity);
  if (s.data) {
    std::memcpy(p, s.data, size_t(s.nbytes));
    deallocate(s.data, s.capacity);
  }
  in_storages += s.data ? nbytes - s.nbytes : nbytes;
  s.data = p;
  s.capacity = capacity;
  s.nbytes = nbytes;
}

}  // namespace facula
