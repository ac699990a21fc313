// Views: the same memory under other sizes and strides; and copies of a view's layout.
#include <algorithm>

#include "tensor/views.h"
#include "tensor/call.h"

namespace facula {

Tensor clone(const Tensor& x, MemoryFormat f) {
  Tensor out = f == MemoryFormat::preserve ? empty_like(x) : empty_strided(x.sizes(), contiguous_strides(x.sizes(), f), x.dtype(), x.device());
  if (!out.is_meta()) copy_into(out, x);
  return out;
}

Tensor select_view(const Tensor& x, int64_t dim, int64_t index) {
  if (x.dim() == 0) throw IndexError("select() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, x.dim());
  const int64_t size = x.size(dim);
  if (index < -size || index >= size)
    throw IndexError("select(): index ", index, " out of range for tensor of size ", x.sizes(), " at dimension ", dim);
  if (index < 0) index += size;
  Dims sizes = x.sizes(), strides = x.strides();
  const int64_t offset = x->offset + index * strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  return as_view(x, sizes, strides, offset);
}

Tensor narrow_view(const Tensor& x, int64_t dim, int64_t start, int64_t length, int64_t step) {
  Dims sizes = x.sizes(), strides = x.strides();
  const int64_t offset = x->offset + start * strides[dim];
  sizes[dim] = length;
  strides[dim] *= step;
  return as_view(x, sizes, strides, offset);
}

Tensor diagonal_view(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  dim1 = wrap_dim(dim1, x.dim());
  dim2 = wrap_dim(dim2, x.dim());
  if (dim1 == dim2) throw RuntimeError("diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  const int64_t rows = x.size(dim1), cols = x.size(dim2);
  const int64_t n = std::max<int64_t>(0, offset >= 0 ? std::min(rows, cols - offset) : std::min(rows + offset, cols));
  const int64_t first = n == 0 ? 0 : offset >= 0 ? offset * x.stride(dim2) : -offset * x.stride(dim1);
  Dims sizes, strides;
  for (int d = 0; d < x.dim(); ++d)
    if (d != dim1 && d != dim2) { sizes.push_back(x.size(d)); strides.push_back(x.stride(d)); }
  sizes.push_back(n);
  strides.push_back(x.stride(dim1) + x.stride(dim2));
  return as_view(x, sizes, strides, x->offset + first);
}

void clamp_slice(int64_t size, int64_t& start, int64_t& end) {
  if (start < 0) start += size;
  if (end < 0) end += size;
  start = std::clamp<int64_t>(start, 0, size);
  end = std::clamp<int64_t>(end, start, size);
}

Tensor broadcast_view(const Tensor& x, const Dims& wanted) {
  Dims sizes = wanted;
  const int lead = sizes.ndim() - x.dim();
  for (int d = 0; d < sizes.ndim(); ++d) {
    if (sizes[d] != -1 || lead < 0) continue;
    if (d < lead)
      throw RuntimeError("The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", d);
    sizes[d] = x.size(d - lead);
  }
  Tensor v = expand_to(x, sizes);
  return v.is(x) ? shallow_copy(x) : v;
}

namespace {

Tensor reshaped(const Tensor& x, const Dims& wanted, std::string_view op) {
  Dims sizes = infer_size(wanted, x.numel()), strides;
  if (view_strides(x.sizes(), x.strides(), sizes, strides)) return as_view(x, sizes, strides, x->offset);
  if (op == "view" || op == "view_copy")
    throw RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans across "
                       "two contiguous subspaces). Use .reshape(...) instead.");
  Tensor copy = clone(x, MemoryFormat::contiguous);
  return as_view(copy, sizes, contiguous_strides(sizes), copy->offset);
}
void view(Call& c) { c.out.push_back(reshaped(c.tensor(0), c.ints(1), "view")); }
void reshape(Call& c) { c.out.push_back(reshaped(c.tensor(0), c.ints(1), "reshape")); }

void flatten(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t start = wrap_dim(c.integer(1), x.dim()), end = wrap_dim(c.integer(2), x.dim());
  if (start > end) throw RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim");
  if (x.dim() == 0) { c.out.push_back(as_view(x, {1}, {1}, x->offset)); return; }
  if (start == end) { c.out.push_back(x); return; }
  Dims sizes;
  for (int d = 0; d < x.dim(); ++d) {
    if (d > start && d <= end) sizes.back() *= x.size(d);
    else sizes.push_back(x.size(d));
  }
  c.out.push_back(reshaped(x, sizes, "flatten"));
}

// The bytes read as another element type; the last dimension grows or shrinks with the sizes.
void view_dtype(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType to = c.dtype(1);
  const int64_t a = item_size(x.dtype()), b = item_size(to);
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t offset = x->offset;
  if (a != b) {
    if (x.dim() == 0)
      throw RuntimeError("self.dim() cannot be 0 to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(to), " (different element sizes)");
    if (strides.back() != 1)
      throw RuntimeError("self.stride(-1) must be 1 to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(to),
                         " (different element sizes), but got ", strides.back());
    const int64_t up = a / b, down = b / a;
    if (a > b) {
      for (auto& s : strides) s *= up;
      strides.back() = 1;
      sizes.back() *= up;
      offset *= up;
    } else {
      if (sizes.back() % down)
        throw RuntimeError("self.size(-1) must be divisible by ", down, " to view ", scalar_type_name(x.dtype()), " as ",
                           scalar_type_name(to), " (different element sizes), but got ", sizes.back());
      if (offset % down)
        throw RuntimeError("self.storage_offset() must be divisible by ", down, " to view ", scalar_type_name(x.dtype()),
                           " as ", scalar_type_name(to), " (different element sizes), but got ", offset);
      for (int d = 0; d + 1 < x.dim(); ++d) {
        if (strides[d] % down)
          throw RuntimeError("self.stride(", d, ") must be divisible by ", down, " to view ", scalar_type_name(x.dtype()),
                             " as ", scalar_type_name(to), " (different element sizes), but got ", strides[d]);
        strides[d] /= down;
      }
      sizes.back() /= down;
      offset /= down;
    }
  }
  Tensor v = as_view(x, sizes, strides, offset);
  v->dtype = to;
  c.out.push_back(v);
}

void view_as_real(Call& c) {
  const Tensor& x = c.tensor(0);
  if (!is_complex(x.dtype())) throw RuntimeError("view_as_real is only supported for complex tensors");
  Dims sizes = x.sizes(), strides = x.strides();
  for (auto& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  Tensor v = as_view(x, sizes, strides, x->offset * 2);
  v->dtype = to_real(x.dtype());
  c.out.push_back(v);
}

void view_as_complex(Call& c) {
  const Tensor& x = c.tensor(0);
  if (!is_floating(x.dtype()) || x.dtype() == DType::bfloat16)
    throw RuntimeError("view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: ",
                       scalar_type_name(x.dtype()));
  if (x.dim() == 0) throw RuntimeError("Input tensor must have one or more dimensions");
  if (x.size(-1) != 2) throw RuntimeError("Tensor must have a last dimension of size 2");
  if (x.stride(-1) != 1) throw RuntimeError("Tensor must have a last dimension with stride 1");
  Dims sizes = x.sizes(), strides = x.strides();
  sizes.erase(sizes.size() - 1);
  strides.erase(strides.size() - 1);
  for (auto& s : strides) {
    if (s % 2) throw RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension");
    s /= 2;
  }
  if (x->offset % 2) throw RuntimeError("Tensor must have a storage_offset divisible by 2");
  Tensor v = as_view(x, sizes, strides, x->offset / 2);
  v->dtype = to_complex(x.dtype());
  c.out.push_back(v);
}

// ---------------------------------------------------------------- order of dimensions
void transpose(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t a = wrap_dim(c.integer(1), x.dim()), b = wrap_dim(c.integer(2), x.dim());
  c.out.push_back(transposed(x, a, b));
}
void t(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.dim() > 2) throw RuntimeError("t() expects a tensor with <= 2 dimensions, but self is ", x.dim(), "D");
  c.out.push_back(x.dim() == 2 ? transposed(x, 0, 1) : shallow_copy(x));
}
void permute(Call& c) {
  const Tensor& x = c.tensor(0);
  Dims order = c.ints(1);
  if (order.ndim() != x.dim())
    throw RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
                       "desired ordering of dimensions i.e. input.dim() = ", x.dim(), " is not equal to len(dims) = ", order.ndim());
  uint64_t seen = 0;
  for (auto& d : order) {
    d = wrap_dim(d, x.dim());
    if (seen >> d & 1) throw RuntimeError("permute(): duplicate dims are not allowed.");
    seen |= uint64_t(1) << d;
  }
  c.out.push_back(permuted(x, order));
}

void movedim(Call& c) {
  const Tensor& x = c.tensor(0);
  Dims from = c.ints(1), to = c.ints(2);
  if (from.size() != to.size())
    throw RuntimeError("movedim: Invalid source or destination dims: source (", from, " dims) should contain the same number of dims as destination (", to, " dims)");
  const int n = x.dim();
  Dims order(size_t(n), -1);
  uint64_t taken = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t s = wrap_dim(from[i], n), d = wrap_dim(to[i], n);
    if (taken >> s & 1) throw RuntimeError("movedim: repeated dim in `source` (", c.ints(1), ")");
    taken |= uint64_t(1) << s;
    if (n && order[d] >= 0) throw RuntimeError("movedim: repeated dim in `destination` (", c.ints(2), ")");
    if (n) order[d] = s;
  }
  for (int64_t d = 0, s = 0; d < n; ++d) {
    if (order[d] >= 0) continue;
    while (taken >> s & 1) ++s;
    order[d] = s++;
  }
  c.out.push_back(permuted(x, order));
}

// ---------------------------------------------------------------- sizes of one
void squeeze_where(Call& c, uint64_t which) {
  const Tensor& x = c.tensor(0);
  Dims sizes, strides;
  for (int d = 0; d < x.dim(); ++d)
    if (x.size(d) != 1 || !(which >> d & 1)) { sizes.push_back(x.size(d)); strides.push_back(x.stride(d)); }
  c.out.push_back(as_view(x, sizes, strides, x->offset));
}
void squeeze(Call& c) { squeeze_where(c, ~uint64_t(0)); }
void squeeze_dim(Call& c) { squeeze_where(c, uint64_t(1) << wrap_dim(c.integer(1), c.tensor(0).dim())); }
void squeeze_dims(Call& c) {
  uint64_t which = 0;
  for (auto d : c.ints(1)) {
    const uint64_t bit = uint64_t(1) << wrap_dim(d, c.tensor(0).dim());
    if (which & bit) throw RuntimeError("dim ", d, " appears multiple times in the list of dims");
    which |= bit;
  }
  squeeze_where(c, which);
}
void unsqueeze(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t d = wrap_dim(c.integer(1), x.dim() + 1);
  Dims sizes = x.sizes(), strides = x.strides();
  strides.insert(d, d < x.dim() ? sizes[d] * strides[d] : 1);
  sizes.insert(d, 1);
  c.out.push_back(as_view(x, sizes, strides, x->offset));
}
void expand(Call& c) { c.out.push_back(broadcast_view(c.tensor(0), c.ints(1))); }

// ---------------------------------------------------------------- parts
void select(Call& c) { c.out.push_back(select_view(c.tensor(0), c.integer(1), c.integer(2))); }

void narrow_at(Call& c, int64_t start) {
  const Tensor& x = c.tensor(0);
  if (x.dim() == 0) throw RuntimeError("narrow() cannot be applied to a 0-dim tensor.");
  const int64_t dim = wrap_dim(c.integer(1), x.dim()), size = x.size(dim), length = c.integer(3);
  if (length < 0) throw RuntimeError("narrow(): length must be non-negative.");
  if (start < -size || start > size)
    throw IndexError("start out of range (expected to be in range of [", -size, ", ", size, "], but got ", start, ")");
  if (start < 0) start += size;
  if (start > size - length) throw RuntimeError("start (", start, ") + length (", length, ") exceeds dimension size (", size, ").");
  c.out.push_back(narrow_view(x, dim, start, length));
}

void narrow(Call& c) { narrow_at(c, c.integer(2)); }
void narrow_tensor(Call& c) {
  const Tensor& start = c.tensor(2);
  if (start.dim() != 0 || !is_integral(start.dtype())) throw RuntimeError("start must be an 0-dim integral Tensor.");
  narrow_at(c, *cast(start, DType::int64).data<int64_t>());
}

void slice(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.dim() == 0) throw RuntimeError("slice() cannot be applied to a 0-dim tensor.");
  const int64_t dim = wrap_dim(c.integer(1), x.dim()), step = c.integer(4, 1);
  if (step <= 0) throw RuntimeError("slice step must be positive");
  int64_t start = c.integer(2, 0), end = c.integer(3, INT64_MAX);
  clamp_slice(x.size(dim), start, end);
  c.out.push_back(narrow_view(x, dim, start, (end - start + step - 1) / step, step));
}

void pieces(Call& c, int64_t dim, const Dims& sizes) {
  int64_t at = 0;
  c.out.reserve(sizes.size());
  for (auto n : sizes) {
    c.out.push_back(narrow_view(c.tensor(0), dim, at, n));
    at += n;
  }
}
int64_t split_dim(Call& c) {
  if (c.tensor(0).dim() == 0) throw RuntimeError(c.op, " expects at least a 1-dimensional tensor");
  return wrap_dim(c.integer(2), c.tensor(0).dim());
}
void cut(Call& c, int64_t dim, int64_t size) {
  const int64_t n = c.tensor(0).size(dim);
  if (size < 0) throw RuntimeError("split expects split_size be non-negative, but got split_size=", size);
  if (size == 0 && n) throw RuntimeError("split_size can only be 0 if dimension size is 0, but got dimension size of ", n);
  Dims sizes;
  for (int64_t at = 0; at < n; at += size) sizes.push_back(std::min(size, n - at));
  if (n == 0) sizes.push_back(0);
  pieces(c, dim, sizes);
}
void split(Call& c) { const int64_t dim = split_dim(c); cut(c, dim, c.integer(1)); }
void split_with_sizes(Call& c) {
  const int64_t dim = split_dim(c), n = c.tensor(0).size(dim);
  int64_t sum = 0;
  for (auto s : c.ints(1)) {
    if (s < 0) throw RuntimeError("split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", c.ints(1));
    sum += s;
  }
  if (sum != n)
    throw RuntimeError("split_with_sizes expects split_sizes to sum exactly to ", n, " (input tensor's size at dimension ", dim,
                       "), but got split_sizes=", c.ints(1));
  pieces(c, dim, c.ints(1));
}
void chunk(Call& c) {
  if (c.tensor(0).dim() == 0) throw RuntimeError("chunk expects at least a 1-dimensional tensor");
  const int64_t chunks = c.integer(1), dim = split_dim(c), n = c.tensor(0).size(dim);
  if (chunks <= 0) throw RuntimeError("chunk expects `chunks` to be greater than 0, got: ", chunks);
  const int64_t size = (n + chunks - 1) / chunks;
  if (size == 0) pieces(c, dim, Dims(size_t(chunks), 0));
  else cut(c, dim, size);
}
void unbind(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.dim() == 0) throw IndexError("Dimension specified as 0 but tensor has no dimensions");
  const int64_t dim = wrap_dim(c.integer(1), x.dim()), n = x.size(dim);
  c.out.reserve(size_t(n));
  for (int64_t i = 0; i < n; ++i) c.out.push_back(select_view(x, dim, i));
}
void diagonal(Call& c) { c.out.push_back(diagonal_view(c.tensor(0), c.integer(1), c.integer(2), c.integer(3, 1))); }

