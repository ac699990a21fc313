// Householder factors: QR, products of reflectors, least squares.
#include <algorithm>

#include "linalg/lapack.h"

namespace facula {
namespace {

template <class T>
int geqrf_space(const Stack& a) {
  return workspace<T>([&](T* work, int length) {
    int code = 0;
    T none = T(0);
    lapack<T>(Routine::geqrf, a.rows(), a.cols(), a.at<T>(0), a.ld(), &none, work, length, &code);
  });
}

// (input) -> a, tau
void geqrf(Call& c) {
  const Tensor& x = c.tensor(0);
  check_matrices(x, "torch.geqrf", "input");
  for_inexact(x.dtype(), "geqrf_cpu", [&]<class T> {
    const Stack a = stack_of(x);
    const int64_t k = std::min(a.row_count, a.col_count);
    const Tensor tau = empty(joined(batch_of(x), {k}), x.dtype(), x.device());
    c.out = {a.tensor, tau};
    if (x.is_meta() || a.tensor.numel() == 0) return;
    need_lapack("torch.geqrf");
    const int size = geqrf_space<T>(a);
    each_matrix(a.count, cube(a.rows(), a.cols(), double(k)), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      int code = 0;
      for (int64_t i = begin; i < end; ++i)
        lapack<T>(Routine::geqrf, a.rows(), a.cols(), a.at<T>(i), a.ld(), tau.data<T>() + i * k, work.get(), size, &code);
    });
  });
}

// In place: the first columns of H_1 .. H_k.
template <class T>
void form_product(const Stack& q, const Tensor& tau) {
  const int64_t k = tau.size(-1);
  if (q.tensor.numel() == 0) return;
  T* reflections = tau.data<T>();
  const int size = workspace<T>([&](T* work, int length) {
    int code = 0;
    lapack<T>(Routine::orgqr, q.rows(), q.cols(), int(k), q.at<T>(0), q.ld(), reflections, work, length, &code);
  });
  each_matrix(q.count, cube(q.rows(), q.cols(), double(k + 1)), [&](int64_t begin, int64_t end) {
    Scratch<T> work(size);
    int code = 0;
    for (int64_t i = begin; i < end; ++i)
      lapack<T>(Routine::orgqr, q.rows(), q.cols(), int(k), q.at<T>(i), q.ld(), reflections + i * k, work.get(), size, &code);
  });
}

// (input, tau)
void householder_product(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "orgqr_cpu", [&]<class T> {
    const Stack q = stack_of(x);
    c.out = {q.tensor};
    if (x.is_meta()) return;
    need_lapack("torch.linalg.householder_product");
    form_product<T>(q, contiguous(c.tensor(1)));
  });
}

// (input, tau, other, left, transpose)
void ormqr(Call& c) {
  const Tensor &x = c.tensor(0), &other = c.tensor(2);
  for_inexact(x.dtype(), "ormqr_cpu", [&]<class T> {
    const Stack b = stack_of(other);
    c.out = {b.tensor};
    if (x.is_meta() || b.tensor.numel() == 0) return;
    need_lapack("torch.ormqr");
    const Stack a = stack_of(x);
    const Tensor tau = contiguous(c.tensor(1));
    const int64_t k = tau.size(-1);
    const char side = c.flag(3, true) ? 'L' : 'R', trans = !c.flag(4) ? 'N' : is_complex_v<T> ? 'C' : 'T';
    const auto apply = [&](int64_t i, T* work, int length) {
      int code = 0;
      lapack<T>(Routine::ormqr, side, trans, b.rows(), b.cols(), int(k), a.at<T>(i), a.ld(), tau.data<T>() + i * k, b.at<T>(i), b.ld(), work, length, &code);
    };
    const int size = workspace<T>([&](T* work, int length) { apply(0, work, length); });
    each_matrix(b.count, cube(b.rows(), b.cols(), double(k)), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      for (int64_t i = begin; i < end; ++i) apply(i, work.get(), size);
    });
  });
}

// (A, mode) -> Q, R; mode: reduced, complete or r
void qr(Call& c) {
  const Tensor& x = c.tensor(0);
  const std::string& mode = c.string(1);
  for_inexact(x.dtype(), "geqrf_cpu", [&]<class T> {
    const int64_t m = x.size(-2), n = x.size(-1), k = std::min(m, n);
    const bool complete = mode == "complete", wanted = mode != "r";
    const Dims batch = batch_of(x);
    const Stack q = new_stack(batch, m, complete ? m : k, x.dtype(), x.device()), r = new_stack(batch, complete ? m : k, n, x.dtype(), x.device());
    c.out = {wanted ? q.tensor : empty({0}, x.dtype(), x.device()), r.tensor};
    if (x.is_meta()) return;
    need_lapack("torch.linalg.qr");
    const Stack a = stack_of(x);
    const Tensor tau = full(joined(batch, {k}), 0, x.dtype());
    const int size = a.tensor.numel() ? geqrf_space<T>(a) : 1;
    each_matrix(a.tensor.numel() ? a.count : 0, cube(double(m), double(n), double(k)), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      int code = 0;
      for (int64_t i = begin; i < end; ++i)
        lapack<T>(Routine::geqrf, a.rows(), a.cols(), a.at<T>(i), a.ld(), tau.data<T>() + i * k, work.get(), size, &code);
    });
    for (int64_t i = 0; i < a.count; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T* to = r.at<T>(i) + j * r.row_count;
        const int64_t above = std::min(j + 1, k);
        std::copy_n(a.at<T>(i) + j * m, above, to);
        std::fill(to + above, to + r.row_count, T(0));
      }
    if (!wanted) return;
    for (int64_t i = 0; i < a.count; ++i) std::copy_n(a.at<T>(i), m * k, q.at<T>(i));
    form_product<T>(q, tau);
  });
}

