// Triangular factors and what they solve: Cholesky, LU, LDL, triangular systems.
#include <algorithm>

#include "linalg/lapack.h"
#include "linalg/small.h"

namespace facula {
namespace {

// Whether the library is needed at all.
bool is_large(int64_t n, std::string_view op) {
  if (n <= kSmall) return false;
  need_lapack(op);
  return true;
}

Tensor infos(const Dims& batch, Device device) { return full(batch, 0, DType::int32, device); }

template <class T>
void clear_triangle(T* a, int64_t n, int64_t ld, bool upper) {  // of the part that was not factored
  for (int64_t j = 0; j < n; ++j) {
    if (upper) std::fill(a + j * ld + j + 1, a + j * ld + n, T(0));
    else std::fill(a + j * ld, a + j * ld + std::min(j, n), T(0));
  }
}

// (input, upper, check) -> factor, info
void cholesky(Call& c) {
  const Tensor& x = c.tensor(0);
  const Stack a = stack_of(x);
  const Tensor info = infos(batch_of(x), x.device());
  c.out = {a.tensor, info};
  if (x.is_meta()) return;
  const bool upper = c.flag(1), large = is_large(a.row_count, "torch.linalg.cholesky") || upper;
  if (upper) need_lapack("torch.linalg.cholesky");
  const int n = a.rows();
  for_inexact(x.dtype(), "cholesky_cpu", [&]<class T> {
    each_matrix(a.count, cube(n, n, n) / 3, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (large) lapack<T>(Routine::potrf, upper ? 'U' : 'L', n, a.at<T>(i), a.ld(), info.data<int>() + i);
        else info.data<int>()[i] = small_cholesky(a.at<T>(i), n);
        clear_triangle(a.at<T>(i), n, n, upper);
      }
    });
  });
  check_info(info, c.string(2), Trouble::indefinite);
}

// (input, upper): the inverse of the matrix that a factor belongs to
void cholesky_inverse(Call& c) {
  const Tensor& x = c.tensor(0);
  check_square(x, "cholesky_inverse");
  for_inexact(x.dtype(), "cholesky_inverse_out_cpu", [&]<class T> {
    const Stack a = stack_of(x);
    c.out = {a.tensor};
    if (x.is_meta()) return;
    need_lapack("torch.cholesky_inverse");
    const Tensor info = infos(batch_of(x), x.device());
    const bool upper = c.flag(1);
    const int n = a.rows();
    each_matrix(a.count, cube(n, n, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T* m = a.at<T>(i);
        lapack<T>(Routine::potri, upper ? 'U' : 'L', n, m, a.ld(), info.data<int>() + i);
        for (int64_t j = 0; j < n; ++j)
          for (int64_t k = 0; k < j; ++k) {
            T &above = m[j * n + k], &below = m[k * n + j];
            T& to = upper ? below : above;
            if constexpr (is_complex_v<T>) to = std::conj(upper ? above : below);
            else to = upper ? above : below;
          }
      }
    });
    check_info(info, "cholesky_inverse", Trouble::singular);
  });
}

// (B, L, upper)
void cholesky_solve(Call& c) {
  const Tensor &b = c.tensor(0), &l = c.tensor(1);
  for_inexact(b.dtype(), "cholesky_solve_cpu", [&]<class T> {
    const Dims batch = broadcast_sizes(batch_of(b), batch_of(l));
    const Stack x = stack_of(b, batch);
    c.out = {x.tensor};
    if (b.is_meta()) return;
    need_lapack("torch.cholesky_solve");
    const Stack a = stack_of(l, batch);
    each_matrix(x.count, cube(a.rows(), a.rows(), x.cols()), [&](int64_t begin, int64_t end) {
      int info = 0;
      for (int64_t i = begin; i < end; ++i)
        lapack<T>(Routine::potrs, c.flag(2) ? 'U' : 'L', a.rows(), x.cols(), a.at<T>(i), a.ld(), x.at<T>(i), x.ld(), &info);
    });
  });
}

template <class T>
void factor_lu(T* a, const Stack& s, bool large, int* pivots, int* info) {
  if (large) lapack<T>(Routine::getrf, s.rows(), s.cols(), a, s.ld(), pivots, info);
  else *info = small_lu(a, s.rows(), s.cols(), s.ld(), pivots);
}

