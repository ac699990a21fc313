// Optimizer steps and limits on gradients over a whole list of tensors at once, in place.
// One pass over memory: each element is read and written once, whatever the rule.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/stream.h"
#include "cpu/update.h"
#include "tensor/call.h"
#include "tensor/error.h"

namespace facula {
namespace {

constexpr int64_t kGrain = 16384;
constexpr int kMost = 8;  // arrays of one rule

// Pieces of all tensors, cut by size only.
struct Piece { int32_t tensor; int64_t begin, end; };

std::vector<Piece> cut(const std::vector<Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < tensors.size(); ++i)
    for (int64_t b = 0, n = tensors[i].numel(); b < n; b += kGrain) pieces.push_back({int32_t(i), b, std::min(n, b + kGrain)});
  return pieces;
}

// body(piece number, piece) over all pieces; neighbouring small tensors share a task.
template <class Body>
void for_pieces(const std::vector<Piece>& pieces, const Body& body) {
  int64_t total = 0;
  for (const auto& p : pieces) total += p.end - p.begin;
  const int64_t count = int64_t(pieces.size()), tasks = std::max<int64_t>(1, total / (4 * kGrain));
  parallel_for(count, (count + tasks - 1) / tasks, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) body(k, pieces[k]);
  });
}

// Whether the elements lie without gaps, in whatever order of dimensions.
bool dense(const Tensor& t) {
  return t.is_contiguous() || t.is_contiguous(MemoryFormat::channels_last) || t.is_contiguous(MemoryFormat::channels_last_3d);
}

// Elements of one parameter's arrays in the same order: the memory itself, or copies that `settle` writes back.
struct Arrays {
  std::vector<Tensor> used, original;

  Arrays(const std::vector<Tensor>& tensors, DType compute) : used(tensors), original(tensors) {
    const auto& first = tensors[0];
    bool plain = dense(first);
    for (const auto& t : tensors) plain = plain && t.dtype() == compute && t.strides() == first.strides() && t.sizes() == first.sizes();
    if (!plain)
      for (auto& t : used) t = contiguous_as(t, compute);
  }

  void settle() const {
    for (size_t k = 0; k < used.size(); ++k) {
      if (k == 1) continue;  // the gradient
      if (!used[k].is(original[k])) copy_into(original[k], used[k]);
      original[k].bump();
    }
  }
};

const Update& find_rule(const std::string& name) {
  for (const auto& rule : update_rules())
    if (name == rule.name) return rule;
  throw RuntimeError("internal error: no update rule ", name);
}

template <class T>
void run(const Update& rule, const std::vector<Arrays>& all, const double* settings) {
  std::vector<Tensor> params;
  std::vector<T*> at;
  for (const auto& a : all) {
    params.push_back(a.used[0]);
    for (const auto& t : a.used) at.push_back(t.data<T>());
  }
  const int arrays = rule.states + 2;
  for_pieces(cut(params), [&](int64_t, const Piece& p) {
    T* from[kMost];
    for (int k = 0; k < arrays; ++k) from[k] = at[p.tensor * arrays + k] + p.begin;
    if constexpr (std::is_same_v<T, float>) rule.f32(p.end - p.begin, from, settings);
    else rule.f64(p.end - p.begin, from, settings);
  });
}

// (rule, params, grads, states: those of the first parameter, of the second, ...; settings in the rule's order)
void update(Call& c) {
  const auto& rule = find_rule(c.string(0));
  const auto &params = c.tensors(1), &grads = c.tensors(2), &states = c.tensors(3);
  const auto& settings = c.args[4].floats;
  const size_t count = size_t(rule.states);
  if (grads.size() != params.size() || states.size() != count * params.size() || settings.size() != size_t(rule.settings))
    throw RuntimeError("internal error: ", rule.name, " wants ", count, " states and ", rule.settings, " settings");
  for (const DType t : {DType::float32, DType::float64}) {  // float16 and bfloat16 are computed in float32
    std::vector<Arrays> all;
    for (size_t i = 0; i < params.size(); ++i) {
      if ((params[i].dtype() == DType::float64) != (t == DType::float64)) continue;
      std::vector<Tensor> own{params[i], grads[i]};
      own.insert(own.end(), states.begin() + i * count, states.begin() + (i + 1) * count);
      all.emplace_back(own, t);
    }
    if (all.empty()) continue;
    if (t == DType::float32) run<float>(rule, all, settings.data());
    else run<double>(rule, all, settings.data());
    for (const auto& a : all) a.settle();
  }
}
const Register update_here{"optimizers.update", update};

// (steps: one number each) adds 1 to each; returns them as float64.
void advance(Call& c) {
  const auto& steps = c.tensors(0);
  const auto counted = empty({int64_t(steps.size())}, DType::float64);
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto& s = steps[i];
    double now;
    if (s.dtype() == DType::float32 && s.numel() == 1) now = ++*s.data<float>();
    else if (s.dtype() == DType::float64 && s.numel() == 1) now = ++*s.data<double>();
    else throw RuntimeError("an optimizer's step should be one float32 or float64 number");
    counted.data<double>()[i] = now;
    s.bump();
  }
  c.out.push_back(counted);
}
const Register advance_here{"optimizers.advance", advance};

