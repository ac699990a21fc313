// gather and scatter: one index per element, along one dimension; and embedding's gradient.
#include <algorithm>

#include "cpu/copy.h"
#include "index/index.h"

namespace facula {
namespace {

// The index seen as columns along `dim`: outer x n x inner, and where each column starts in a tensor.
struct Lanes {
  int64_t outer = 1, n = 1, inner = 1;
  Tensor index;  // contiguous int64

  Lanes(const Tensor& given, int64_t dim) : index(contiguous_as(at_least_1d(given), DType::int64)) {
    for (int d = 0; d < index.dim(); ++d) (d < dim ? outer : d == dim ? n : inner) *= index.size(d);
  }
  std::vector<int64_t> starts(const Tensor& x, int64_t from, int64_t to) const {
    return offsets_of(part(index.sizes(), from, to), part(x.strides(), from, to));
  }
};

void check_index_type(Call& c, const Tensor& index) {
  if (index.dtype() != DType::int64 && index.dtype() != DType::int32)
    throw RuntimeError(c.op.starts_with("gather") ? "gather" : "scatter", "(): Expected dtype int32/int64 for index");
}
[[noreturn]] void out_of_bounds(int64_t k, int64_t dim, int64_t size) {
  throw RuntimeError("index ", k, " is out of bounds for dimension ", dim, " with size ", size);
}

// The common row, with nothing to work out for an element.
template <class T>
void take_row(const T* from, const int64_t* k, int64_t size, T* to, int64_t a, int64_t b, int64_t dim) {
  for (int64_t i = a; i < b; ++i) {
    if (uint64_t(k[i]) >= uint64_t(size)) out_of_bounds(k[i], dim, size);
    to[i] = from[k[i]];
  }
}
template <class T, class Combine>
void combine_row(T* to, const int64_t* k, int64_t size, const T* from, int64_t n, int64_t dim, const Combine& combine) {
  for (int64_t j = 0; j < n; ++j) {
    if (uint64_t(k[j]) >= uint64_t(size)) out_of_bounds(k[j], dim, size);
    to[k[j]] = combine(to[k[j]], from[j]);
  }
}

void gather(Call& c) {
  const Tensor& index = c.tensor(2);
  const int64_t dim = wrap_dim(c.integer(1), c.tensor(0).dim());
  Tensor out = empty(index.sizes(), c.tensor(0).dtype(), c.tensor(0).device());
  if (index.numel()) check_index_type(c, index);
  else { c.out.push_back(out); return; }
  if (index.dim() != c.tensor(0).dim() && std::max(index.dim(), 1) != std::max(c.tensor(0).dim(), 1))
    throw RuntimeError("Index tensor must have the same number of dimensions as input tensor");
  Tensor x = at_least_1d(c.tensor(0));
  Lanes lanes(index, dim);
  for (int d = 0; d < x.dim(); ++d)
    if (d != dim && lanes.index.size(d) > x.size(d))
      throw RuntimeError("Size does not match at dimension ", d, " expected index ", lanes.index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", dim);
  c.out.push_back(out);
  if (out.is_meta()) return;
  const auto outer = lanes.starts(x, 0, dim), inner = lanes.starts(x, dim + 1, x.dim());
  const int64_t size = x.size(dim), stride = x.stride(dim), n = lanes.n, m = lanes.inner;
  const int64_t* at = lanes.index.data<int64_t>();
  for_size(item_size(x.dtype()), [&]<class T> {
    const T* from = x.data<T>();
    T* to = out.data<T>();
    // One row: n elements of a column if the dimension is the last, else the inner elements of one entry.
    const int64_t width = m == 1 ? n : m, rows = lanes.outer * (m == 1 ? 1 : n);
    auto row = [&](int64_t r, int64_t a, int64_t b) {
      const T* base = from + outer[size_t(m == 1 ? r : r / n)];
      const int64_t* k = at + r * width;
      T* t = to + r * width;
      if (m == 1 && stride == 1) return take_row(base, k, size, t, a, b, dim);
      for (int64_t i = a; i < b; ++i) {
        if (uint64_t(k[i]) >= uint64_t(size)) out_of_bounds(k[i], dim, size);
        t[i] = base[k[i] * stride + (m == 1 ? 0 : inner[size_t(i)])];
      }
    };
    if (rows == 1) parallel_for(width, 32 << 10, [&](int64_t a, int64_t b) { row(0, a, b); });
    else parallel_for(rows, std::max<int64_t>(1, (32 << 10) / width), [&](int64_t a, int64_t b) { for (int64_t r = a; r < b; ++r) row(r, 0, width); });
  });
}

// to = combine(to, value) for every index; columns are independent, entries of a column come in order.
// `source` has its own strides (it may be larger than the index), or is a single value.
template <class T, class Combine>
void scatter_lanes(const Tensor& x, int64_t dim, const Lanes& lanes, const Tensor& source, bool single, const Combine& combine) {
  const auto outer = lanes.starts(x, 0, dim), inner = lanes.starts(x, dim + 1, x.dim());
  const auto source_outer = single ? std::vector<int64_t>(outer.size(), 0) : lanes.starts(source, 0, dim);
  const auto source_inner = single ? std::vector<int64_t>(inner.size(), 0) : lanes.starts(source, dim + 1, x.dim());
  const int64_t size = x.size(dim), stride = x.stride(dim), n = lanes.n, m = lanes.inner;
  const int64_t source_stride = single ? 0 : source.stride(dim);
  const int64_t* at = lanes.index.data<int64_t>();
  T* to = x.data<T>();
  const T* from = source.data<T>();
  auto block = [&](int64_t o, int64_t i0, int64_t i1) {
    for (int64_t j = 0; j < n; ++j) {
      const int64_t* k = at + (o * n + j) * m;
      T* base = to + outer[size_t(o)];
      const T* f = from + source_outer[size_t(o)] + j * source_stride;
      for (int64_t i = i0; i < i1; ++i) {
        if (uint64_t(k[i]) >= uint64_t(size)) out_of_bounds(k[i], dim, size);
        T& t = base[k[i] * stride + inner[size_t(i)]];
        t = combine(t, f[source_inner[size_t(i)]]);
      }
    }
  };
  if (m == 1) {  // the last dimension: one column at a time
    parallel_for(lanes.outer, std::max<int64_t>(1, (16 << 10) / std::max<int64_t>(1, n)), [&](int64_t a, int64_t b) {
      for (int64_t o = a; o < b; ++o) {
        const int64_t* k = at + o * n;
        T* base = to + outer[size_t(o)];
        const T* f = from + source_outer[size_t(o)];
        if (stride == 1 && source_stride == 1) {
          combine_row(base, k, size, f, n, dim, combine);
          continue;
        }
        for (int64_t j = 0; j < n; ++j) {
          if (uint64_t(k[j]) >= uint64_t(size)) out_of_bounds(k[j], dim, size);
          T& t = base[k[j] * stride];
          t = combine(t, f[j * source_stride]);
        }
      }
    });
  } else if (lanes.outer > 1 || m < 32) {
    parallel_for(lanes.outer, std::max<int64_t>(1, (16 << 10) / std::max<int64_t>(1, n * m)), [&](int64_t a, int64_t b) { for (int64_t o = a; o < b; ++o) block(o, 0, m); });
  } else {
    parallel_for(m, std::max<int64_t>(16, (16 << 10) / std::max<int64_t>(1, n)), [&](int64_t a, int64_t b) { block(0, a, b); });
  }
}

struct Scatter { Tensor out, view, source; int64_t dim; bool work; };
Scatter prepare(Call& c, const Tensor* source) {
  const Tensor &x = c.tensor(0), &index = c.tensor(2);
  Scatter s;
  s.dim = wrap_dim(c.integer(1), x.dim());
  if (index.numel()) check_index_type(c, index);
  if (source && source->dtype() != x.dtype()) {
    const char* name = c.op.starts_with("scatter_add") ? "scatter" : "scatter";
    throw RuntimeError(name, "(): Expected self.dtype to be equal to src.dtype");
  }
  if (index.numel()) {
    if (std::max(index.dim(), 1) != std::max(x.dim(), 1)) throw RuntimeError("Index tensor must have the same number of dimensions as self tensor");
    if (source && std::max(source->dim(), 1) != std::max(index.dim(), 1)) throw RuntimeError("Index tensor must have the same number of dimensions as src tensor");
    Tensor wide = at_least_1d(x), k = at_least_1d(index);
    bool fits = true;
    for (int d = 0; d < k.dim(); ++d) fits = fits && (d == s.dim || k.size(d) <= wide.size(d)) && (!source || k.size(d) <= at_least_1d(*source).size(d));
    if (!fits) {
      if (source) throw RuntimeError("Expected index ", index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", s.dim, " and to be no larger size than src ", source->sizes());
      throw RuntimeError("Expected index ", index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", s.dim);
    }
  }
  s.out = target(c);
  c.out.push_back(s.out);
  s.work = !s.out.is_meta() && index.numel() > 0;
  if (s.work) s.view = at_least_1d(s.out);
  if (source) s.source = at_least_1d(*source);
  return s;
}

// Without a reduction the last of equal places wins.
void set_lanes(const Scatter& s, const Lanes& lanes, const Tensor& source, bool single) {
  for_size(item_size(s.out.dtype()), [&]<class T> { scatter_lanes<T>(s.view, s.dim, lanes, source, single, [](const T&, const T& v) { return v; }); });
}
void reduce_lanes(const Scatter& s, const Lanes& lanes, bool single, Reduce r, std::string_view op) {
  for_all(s.out.dtype(), op, [&]<class T> {
    if (r == Reduce::sum) scatter_lanes<T>(s.view, s.dim, lanes, s.source, single, [](T a, T b) { return add_values(a, b); });
    else scatter_lanes<T>(s.view, s.dim, lanes, s.source, single, [r](T a, T b) { return reduce_values(r, a, b); });
  });
}
void apply(Call& c, const Scatter& s, bool single, const std::string* reduce) {
  const Lanes lanes(c.tensor(2), s.dim);
  if (reduce) reduce_lanes(s, lanes, single, reduce_named(*reduce, c.op), c.op);
  else set_lanes(s, lanes, s.source, single);
}

template <bool kReduce>
void scatter_src(Call& c) {
  if (kReduce) reduce_named(c.string(4), c.op);
  Scatter s = prepare(c, &c.tensor(3));
  if (s.work) apply(c, s, false, kReduce ? &c.string(4) : nullptr);
}
template <bool kReduce>
void scatter_value(Call& c) {
  if (kReduce) reduce_named(c.string(4), c.op);
  Scatter s = prepare(c, nullptr);
  if (!s.work) return;
  s.source = empty({}, s.out.dtype());
  fill_scalar(s.source, c.scalar(3));
  apply(c, s, true, kReduce ? &c.string(4) : nullptr);
}
void scatter_add(Call& c) {
  static const std::string sum = "sum";
  Scatter s = prepare(c, &c.tensor(3));
  if (s.work) apply(c, s, false, &sum);
}
void scatter_reduce(Call& c) {
  const Reduce r = reduce_named(c.string(4), c.op);
  const bool include = c.flag(5, true);
  Scatter s = prepare(c, &c.tensor(3));
  if (!s.work) return;
  const Lanes lanes(c.tensor(2), s.dim);
  Tensor counts;
  if (r == Reduce::mean) {
    counts = full(s.view.sizes(), include ? 1 : 0, DType::int64);
    Tensor one = full({}, 1, DType::int64);
    scatter_lanes<int64_t>(counts, s.dim, lanes, one, true, [](int64_t a, int64_t b) { return a + b; });
  }
  if (!include) {
    Tensor start = empty({}, s.out.dtype());
    for_all(s.out.dtype(), c.op, [&]<class T> { *start.data<T>() = identity_of<T>(r); });
    set_lanes(s, lanes, start, true);
  }
  reduce_lanes(s, lanes, false, r, c.op);
  if (r != Reduce::mean) return;
  Tensor work = contiguous(s.view);
  const int64_t* k = counts.data<int64_t>();
  for_all(s.out.dtype(), c.op, [&]<class T> {
    T* p = work.data<T>();
    for (int64_t i = 0; i < work.numel(); ++i) if (k[i] > 1) p[i] = mean_of(p[i], k[i]);
  });
  if (!work.is(s.view)) copy_into(s.view, work);
}

// ---------------------------------------------------------------- embedding
void embedding(Call& c) {
  const Tensor &weight = c.tensor(0), &indices = c.tensor(1);
  if (weight.dim() != 2) throw RuntimeError("'weight' must be 2-D");
  if (indices.dtype() != DType::int64 && indices.dtype() != DType::int32)
    throw RuntimeError("Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.",
                       is_complex(indices.dtype()) ? "Complex" : "", scalar_type_name(indices.dtype()), "Tensor instead (while checking arguments for embedding)");
  Dims sizes = indices.sizes();
  sizes.push_back(weight.size(1));
  Tensor out = empty(sizes, weight.dtype(), weight.device());
  c.out.push_back(out);
  if (out.is_meta() || indices.is_meta()) return;
  const Tensor at = contiguous_as(indices, DType::int64);
  const Tensor table = weight.stride(1) == 1 || weight.size(1) == 1 ? weight : contiguous(weight);
  const int64_t width = weight.size(1), row = table.stride(0), size = weight.size(0);
  const int64_t* k = at.data<int64_t>();
  for_size(item_size(weight.dtype()), [&]<class T> {
    const T* from = table.data<T>();
    T* to = out.data<T>();
    parallel_for(at.numel(), std::max<int64_t>(1, (16 << 10) / std::max<int64_t>(1, width)), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) {
        if (uint64_t(k[i]) >= uint64_t(size)) throw IndexError("index out of range in self");
        std::memcpy(to + i * width, from + k[i] * row, size_t(width) * sizeof(T));
      }
    });
  });
}

// Every part of the rows is summed by one task, in the order of the indices: no two threads meet,
// and the sums do not depend on how many there are.
void embedding_backward(Call& c) {
  const Tensor indices = contiguous_as(c.tensor(1), DType::int64);
  const int64_t rows = c.integer(2), padding = c.integer(3), width = c.tensor(0).dim() ? c.tensor(0).size(-1) : 1;
  Tensor out = full({rows, width}, 0, c.tensor(0).dtype(), c.tensor(0).device());
  c.out.push_back(out);
  if (out.is_meta()) return;
  const Tensor grad = contiguous(c.tensor(0));
  const int64_t *at = indices.data<int64_t>(), n = indices.numel();
  std::vector<int64_t> counts;
  if (c.flag(4)) {
    counts.assign(size_t(rows), 0);
    for (int64_t i = 0; i < n; ++i) ++counts[size_t(at[i])];
  }
  const int64_t parts = std::clamp<int64_t>(n * width / (32 << 10), 1, std::min<int64_t>(16, std::max<int64_t>(1, width / 4)));
  const int64_t share = (rows + parts - 1) / parts;
  for_all(grad.dtype(), c.op, [&]<class T> {
    const T* g = grad.data<T>();
    T* to = out.data<T>();
    parallel_for(parts, 1, [&](int64_t a, int64_t) {
      const int64_t low = a * share, high = std::min(rows, low + share);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t k = at[i];
        if (k < low || k >= high || k == padding) continue;
        T* t = to + k * width;
        const T* f = g + i * width;
        if (counts.empty()) for (int64_t j = 0; j < width; ++j) t[j] = add_values(t[j], f[j]);
        else for (int64_t j = 0; j < width; ++j) t[j] = add_values(t[j], mean_of(f[j], counts[size_t(k)]));
      }
    });
  });
}

const Register here[] = {{"index.gather", gather}, {"index.scatter_src", scatter_src<true>}, {"index.scatter_value", scatter_value<true>},
                         {"index.scatter_src_plain", scatter_src<false>}, {"index.scatter_value_plain", scatter_value<false>},
                         {"index.scatter_add", scatter_add}, {"index.scatter_reduce", scatter_reduce},
                         {"index.embedding", embedding}, {"index.embedding_backward", embedding_backward}};

}  // namespace
}  // namespace facula
