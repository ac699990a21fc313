// Indexing by tensors: x[i, :, mask] and its assignment; masks and positions of non-zeros.
#include <algorithm>
#include <atomic>

#include "cpu/copy.h"
#include "index/index.h"

namespace facula {
namespace {

// The true elements of a mask, counted per piece, so that pieces write in parallel to where theirs belong.
class Chosen {
 public:
  explicit Chosen(const Tensor& mask) : mask_(contiguous_as(mask, DType::bool_)), before_(size_t((mask.numel() + kPiece - 1) / kPiece + 1), 0) {
    const bool* p = mask_.data<bool>();
    parallel_for(mask_.numel(), kPiece, [&](int64_t a, int64_t b) {
      int64_t k = 0;
      for (int64_t i = a; i < b; ++i) k += p[i];
      before_[size_t(a / kPiece) + 1] = k;
    });
    for (size_t i = 1; i < before_.size(); ++i) before_[i] += before_[i - 1];
  }
  int64_t count() const { return before_.back(); }
  bool operator[](int64_t i) const { return mask_.data<bool>()[i]; }
  // write(i, k) for every element i until the last true one of its piece: k is the place of the next true one.
  template <class Write>
  void each(const Write& write) const {
    const bool* p = mask_.data<bool>();
    parallel_for(mask_.numel(), kPiece, [&](int64_t a, int64_t b) {
      const int64_t end = before_[size_t(a / kPiece) + 1];
      int64_t k = before_[size_t(a / kPiece)];
      for (int64_t i = a; i < b && k < end; ++i) { write(i, k); k += p[i]; }  // without a branch: the next one writes over it
    });
  }

