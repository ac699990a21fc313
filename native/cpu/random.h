// The CPU generator: mt19937 with the draws and the state layout that PyTorch users rely on.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "tensor/call.h"

namespace facula {

struct Generator {
  uint64_t seed = 67280421310721ULL;   // PyTorch's default seed
  uint32_t state[624];
  int32_t left = 1, next = 0;
  std::optional<double> cached_normal;
  std::optional<float> cached_float_normal;

  Generator() { reseed(seed); }
  void reseed(uint64_t s);
  uint32_t random();
  uint64_t random64() { const uint64_t high = random(); return high << 32 | random(); }
  float uniform_float() { return float(random() & 0xffffff) * 0x1p-24f; }
  double uniform() { return double(random64() & ((uint64_t(1) << 53) - 1)) * 0x1p-53; }
  double normal(double mean, double deviation);
  static constexpr int64_t kStateBytes = 5056;
  void save(uint8_t* bytes) const;
  void load(const uint8_t* bytes);
 private:
  void refill();
};
Generator& default_generator();
Generator& generator_of(Call& c, size_t i);  // argument i, or the default one

}  // namespace facula
