// Eigenvalues and singular values.
#include <algorithm>

#include "linalg/lapack.h"

namespace facula {
namespace {

template <class T> using RealOf = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, c64>, float, double>;

// (A, lower, vectors, check) -> eigenvalues, eigenvectors
void eigh(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "linalg_eigh_cpu", [&]<class T> {
    using Real = RealOf<T>;
    const bool vectors = c.flag(2, true);
    const Stack a = stack_of(x);
    const int n = a.rows();
    const Tensor values = empty(joined(batch_of(x), {n}), to_real(x.dtype()), x.device()), info = full(batch_of(x), 0, DType::int32, x.device());
    c.out = {values, vectors ? a.tensor : empty({0}, x.dtype(), x.device())};
    if (x.is_meta() || a.tensor.numel() == 0) return;
    need_lapack("torch.linalg.eigh");
    const auto call = [&](int64_t i, T* work, int length, Real* real_work, int real_length, int* int_work, int int_length, int* code) {
      const char job = vectors ? 'V' : 'N', triangle = c.flag(1) ? 'L' : 'U';
      if constexpr (is_complex_v<T>)
        lapack<T>(Routine::syevd, job, triangle, n, a.at<T>(i), a.ld(), values.data<Real>() + i * n, work, length, real_work, real_length, int_work, int_length, code);
      else
        lapack<T>(Routine::syevd, job, triangle, n, a.at<T>(i), a.ld(), values.data<Real>() + i * n, work, length, int_work, int_length, code);
    };
    Real real_needed = 1;
    int int_needed = 1, code = 0;
    const int size = workspace<T>([&](T* work, int length) { call(0, work, length, &real_needed, -1, &int_needed, -1, &code); });
    const int real_size = std::max(1, int(real_needed)), int_size = std::max(1, int_needed);
    each_matrix(a.count, 4 * cube(n, n, n), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      Scratch<Real> real_work(real_size);
      Scratch<int> int_work(int_size);
      for (int64_t i = begin; i < end; ++i)
        call(i, work.get(), size, real_work.get(), real_size, int_work.get(), int_size, info.data<int>() + i);
    });
    check_info(info, c.string(3), Trouble::eigen);
  });
}

// Eigenvectors of a real matrix come as pairs of columns, real part and imaginary part.
template <class Real>
void join_pairs(const Real* columns, const std::complex<Real>* values, std::complex<Real>* to, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    const bool pair = values[j].imag() != 0 && j + 1 < n;
    for (int64_t r = 0; r < n; ++r) {
      const Real re = columns[j * n + r], im = pair ? columns[(j + 1) * n + r] : Real(0);
      to[j * n + r] = {re, im};
      if (pair) to[(j + 1) * n + r] = {re, -im};
    }
    j += pair;
  }
}

// (A, vectors) -> eigenvalues, eigenvectors
void eig(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "linalg_eig_out_cpu", [&]<class T> {
    using Real = RealOf<T>;
    using Complex = std::complex<Real>;
    const bool vectors = c.flag(1, true);
    const int n = int(x.size(-1));
    const Dims batch = batch_of(x);
    const Tensor values = empty(joined(batch, {n}), to_complex(x.dtype()), x.device());
    const Stack v = vectors ? new_stack(batch, n, n, to_complex(x.dtype()), x.device()) : Stack{empty({0}, to_complex(x.dtype()), x.device())};
    c.out = {values, v.tensor};
    if (x.is_meta() || x.numel() == 0) return;
    need_lapack("torch.linalg.eig");
    const Stack a = stack_of(x);
    const T* all = a.tensor.data<T>();
    for (int64_t i = 0; i < x.numel(); ++i)
      if (!std::isfinite(std::abs(all[i]))) throw RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.");
    const Tensor info = full(batch, 0, DType::int32);
    const auto call = [&](int64_t i, Complex* w, T* right, T* work, int length, Real* extra, int* code) {
      const int one = 1;
      const char job = vectors ? 'V' : 'N';
      T* none = nullptr;
      const int ldv = vectors ? n : one;
      if constexpr (is_complex_v<T>) lapack<T>(Routine::geev, 'N', job, n, a.at<T>(i), a.ld(), w, none, one, right, ldv, work, length, extra, code);
      else lapack<T>(Routine::geev, 'N', job, n, a.at<T>(i), a.ld(), extra, extra + n, none, one, right, ldv, work, length, code);
    };
    Scratch<Real> first(2 * n);
    int code = 0;
    const int size = workspace<T>([&](T* work, int length) { call(0, values.data<Complex>(), nullptr, work, length, first.get(), &code); });
    each_matrix(a.count, 10 * cube(n, n, n), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size), columns(is_complex_v<T> ? 1 : int64_t(n) * n);
      Scratch<Real> extra(2 * n);
      for (int64_t i = begin; i < end; ++i) {
        Complex* w = values.data<Complex>() + i * n;
        T* right = columns.get();
        if constexpr (is_complex_v<T>) right = vectors ? v.at<T>(i) : nullptr;
        call(i, w, right, work.get(), size, extra.get(), info.data<int>() + i);
        if constexpr (!is_complex_v<T>) {
          for (int64_t j = 0; j < n; ++j) w[j] = {extra[j], extra[n + j]};
          if (vectors) join_pairs(columns.get(), w, v.at<Complex>(i), n);
        }
      }
    });
    check_info(info, "torch.linalg.eig", Trouble::eigen);
  });
}

