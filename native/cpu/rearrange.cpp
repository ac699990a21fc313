// Copies that move elements by a fixed rule: flip, roll, repeat, triangles, constant padding.
#include <algorithm>

#include "cpu/copy.h"
#include "index/index.h"
#include "cpu/parallel.h"
#include "tensor/views.h"

namespace facula {
namespace {

void flip(Call& c) {
  const Tensor& x = c.tensor(0);
  Dims strides = x.strides();
  int64_t offset = x->offset;
  uint64_t seen = 0;
  for (auto d : c.ints(1)) {
    const int64_t dim = wrap_dim(d, x.dim());
    if (seen >> dim & 1) throw RuntimeError("dim ", dim, " appears multiple times in the list of dims");
    seen |= uint64_t(1) << dim;
    if (!x.dim() || x.size(dim) == 0) continue;
    offset += (x.size(dim) - 1) * strides[dim];
    strides[dim] = -strides[dim];
  }
  Tensor out = empty_like(x);
  c.out.push_back(out);
  if (out.is_meta() || x.numel() == 0) return;
  Tensor from = as_view(x, x.sizes(), strides, offset);
  if (x.dim() == 0 || strides.back() != -1 || !out.is_contiguous()) return copy_into(out, from);
  // Rows read backwards.
  const int64_t cols = x.size(-1);
  Dims row_sizes = x.sizes(), row_strides = strides;
  row_sizes.back() = row_strides.back() = 1;
  const auto rows = offsets_of(row_sizes, row_strides);
  for_size(item_size(x.dtype()), [&]<class T> {
    const T* f = from.data<T>();
    T* to = out.data<T>();
    parallel_for(int64_t(rows.size()), std::max<int64_t>(1, (32 << 10) / cols), [&](int64_t a, int64_t b) {
      for (int64_t r = a; r < b; ++r) {
        const int64_t n = cols;  // a local: bytes written could be the captured one
        const T* __restrict source = f + rows[size_t(r)] - (n - 1);
        T* __restrict t = to + r * n;
        for (int64_t i = 0; i < n; ++i) t[i] = source[n - 1 - i];
      }
    });
  });
}

void roll(Call& c) {
  Tensor x = c.tensor(0);
  const Dims &shifts = c.ints(1), &dims = c.ints(2);
  if (shifts.empty()) throw RuntimeError("`shifts` required");
  if (dims.empty() && shifts.size() == 1) {
    if (x.numel() == 0) { c.out.push_back(clone(x)); return; }
    Tensor flat = contiguous(x);
    flat = as_view(flat, {x.numel()}, {1}, flat->offset);
    const int64_t n = x.numel(), by = ((shifts[0] % n) + n) % n;
    Tensor out = empty(x.sizes(), x.dtype(), x.device()), to = as_view(out, {n}, {1}, 0);
    c.out.push_back(out);
    if (out.is_meta()) return;
    copy_into(narrow_view(to, 0, by, n - by), narrow_view(flat, 0, 0, n - by));
    copy_into(narrow_view(to, 0, 0, by), narrow_view(flat, 0, n - by, by));
    return;
  }
  if (shifts.size() != dims.size())
    throw RuntimeError("shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  if (x.numel() == 0) { c.out.push_back(clone(x)); return; }
  for (size_t i = 0; i < dims.size(); ++i) {
    if (x.dim() == 0) throw IndexError("Dimension specified as ", dims[i], " but tensor has no dimensions");
    const int64_t d = wrap_dim(dims[i], x.dim()), n = x.size(d), by = ((shifts[i] % n) + n) % n;
    Tensor out = empty(x.sizes(), x.dtype(), x.device());
    if (!out.is_meta()) {
      copy_into(narrow_view(out, d, by, n - by), narrow_view(x, d, 0, n - by));
      copy_into(narrow_view(out, d, 0, by), narrow_view(x, d, n - by, by));
    }
    x = out;
  }
  c.out.push_back(x);
}

void repeat(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& times = c.ints(1);
  const int n = times.ndim(), lead = n - x.dim();
  if (lead < 0) throw RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
  Dims sizes, split, from_strides;
  for (int d = 0; d < n; ++d) {
    if (times[d] < 0) throw RuntimeError("Trying to create tensor with negative dimension ", times[d] * (d < lead ? 1 : x.size(d - lead)), ": ", times);
    const int64_t size = d < lead ? 1 : x.size(d - lead);
    sizes.push_back(times[d] * size);
    split.push_back(times[d]);
    split.push_back(size);
    from_strides.push_back(0);
    from_strides.push_back(d < lead ? 0 : x.stride(d - lead));
  }
  Tensor out = empty(sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  copy_into(as_view(out, split, contiguous_strides(split), 0), as_view(x, split, from_strides, x->offset));
}

// Position i, repeats[i] times.
void repeat_positions(Call& c) {
  const Tensor repeats = contiguous_as(c.tensor(0), DType::int64);
  const int64_t* n = repeats.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < repeats.numel(); ++i) {
    if (n[i] < 0) throw RuntimeError("repeats can not be negative");
    total += n[i];
  }
  Tensor out = empty({total}, DType::int64);
  int64_t* p = out.data<int64_t>();
  for (int64_t i = 0; i < repeats.numel(); ++i) p = std::fill_n(p, n[i], i);
  c.out.push_back(out);
}

// Keeps columns [from, to) of every row; where they stand depends on the row.
template <bool kUpper>
void triangle(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.dim() < 2) throw RuntimeError(kUpper ? "triu" : "tril", ": input tensor must have at least 2 dimensions");
  const int64_t k = c.integer(1), rows = x.size(-2), cols = x.size(-1), item = item_size(x.dtype());
  const bool in_place = c.op.ends_with('_');
  Tensor out = in_place ? x : empty(x.sizes(), x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  Tensor from = contiguous(x);
  Tensor work = in_place && !x.is_contiguous() ? from : out;
  const std::byte* f = from.raw();
  std::byte* to = work.raw();
  parallel_for(x.numel() / cols, std::max<int64_t>(1, (32 << 10) / cols), [&](int64_t a, int64_t b) {
    for (int64_t r = a; r < b; ++r) {
      const int64_t edge = std::clamp<int64_t>(r % rows + k + (kUpper ? 0 : 1), 0, cols);
      const int64_t begin = kUpper ? edge : 0, end = kUpper ? cols : edge, at = r * cols;
      if (f != to) std::memcpy(to + (at + begin) * item, f + (at + begin) * item, size_t((end - begin) * item));
      std::memset(to + (at + (kUpper ? 0 : end)) * item, 0, size_t((kUpper ? begin : cols - end) * item));
    }
  });
  if (!work.is(out)) copy_into(out, work);
}

// Pads from the last dimension backwards; negative amounts cut.
void constant_pad(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& pad = c.ints(1);
  if (pad.size() % 2) throw RuntimeError("Length of pad must be even but instead it equals ", pad.size());
  const int n = x.dim(), padded = int(pad.size() / 2);
  if (padded > n)
    throw RuntimeError("Length of pad should be no more than twice the number of dimensions of the input. Pad length is ", pad.size(),
                       "while the input has ", n, "dimensions.");
  Dims sizes = x.sizes();
  Tensor from = shallow_copy(x);
  for (int i = 0; i < padded; ++i) {
    const int d = n - 1 - i;
    const int64_t low = pad[2 * i], high = pad[2 * i + 1];
    sizes[d] += low + high;
    if (sizes[d] < 0)
      throw RuntimeError("The input size ", x.size(d), ", plus negative padding ", low, " and ", high,
                         " resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
    const int64_t start = std::min(std::max<int64_t>(-low, 0), x.size(d)), end = std::max(start, x.size(d) - std::max<int64_t>(-high, 0));
    from = narrow_view(from, d, start, end - start);
  }
  Tensor out = n == 4 && x.is_contiguous(MemoryFormat::channels_last) && !x.is_contiguous()
      ? empty_strided(sizes, contiguous_strides(sizes, MemoryFormat::channels_last), x.dtype(), x.device())
      : empty(sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  fill_scalar(out, c.has(2) ? c.scalar(2) : Scalar{});
  Tensor to = shallow_copy(out);
  for (int i = 0; i < padded; ++i) {
    const int d = n - 1 - i;
    to = narrow_view(to, d, std::max<int64_t>(pad[2 * i], 0), from.size(d));
  }
  if (from.numel()) copy_into(to, from);
}

const Register here[] = {{"rearrange.flip", flip}, {"rearrange.roll", roll}, {"rearrange.repeat", repeat}, {"rearrange.repeat_positions", repeat_positions},
                         {"rearrange.tril", triangle<false>}, {"rearrange.triu", triangle<true>},
                         {"rearrange.constant_pad", constant_pad}};

}  // namespace
}  // namespace facula