// Work space, and what differs between the four drivers of least squares.
template <class T>
struct LeastSquares {
  using Real = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, c64>, float, double>;
  const std::string& driver;
  int m, n, sides, ldb;
  Real rcond;
  int size = 1, real_size = 1, int_size = 1;

  void call(T* a, T* b, int* pivots, Real* singular, int* rank, T* work, int length, Real* real_work, int* int_work, int* info) const {
    const int lda = std::max(1, m);
    if (driver == "gels") {
      lapack<T>(Routine::gels, 'N', m, n, sides, a, lda, b, ldb, work, length, info);
    } else if (driver == "gelsy") {
      if constexpr (is_complex_v<T>) lapack<T>(Routine::gelsy, m, n, sides, a, lda, b, ldb, pivots, rcond, rank, work, length, real_work, info);
      else lapack<T>(Routine::gelsy, m, n, sides, a, lda, b, ldb, pivots, rcond, rank, work, length, info);
    } else if (driver == "gelsd") {
      if constexpr (is_complex_v<T>) lapack<T>(Routine::gelsd, m, n, sides, a, lda, b, ldb, singular, rcond, rank, work, length, real_work, int_work, info);
      else lapack<T>(Routine::gelsd, m, n, sides, a, lda, b, ldb, singular, rcond, rank, work, length, int_work, info);
    } else {
      if constexpr (is_complex_v<T>) lapack<T>(Routine::gelss, m, n, sides, a, lda, b, ldb, singular, rcond, rank, work, length, real_work, info);
      else lapack<T>(Routine::gelss, m, n, sides, a, lda, b, ldb, singular, rcond, rank, work, length, info);
    }
  }
  void plan(T* a, T* b) {
    Real real_needed = 1;
    int int_needed = 1, rank = 0, info = 0;
    Scratch<int> pivots(std::max(1, n));
    Scratch<Real> singular(std::max(1, std::min(m, n)));
    size = workspace<T>([&](T* work, int length) { call(a, b, pivots.get(), singular.get(), &rank, work, length, &real_needed, &int_needed, &info); });
    const int k = std::min(m, n);
    real_size = std::max({1, int(real_needed), 2 * n, 5 * k});
    int_size = std::max(1, int_needed);
  }
};

// (A, B, rcond, driver) -> X in the first rows of a taller stack, rank, singular values
void lstsq(Call& c) {
  const Tensor &x = c.tensor(0), &given = c.tensor(1);
  const std::string& driver = c.string(3);
  for_inexact(x.dtype(), "torch.linalg.lstsq_cpu", [&]<class T> {
    using Real = typename LeastSquares<T>::Real;
    const Dims batch = broadcast_sizes(batch_of(x), batch_of(given));
    const int64_t m = x.size(-2), n = x.size(-1), k = std::min(m, n);
    const bool values = driver == "gelsd" || driver == "gelss";
    const Stack b = new_stack(batch, std::max(m, n), given.size(-1), x.dtype(), x.device());
    const Tensor rank = full(driver == "gels" ? Dims{0} : batch, 0, DType::int64, x.device());
    const Tensor singular = values ? full(joined(batch, {k}), 0, to_real(x.dtype()), x.device()) : empty({0}, to_real(x.dtype()), x.device());
    c.out = {b.tensor, rank, singular};
    if (x.is_meta()) return;
    fill(b.tensor, 0);
    copy_into(as_view(b.tensor, joined(batch, {m, b.col_count}), b.tensor.strides(), b.tensor->offset), given);
    if (m == 0 || n == 0 || b.count == 0 || b.col_count == 0) return;
    need_lapack("torch.linalg.lstsq");
    const Stack a = stack_of(x, batch);
    const Tensor info = full(batch, 0, DType::int32);
    LeastSquares<T> problem{driver, int(m), int(n), b.cols(), b.ld(), Real(c.real(2))};
    problem.plan(a.at<T>(0), b.at<T>(0));
    each_matrix(b.count, cube(double(m), double(n), double(k)), [&](int64_t begin, int64_t end) {
      Scratch<T> work(problem.size);
      Scratch<Real> real_work(problem.real_size), spare(std::max<int64_t>(1, k));
      Scratch<int> int_work(problem.int_size), pivots(n);
      for (int64_t i = begin; i < end; ++i) {
        int found = 0;
        std::fill_n(pivots.get(), n, 0);
        problem.call(a.at<T>(i), b.at<T>(i), pivots.get(), values ? singular.data<Real>() + i * k : spare.get(), &found, work.get(), problem.size,
                     real_work.get(), int_work.get(), info.data<int>() + i);
        if (driver != "gels") rank.data<int64_t>()[i] = found;
      }
    });
    check_info(info, "torch.linalg.lstsq", Trouble::lstsq);
  });
}

const Register here[] = {{"linalg.geqrf", geqrf}, {"linalg.householder_product", householder_product}, {"linalg.ormqr", ormqr}, {"linalg.qr", qr},
                         {"linalg.lstsq", lstsq}};

}  // namespace
}  // namespace facula
