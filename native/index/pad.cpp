// Padding by what stands inside: every padded dimension is a table of the positions that it shows.
#include <algorithm>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

enum class Mode { reflect, replicate };
constexpr int64_t kPiece = 32 << 10;  // elements

struct Table {
  int64_t in = 1, low = 0;       // low: what stands before the input's first element
  std::vector<int64_t> at{0};
  int64_t out() const { return int64_t(at.size()); }
};
// The last three dimensions (missing ones have size 1); those before are planes.
struct Tables { Table axes[3]; };

Tables tables_of(const Dims& sizes, const Dims& pad, Mode mode) {
  Tables t;
  for (int i = 0; i < int(pad.size()) / 2; ++i) {
    Table& axis = t.axes[2 - i];
    const int64_t n = axis.in = sizes[sizes.size() - 1 - size_t(i)], last = n - 1;
    axis.low = pad[2 * size_t(i)];
    axis.at.resize(size_t(std::max<int64_t>(0, n + axis.low + pad[2 * size_t(i) + 1])));
    for (int64_t o = 0; o < axis.out(); ++o) {
      const int64_t k = o - axis.low, mirrored = std::abs(k);
      axis.at[size_t(o)] = std::clamp<int64_t>(mode == Mode::replicate ? k : mirrored > last ? 2 * last - mirrored : mirrored, 0, last);
    }
  }
  return t;
}

// body(first of the padded row, first of the row it shows) for the rows of planes [begin, end).
template <class Body>
void each_row(const Tables& t, int64_t begin, int64_t end, const Body& body) {
  const Table &a = t.axes[0], &b = t.axes[1], &c = t.axes[2];
  for (int64_t p = begin; p < end; ++p)
    for (int64_t z = 0; z < a.out(); ++z)
      for (int64_t y = 0; y < b.out(); ++y)
        body(((p * a.out() + z) * b.out() + y) * c.out(), ((p * a.in + a.at[size_t(z)]) * b.in + b.at[size_t(y)]) * c.in);
}

int64_t planes_of(const Dims& sizes, const Dims& pad) {
  int64_t n = 1;
  for (size_t d = 0; d + pad.size() / 2 < sizes.size(); ++d) n *= sizes[d];
  return n;
}
int64_t grain(const Tables& t) { return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, t.axes[0].out() * t.axes[1].out() * t.axes[2].out())); }

// (input, padding from the last dimension backwards)
template <Mode mode>
void pad(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& padding = c.ints(1);
  const Tables t = tables_of(x.sizes(), padding, mode);
  Dims sizes = x.sizes();
  for (size_t i = 0; i < padding.size() / 2; ++i) sizes[sizes.size() - 1 - i] = t.axes[2 - i].out();
  Tensor out = empty(sizes, x.dtype(), x.device());
  if (!x.is_meta() && out.numel()) {
    const Tensor in = contiguous(x);
    const Table& last = t.axes[2];
    const int64_t from = std::max<int64_t>(last.low, 0), to = std::max(from, std::min(last.out(), last.low + last.in));  // shown as it stands
    for_all(x.dtype(), c.op, [&]<class T> {
      const T* p = in.data<T>();
      T* q = out.data<T>();
      parallel_for(planes_of(x.sizes(), padding), grain(t), [&](int64_t begin, int64_t end) {
        each_row(t, begin, end, [&](int64_t o, int64_t i) {
          for (int64_t k = 0; k < from; ++k) q[o + k] = p[i + last.at[size_t(k)]];
          std::copy_n(p + i + from - last.low, to - from, q + o + from);
          for (int64_t k = to; k < last.out(); ++k) q[o + k] = p[i + last.at[size_t(k)]];
        });
      });
    });
  }
  c.out.push_back(out);
}

// (grad, sizes of the input, padding)
template <Mode mode>
void pad_back(Call& c) {
  const Tensor& g = c.tensor(0);
  const Dims &sizes = c.ints(1), &padding = c.ints(2);
  const DType compute = compute_dtype(g.dtype());
  const Tables t = tables_of(sizes, padding, mode);
  Tensor out = full(sizes, 0, compute, g.device());
  if (!g.is_meta() && g.numel()) {
    const Tensor grad = contiguous_as(g, compute);
    const Table& last = t.axes[2];
    for_inexact(compute, c.op, [&]<class T> {
      const T* p = grad.data<T>();
      T* q = out.data<T>();
      parallel_for(planes_of(sizes, padding), grain(t), [&](int64_t begin, int64_t end) {
        each_row(t, begin, end, [&](int64_t o, int64_t i) {
          for (int64_t k = 0; k < last.out(); ++k) q[i + last.at[size_t(k)]] += p[o + k];
        });
      });
    });
  }
  c.out.push_back(cast(out, g.dtype()));
}

const Register here[] = {{"pad.reflect", pad<Mode::reflect>}, {"pad.reflect_back", pad_back<Mode::reflect>},
                         {"pad.replicate", pad<Mode::replicate>}, {"pad.replicate_back", pad_back<Mode::replicate>}};

}  // namespace
}  // namespace facula
