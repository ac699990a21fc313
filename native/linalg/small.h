// Elimination for small matrices, on which a call of LAPACK costs more than the work; they need no library at all.
#pragma once
#include <cmath>
#include <complex>
#include <utility>

#include "tensor/dtype.h"

namespace facula {

inline constexpr int kSmall = 24;  // from here on LAPACK's blocks win

template <class T>
auto pivot_size(T x) {  // as LAPACK compares
  if constexpr (is_complex_v<T>) return std::abs(x.real()) + std::abs(x.imag());
  else return std::abs(x);
}

// y -= s * x
template <class T>
inline void subtract(T* __restrict y, T s, const T* __restrict x, int n) {
  if constexpr (is_complex_v<T>) {
    for (int i = 0; i < n; ++i)
      y[i] -= T(s.real() * x[i].real() - s.imag() * x[i].imag(), s.real() * x[i].imag() + s.imag() * x[i].real());
  } else {
    for (int i = 0; i < n; ++i) y[i] -= s * x[i];
  }
}

// A = P L U in place, columns `ld` apart. The result is LAPACK's info: the first zero pivot, counted from 1.
template <class T>
int small_lu(T* a, int m, int n, int ld, int* pivots) {
  int info = 0;
  for (int j = 0; j < std::min(m, n); ++j) {
    T* column = a + int64_t(j) * ld;
    int best = j;
    for (int i = j + 1; i < m; ++i) if (pivot_size(column[i]) > pivot_size(column[best])) best = i;
    pivots[j] = best + 1;
    if (column[best] == T(0)) {
      if (!info) info = j + 1;
    } else {
      if (best != j) for (int k = 0; k < n; ++k) std::swap(a[int64_t(k) * ld + j], a[int64_t(k) * ld + best]);
      const T scale = T(1) / column[j];
      for (int i = j + 1; i < m; ++i) column[i] *= scale;
    }
    for (int k = j + 1; k < n; ++k) subtract(a + int64_t(k) * ld + j + 1, a[int64_t(k) * ld + j], column + j + 1, m - j - 1);
  }
  return info;
}

// X = A^-1 B in place from factors.
template <class T>
void small_lu_solve(const T* lu, int n, int ld, const int* pivots, T* x, int sides, int ldx) {
  T inverse[kSmall];
  for (int j = 0; j < n; ++j) inverse[j] = T(1) / lu[int64_t(j) * ld + j];
  for (int s = 0; s < sides; ++s, x += ldx) {
    for (int i = 0; i < n; ++i) std::swap(x[i], x[pivots[i] - 1]);
    for (int j = 0; j < n; ++j) subtract(x + j + 1, x[j], lu + int64_t(j) * ld + j + 1, n - j - 1);
    for (int j = n - 1; j >= 0; --j) {
      x[j] *= inverse[j];
      subtract(x, x[j], lu + int64_t(j) * ld, j);
    }
  }
}

// The inverse in place of factors; `spare` holds n * n.
template <class T>
void small_inverse(T* a, int n, const int* pivots, T* spare) {
  for (int i = 0; i < n * n; ++i) spare[i] = T(0);
  for (int i = 0; i < n; ++i) spare[i * n + i] = T(1);
  small_lu_solve(a, n, n, pivots, spare, n, n);
  for (int i = 0; i < n * n; ++i) a[i] = spare[i];
}

// A = L L^H in place of the lower triangle; the result is the first minor that is not positive.
template <class T>
int small_cholesky(T* a, int n) {
  for (int j = 0; j < n; ++j) {
    T* column = a + int64_t(j) * n;
    const auto d = std::real(column[j]);
    if (!(d > 0)) return j + 1;
    const auto root = std::sqrt(d);
    column[j] = T(root);
    for (int i = j + 1; i < n; ++i) column[i] /= root;
    for (int k = j + 1; k < n; ++k) {
      T s = column[k];
      if constexpr (is_complex_v<T>) s = std::conj(s);
      subtract(a + int64_t(k) * n + k, s, column + k, n - k);
    }
  }
  return 0;
}

}  // namespace facula
