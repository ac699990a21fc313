// Indexing along one dimension: select, add, copy, fill, reduce, take, put.
#include "index/index.h"

#include <algorithm>

#include "cpu/copy.h"

namespace facula {

void Places::finish() {
  run = true;
  for (size_t r = 0; r < inner.size() && run; ++r) run = inner[r] == int64_t(r);
}

std::vector<int64_t> offsets_of(const Dims& sizes, const Dims& strides) {
  std::vector<int64_t> all;
  const int64_t n = sizes.numel();
  all.reserve(size_t(n));
  if (n == 0) return all;
  all.push_back(0);
  for (size_t d = 0; d < sizes.size(); ++d) {
    std::vector<int64_t> next;
    next.reserve(all.size() * size_t(sizes[d]));
    for (auto o : all) for (int64_t i = 0; i < sizes[d]; ++i) next.push_back(o + i * strides[d]);
    all.swap(next);
  }
  return all;
}

Reduce reduce_named(const std::string& name, std::string_view op) {
  static constexpr std::pair<std::string_view, Reduce> known[] = {
      {"sum", Reduce::sum}, {"add", Reduce::sum}, {"prod", Reduce::prod}, {"multiply", Reduce::prod},
      {"mean", Reduce::mean}, {"amax", Reduce::amax}, {"amin", Reduce::amin}};
  for (auto& [n, r] : known) if (n == name) return r;
  if (op.starts_with("index_reduce"))
    throw RuntimeError("index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", name, ".");
  if (op.starts_with("scatter_reduce")) throw RuntimeError("reduce argument must be either sum, prod, mean, amax or amin, got ", name);
  throw RuntimeError("reduce argument must be either add or multiply.");
}

std::vector<int64_t> index_values(const Tensor& index, int64_t size, bool wrap, std::string_view message) {
  Tensor flat = contiguous_as(index, DType::int64);
  const int64_t* p = flat.data<int64_t>();
  std::vector<int64_t> values(p, p + flat.numel());
  for (auto& v : values) {
    if (v < (wrap ? -size : 0) || v >= size) {
      if (message.empty()) throw IndexError("index ", v, " is out of bounds for dimension 0 with size ", size);
      throw IndexError(message);
    }
    if (v < 0) v += size;
  }
  return values;
}

void take_places(const Places& p, const Tensor& x, const Tensor& out) {
  const int64_t at = int64_t(p.at.size()), inner = int64_t(p.inner.size()), rows = int64_t(p.outer.size()) * at;
  if (rows == 0 || inner == 0) return;
  for_size(item_size(x.dtype()), [&]<class T> {
    const T* from = x.data<T>();
    T* to = out.data<T>();
    if (inner == 1) {
      const int64_t first = p.inner[0];
      auto run = [&](int64_t o, int64_t j0, int64_t j1) {
        const T* f = from + p.outer[size_t(o)] + first;
        T* t = to + o * at;
        const int64_t* k = p.at.data();
        for (int64_t j = j0; j < j1; ++j) t[j] = f[k[j]];
      };
      if (at == rows) parallel_for(at, 32 << 10, [&](int64_t a, int64_t b) { run(0, a, b); });
      else parallel_for(rows / at, std::max<int64_t>(1, (32 << 10) / at), [&](int64_t a, int64_t b) { for (int64_t o = a; o < b; ++o) run(o, 0, at); });
      return;
    }
    parallel_for(rows, std::max<int64_t>(1, (16 << 10) / inner), [&](int64_t a, int64_t b) {
      int64_t o = a / at, j = a % at;
      for (int64_t i = a; i < b; ++i) {
        const T* f = from + p.outer[size_t(o)] + p.at[size_t(j)];
        T* t = to + i * inner;
        if (p.run) std::memcpy(t, f, size_t(inner) * sizeof(T));
        else for (int64_t r = 0; r < inner; ++r) t[r] = f[p.inner[size_t(r)]];
        if (++j == at) { j = 0; ++o; }
      }
    });
  });
}

namespace {

// Calls body(first inner, end inner, first outer, end outer, part, parts): tasks that never share a place.
// Outer blocks and inner elements are independent; equal places meet only along `at`.
template <class Body>
void independent(const Places& p, const Body& body) {
  constexpr int64_t kPiece = 16 << 10;
  const int64_t outer = int64_t(p.outer.size()), at = int64_t(p.at.size()), inner = int64_t(p.inner.size());
  if (outer > 1 || inner < 32) {
    parallel_for(outer, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, at * inner)), [&](int64_t a, int64_t b) { body(0, inner, a, b); });
    return;
  }
  const int64_t columns = std::max<int64_t>(16, std::min(inner, std::max(inner / 16, kPiece / std::max<int64_t>(1, at)) / 16 * 16));
  parallel_for(inner, columns, [&](int64_t a, int64_t b) { body(a, b, 0, outer); });
}

