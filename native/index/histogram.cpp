// Counting and searching: unique, searchsorted, bincount, histc.
#include <cmath>
#include <vector>

#include "cpu/parallel.h"
#include "index/sort.h"

namespace facula {
namespace {

// unique(rows [n, m], consecutive) -> the place of each distinct row, the inverse, the counts.
void unique_rows(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType compute = compute_dtype(x.dtype());
  const Tensor in = contiguous_as(x, compute);
  const int64_t n = x.size(0), m = x.size(1);
  Tensor inverse = empty({n}, DType::int64);
  std::vector<int64_t> first, counts;
  for_ordered(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) order[size_t(i)] = i;
    auto compare = [&](int64_t a, int64_t b) {
      for (int64_t j = 0; j < m; ++j) {
        const auto x = sort_key(p[a * m + j]), y = sort_key(p[b * m + j]);
        if (x != y) return x < y ? -1 : 1;
      }
      return 0;
    };
    if (!c.flag(1)) {
      if (m == 1) {
        using Item = Keyed<typename KeyOf<T>::type>;
        Scratch<Item> items(std::max<int64_t>(1, 2 * n));
        for (int64_t i = 0; i < n; ++i) items.get()[i] = {sort_key(p[i]), uint32_t(i)};
        sort_keyed(items.get(), items.get() + n, n);
        for (int64_t i = 0; i < n; ++i) order[size_t(i)] = items.get()[i].index;
      } else {
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
      }
    }
    auto same = [&](int64_t a, int64_t b) {
      for (int64_t j = 0; j < m; ++j) if (!(p[a * m + j] == p[b * m + j])) return false;
      return true;
    };
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = order[size_t(i)];
      if (i == 0 || !same(order[size_t(i - 1)], at)) { first.push_back(at); counts.push_back(0); }
      ++counts.back();
      inverse.data<int64_t>()[at] = int64_t(first.size()) - 1;
    }
  });
  const int64_t k = int64_t(first.size());
  Tensor places = empty({k}, DType::int64), number = empty({k}, DType::int64);
  std::copy(first.begin(), first.end(), places.data<int64_t>());
  std::copy(counts.begin(), counts.end(), number.data<int64_t>());
  c.out = {places, inverse, number};
}

// searchsorted(sequence, values, right, int32): rows of the sequence for rows of values, or one for all.
void searchsorted(Call& c) {
  const Tensor &s = c.tensor(0), &v = c.tensor(1);
  const bool right = c.flag(2);
  const DType type = c.flag(3) ? DType::int32 : DType::int64;
  Tensor out = empty(v.sizes(), DType::int64, v.device());
  if (v.is_meta()) { c.out.push_back(empty(v.sizes(), type, v.device())); return; }
  const DType compute = compute_dtype(promote(s.dtype(), v.dtype()));
  const Tensor rows = contiguous_as(s, compute), values = contiguous_as(v, compute);
  const int64_t n = s.size(-1), wide = v.dim() ? v.size(-1) : 1;
  for_ordered(compute, c.op, [&]<class T> {
    const T *p = rows.data<T>(), *q = values.data<T>();
    int64_t* to = out.data<int64_t>();
    const bool shared = s.dim() == 1;
    parallel_for(v.numel(), 2048, [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) {
        const T* row = shared ? p : p + i / wide * n;
        const auto key = sort_key(q[i]);
        int64_t low = 0, count = n;
        while (count > 0) {
          const int64_t half = count / 2;
          const auto k = sort_key(row[low + half]);
          const bool go = right ? k <= key : k < key;
          low = go ? low + half + 1 : low;
          count = go ? count - half - 1 : half;
        }
        to[i] = low;
      }
    });
  });
  c.out.push_back(cast(out, type));
}

// bincount(input, weights?, minlength)
void bincount(Call& c) {
  const Tensor &x = c.tensor(0), &w = c.tensor(1);
  const int64_t least = c.integer(2);
  if (!is_integral(x.dtype())) not_implemented_for("bincount_cpu", x.dtype());
  if (least < 0) throw RuntimeError("minlength should be >= 0");
  const Tensor in = contiguous_as(x, DType::int64);
  const int64_t* p = in.data<int64_t>();
  const int64_t n = x.numel();
  if (x.dim() != 1 || (n && *std::min_element(p, p + n) < 0)) {
    if (!(x.dim() == 1 && n == 0)) throw RuntimeError("bincount only supports 1-d non-negative integral inputs.");
  }
  if (w && (w.dim() != 1 || w.numel() != n)) throw RuntimeError("weights should be 1-d and have the same length as input");
  const int64_t bins = std::max(least, n ? *std::max_element(p, p + n) + 1 : 0);
  if (!w) {
    Tensor out = full({bins}, 0, DType::int64);
    for (int64_t i = 0; i < n; ++i) ++out.data<int64_t>()[p[i]];
    c.out.push_back(out);
    return;
  }
  const DType type = w.dtype() == DType::float32 ? DType::float32 : DType::float64;
  const Tensor weight = contiguous_as(w, type);
  Tensor out = full({bins}, 0, type);
  for_floating(type, c.op, [&]<class T> { for (int64_t i = 0; i < n; ++i) out.data<T>()[p[i]] += weight.data<T>()[i]; });
  c.out.push_back(out);
}

// histc(input, bins, min, max)
void histc(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t bins = c.integer(1, 100), n = x.numel();
  if (!is_floating(x.dtype())) not_implemented_for("histogram_cpu", x.dtype());
  if (bins <= 0) throw RuntimeError("bins must be > 0");
  const DType compute = compute_dtype(x.dtype());
  const Tensor in = contiguous_as(x, compute);
  Tensor out = full({bins}, 0, compute);
  for_floating(compute, c.op, [&]<class T> {
    const T* p = in.data<T>();
    T *q = out.data<T>(), low = T(c.real(2)), high = T(c.real(3));
    if (low == high && n) { low = *std::min_element(p, p + n); high = *std::max_element(p, p + n); }
    if (low == high) { low -= 1; high += 1; }
    if (!std::isfinite(low) || !std::isfinite(high)) throw RuntimeError("histogram: range of [", low, ", ", high, "] is not finite");
    if (low > high) throw RuntimeError("torch.histc: max must be larger than min");
    for (int64_t i = 0; i < n; ++i)
      if (p[i] >= low && p[i] <= high) ++q[std::min(bins - 1, int64_t((p[i] - low) / (high - low) * T(bins)))];
  });
  c.out.push_back(cast(out, x.dtype()));
}

const Register here[] = {{"sort.unique_rows", unique_rows}, {"sort.searchsorted", searchsorted}, {"sort.bincount", bincount}, {"sort.histc", histc}};

}  // namespace
}  // namespace facula