 private:
  static constexpr int64_t kPiece = 64 << 10;
  Tensor mask_;
  std::vector<int64_t> before_;
};

// As one contiguous row of positions per element.
Tensor nonzero_rows(const Tensor& x) {
  if (x.is_meta()) throw NotImplementedError("aten::nonzero: attempted to run this operator with Meta tensors, but there was no fake impl or Meta kernel registered for this operator");
  const Chosen chosen(x);
  const int n = x.dim();
  Tensor out = empty({chosen.count(), n}, DType::int64);
  if (n == 0) return out;
  int64_t* p = out.data<int64_t>();
  chosen.each([&](int64_t i, int64_t k) { p[k * n + n - 1] = i; });
  if (n == 1) return out;
  const Dims sizes = x.sizes();
  parallel_for(chosen.count(), 16 << 10, [&](int64_t a, int64_t b) {
    for (int64_t i = a; i < b; ++i) {
      int64_t rest = p[i * n + n - 1];
      for (int d = n - 1; d > 0; --d) { const int64_t q = rest / sizes[d]; p[i * n + d] = rest - q * sizes[d]; rest = q; }
      p[i * n] = rest;
    }
  });
  return out;
}
void nonzero(Call& c) {
  c.out.push_back(nonzero_rows(c.tensor(0)));
}

// ---------------------------------------------------------------- x[indices]
struct Indexed {
  Dims sizes;         // of the result
  Places places;
};

std::vector<Tensor> expand_masks(const Tensor& x, const std::vector<Tensor>& given) {
  std::vector<Tensor> indices;
  for (auto& t : given) {
    if (!t) { indices.push_back(t); continue; }
    const DType type = t.dtype();
    if (type != DType::bool_ && type != DType::uint8) {
      if (type != DType::int64 && type != DType::int32)
        throw IndexError("tensors used as indices must be long, int, byte or bool tensors");
      indices.push_back(t);
      continue;
    }
    for (int d = 0; d < t.dim(); ++d) {
      const int at = int(indices.size()) + d;
      if (at >= x.dim()) throw IndexError("too many indices for tensor of dimension ", x.dim());
      if (t.size(d) != x.size(at))
        throw IndexError("The shape of the mask ", t.sizes(), " at index ", d, " does not match the shape of the indexed tensor ", x.sizes(), " at index ", at);
    }
    Tensor rows = nonzero_rows(t);
    for (int d = 0; d < t.dim(); ++d) indices.push_back(select_view(rows, 1, d));
  }
  return indices;
}

Indexed locate(const Tensor& x, const std::vector<Tensor>& given) {
  std::vector<Tensor> indices = expand_masks(x, given);
  if (int64_t(indices.size()) > x.dim())
    throw IndexError("too many indices for tensor of dimension ", x.dim(), " (got ", indices.size(), ")");
  indices.resize(size_t(x.dim()));
  Dims common;
  int first = -1, last = -1, count = 0;
  for (int d = 0; d < x.dim(); ++d) {
    if (!indices[size_t(d)]) continue;
    if (first < 0) { first = d; common = indices[size_t(d)].sizes(); }
    last = d;
    ++count;
    try {
      common = broadcast_sizes(common, indices[size_t(d)].sizes());
    } catch (const RuntimeError&) {
      std::string shapes;
      for (auto& t : indices) if (t) shapes += (shapes.empty() ? "" : ", ") + cat(t.sizes());
      throw IndexError("shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
    }
  }
  const bool adjacent = count == last - first + 1;
  Indexed r;
  Dims outer_strides, inner_sizes, inner_strides, outer_sizes;
  for (int d = 0; d < x.dim(); ++d) {
    if (indices[size_t(d)]) continue;
    const bool outer = adjacent && d < first;
    (outer ? outer_sizes : inner_sizes).push_back(x.size(d));
    (outer ? outer_strides : inner_strides).push_back(x.stride(d));
  }
  for (auto n : outer_sizes) r.sizes.push_back(n);
  for (auto n : common) r.sizes.push_back(n);
  for (auto n : inner_sizes) r.sizes.push_back(n);
  if (x.is_meta()) return r;
  r.places.outer = offsets_of(outer_sizes, outer_strides);
  r.places.inner = offsets_of(inner_sizes, inner_strides);
  r.places.at.assign(size_t(common.numel()), 0);
  int ordinal = -1;  // messages count indexed dimensions
  for (int d = 0; d < x.dim(); ++d) {
    if (!indices[size_t(d)]) continue;
    ++ordinal;
    Tensor index = contiguous_as(expand_to(indices[size_t(d)], common), DType::int64);
    const int64_t *v = index.data<int64_t>(), size = x.size(d), stride = x.stride(d);
    std::atomic<int64_t> bad{-1};
    parallel_for(index.numel(), 32 << 10, [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) {
        const int64_t k = v[i];
        if (k < -size || k >= size) { bad = i; return; }
        r.places.at[size_t(i)] += (k < 0 ? k + size : k) * stride;
      }
    });
    if (bad >= 0) throw IndexError("index ", v[bad], " is out of bounds for dimension ", ordinal, " with size ", size);
  }
  r.places.finish();
  return r;
}

Tensor select_true(const Tensor& x, const Tensor& mask) {
  const Chosen chosen(mask);
  Tensor from = contiguous(x), out = empty({chosen.count()}, x.dtype());
  for_size(item_size(x.dtype()), [&]<class T> {
    const T* f = from.data<T>();
    T* to = out.data<T>();
    chosen.each([&](int64_t i, int64_t k) { to[k] = f[i]; });
  });
  return out;
}

void index(Call& c) {
  const Tensor& x = c.tensor(0);
  const auto& given = c.tensors(1);
  if (given.size() == 1 && given[0] && given[0].dtype() == DType::bool_ && given[0].sizes() == x.sizes() && x.dim() && !x.is_meta()) {
    c.out.push_back(select_true(x, given[0]));
    return;
  }
  Indexed r = locate(x, c.tensors(1));
  Tensor out = empty(r.sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (!out.is_meta()) take_places(r.places, x, out);
}

void index_put(Call& c) {
  const Tensor &x = c.tensor(0), &values = c.tensor(2);
  if (x.dtype() != values.dtype())
    throw RuntimeError("Index put requires the source and destination dtypes match, got ", scalar_type_name(x.dtype()),
                       " for the destination and ", scalar_type_name(values.dtype()), " for the source.");
  Tensor out = target(c);
  Indexed r = locate(out, c.tensors(1));
  c.out.push_back(out);
  Tensor v = values;
  const bool single = values.numel() == 1;
  if (!single) {
    try {
      v = contiguous(expand_to(values, r.sizes));
    } catch (const RuntimeError&) {
      throw RuntimeError("shape mismatch: value tensor of shape ", values.sizes(), " cannot be broadcast to indexing result of shape ", r.sizes);
    }
  }
  if (out.is_meta()) return;
  if (v->storage == out->storage) v = clone(v, MemoryFormat::contiguous);
  if (!c.flag(3)) return put_places(r.places, out, v.raw(), single);
  add_places(r.places, out, v.raw(), single, "index_put_");
}

// ---------------------------------------------------------------- masks
void masked_fill(Call& c) {
  const Tensor &x = c.tensor(0), &mask = c.tensor(1);
  if (mask.dtype() != DType::bool_)
    throw RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype ", name(mask.dtype()));
  const Value& v = c.args[2];
  Tensor value = empty({}, x.dtype());
  if (v.kind == Value::tensor) {
    if (v.t.dim()) throw RuntimeError("masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", v.t.dim(), " dimension(s).");
    const bool complex = is_complex(v.t.dtype()) && !is_complex(x.dtype());
    if (complex) throw RuntimeError("value cannot be converted to type ", name(x.dtype()), " without overflow");
    copy_into(value, v.t);
  } else {
    if (v.s.kind == Scalar::complex && !is_complex(x.dtype()))
      throw RuntimeError("value cannot be converted to type ", name(x.dtype()), " without overflow");
    fill_scalar(value, v.s);
  }
  const bool in_place = c.op.ends_with('_');
  const Dims sizes = broadcast_sizes(x.sizes(), mask.sizes());
  if (in_place && !(sizes == x.sizes()))
    throw RuntimeError("output with shape ", x.sizes(), " doesn't match the broadcast shape ", sizes);
  Tensor wide = expand_to(x, sizes);
  Tensor out = in_place ? x : sizes == x.sizes() ? empty_like(x) : empty(sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  Tensor m = expand_to(mask, sizes);
  const bool dense = out.is_contiguous() && wide.is_contiguous();
  if (!in_place && !dense) copy_into(out, wide);
  Tensor work = out.is_contiguous() ? out : clone(out, MemoryFormat::contiguous);
  const bool row_mask = !m.is_contiguous();
  Tensor flat = row_mask ? contiguous(m) : m;
  for_size(item_size(out.dtype()), [&]<class T> {
    const T fill = *value.data<T>();
    const T* from = dense ? wide.data<T>() : work.data<T>();
    T* to = work.data<T>();
    const bool* w = flat.data<bool>();
    parallel_for(work.numel(), 64 << 10, [&](int64_t a, int64_t b) {
      if constexpr (std::is_same_v<T, Wide>) { for (int64_t i = a; i < b; ++i) { if (w[i]) to[i] = fill; else to[i] = from[i]; } }
      else {
        const auto* m = reinterpret_cast<const uint8_t*>(w);
        // Without a branch; source and target are the same memory or apart.
#pragma GCC ivdep
        for (int64_t i = a; i < b; ++i) {
          const T k = T(0) - T(m[i]), v = from[i];
          to[i] = T((v & T(~k)) | (fill & k));
        }
      }
    });
  });
  if (!work.is(out)) copy_into(out, work);
}

void masked_select(Call& c) {
  const Tensor &x = c.tensor(0), &mask = c.tensor(1);
  if (mask.dtype() != DType::bool_) throw RuntimeError("masked_select: expected BoolTensor for mask");
  const Dims sizes = broadcast_sizes(x.sizes(), mask.sizes());
  c.out.push_back(select_true(expand_to(x, sizes), expand_to(mask, sizes)));
}

void masked_scatter(Call& c) {
  const Tensor &x = c.tensor(0), &mask = c.tensor(1), &source = c.tensor(2);
  if (x.dtype() != source.dtype())
    throw RuntimeError("masked_scatter: expected self and source to have same dtypes but got ", scalar_type_name(x.dtype()), " and ", scalar_type_name(source.dtype()));
  if (mask.dtype() != DType::bool_) throw RuntimeError("masked_scatter_ only supports boolean masks, but got mask with dtype ", scalar_type_name(mask.dtype()));
  const Dims sizes = broadcast_sizes(x.sizes(), mask.sizes());
  const bool in_place = c.op.ends_with('_');
  if (in_place && !(sizes == x.sizes())) throw RuntimeError("output with shape ", x.sizes(), " doesn't match the broadcast shape ", sizes);
  Tensor out = in_place ? x : clone(expand_to(x, sizes), MemoryFormat::contiguous);
  c.out.push_back(out);
  if (out.is_meta()) return;
  const Chosen chosen(expand_to(mask, sizes));
  if (chosen.count() > source.numel()) throw RuntimeError("Number of elements of source < number of ones in mask");
  Tensor from = contiguous(source), work = contiguous(out);
  for_size(item_size(x.dtype()), [&]<class T> {
    const T* f = from.data<T>();
    T* to = work.data<T>();
    chosen.each([&](int64_t i, int64_t k) { if (chosen[i]) to[i] = f[k]; });
  });
  if (!work.is(out)) copy_into(out, work);
}

const Register here[] = {{"index.nonzero", nonzero}, {"index.index", index}, {"index.index_put", index_put},
                         {"index.masked_fill", masked_fill}, {"index.masked_select", masked_select},
                         {"index.masked_scatter", masked_scatter}};

}  // namespace
}  // namespace facula