// (input, check) -> LU, pivots, info
void lu_factor(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "lu_cpu", [&]<class T> {
    const Stack a = stack_of(x);
    const int64_t k = std::min(a.row_count, a.col_count);
    const Tensor pivots = empty(joined(batch_of(x), {k}), DType::int32, x.device()), info = infos(batch_of(x), x.device());
    c.out = {a.tensor, pivots, info};
    if (x.is_meta()) return;
    const bool large = is_large(std::max(a.row_count, a.col_count), "torch.linalg.lu_factor");
    each_matrix(a.count, cube(a.rows(), a.cols(), double(k)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) factor_lu(a.at<T>(i), a, large, pivots.data<int>() + i * k, info.data<int>() + i);
    });
    check_info(info, c.string(1), Trouble::lu);
  });
}

// (pivots, rows, dtype): the permutation matrix P of A = P L U
void lu_permutation(Call& c) {
  const Tensor pivots = contiguous_as(c.tensor(0), DType::int32);
  const int64_t m = c.integer(1), k = pivots.size(-1);
  Tensor p = full(joined(batch_of(pivots, 1), {m, m}), 0, c.dtype(2), pivots.device());
  c.out = {p};
  if (p.is_meta() || m == 0) return;
  const int64_t count = p.numel() / (m * m);
  Scratch<int64_t> order(m);
  for_inexact(p.dtype(), "lu_unpack", [&]<class T> {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t r = 0; r < m; ++r) order[r] = r;
      for (int64_t r = 0; r < k; ++r) {
        const int other = pivots.data<int>()[i * k + r] - 1;
        if (other < 0 || other >= m)
          throw RuntimeError("pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you properly pass the result of lu_factor?");
        std::swap(order[r], order[other]);
      }
      for (int64_t r = 0; r < m; ++r) p.data<T>()[i * m * m + order[r] * m + r] = T(1);
    }
  });
}

// Right-hand sides in columns: X A = B is solved as A^T X^T = B^T.
struct Sides {
  Stack x;
  Tensor result;
  Sides(const Tensor& b, const Dims& batch, bool left) {
    x = stack_of(left ? b : transposed_view(b), batch);
    result = left ? x.tensor : transposed_view(x.tensor);
  }
};

template <class T>
void conjugate(T* p, int64_t n) {
  if constexpr (is_complex_v<T>) for (int64_t i = 0; i < n; ++i) p[i] = std::conj(p[i]);
}

// X = op(A)^-1 B or B op(A)^-1 from factors; op is the adjoint where asked for.
template <class T>
void solve_factored(const Stack& lu, const Tensor& pivots, const Sides& sides, bool left, bool adjoint, int* info) {
  const Stack& x = sides.x;
  const int64_t k = lu.row_count;
  const char trans = left ? (adjoint ? 'C' : 'N') : (adjoint ? 'N' : 'T');
  const bool flip = !left && adjoint;  // X A^H = B: conj(A) X^T = B^T
  const bool large = trans != 'N' || is_large(k, "torch.linalg.lu_solve");
  if (large) need_lapack("torch.linalg.lu_solve");
  each_matrix(x.count, cube(lu.rows(), lu.rows(), x.cols()), [&](int64_t begin, int64_t end) {
    int code = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (info && info[i]) continue;
      if (flip) conjugate(x.at<T>(i), x.row_count * x.col_count);
      if (large) lapack<T>(Routine::getrs, trans, lu.rows(), x.cols(), lu.at<T>(i), lu.ld(), pivots.data<int>() + i * k, x.at<T>(i), x.ld(), &code);
      else small_lu_solve(lu.at<T>(i), lu.rows(), lu.ld(), pivots.data<int>() + i * k, x.at<T>(i), x.cols(), x.ld());
      if (flip) conjugate(x.at<T>(i), x.row_count * x.col_count);
    }
  });
}

// (LU, pivots, B, left, adjoint)
void lu_solve(Call& c) {
  const Tensor &factors = c.tensor(0), &b = c.tensor(2);
  const bool left = c.flag(3, true);
  for_inexact(b.dtype(), "linalg.lu_solve_cpu", [&]<class T> {
    const Dims batch = broadcast_sizes(batch_of(factors), batch_of(b));
    const Sides sides(b, batch, left);
    c.out = {sides.result};
    if (b.is_meta()) return;
    const Stack lu = stack_of(factors, batch);
    const Tensor pivots = contiguous_as(expand_to(c.tensor(1), joined(batch, {lu.row_count})), DType::int32);
    solve_factored<T>(lu, pivots, sides, left, c.flag(4), nullptr);
  });
}