void unfold(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t dim = wrap_dim(c.integer(1), x.dim()), size = c.integer(2), step = c.integer(3);
  const int64_t n = x.dim() ? x.size(dim) : 1;
  if (size < 0) throw RuntimeError("size is ", size, " but must be >= 0");
  if (size > n) throw RuntimeError("maximum size for tensor at dimension ", dim, " is ", n, " but size is ", size);
  if (step <= 0) throw RuntimeError("step is ", step, " but must be > 0");
  Dims sizes = x.sizes(), strides = x.strides();
  sizes.push_back(size);
  strides.push_back(x.dim() ? strides[dim] : 1);
  if (x.dim()) { sizes[dim] = (n - size) / step + 1; strides[dim] *= step; }
  c.out.push_back(as_view(x, sizes, strides, x->offset));
}

void check_strided(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset) {
  if (sizes.size() != strides.size()) throw RuntimeError("mismatch in length of strides and shape");
  for (auto s : strides)
    if (s < 0) throw RuntimeError("as_strided: Negative strides are not supported at the moment, got strides: ", strides);
  if (offset < 0) throw RuntimeError("Tensor: invalid storage offset ", offset);
  int64_t last = offset + 1;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return;
    last += (sizes[d] - 1) * strides[d];
  }
  const int64_t item = item_size(x.dtype());
  if (!x.is_meta() && last * item > x->storage->nbytes)
    throw RuntimeError("setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset, ", and itemsize ", item,
                       " requiring a storage size of ", last * item, " are out of bounds for storage of size ", x->storage->nbytes);
}
void as_strided(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t offset = c.integer(3, x->offset);
  check_strided(x, c.ints(1), c.ints(2), offset);
  c.out.push_back(as_view(x, c.ints(1), c.ints(2), offset));
}
void alias(Call& c) { c.out.push_back(shallow_copy(c.tensor(0))); }

