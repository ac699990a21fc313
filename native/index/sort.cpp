// Sorting and selection along one dimension: sort, topk, kthvalue, median, mode.
#include "index/sort.h"

#include "cpu/parallel.h"

namespace facula {
namespace {

constexpr int64_t kPiece = 16 << 10;

struct Plan {
  Tensor rows;
  int64_t dim, n, count;
  DType compute;
};
Plan plan(Call& c, const Tensor& x, int64_t dim) {
  if (is_complex(x.dtype())) throw RuntimeError(c.op, ": does not support complex dtypes on CPU");
  Plan p{{}, wrap_dim(dim, x.dim()), 1, 0, compute_dtype(x.dtype())};
  p.n = x.dim() ? x.size(p.dim) : 1;
  p.count = p.n ? x.numel() / p.n : 0;
  if (!x.is_meta()) p.rows = rows_of(x, p.dim, p.compute);
  return p;
}
Dims resized(const Tensor& x, int64_t dim, int64_t n) {
  Dims s = x.sizes();
  if (s.ndim()) s[size_t(dim)] = n;
  return s;
}
Dims swapped(Dims s, int64_t dim) {
  if (s.ndim()) std::swap(s[size_t(dim)], s.back());
  return s;
}

// body(row, items, spare, values out, indices out) for every row; rows have `wide` results each.
template <class Body>
void each_row(Call& c, const Plan& p, const Dims& sizes, const Body& body) {
  const Tensor& x = c.tensor(0);
  if (x.is_meta()) { c.out = {empty(sizes, x.dtype(), x.device()), empty(sizes, DType::int64, x.device())}; return; }
  Tensor values = empty(swapped(sizes, p.dim), p.compute), indices = empty(swapped(sizes, p.dim), DType::int64);
  const int64_t wide = p.count ? values.numel() / p.count : 0;
  for_ordered(p.compute, c.op, [&]<class T> {
    using K = typename KeyOf<T>::type;
    const T* in = p.rows.data<T>();
    T* v = values.data<T>();
    int64_t* at = indices.data<int64_t>();
    parallel_for(p.count, std::max<int64_t>(1, kPiece / std::max<int64_t>(p.n, 1)), [&](int64_t a, int64_t b) {
      Scratch<Keyed<K>> memory(std::max<int64_t>(1, 2 * p.n));
      for (int64_t i = a; i < b; ++i) body(in + i * p.n, memory.get(), memory.get() + p.n, v + i * wide, at + i * wide);
    });
  });
  c.out = {rows_back(values, p.dim, x.dtype()), rows_back(indices, p.dim, DType::int64)};
}
template <class T, class Item>
void make_keys(const T* row, Item* items, int64_t n, bool descending) {
  for (int64_t i = 0; i < n; ++i) {
    const auto k = sort_key(row[i]);
    items[i] = {descending ? decltype(k)(~k) : k, uint32_t(i)};
  }
}
template <class T, class Item>
void store(const T* row, const Item* items, int64_t n, T* v, int64_t* at) {
  for (int64_t i = 0; i < n; ++i) { v[i] = row[items[i].index]; at[i] = items[i].index; }
}

// sort(input, dim, descending, stable)
void sort(Call& c) {
  const Tensor& x = c.tensor(0);
  const Plan p = plan(c, x, c.integer(1, -1));
  const bool descending = c.flag(2);
  each_row(c, p, x.sizes(), [&](auto* row, auto* items, auto* spare, auto* v, int64_t* at) {
    make_keys(row, items, p.n, descending);
    sort_keyed(items, spare, p.n);
    store(row, items, p.n, v, at);
  });
}

// topk(input, k, dim, largest, sorted)
void topk(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t k = c.integer(1);
  const Plan p = plan(c, x, c.integer(2, -1));
  const bool largest = c.flag(3, true);
  if (k < 0 || k > p.n) throw RuntimeError("selected index k out of range");
  each_row(c, p, resized(x, p.dim, k), [&](auto* row, auto* items, auto*, auto* v, int64_t* at) {
    if (k == 0) return;
    using Item = std::remove_reference_t<decltype(*items)>;
    if (k <= 64 && k * 8 <= p.n) {  // a heap of the best so far; few elements get past its worst
      make_keys(row, items, k, largest);
      std::make_heap(items, items + k);
      for (int64_t i = k; i < p.n; ++i) {
        auto key = sort_key(row[i]);
        if (largest) key = decltype(key)(~key);
        if (key >= items[0].key) continue;
        std::pop_heap(items, items + k);
        items[k - 1] = Item{key, uint32_t(i)};
        std::push_heap(items, items + k);
      }
    } else {
      make_keys(row, items, p.n, largest);
      if (k < p.n) std::nth_element(items, items + k, items + p.n);
    }
    std::sort(items, items + k);
    store(row, items, k, v, at);
  });
}

Dims reduced(const Tensor& x, int64_t dim, bool keepdim) {
  Dims s = resized(x, dim, 1);
  if (!keepdim && s.ndim()) s.erase(size_t(dim));
  return s;
}
// One element of every row: pick(row, items, spare) gives its place.
template <class Pick>
void select(Call& c, const Plan& p, bool keepdim, const Pick& pick) {
  const Tensor& x = c.tensor(0);
  if (x.dim() && p.n == 0) throw IndexError(c.op, "(): Expected reduction dim ", p.dim, " to have non-zero size.");
  each_row(c, p, resized(x, p.dim, 1), [&](auto* row, auto* items, auto* spare, auto* v, int64_t* at) {
    at[0] = pick(row, items, spare);
    v[0] = row[at[0]];
  });
  if (keepdim || !x.dim()) return;
  const Dims s = reduced(x, p.dim, false);
  for (auto& t : c.out) t = as_view(t, s, contiguous_strides(s), t->offset);
}

template <class T> int64_t first_nan(const T* row, int64_t n) {
  for (int64_t i = 0; i < n; ++i) if (row[i] != row[i]) return i;
  return -1;
}
template <class T, class Item>
int64_t kth(const T* row, Item* items, int64_t n, int64_t k) {
  make_keys(row, items, n, false);
  std::nth_element(items, items + k, items + n);
  return items[k].index;
}

// kthvalue(input, k, dim, keepdim)
void kthvalue(Call& c) {
  const Plan p = plan(c, c.tensor(0), c.integer(2, -1));
  const int64_t k = c.integer(1);
  if (k < 1 || k > p.n) throw RuntimeError("kthvalue(): selected number k out of range for dimension ", p.dim);
  select(c, p, c.flag(3), [&](auto* row, auto* items, auto*) { return kth(row, items, p.n, k - 1); });
}
// median(input, dim, keepdim): the lower one of two in the middle.
template <bool kSkipNaN>
void median(Call& c) {
  if (c.tensor(0).dtype() == DType::bool_) not_implemented_for("median_cpu", DType::bool_);
  const Plan p = plan(c, c.tensor(0), c.integer(1));
  select(c, p, c.flag(2), [&](auto* row, auto* items, auto*) {
    int64_t n = p.n;
    if constexpr (kSkipNaN) {
      for (int64_t i = 0; i < p.n; ++i) n -= row[i] != row[i];
      if (n == 0) n = 1;
    } else if (const int64_t i = first_nan(row, n); i >= 0) {
      return i;
    }
    return kth(row, items, p.n, (n - 1) / 2);
  });
}
// mode(input, dim, keepdim): the smallest of the most frequent, at its last place.
void mode(Call& c) {
  const Plan p = plan(c, c.tensor(0), c.integer(1, -1));
  select(c, p, c.flag(2), [&](auto* row, auto* items, auto* spare) {
    make_keys(row, items, p.n, false);
    sort_keyed(items, spare, p.n);
    int64_t best = 0, longest = 0, start = 0;
    for (int64_t i = 0; i < p.n; ++i) {
      if (i + 1 < p.n && items[i + 1].key == items[i].key) continue;
      if (i + 1 - start > longest) { longest = i + 1 - start; best = items[i].index; }
      start = i + 1;
    }
    return best;
  });
}

const Register here[] = {{"sort.sort", sort}, {"sort.topk", topk}, {"sort.kthvalue", kthvalue},
                         {"sort.median", median<false>}, {"sort.nanmedian", median<true>}, {"sort.mode", mode}};

}  // namespace
}  // namespace facula