// (A, full_matrices, vectors, check) -> U, S, Vh
void svd(Call& c) {
  const Tensor& x = c.tensor(0);
  for_inexact(x.dtype(), "linalg_svd_cpu", [&]<class T> {
    using Real = RealOf<T>;
    const bool whole = c.flag(1), vectors = c.flag(2, true);
    const int64_t m = x.size(-2), n = x.size(-1), k = std::min(m, n);
    const Dims batch = batch_of(x);
    const Tensor s = empty(joined(batch, {k}), to_real(x.dtype()), x.device());
    const Stack none{empty({0}, x.dtype(), x.device())};
    const Stack u = vectors ? new_stack(batch, m, whole ? m : k, x.dtype(), x.device()) : none;
    const Stack v = vectors ? new_stack(batch, whole ? n : k, n, x.dtype(), x.device()) : none;
    c.out = {u.tensor, s, v.tensor};
    if (x.is_meta()) return;
    if (x.numel() == 0) {  // whole matrices of an empty one are identities
      for (const Stack* q : {&u, &v})
        if (q->tensor.dim() > 1 && q->tensor.numel()) {
          fill(q->tensor, 0);
          for (int64_t i = 0; i < q->count; ++i)
            for (int64_t d = 0; d < std::min(q->row_count, q->col_count); ++d) q->at<T>(i)[d * q->row_count + d] = T(1);
        }
      return;
    }
    need_lapack("torch.linalg.svd");
    const Stack a = stack_of(x);
    const Tensor info = full(batch, 0, DType::int32);
    const char job = !vectors ? 'N' : whole ? 'A' : 'S';
    const auto call = [&](int64_t i, T* work, int length, Real* real_work, int* int_work, int* code) {
      T *left = vectors ? u.at<T>(i) : nullptr, *right = vectors ? v.at<T>(i) : nullptr;
      Real* to = s.data<Real>() + i * k;
      const int ldu = std::max<int>(1, int(m)), ldv = vectors ? v.ld() : 1;
      if constexpr (is_complex_v<T>)
        lapack<T>(Routine::gesdd, job, int(m), int(n), a.at<T>(i), a.ld(), to, left, ldu, right, ldv, work, length, real_work, int_work, code);
      else
        lapack<T>(Routine::gesdd, job, int(m), int(n), a.at<T>(i), a.ld(), to, left, ldu, right, ldv, work, length, int_work, code);
    };
    int code = 0;
    const int size = workspace<T>([&](T* work, int length) { call(0, work, length, nullptr, &code, &code); });
    const int64_t wide = std::max(m, n);
    const int64_t real_size = !is_complex_v<T> ? 1 : vectors ? k * std::max(5 * k + 7, 2 * wide + 2 * k + 1) : 7 * k;
    each_matrix(a.count, 6 * cube(double(m), double(n), double(k)), [&](int64_t begin, int64_t end) {
      Scratch<T> work(size);
      Scratch<Real> real_work(std::max<int64_t>(1, real_size));
      Scratch<int> int_work(8 * k);
      for (int64_t i = begin; i < end; ++i) call(i, work.get(), size, real_work.get(), int_work.get(), info.data<int>() + i);
    });
    check_info(info, c.string(3), Trouble::svd);
  });
}

// (input, other, dim): the cross product of vectors of three
void cross(Call& c) {
  const Tensor &x = c.tensor(0), &y = c.tensor(1);
  if (x.dim() != y.dim()) throw RuntimeError("linalg.cross: inputs must have the same number of dimensions.");
  const int64_t dim = wrap_dim(c.integer(2), x.dim());
  if (x.dim() == 0 || x.size(dim) != 3 || y.size(dim) != 3)
    throw RuntimeError("linalg.cross: inputs dimension ", c.integer(2), " must have length 3. Got ", x.dim() ? x.size(dim) : 1, " and ", x.dim() ? y.size(dim) : 1);
  const Dims sizes = broadcast_sizes(x.sizes(), y.sizes());
  const DType type = promote(x.dtype(), y.dtype()), compute = compute_dtype(type);
  Tensor out = empty(sizes, compute, x.device());
  if (out.is_meta()) { c.out = {empty(sizes, type, out.device())}; return; }
  const Tensor a = contiguous_as(expand_to(x, sizes), compute), b = contiguous_as(expand_to(y, sizes), compute);
  int64_t step = 1;
  for (int d = int(dim) + 1; d < sizes.ndim(); ++d) step *= sizes[size_t(d)];
  for_compute(compute, "cross", [&]<class T> {
    const T *p = a.data<T>(), *q = b.data<T>();
    T* to = out.data<T>();
    parallel_for(out.numel() / 3, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = i / step * 3 * step + i % step;
        for (int k = 0; k < 3; ++k) {
          const int64_t y = at + (k + 1) % 3 * step, z = at + (k + 2) % 3 * step;
          to[at + k * step] = p[y] * q[z] - p[z] * q[y];
        }
      }
    });
  });
  c.out = {cast(out, type)};
}

const Register here[] = {{"linalg.eigh", eigh}, {"linalg.eig", eig}, {"linalg.svd", svd}, {"linalg.cross", cross}};

}  // namespace
}  // namespace facula