// to[place] = combine(to[place], value)
template <class T, class Combine>
void combine_places(const Places& p, T* x, const T* values, bool single, const Combine& combine) {
  const int64_t at = int64_t(p.at.size()), inner = int64_t(p.inner.size());
  if (p.outer.size() == 1 && inner >= 16 && p.run && !single && at * inner > (64 << 10)) {
    // Whole rows: every task owns a range of destinations and passes over all indices.
    const auto [low, high] = std::minmax_element(p.at.begin(), p.at.end());
    const int64_t parts = std::min<int64_t>(16, at * inner >> 15), first = *low, share = (*high - first) / parts + 1;
    parallel_for(parts, 1, [&](int64_t part, int64_t) {
      const int64_t begin = first + part * share, end = begin + share;
      for (int64_t j = 0; j < at; ++j) {
        const int64_t k = p.at[size_t(j)];
        if (k < begin || k >= end) continue;
        T* __restrict to = x + p.outer[0] + k;
        const T* __restrict from = values + j * inner;
        for (int64_t r = 0; r < inner; ++r) to[r] = combine(to[r], from[r]);
      }
    });
    return;
  }
  independent(p, [&](int64_t r0, int64_t r1, int64_t a0, int64_t a1) {
    for (int64_t a = a0; a < a1; ++a)
      for (int64_t j = 0; j < at; ++j) {
        T* to = x + p.outer[size_t(a)] + p.at[size_t(j)];
        const T* from = single ? values : values + (a * at + j) * inner;
        if (p.run && !single) for (int64_t r = r0; r < r1; ++r) to[r] = combine(to[r], from[r]);
        else for (int64_t r = r0; r < r1; ++r) { T& t = to[p.inner[size_t(r)]]; t = combine(t, from[single ? 0 : r]); }
      }
  });
}

}  // namespace

void put_places(const Places& p, const Tensor& x, const std::byte* values, bool single) {
  if (p.count() == 0) return;
  for_size(item_size(x.dtype()), [&]<class T> {
    combine_places<T>(p, x.data<T>(), reinterpret_cast<const T*>(values), single, [](const T&, const T& v) { return v; });
  });
}

void add_places(const Places& p, const Tensor& x, const std::byte* values, bool single, std::string_view op) {
  for_all(x.dtype(), op, [&]<class T> {
    combine_places<T>(p, x.data<T>(), reinterpret_cast<const T*>(values), single, [](T a, T b) { return add_values(a, b); });
  });
}

