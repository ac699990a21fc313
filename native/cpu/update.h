// Update rules of optimizers as contiguous loops; printed from facula/ops/updates.py.
#pragma once
#include <cstdint>
#include <span>

namespace facula {

// Arrays of a loop: the parameter, its gradient (only read), its states.
struct Update {
  const char* name;
  int states, settings;
  void (*f32)(int64_t n, float* const* at, const double* settings);
  void (*f64)(int64_t n, double* const* at, const double* settings);
};
std::span<const Update> update_rules();

}  // namespace facula