// (A, B, left, check) -> X, LU, pivots, info
void solve(Call& c) {
  const Tensor &a = c.tensor(0), &given = c.tensor(1);
  const bool left = c.flag(2, true);
  const bool vector = given.dim() == 1 || (given.dim() + 1 == a.dim() && given.sizes() == batch_of(a, 1));
  Dims wide = given.sizes(), steps = given.strides();
  wide.push_back(1);
  steps.push_back(1);
  const Tensor b = vector ? as_view(given, wide, steps, given->offset) : given;
  for_inexact(a.dtype(), "lu_cpu", [&]<class T> {
    const Dims batch = broadcast_sizes(batch_of(a), batch_of(b));
    const Stack lu = stack_of(a);
    const Sides sides(b, batch, left);
    const int64_t n = lu.row_count;
    const Tensor pivots = empty(joined(batch_of(a), {n}), DType::int32, a.device()), info = infos(batch_of(a), a.device());
    Tensor result = sides.result;
    if (vector) {
      Dims sizes = result.sizes(), strides = result.strides();
      sizes.erase(sizes.size() - 1);
      strides.erase(strides.size() - 1);
      result = as_view(result, sizes, strides, result->offset);
    }
    c.out = {result, lu.tensor, pivots, info};
    if (a.is_meta()) return;
    const bool large = is_large(n, "torch.linalg.solve"), same = lu.count == sides.x.count && (large || left);
    each_matrix(lu.count, cube(double(n), double(n), double(n)) / 3 + (same ? cube(double(n), double(n), sides.x.cols()) : 0), [&](int64_t begin, int64_t end) {
      int code = 0;
      for (int64_t i = begin; i < end; ++i) {
        int* order = pivots.data<int>() + i * n;
        factor_lu(lu.at<T>(i), lu, large, order, info.data<int>() + i);
        if (!same || info.data<int>()[i]) continue;
        if (large) lapack<T>(Routine::getrs, left ? 'N' : 'T', lu.rows(), sides.x.cols(), lu.at<T>(i), lu.ld(), order, sides.x.at<T>(i), sides.x.ld(), &code);
        else small_lu_solve(lu.at<T>(i), lu.rows(), lu.ld(), order, sides.x.at<T>(i), sides.x.cols(), sides.x.ld());
      }
    });
    check_info(info, c.string(3), Trouble::solver);
    if (same) return;
    const Stack many = stack_of(lu.tensor, batch);
    const Tensor all = contiguous_as(expand_to(pivots, joined(batch, {n})), DType::int32);
    const Tensor codes = contiguous_as(expand_to(info, batch), DType::int32);
    solve_factored<T>(many, all, sides, left, false, codes.data<int>());
  });
}

// (A, check) -> inverse, info
void inverse(Call& c) {
  const Tensor& x = c.tensor(0);
  const Stack a = stack_of(x);
  const Tensor info = infos(batch_of(x), x.device());
  c.out = {a.tensor, info};
  if (x.is_meta()) return;
  const int n = a.rows();
  const bool large = is_large(n, "torch.linalg.inv");
  for_inexact(x.dtype(), "linalg_inv", [&]<class T> {
    const int size = !large ? n * n : a.count ? workspace<T>([&](T* work, int length) {
      int code = 0, none = 0;
      lapack<T>(Routine::getri, n, a.at<T>(0), a.ld(), &none, work, length, &code);
    }) : 1;
    each_matrix(a.count, cube(n, n, n), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      Scratch<int> pivots(std::max(1, n));
      for (int64_t i = begin; i < end; ++i) {
        int* code = info.data<int>() + i;
        factor_lu(a.at<T>(i), a, large, pivots.get(), code);
        if (*code) continue;
        if (large) lapack<T>(Routine::getri, n, a.at<T>(i), a.ld(), pivots.get(), work.get(), size, code);
        else small_inverse(a.at<T>(i), n, pivots.get(), work.get());
      }
    });
  });
  check_info(info, c.string(1), Trouble::singular);
}

