// The driver of elementwise operations. Loops only know contiguous arrays of a compute type;
// whatever is strided, broadcast or of another dtype passes through a block in the L1 cache.
#include "cpu/pointwise.h"

#include <algorithm>
#include <map>

#include "cpu/convert.h"
#include "cpu/moments.h"
#include "cpu/parallel.h"
#include "tensor/strided.h"

namespace facula {
namespace {

constexpr int64_t kBlock = 512;        // elements per block: operands and result stay in L1
constexpr int64_t kPiece = 32 << 10;   // elements a thread takes at once
constexpr int kMax = 8;                // operands

std::map<std::string_view, const Formula*>& formulas() {
  static std::map<std::string_view, const Formula*> table;
  return table;
}

int compute_index(DType t) {
  switch (t) {
    case DType::float32: return 0;
    case DType::float64: return 1;
    case DType::int64: return 2;
    case DType::complex64: return 3;
    default: return 4;
  }
}

using Move = void (*)(void* to, int64_t to_step, const void* from, int64_t from_step, int64_t n);

template <class To, class From>
void move(void* to, int64_t to_step, const void* from, int64_t from_step, int64_t n) {
  auto* __restrict t = static_cast<To*>(to);
  auto* __restrict f = static_cast<const From*>(from);
  if (to_step == sizeof(To) && from_step == sizeof(From)) {
    for (int64_t i = 0; i < n; ++i) t[i] = convert<To>(f[i]);
  } else if (to_step == sizeof(To) && from_step == 0) {
    const To v = convert<To>(f[0]);
    for (int64_t i = 0; i < n; ++i) t[i] = v;
  } else {
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<To*>(static_cast<std::byte*>(to) + i * to_step) =
          convert<To>(*reinterpret_cast<const From*>(static_cast<const std::byte*>(from) + i * from_step));
  }
}

Move load_of(DType compute, DType stored) {
  return for_compute(compute, "load", [&]<class To>() -> Move {
    return for_stored(stored, "load", [&]<class From>() -> Move { return move<To, From>; });
  });
}
Move store_of(DType stored, DType compute) {
  if (compute == DType::bool_) return for_stored(stored, "store", [&]<class To>() -> Move { return move<To, bool>; });
  return for_stored(stored, "store", [&]<class To>() -> Move {
    return for_compute(compute, "store", [&]<class From>() -> Move { return move<To, From>; });
  });
}

struct Plan {
  const Formula* formula;
  int arity;
  void (*loop)(int64_t, const void* const*, void*);
  DType compute, produced;  // what the loop reads and writes
  int64_t item, made;       // their sizes
  Move load[kMax], store;   // null: the memory can be used as it is
  int64_t step[kMax + 1];   // bytes between neighbours; [arity] is the result
};

// n elements in a row, starting at the given addresses.
void run_row(const Plan& p, std::byte* const* at, int64_t n) {
  alignas(64) std::byte buffers[kMax + 1][kBlock * 16];
  const void* in[kMax];
  bool direct = !p.store;
  for (int k = 0; k < p.arity; ++k) {
    in[k] = at[k];
    direct = direct && !p.load[k];
  }
  if (direct) { p.loop(n, in, at[p.arity]); return; }
  for (int k = 0; k < p.arity; ++k)  // broadcast operands are spread once
    if (p.load[k] && p.step[k] == 0) { p.load[k](buffers[k], p.item, at[k], 0, std::min(n, kBlock)); in[k] = buffers[k]; }
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = std::min(kBlock, n - i);
    for (int k = 0; k < p.arity; ++k) {
      if (!p.load[k]) in[k] = at[k] + i * p.step[k];
      else if (p.step[k] != 0) { p.load[k](buffers[k], p.item, at[k] + i * p.step[k], p.step[k], m); in[k] = buffers[k]; }
    }
    std::byte* out = at[p.arity] + i * p.step[p.arity];
    if (!p.store) { p.loop(m, in, out); continue; }
    p.loop(m, in, buffers[p.arity]);
    p.store(out, p.step[p.arity], buffers[p.arity], p.made, m);
  }
}

template <int N>
void walk(Plan& p, const Tensor* operands, const Tensor& out) {
  const Tensor* all[N + 1];
  all[0] = &out;  // the result decides the order of the walk
  for (int k = 0; k < N; ++k) all[k + 1] = &operands[k];
  const Walk<N + 1> w(out.sizes(), reinterpret_cast<const Tensor* const(&)[N + 1]>(all));
  const int last = w.ndim - 1;
  for (int k = 0; k < N; ++k) {
    p.step[k] = w.steps[k + 1][last];
    if (!p.load[k] && p.step[k] != p.item) p.load[k] = load_of(p.compute, operands[k].dtype());
  }
  p.step[N] = w.steps[0][last];
  if (!p.store && p.step[N] != p.made) p.store = store_of(out.dtype(), p.produced);
  std::byte* base[N + 1];
  for (int k = 0; k < N; ++k) base[k] = operands[k].raw();
  base[N] = out.raw();
  const int64_t inner = w.sizes[last], rows = w.rows();
  if (rows == 1) {
    parallel_for(inner, kPiece, [&](int64_t a, int64_t b) {
      std::byte* at[N + 1];
      for (int k = 0; k <= N; ++k) at[k] = base[k] + a * p.step[k];
      run_row(p, at, b - a);
    });
    return;
  }
  parallel_for(rows, std::max<int64_t>(1, kPiece / std::max<int64_t>(inner, 16)), [&](int64_t a, int64_t b) {
    w.each_row(a, b, [&](const int64_t (&offset)[N + 1]) {
      std::byte* at[N + 1];
      for (int k = 0; k < N; ++k) at[k] = base[k] + offset[k + 1];
      at[N] = base[N] + offset[0];
      run_row(p, at, inner);
    });
  });
}

}  // namespace