// ---------------------------------------------------------------- writing into a part of a copy
void copy_part(const Tensor& part, const Tensor& src, Call& c) {
  if (!(part.sizes() == src.sizes()))
    throw RuntimeError("expected src to have a size equal to the slice of self. src size = ", src.sizes(), ", slice size = ", part.sizes());
  if (!part.is_meta()) copy_into(part, src);
  (void)c;
}
void select_scatter(Call& c) {
  Tensor out = clone(c.tensor(0));
  copy_part(select_view(out, c.integer(2), c.integer(3)), c.tensor(1), c);
  c.out.push_back(out);
}
void slice_scatter(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t dim = wrap_dim(c.integer(2), x.dim()), step = c.integer(5, 1);
  if (step <= 0) throw RuntimeError("slice step must be positive");
  int64_t start = c.integer(3, 0), end = c.integer(4, INT64_MAX);
  clamp_slice(x.size(dim), start, end);
  Tensor out = clone(x);
  Tensor part = narrow_view(out, dim, start, (end - start + step - 1) / step, step);
  copy_part(part, broadcast_view(c.tensor(1), part.sizes()), c);
  c.out.push_back(out);
}
void diagonal_scatter(Call& c) {
  Tensor out = clone(c.tensor(0));
  copy_part(diagonal_view(out, c.integer(2), c.integer(3), c.integer(4, 1)), c.tensor(1), c);
  c.out.push_back(out);
}
void as_strided_scatter(Call& c) {
  const Tensor& x = c.tensor(0);
  // The layout of the input, elements between them included.
  const int64_t offset = c.integer(4, x->offset);
  check_strided(x, c.ints(2), c.ints(3), offset);
  int64_t last = offset;
  for (size_t d = 0; d < c.ints(2).size(); ++d) last += std::max<int64_t>(c.ints(2)[d] - 1, 0) * c.ints(3)[d];
  const bool inside = x.is_contiguous() && offset >= x->offset && last < x->offset + x->numel;  // the part lies in the input itself
  Tensor out = inside ? clone(x) : Tensor();
  if (!out) {
    out = empty_strided({x.is_meta() ? 0 : x->storage->nbytes / item_size(x.dtype())}, {1}, x.dtype(), x.device());
    Tensor all = as_view(x, out.sizes(), out.strides(), 0);
    if (!x.is_meta()) copy_into(out, all);
    out = as_view(out, x.sizes(), x.strides(), x->offset);
  }
  const int64_t shift = inside ? x->offset : 0;
  copy_part(as_view(out, c.ints(2), c.ints(3), offset - shift), c.tensor(1), c);
  c.out.push_back(out);
}