// (A, B, upper, left, unitriangular, transpose)
void solve_triangular(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  for_inexact(b.dtype(), "triangular_solve_cpu", [&]<class T> {
    const Dims batch = broadcast_sizes(batch_of(a), batch_of(b));
    const Stack x = stack_of(b, batch);
    c.out = {x.tensor};
    if (b.is_meta()) return;
    need_lapack("torch.linalg.solve_triangular");
    if (x.tensor.numel() == 0) return;
    // Rows after rows are the transposed matrix, whose other triangle is read transposed: no copy.
    const bool rows = a.is_contiguous() && batch == batch_of(a);
    const Stack m = rows ? Stack{a, batch.numel(), a.size(-1), a.size(-1)} : stack_of(a, batch);
    const bool left = c.flag(3, true), upper = c.flag(2) != rows, turned = c.flag(5) != rows;
    each_matrix(x.count, cube(m.rows(), x.rows(), x.cols()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        lapack<T>(Routine::trsm, left ? 'L' : 'R', upper ? 'U' : 'L', turned ? 'T' : 'N', c.flag(4) ? 'U' : 'N', x.rows(), x.cols(),
                  T(1), m.at<T>(i), m.ld(), x.at<T>(i), x.ld());
    });
  });
}

// (A, hermitian, check) -> LD, pivots, info
void ldl_factor(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "ldl_factor_kernel_cpu", [&]<class T> {
    const Stack a = stack_of(x);
    const int n = a.rows();
    const Tensor pivots = empty(joined(batch_of(x), {n}), DType::int32, x.device()), info = infos(batch_of(x), x.device());
    c.out = {a.tensor, pivots, info};
    if (x.is_meta()) return;
    need_lapack("torch.linalg.ldl_factor");
    const Routine routine = c.flag(1) ? Routine::hetrf : Routine::sytrf;
    const int size = a.count && n ? workspace<T>([&](T* work, int length) {
      int code = 0;
      lapack<T>(routine, 'L', n, a.at<T>(0), a.ld(), pivots.data<int>(), work, length, &code);
    }) : 1;
    each_matrix(a.count, cube(n, n, n) / 3, [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      for (int64_t i = begin; i < end; ++i) {
        lapack<T>(routine, 'L', n, a.at<T>(i), a.ld(), pivots.data<int>() + i * n, work.get(), size, info.data<int>() + i);
        clear_triangle(a.at<T>(i), n, n, false);
      }
    });
    check_info(info, c.string(2), Trouble::solver);
  });
}

// (LD, pivots, B, hermitian)
void ldl_solve(Call& c) {
  const Tensor &factors = c.tensor(0), &b = c.tensor(2);
  for_inexact(b.dtype(), "ldl_solve_kernel_cpu", [&]<class T> {
    const Dims batch = broadcast_sizes(batch_of(factors), batch_of(b));
    const Stack x = stack_of(b, batch);
    c.out = {x.tensor};
    if (b.is_meta()) return;
    need_lapack("torch.linalg.ldl_solve");
    const Stack a = stack_of(factors, batch);
    const Tensor pivots = contiguous_as(expand_to(c.tensor(1), joined(batch, {a.row_count})), DType::int32);
    const Routine routine = c.flag(3) ? Routine::hetrs : Routine::sytrs;
    each_matrix(x.count, cube(a.rows(), a.rows(), x.cols()), [&](int64_t begin, int64_t end) {
      int code = 0;
      for (int64_t i = begin; i < end; ++i)
        lapack<T>(routine, 'L', a.rows(), x.cols(), a.at<T>(i), a.ld(), pivots.data<int>() + i * a.row_count, x.at<T>(i), x.ld(), &code);
    });
  });
}

const Register here[] = {{"linalg.cholesky", cholesky}, {"linalg.cholesky_inverse", cholesky_inverse}, {"linalg.cholesky_solve", cholesky_solve},
                         {"linalg.lu_factor", lu_factor}, {"linalg.lu_permutation", lu_permutation}, {"linalg.lu_solve", lu_solve},
                         {"linalg.solve", solve}, {"linalg.inverse", inverse}, {"linalg.solve_triangular", solve_triangular},
                         {"linalg.ldl_factor", ldl_factor}, {"linalg.ldl_solve", ldl_solve}};

}  // namespace
}  // namespace facula