RegisterFormulas::RegisterFormulas(const Formula* first, int count) {
  for (int i = 0; i < count; ++i) formulas()[first[i].name] = first + i;
}

const Formula* find_formula(std::string_view name) {
  auto at = formulas().find(name);
  return at == formulas().end() ? nullptr : at->second;
}

static Plan plan_formula(const Formula& f, DType common, std::string_view op) {
  Plan p;
  p.formula = &f;
  p.arity = f.arity;
  p.compute = compute_dtype(common);
  const int type = compute_index(p.compute);
  p.loop = f.loop[type];
  if (!p.loop) not_implemented_for(op, common);
  p.produced = f.bool_out[type] ? DType::bool_ : f.real_out[type] ? to_real(p.compute) : p.compute;
  p.item = item_size(p.compute);
  p.made = item_size(p.produced);
  return p;
}

double sum_formula(const Formula& f, std::span<const Tensor> operands, DType common, const Dims& sizes, std::string_view op) {
  Plan p = plan_formula(f, common, op);
  p.store = nullptr;
  p.step[p.arity] = p.made;
  Tensor held[kMax];
  for (int k = 0; k < p.arity; ++k) {  // one number for all, or a run of numbers
    const Tensor& t = operands[size_t(k)];
    held[k] = t.numel() == 1 ? t : contiguous_as(expand_to(t, sizes), t.dtype());
    p.step[k] = t.numel() == 1 ? 0 : item_size(t.dtype());
    p.load[k] = t.dtype() == p.compute && p.step[k] ? nullptr : load_of(p.compute, t.dtype());
  }
  const int64_t n = sizes.numel(), pieces = (n + kPiece - 1) / kPiece;
  std::vector<double> sums(static_cast<size_t>(pieces));
  for_floating(p.compute, op, [&]<class T> {
    parallel_for(pieces, 1, [&](int64_t piece, int64_t) {
      constexpr int64_t kRun = 2048;
      alignas(64) T values[kRun];
      double total[1] = {};
      for (int64_t at = piece * kPiece; at < std::min(n, (piece + 1) * kPiece); at += kRun) {
        const int64_t m = std::min({kRun, n - at, (piece + 1) * kPiece - at});
        std::byte* places[kMax + 1];
        for (int k = 0; k < p.arity; ++k) places[k] = held[k].raw() + at * p.step[k];
        places[p.arity] = reinterpret_cast<std::byte*>(values);
        run_row(p, places, m);
        lane_sums<1, T>(m, total, [&](int64_t i, int k, auto& lanes) { lanes[0][k] += values[i]; });
      }
      sums[size_t(piece)] = total[0];
    });
  });
  double total = 0;
  for (double s : sums) total += s;
  return total;
}

void run_formula(const Formula& f, std::span<const Tensor> operands, DType common, const Tensor& out, std::string_view op) {
  Plan p = plan_formula(f, common, op);
  p.store = out.dtype() == p.produced ? nullptr : store_of(out.dtype(), p.produced);
  // The common case: everything contiguous, of one shape and of the compute dtype.
  bool plain = !p.store && out.is_contiguous();
  for (int k = 0; k < p.arity; ++k) {
    const Tensor& t = operands[size_t(k)];
    p.load[k] = t.dtype() == p.compute ? nullptr : load_of(p.compute, t.dtype());
    plain = plain && !p.load[k] && t.sizes() == out.sizes() && t.is_contiguous();
  }
  if (plain) {
    if (out.numel() <= kPiece) {
      const void* in[kMax];
      for (int k = 0; k < p.arity; ++k) in[k] = operands[size_t(k)].raw();
      p.loop(out.numel(), in, out.raw());
      return;
    }
    parallel_for(out.numel(), kPiece, [&](int64_t a, int64_t b) {
      const void* in[kMax];
      for (int k = 0; k < p.arity; ++k) in[k] = operands[size_t(k)].raw() + a * p.item;
      p.loop(b - a, in, out.raw() + a * p.made);
    });
    return;
  }
  Tensor spread[kMax];
  for (int k = 0; k < p.arity; ++k) spread[k] = expand_to(operands[size_t(k)], out.sizes());
  switch (p.arity) {
    case 0: walk<0>(p, spread, out); break;
    case 1: walk<1>(p, spread, out); break;
    case 2: walk<2>(p, spread, out); break;
    case 3: walk<3>(p, spread, out); break;
    case 4: walk<4>(p, spread, out); break;
    case 5: walk<5>(p, spread, out); break;
    case 6: walk<6>(p, spread, out); break;
    default: throw RuntimeError("internal error: ", op, " has more operands than the driver takes; please report this text");
  }
}

}  // namespace facula