// ---------------------------------------------------------------- limits on gradients
// body<T>(array, piece number, begin, end) over the floating tensors of a list.
template <class Body>
void over(const std::vector<Tensor>& list, const std::vector<Piece>& pieces, const Body& body) {
  std::vector<std::byte*> at;
  std::vector<bool> wide;
  for (const auto& t : list) {
    at.push_back(t.raw());
    wide.push_back(t.dtype() == DType::float64);
  }
  for_pieces(pieces, [&](int64_t k, const Piece& p) {
    if (wide[p.tensor]) body(reinterpret_cast<double*>(at[p.tensor]) + p.begin, k, p.end - p.begin);
    else body(reinterpret_cast<float*>(at[p.tensor]) + p.begin, k, p.end - p.begin);
  });
}

// Tensors as float32 or float64 without gaps; copies where needed.
std::vector<Tensor> readable(const std::vector<Tensor>& list) {
  auto out = list;
  for (auto& t : out) {
    const bool wide = t.dtype() == DType::float64;
    if (!dense(t) || (!wide && t.dtype() != DType::float32)) t = contiguous_as(t, wide ? DType::float64 : DType::float32);
  }
  return out;
}

template <class Body>
void change(const std::vector<Tensor>& list, const Body& body, bool backwards = false) {
  const auto used = readable(list);
  auto pieces = cut(used);
  if (backwards) std::reverse(pieces.begin(), pieces.end());
  over(used, pieces, body);
  for (size_t i = 0; i < list.size(); ++i) {
    if (!used[i].is(list[i])) copy_into(list[i], used[i]);
    list[i].bump();
  }
}

constexpr int kLanes = 16;  // independent sums: the order of additions is fixed, and wide

template <class T, class Term>
double sum_of(const T* x, int64_t n, const Term& term) {
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) lanes[k] += term(x[i + k]);
  double sum = 0;
  for (; i < n; ++i) sum += double(term(x[i]));
  for (T v : lanes) sum += double(v);
  return sum;
}

// (tensors, p) the p-norm of each, p = 1, 2 or infinity, as float64.
void norms(Call& c) {
  const auto& list = c.tensors(0);
  const double p = c.real(1);
  const auto used = readable(list);
  const auto pieces = cut(used);
  std::vector<double> parts(pieces.size());
  over(used, pieces, [&]<class T>(const T* x, int64_t k, int64_t n) {
    if (p == 2) parts[k] = sum_of(x, n, [](T v) { return v * v; });
    else if (p == 1) parts[k] = sum_of(x, n, [](T v) { return std::abs(v); });
    else {
      double most = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double v = std::abs(double(x[i]));
        most = v > most || v != v ? v : most;
        if (v != v) break;
      }
      parts[k] = most;
    }
  });
  const auto out = full({int64_t(list.size())}, 0, DType::float64);
  auto* total = out.data<double>();
  for (size_t k = 0; k < pieces.size(); ++k) {
    auto& sum = total[pieces[k].tensor];
    if (std::isinf(p)) sum = parts[k] > sum || parts[k] != parts[k] ? parts[k] : sum;
    else sum += parts[k];
  }
  if (p == 2)
    for (size_t i = 0; i < list.size(); ++i) total[i] = std::sqrt(total[i]);
  c.out.push_back(out);
}
const Register norms_here{"optimizers.norms", norms};

// (tensors, factor) Last piece first: the norms, which are taken just before, leave that one in the cache; and the
// optimizer, which comes next, begins with the first.
void scale(Call& c) {
  const double factor = c.real(1);
  change(c.tensors(0), [&]<class T>(T* x, int64_t, int64_t n) {
    const T by = T(factor);
    for (int64_t i = 0; i < n; ++i) x[i] *= by;
  }, true);
}
const Register scale_here{"optimizers.scale", scale};

// (tensors, limit)
void limit(Call& c) {
  const double most = c.real(1);
  change(c.tensors(0), [&]<class T>(T* x, int64_t, int64_t n) {
    const T high = T(most), low = -high;
    for (int64_t i = 0; i < n; ++i) x[i] = x[i] < low ? low : x[i] > high ? high : x[i];
  });
}
const Register limit_here{"optimizers.limit", limit};

// (tensors)
void zero(Call& c) {
  const auto& list = c.tensors(0);
  for (const auto& t : list)
    if (!dense(t)) { fill(t, 0); }
  const auto pieces = cut(list);
  std::vector<std::byte*> at;
  std::vector<int64_t> item;
  int64_t total = 0;
  for (const auto& t : list) {
    total += t.numel() * item_size(t.dtype());
    at.push_back(dense(t) ? t.raw() : nullptr);
    item.push_back(item_size(t.dtype()));
    t.bump();
  }
  for_pieces(pieces, [&](int64_t, const Piece& p) {
    if (!at[p.tensor]) return;
    auto* from = at[p.tensor] + p.begin * item[p.tensor];
    const size_t size = size_t((p.end - p.begin) * item[p.tensor]);
    if (total > kBeyondCaches) stream_zeros(from, size);
    else std::memset(from, 0, size);
  });
}
const Register zero_here{"optimizers.zero", zero};

}  // namespace
}  // namespace facula
