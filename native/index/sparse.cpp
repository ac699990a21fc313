// Sparse matrices: what their parts need beyond the operations on dense tensors.
#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/error.h"

namespace facula {
namespace {

// A matrix in compressed rows: row i has the elements starts[i] to starts[i + 1].
struct Rows {
  Tensor starts, columns;
  int64_t count, nnz, depth;

  Rows(const Tensor& s, const Tensor& c, int64_t n) : starts(contiguous_as(s, DType::int64)), columns(contiguous_as(c, DType::int64)),
                                                      count(starts.numel() - 1), nnz(columns.numel()), depth(n) {
    const int64_t* at = begin();
    for (int64_t i = 0; i < count; ++i)
      if (at[i] > at[i + 1] || at[i] < 0 || at[i + 1] > nnz) throw RuntimeError("sparse matrix: the rows' starts do not rise from 0 to ", nnz);
    const int64_t* column = columns.data<int64_t>();
    bool inside = true;
    for (int64_t k = 0; k < nnz; ++k) inside &= uint64_t(column[k]) < uint64_t(depth);
    if (!inside) throw IndexError("sparse matrix: a column is outside of [0, ", depth, ")");
  }
  const int64_t* begin() const { return starts.data<int64_t>(); }

  // body(row, first element, last element, columns) for every row, on all threads; `work` per element.
  template <class Body>
  void each(int64_t work, const Body& body) const {
    const int64_t *at = begin(), *column = columns.data<int64_t>();
    const int64_t per_row = work * (nnz + count) / std::max<int64_t>(count, 1) + 1;
    parallel_for(count, std::max<int64_t>(1, 32768 / per_row), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) body(i, at[i], at[i + 1], column);
    });
  }
};

struct Mean { static constexpr bool divides = true; template <class T> static T first() { return T(0); } template <class T> static T join(T a, T b) { return a + b; } };
struct Sum { static constexpr bool divides = false; template <class T> static T first() { return T(0); } template <class T> static T join(T a, T b) { return a + b; } };
// NaN stays: neither comparison is true for it.
struct Max { static constexpr bool divides = false; template <class T> static T first() { return -std::numeric_limits<T>::infinity(); } template <class T> static T join(T a, T b) { return a > b || a != a ? a : b; } };
struct Min { static constexpr bool divides = false; template <class T> static T first() { return std::numeric_limits<T>::infinity(); } template <class T> static T join(T a, T b) { return a < b || a != a ? a : b; } };

// Each row of out: the products of the row's elements with the rows of `dense` that they meet, joined.
template <class Join, class T>
void join_rows(const Rows& rows, const T* values, const T* dense, T* out, int64_t width) {
  rows.each(width, [=](int64_t i, int64_t from, int64_t to, const int64_t* column) {
    T* row = out + i * width;
    std::fill(row, row + width, from < to ? Join::template first<T>() : T(0));
    for (int64_t k = from; k < to; ++k) {
      const T* other = dense + column[k] * width;
      const T v = values[k];
      for (int64_t j = 0; j < width; ++j) row[j] = Join::join(row[j], v * other[j]);
    }
    if (Join::divides && from < to) for (int64_t j = 0; j < width; ++j) row[j] /= T(to - from);
  });
}

// _csr_product(starts, columns, values, dense, reduce): (rows, n) and (n, width); starts has rows + 1 places that rise from 0 to nnz.
void csr_product(Call& c) {
  const DType stored = promote(c.tensor(2).dtype(), c.tensor(3).dtype()), compute = compute_dtype(stored);
  const Tensor values = contiguous_as(c.tensor(2), compute), dense = contiguous_as(c.tensor(3), compute);
  const Rows rows(c.tensor(0), c.tensor(1), dense.size(0));
  const int64_t width = dense.size(1);
  const std::string& how = c.string(4);
  Tensor out = empty({rows.count, width}, compute);
  if (how == "sum") {
    for_compute(compute, c.op, [&]<class T> { join_rows<Sum, T>(rows, values.data<T>(), dense.data<T>(), out.data<T>(), width); });
  } else {
    for_floating(compute, c.op, [&]<class T> {
      auto* join = how == "mean" ? join_rows<Mean, T> : how == "amax" ? join_rows<Max, T> : join_rows<Min, T>;
      join(rows, values.data<T>(), dense.data<T>(), out.data<T>(), width);
    });
  }
  c.out.push_back(cast(out, stored));
}

// _csr_dots(starts, columns, a, b): for each element (i, j) the product of row i of `a` with row j of `b`.
void csr_dots(Call& c) {
  const DType stored = promote(c.tensor(2).dtype(), c.tensor(3).dtype()), compute = compute_dtype(stored);
  const Tensor a = contiguous_as(c.tensor(2), compute), b = contiguous_as(c.tensor(3), compute);
  const Rows rows(c.tensor(0), c.tensor(1), b.size(0));
  if (a.size(0) != rows.count || a.size(1) != b.size(1)) throw RuntimeError("sparse matrix: factors of ", a.sizes(), " and ", b.sizes(), " for ", rows.count, " rows");
  Tensor out = empty({rows.nnz}, compute);
  const int64_t n = a.size(1);
  for_compute(compute, c.op, [&]<class T> {
    const T *x = a.data<T>(), *y = b.data<T>();
    T* to = out.data<T>();
    rows.each(n, [=](int64_t i, int64_t from, int64_t end, const int64_t* column) {
      for (int64_t k = from; k < end; ++k) {
        constexpr int kParts = 8;  // several sums at once: one alone would wait for each addition
        T part[kParts] = {};
        const T *p = x + i * n, *q = y + column[k] * n;
        int64_t j = 0;
        for (; j + kParts <= n; j += kParts) for (int l = 0; l < kParts; ++l) part[l] += p[j + l] * q[j + l];
        for (; j < n; ++j) part[0] += p[j] * q[j];
        T sum = part[0];
        for (int l = 1; l < kParts; ++l) sum += part[l];
        to[k] = sum;
      }
    });
  });
  c.out.push_back(cast(out, stored));
}