// ---------------------------------------------------------------- gradients: zeros with a part filled
Tensor zeros(const Dims& sizes, const Tensor& like) { return full(sizes, 0, like.dtype(), like.device()); }
void finish(Call& c, const Tensor& out, const Tensor& part) {
  if (!out.is_meta()) copy_into(part, c.tensor(0));
  c.out.push_back(out);
}
void select_backward(Call& c) {
  Tensor out = zeros(c.ints(1), c.tensor(0));
  finish(c, out, select_view(out, c.integer(2), c.integer(3)));
}
void slice_backward(Call& c) {
  Tensor out = zeros(c.ints(1), c.tensor(0));
  const int64_t dim = wrap_dim(c.integer(2), out.dim());
  finish(c, out, narrow_view(out, dim, c.integer(3), c.tensor(0).size(dim), c.integer(4, 1)));
}
void diagonal_backward(Call& c) {
  Tensor out = zeros(c.ints(1), c.tensor(0));
  finish(c, out, diagonal_view(out, c.integer(2), c.integer(3), c.integer(4)));
}
// Adds grad to zeros at a strided place that may meet the same element often.
void strided_put(Call& c) {
  const Tensor& grad = c.tensor(0);
  Tensor out = zeros(c.ints(1), grad);
  const Dims& strides = c.ints(2);
  c.out.push_back(out);
  if (out.is_meta() || grad.numel() == 0) return;
  const Dims sizes = grad.sizes();
  check_strided(out, sizes, strides, c.integer(3));
  Tensor g = contiguous(grad);
  for_all(grad.dtype(), c.op, [&]<class T> {
    const T* from = g.data<T>();
    T* to = out.data<T>() + c.integer(3);
    const int n = sizes.ndim();
    const int64_t inner = n ? sizes[n - 1] : 1, step = n ? strides[n - 1] : 0;
    Dims at(size_t(n), 0);
    for (int64_t i = 0, rows = g.numel() / inner; i < rows; ++i) {
      int64_t base = 0;
      for (int d = 0; d + 1 < n; ++d) base += at[d] * strides[d];
      for (int64_t k = 0; k < inner; ++k) to[base + k * step] = T(to[base + k * step] + from[i * inner + k]);
      for (int d = n - 2; d >= 0; --d) { if (++at[d] < sizes[d]) break; at[d] = 0; }
    }
  });
}
void strided_take(Call& c) {
  Tensor x = contiguous(c.tensor(0));
  c.out.push_back(clone(as_view(x, c.ints(1), c.ints(2), x->offset + c.integer(3)), MemoryFormat::contiguous));
}