namespace {

Places along(const Tensor& x, int64_t dim, std::vector<int64_t> index) {
  Places p;
  p.outer = offsets_of(part(x.sizes(), 0, dim), part(x.strides(), 0, dim));
  p.inner = offsets_of(part(x.sizes(), dim + 1, x.dim()), part(x.strides(), dim + 1, x.dim()));
  p.at = std::move(index);
  for (auto& i : p.at) i *= x.stride(dim);
  p.finish();
  return p;
}

void check_index(Call& c, const Tensor& index) {
  if (index.dtype() != DType::int64 && index.dtype() != DType::int32) {
    if (c.op.starts_with("index_select")) throw RuntimeError("index_select(): Expected dtype int32 or int64 for index but got: ", scalar_type_name(index.dtype()));
    if (c.op.starts_with("index_add")) throw RuntimeError("index_add_(): Expected dtype int32/int64 for index but got: ", scalar_type_name(index.dtype()));
    throw RuntimeError(c.op, "(): Expected dtype int64 for index.");
  }
  if (index.dim() > 1) {
    if (c.op.starts_with("index_select")) throw IndexError("index_select(): Index is supposed to be a vector");
    throw IndexError(c.op, "(): Index is supposed to be a vector, but got dim: ", index.dim(), " with type: ", scalar_type_name(index.dtype()), " and size: ", index.sizes());
  }
}

void index_select(Call& c) {
  const Tensor &x = c.tensor(0), &index = c.tensor(2);
  check_index(c, index);
  const int64_t dim = wrap_dim(c.integer(1), x.dim());
  Dims sizes = x.sizes();
  if (x.dim()) sizes[dim] = index.numel();
  else if (index.numel() != 1) throw IndexError("index_select(): Index to scalar can have only 1 value, got ", index.numel(), " value(s)");
  Tensor out = empty(sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta() || index.is_meta()) return;
  Tensor from = at_least_1d(x);
  take_places(along(from, dim, index_values(index, from.size(dim), false, "index out of range in self")), from, out);
}

// index_add(input, dim, index, source, ...): source has the input's shape but for `dim`.
struct Slices { Tensor out, view, source; Places places; bool work; int64_t dim; };
Slices prepare(Call& c, const char* out_of_range) {
  const Tensor &index = c.tensor(2), &source = c.tensor(3);
  const Tensor& x = c.tensor(0);
  check_index(c, index);
  Slices s;
  s.dim = wrap_dim(c.integer(1), x.dim());
  if (x.dtype() != source.dtype()) {
    if (c.op.starts_with("index_copy"))
      throw RuntimeError("index_copy_(): self and source expected to have the same dtype, but got (self) ", scalar_type_name(x.dtype()), " and (source) ", scalar_type_name(source.dtype()));
    throw RuntimeError(c.op.starts_with("index_add") ? "index_add_" : "index_reduce", "(): self (", scalar_type_name(x.dtype()), ") and source (", scalar_type_name(source.dtype()), ") must have the same scalar type");
  }
  const int64_t n = source.dim() ? (s.dim < source.dim() ? source.size(s.dim) : -1) : 1;
  if (c.op.starts_with("index_copy")) {
    if (source.dim() == 0 && index.numel() != 1)
      throw IndexError("index_copy_(): When source is scalar, index should have one element (got ", index.numel(), ")");
    if (source.dim() && x.dim() && source.dim() != x.dim())
      throw IndexError("index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (",
                       source.dim(), "), destination dimensionality (", x.dim(), ")");
  }
  bool fits = n == index.numel() && std::max(source.dim(), 1) == std::max(x.dim(), 1);
  for (int d = 0; fits && d < x.dim() && source.dim(); ++d) fits = d == s.dim || x.size(d) == source.size(d);
  if (!fits) {
    if (c.op.starts_with("index_copy") && n == index.numel())
      throw RuntimeError("index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ", x.sizes(),
                         " at dimension ", s.dim, " and source slice shape: ", source.sizes(), " at dimension 0.");
    if (n != index.numel()) {
      if (c.op.starts_with("index_copy")) throw IndexError("index_copy_(): Number of indices (", index.numel(), ") should be equal to source.size(dim) (", n, ")");
      throw RuntimeError(c.op.starts_with("index_add") ? "index_add_" : "index_reduce_", "(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (", n, "), for dim: ", s.dim);
    }
    throw RuntimeError("source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ", x.sizes(), " source.shape = ", source.sizes());
  }
  s.out = target(c);
  c.out.push_back(s.out);
  s.work = !s.out.is_meta();
  if (!s.work) return s;
  s.view = at_least_1d(s.out);
  s.source = contiguous(source);
  s.places = along(s.view, s.dim, index_values(index, s.view.size(s.dim), false, out_of_range));
  return s;
}

Tensor scaled(const Tensor& x, const Scalar& alpha, std::string_view op) {
  Tensor out = empty(x.sizes(), x.dtype());
  for_all(x.dtype(), op, [&]<class T> {
    const T* from = x.data<T>();
    T* to = out.data<T>();
    const int64_t n = x.numel();
    if constexpr (is_complex_v<T>) for (int64_t i = 0; i < n; ++i) to[i] = T(alpha.c()) * from[i];
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) for (int64_t i = 0; i < n; ++i) to[i] = T(float(alpha.d()) * float(from[i]));
    else for (int64_t i = 0; i < n; ++i) to[i] = T((std::is_integral_v<T> ? T(alpha.n()) : T(alpha.d())) * from[i]);
  });
  return out;
}

void index_add(Call& c) {
  Slices s = prepare(c, "index out of range in self");
  if (!s.work) return;
  const Scalar alpha = c.has(4) ? c.scalar(4) : Scalar{Scalar::integer, 1, 0};
  const bool plain = alpha.kind <= Scalar::integer && alpha.i == 1;
  add_places(s.places, s.view, (plain ? s.source : scaled(s.source, alpha, c.op)).raw(), false, c.op);
}

void index_copy(Call& c) {
  Slices s = prepare(c, "index_copy_(): index out of range in self");
  if (s.work) put_places(s.places, s.view, s.source.raw(), false);
}

