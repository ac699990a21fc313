// Sparse matrices: what their parts need beyond the operations on dense tensors.
#include <atomic>

#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/error.h"

namespace facula {
namespace {

// Rows [begin, end) of out = sparse @ dense; false where a column is outside of the matrix.
template <class T>
bool product_rows(const int64_t* starts, const int64_t* columns, const T* values, const T* dense, T* out, int64_t begin, int64_t end,
                  int64_t depth, int64_t width) {
  bool inside = true;
  for (int64_t i = begin; i < end; ++i) {
    T* row = out + i * width;
    std::fill(row, row + width, T(0));
    for (int64_t k = starts[i]; k < starts[i + 1]; ++k) {
      if (uint64_t(columns[k]) >= uint64_t(depth)) { inside = false; continue; }
      const T* from = dense + columns[k] * width;
      const T v = values[k];
      for (int64_t j = 0; j < width; ++j) row[j] += v * from[j];
    }
  }
  return inside;
}

// _csr_product(starts, columns, values, dense): (rows, n) @ (n, width); starts has rows + 1 places that rise from 0 to nnz.
void csr_product(Call& c) {
  const Tensor starts = contiguous_as(c.tensor(0), DType::int64), columns = contiguous_as(c.tensor(1), DType::int64);
  const DType stored = promote(c.tensor(2).dtype(), c.tensor(3).dtype()), compute = compute_dtype(stored);
  const Tensor values = contiguous_as(c.tensor(2), compute), dense = contiguous_as(c.tensor(3), compute);
  const int64_t rows = starts.numel() - 1, depth = dense.size(0), width = dense.size(1), nnz = columns.numel();
  Tensor out = empty({rows, width}, compute, dense.device());
  if (!out.is_meta() && rows) {
    const int64_t* s = starts.data<int64_t>();
    for (int64_t i = 0; i < rows; ++i)
      if (s[i] > s[i + 1] || s[i] < 0 || s[i + 1] > nnz) throw RuntimeError("sparse matrix product: the rows' starts do not rise from 0 to ", nnz);
    std::atomic<bool> inside{true};
    for_compute(compute, c.op, [&]<class T> {
      const int64_t work = width * (nnz + rows) / rows + 1;
      parallel_for(rows, std::max<int64_t>(1, 32768 / work), [&](int64_t a, int64_t b) {
        if (!product_rows(s, columns.data<int64_t>(), values.data<T>(), dense.data<T>(), out.data<T>(), a, b, depth, width)) inside = false;
      });
    });
    if (!inside) throw IndexError("sparse matrix product: a column is outside of [0, ", depth, ")");
  }
  c.out.push_back(cast(out, stored));
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

const Register here[] = {{"sparse.csr_product", csr_product}, {"sparse.merge_places", merge_places}};

}  // namespace
}  // namespace facula