// ---------------------------------------------------------------- copies
MemoryFormat format(const Call& c, size_t i, MemoryFormat otherwise) { return c.has(i) ? MemoryFormat(c.integer(i)) : otherwise; }
void clone_kernel(Call& c) { c.out.push_back(clone(c.tensor(0), format(c, 1, MemoryFormat::preserve))); }
void contiguous_kernel(Call& c) {
  const MemoryFormat f = format(c, 1, MemoryFormat::contiguous);
  if (f == MemoryFormat::preserve) throw RuntimeError("preserve memory format is unsupported by the contiguous operator");
  if (c.tensor(0).is_contiguous(f)) c.out.push_back(c.tensor(0));
  else c.out.push_back(clone(c.tensor(0), f));
}

const Register here[] = {
    {"shape.view", view}, {"shape.reshape", reshape}, {"shape.flatten", flatten}, {"shape.movedim", movedim}, {"shape.view_dtype", view_dtype}, {"shape.view_as_real", view_as_real},
    {"shape.view_as_complex", view_as_complex}, {"shape.transpose", transpose}, {"shape.t", t}, {"shape.permute", permute},
    {"shape.squeeze", squeeze}, {"shape.squeeze_dim", squeeze_dim}, {"shape.squeeze_dims", squeeze_dims}, {"shape.unsqueeze", unsqueeze}, {"shape.expand", expand},
    {"shape.select", select}, {"shape.narrow", narrow}, {"shape.narrow_tensor", narrow_tensor}, {"shape.slice", slice}, {"shape.split", split},
    {"shape.split_with_sizes", split_with_sizes}, {"shape.chunk", chunk}, {"shape.unbind", unbind},
    {"shape.diagonal", diagonal}, {"shape.unfold", unfold}, {"shape.as_strided", as_strided}, {"shape.alias", alias},
    {"shape.select_scatter", select_scatter}, {"shape.slice_scatter", slice_scatter},
    {"shape.diagonal_scatter", diagonal_scatter}, {"shape.as_strided_scatter", as_strided_scatter},
    {"shape.select_backward", select_backward}, {"shape.slice_backward", slice_backward},
    {"shape.diagonal_backward", diagonal_backward}, {"shape.strided_put", strided_put}, {"shape.strided_take", strided_take},
    {"shape.clone", clone_kernel}, {"shape.contiguous", contiguous_kernel}};

}  // namespace
}  // namespace facula