// One row of a product of sparse matrices: the sums by column, and the columns that have one, sorted.
template <class T>
struct RowSum {
  std::vector<T> sums;
  std::vector<uint64_t> known;  // a bit per column
  std::vector<int64_t> columns;

  explicit RowSum(int64_t width) : sums(size_t(width)), known(size_t(width / 64 + 1)) {}
  void add(const Rows& a, const Rows& b, const T* x, const T* y, int64_t row) {
    for (int64_t c : columns) known[size_t(c) / 64] = 0;
    columns.clear();
    for (int64_t k = a.begin()[row]; k < a.begin()[row + 1]; ++k) {
      const int64_t middle = a.columns.data<int64_t>()[k];
      for (int64_t l = b.begin()[middle]; l < b.begin()[middle + 1]; ++l) {
        const auto c = size_t(b.columns.data<int64_t>()[l]);
        const uint64_t bit = uint64_t(1) << c % 64;
        if (!(known[c / 64] & bit)) { known[c / 64] |= bit; sums[c] = T(0); columns.push_back(int64_t(c)); }
        sums[c] += x[k] * y[l];
      }
    }
    if (columns.size() * 4 < known.size()) { std::sort(columns.begin(), columns.end()); return; }
    columns.clear();
    for (size_t w = 0; w < known.size(); ++w)
      for (uint64_t rest = known[w]; rest; rest &= rest - 1) columns.push_back(int64_t(w * 64) + std::countr_zero(rest));
  }
};

// _csr_csr_product(starts, columns, values of a, then of b, width): (indices (2, nnz), values) of a @ b, sorted.
void csr_csr_product(Call& c) {
  const DType stored = promote(c.tensor(2).dtype(), c.tensor(5).dtype()), compute = compute_dtype(stored);
  const Tensor x = contiguous_as(c.tensor(2), compute), y = contiguous_as(c.tensor(5), compute);
  const int64_t width = c.integer(6);
  const Rows b(c.tensor(3), c.tensor(4), width), a(c.tensor(0), c.tensor(1), b.count);
  for_compute(compute, c.op, [&]<class T> {
    constexpr int64_t kRows = 64;  // rows of one piece
    std::vector<std::vector<int64_t>> columns(size_t((a.count + kRows - 1) / kRows)), counts(columns.size());
    std::vector<std::vector<T>> values(columns.size());
    const T *p = x.data<T>(), *q = y.data<T>();
    parallel_for(a.count, kRows, [&](int64_t from, int64_t to) {
      RowSum<T> row(width);
      const auto piece = size_t(from / kRows);
      for (int64_t i = from; i < to; ++i) {
        row.add(a, b, p, q, i);
        counts[piece].push_back(int64_t(row.columns.size()));
        columns[piece].insert(columns[piece].end(), row.columns.begin(), row.columns.end());
        for (int64_t at : row.columns) values[piece].push_back(row.sums[size_t(at)]);
      }
    });
    int64_t total = 0, row = 0, at = 0;
    for (auto& piece : columns) total += int64_t(piece.size());
    Tensor indices = empty({2, total}, DType::int64), out = empty({total}, compute);
    for (size_t piece = 0; piece < columns.size(); ++piece) {
      std::copy(columns[piece].begin(), columns[piece].end(), indices.data<int64_t>() + total + at);
      std::copy(values[piece].begin(), values[piece].end(), out.data<T>() + at);
      for (int64_t n : counts[piece]) {
        std::fill_n(indices.data<int64_t>() + at, n, row++);
        at += n;
      }
    }
    c.out = {indices, cast(out, stored)};
  });
}

// _merge_places(a, b) of two lists of places: where each goes in the merged list, equal neighbours to one place; how long it is.
void merge_places(Call& c) {
  const Tensor a = contiguous_as(c.tensor(0), DType::int64), b = contiguous_as(c.tensor(1), DType::int64);
  Tensor to_a = empty({a.numel()}, DType::int64), to_b = empty({b.numel()}, DType::int64), count = empty({}, DType::int64);
  const int64_t *x = a.data<int64_t>(), *y = b.data<int64_t>(), n = a.numel(), m = b.numel();
  int64_t i = 0, j = 0, k = 0;
  for (; i < n || j < m; ++k) {
    const bool first = i < n && (j == m || x[i] <= y[j]), second = j < m && (i == n || y[j] <= x[i]);
    if (first) to_a.data<int64_t>()[i++] = k;
    if (second) to_b.data<int64_t>()[j++] = k;
  }
  *count.data<int64_t>() = k;
  c.out = {to_a, to_b, count};
}

const Register here[] = {{"sparse.csr_product", csr_product}, {"sparse.csr_dots", csr_dots}, {"sparse.csr_csr_product", csr_csr_product},
                         {"sparse.merge_places", merge_places}};

}  // namespace
}  // namespace facula