void index_fill(Call& c) {
  const Tensor& index = c.tensor(2);
  if (index.dtype() != DType::int64) throw IndexError("index_fill_(): Expected dtype int64 for index.");
  if (index.dim() > 1) throw IndexError("Index has to be a vector/scalar");
  const int64_t dim = wrap_dim(c.integer(1), c.tensor(0).dim());
  const Value& v = c.args[3];
  Tensor value = empty({}, c.tensor(0).dtype());
  if (v.kind == Value::tensor) {
    if (v.t.dim())
      throw RuntimeError("index_fill_ only supports a 0-dimensional value tensor, but got tensor with ", v.t.dim(), " dimension(s).");
    if (is_complex(v.t.dtype()) && !is_complex(c.tensor(0).dtype()))
      throw RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported");
    copy_into(value, v.t);
  } else fill_scalar(value, v.s);
  Tensor out = target(c);
  c.out.push_back(out);
  if (out.is_meta()) return;
  Tensor view = at_least_1d(out);
  put_places(along(view, dim, index_values(index, view.size(dim), true, cat("index ", "is out of range in self"))), view, value.raw(), true);
}

void index_reduce(Call& c) {
  const Reduce r = reduce_named(c.string(4), c.op);
  const bool include = c.flag(5, true);
  Slices s = prepare(c, "index out of range in self");
  if (!s.work) return;
  for_all(s.out.dtype(), c.op, [&]<class T> {
    T* x = s.view.data<T>();
    const T start = identity_of<T>(r);
    if (!include) put_places(s.places, s.view, reinterpret_cast<const std::byte*>(&start), true);
    combine_places<T>(s.places, x, s.source.data<T>(), false, [r](T a, T b) { return reduce_values(r, a, b); });
    if (r != Reduce::mean) return;
    // Every place is divided once, by how often it was written.
    std::vector<int64_t> places = s.places.at;
    std::sort(places.begin(), places.end());
    for (size_t i = 0; i < places.size();) {
      size_t e = i;
      while (e < places.size() && places[e] == places[i]) ++e;
      const int64_t n = int64_t(e - i) + include;
      for (auto o : s.places.outer) for (auto k : s.places.inner) { T& t = x[o + places[i] + k]; t = mean_of(t, n); }
      i = e;
    }
  });
}

// ---------------------------------------------------------------- as if flat
Places flat_places(const Tensor& x, const Tensor& index, std::string_view op) {
  if (index.dtype() != DType::int64) throw RuntimeError(op, "(): Expected a long tensor for index, but got ", scalar_type_name(index.dtype()));
  if (x.numel() == 0 && index.numel()) throw IndexError(op, "(): tried to take from an empty tensor");
  Places p;
  Tensor flat = contiguous(index);
  const int64_t *v = flat.data<int64_t>(), n = x.numel();
  p.at.resize(size_t(flat.numel()));
  const bool dense = x.is_contiguous();
  for (size_t i = 0; i < p.at.size(); ++i) {
    int64_t k = v[i];
    if (k < -n || k >= n) throw IndexError("out of range: tried to access index ", k, " on a tensor of ", n, " elements.");
    if (k < 0) k += n;
    if (!dense) {
      int64_t rest = k, o = 0;
      for (int d = x.dim() - 1; d >= 0; --d) { o += rest % x.size(d) * x.stride(d); rest /= x.size(d); }
      k = o;
    }
    p.at[i] = k;
  }
  p.finish();
  return p;
}
void take(Call& c) {
  const Tensor &x = c.tensor(0), &index = c.tensor(1);
  Tensor out = empty(index.sizes(), x.dtype(), x.device());
  c.out.push_back(out);
  if (!out.is_meta() && !x.is_meta()) take_places(flat_places(x, index, "take"), x, out);
}
void put(Call& c) {
  const Tensor &x = c.tensor(0), &index = c.tensor(1), &source = c.tensor(2);
  if (x.dtype() != source.dtype())
    throw RuntimeError("put_(): self and source expected to have the same dtype, but got self.dtype = ", scalar_type_name(x.dtype()), " and source.dtype = ", scalar_type_name(source.dtype()));
  if (index.numel() != source.numel())
    throw IndexError("put_(): Expected source and index to have the same number of elements, but got source.numel() = ", source.numel(), ", index.numel() = ", index.numel());
  Places p = flat_places(x, index, "put_");
  Tensor out = target(c);
  c.out.push_back(out);
  if (out.is_meta()) return;
  if (!(out.strides() == x.strides())) p = flat_places(out, index, "put_");
  Tensor from = contiguous(source);
  if (!c.flag(3)) return put_places(p, out, from.raw(), false);
  add_places(p, out, from.raw(), false, c.op);
}

const Register here[] = {{"index.select", index_select}, {"index.add", index_add}, {"index.copy", index_copy},
                         {"index.fill", index_fill}, {"index.reduce", index_reduce}, {"index.take", take}, {"index.put", put}};

}  // namespace
}  // namespace facula
