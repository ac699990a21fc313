// Operations that are matrix products: checks, shapes, and the way into `gemm`.
#include <algorithm>

#include "cpu/column_sums.h"
#include "cpu/gemm.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/storage.h"

namespace facula {
namespace {

const Scalar kOne{Scalar::integer, 1, 1.0}, kZero{Scalar::integer, 0, 0.0};

template <class T>
typename ScaleOf<T>::type scale_as(const Scalar& s) {
  if constexpr (is_complex_v<T>) return T(s.c());
  else if constexpr (std::is_integral_v<T>) return s.n();
  else return typename ScaleOf<T>::type(s.d());
}

// The dtype that products of `t` are computed in; halves are widened inside gemm.
DType product_dtype(DType t) {
  if (t == DType::complex32) return DType::complex64;
  return is_inexact(t) ? t : DType::int64;
}

template <class Body>
void for_product(DType t, std::string_view op, Body&& body) {
  switch (t) {
    case DType::float16: return body.template operator()<float16>();
    case DType::bfloat16: return body.template operator()<bfloat16>();
    default: return for_compute(t, op, std::forward<Body>(body));
  }
}

void refuse_bool(const Tensor& x, std::string_view name) {
  if (x.dtype() == DType::bool_) not_implemented_for(name, x.dtype());
}

template <class T>
Strided<T> matrix(const Tensor& x, int64_t row_dim, int64_t col_dim) {
  return {x.data<std::remove_const_t<T>>(), x.stride(row_dim), x.stride(col_dim)};
}

// A batch as one step between matrices: (count, rows, cols) strides, copied if there is none.
Tensor as_batch(const Tensor& x, const Dims& batch) {
  Dims sizes = batch, strides, flat{batch.numel(), x.size(-2), x.size(-1)};
  sizes.push_back(x.size(-2));
  sizes.push_back(x.size(-1));
  const Tensor wide = expand_to(x, sizes);
  if (view_strides(sizes, wide.strides(), flat, strides)) return as_view(wide, flat, strides, wide->offset);
  const Tensor copy = contiguous(wide);
  return as_view(copy, flat, contiguous_strides(flat), copy->offset);
}

// (rows, last) of a tensor of any rank.
Tensor as_rows(const Tensor& x) {
  const int64_t last = x.size(-1);
  const Dims flat{last ? x.numel() / last : Dims(x.sizes().data(), size_t(x.dim() - 1)).numel(), last};
  Dims strides;
  if (x.dim() == 2) return x;
  if (view_strides(x.sizes(), x.strides(), flat, strides)) return as_view(x, flat, strides, x->offset);
  const Tensor copy = contiguous(x);
  return as_view(copy, flat, contiguous_strides(flat), copy->offset);
}

Tensor reshaped(const Tensor& x, const Dims& sizes) {
  return as_view(x, sizes, contiguous_strides(sizes), x->offset);
}

// out = alpha * a @ b + beta * out, all (count, rows, cols) or all (rows, cols).
void multiply_into(const Tensor& out, const Tensor& a, const Tensor& b, const Scalar& alpha,
                   const Scalar& beta, std::string_view op, const Tensor& col_bias = {}) {
  if (out.is_meta() || out.numel() == 0) return;
  const DType type = product_dtype(out.dtype());
  if (type != out.dtype()) {
    const Tensor wide = beta.c() == 0.0 ? empty(out.sizes(), type) : cast(out, type);
    multiply_into(wide, cast(a, type), cast(b, type), alpha, beta, op, col_bias ? cast(col_bias, type) : col_bias);
    copy_into(out, wide);
    return;
  }
  for_product(type, op, [&]<class T> {
    const auto x = matrix<const T>(a, -2, -1), y = matrix<const T>(b, -2, -1);
    const auto z = matrix<T>(out, -2, -1);
    const int64_t m = out.size(-2), n = out.size(-1), k = a.size(-1);
    if (out.dim() == 2) {
      Epilogue<T> epilogue;
      if (col_bias) epilogue.col_bias = col_bias.data<T>();
      gemm<T>(m, n, k, scale_as<T>(alpha), x, y, scale_as<T>(beta), z, epilogue);
    } else {
      gemm_batch<T>(out.size(0), m, n, k, scale_as<T>(alpha), x, a.stride(0), y, b.stride(0),
                    scale_as<T>(beta), z, out.stride(0));
    }
  });
}

std::string cpp_name(DType t) {
  switch (t) {
    case DType::float32: return "float";
    case DType::float64: return "double";
    case DType::float16: return "c10::Half";
    case DType::bfloat16: return "c10::BFloat16";
    case DType::complex64: return "c10::complex<float>";
    case DType::complex128: return "c10::complex<double>";
    case DType::int64: return "long";
    case DType::int32: return "int";
    case DType::int16: return "short";
    case DType::int8: return "signed char";
    case DType::uint8: return "unsigned char";
    default: return std::string(name(t));
  }
}

void check_inner(const Tensor& a, const Tensor& b) {
  if (a.size(-1) != b.size(-2))
    throw RuntimeError("mat1 and mat2 shapes cannot be multiplied (", a.size(-2), "x", a.size(-1), " and ",
                       b.size(-2), "x", b.size(-1), ")");
}

void check_dtypes(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw RuntimeError("expected m1 and m2 to have the same dtype, but got: ", cpp_name(a.dtype()), " != ",
                       cpp_name(b.dtype()));
}

Device device_of(const Tensor& a, const Tensor& b) { return a.is_meta() || b.is_meta() ? Device{Device::meta} : a.device(); }

void mm(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  if (a.dim() != 2) throw RuntimeError("self must be a matrix");
  if (b.dim() != 2) throw RuntimeError("mat2 must be a matrix");
  check_inner(a, b);
  check_dtypes(a, b);
  refuse_bool(a, "addmm_impl_cpu_");
  const Tensor out = empty({a.size(0), b.size(1)}, a.dtype(), device_of(a, b));
  multiply_into(out, a, b, kOne, kZero, "addmm_impl_cpu_");
  c.out.push_back(out);
}

// beta * self (expanded) where products are then added.
Tensor start(const Tensor& self, const Dims& sizes, const Scalar& beta, Device device) {
  const Tensor from = expand_to(self, sizes);
  const Tensor out = empty(sizes, self.dtype(), device);
  if (!out.is_meta() && beta.c() != 0.0) copy_into(out, from);
  return out;
}

void addmm(Call& c) {
  const Tensor &self = c.tensor(0), &a = c.tensor(1), &b = c.tensor(2);
  if (a.dim() != 2) throw RuntimeError("mat1 must be a matrix, got ", a.dim(), "-D tensor");
  if (b.dim() != 2) throw RuntimeError("mat2 must be a matrix, got ", b.dim(), "-D tensor");
  check_inner(a, b);
  if (self.dtype() != b.dtype())
    throw RuntimeError("self and mat2 must have the same dtype, but got ", scalar_type_name(self.dtype()),
                       " and ", scalar_type_name(b.dtype()));
  check_dtypes(a, b);
  refuse_bool(a, "addmm_impl_cpu_");
  const Scalar &beta = c.scalar(3), &alpha = c.scalar(4);
  const Tensor out = start(self, {a.size(0), b.size(1)}, beta, device_of(a, b));
  multiply_into(out, a, b, alpha, beta, "addmm_impl_cpu_");
  c.out.push_back(out);
}

void check_batches(const Tensor& a, const Tensor& b) {
  if (a.dim() != 3) throw RuntimeError("batch1 must be a 3D tensor");
  if (b.dim() != 3) throw RuntimeError("batch2 must be a 3D tensor");
  if (a.size(0) != b.size(0) || a.size(2) != b.size(1))
    throw RuntimeError("Expected size for first two dimensions of batch2 tensor to be: [", a.size(0), ", ",
                       a.size(2), "] but got: [", b.size(0), ", ", b.size(1), "].");
  if (a.dtype() != b.dtype())
    throw RuntimeError("expected scalar type ", scalar_type_name(a.dtype()), " but found ", scalar_type_name(b.dtype()));
  refuse_bool(a, "bmm");
}

void bmm(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  check_batches(a, b);
  const Tensor out = empty({a.size(0), a.size(1), b.size(2)}, a.dtype(), device_of(a, b));
  multiply_into(out, a, b, kOne, kZero, "bmm");
  c.out.push_back(out);
}

void baddbmm(Call& c) {
  const Tensor &self = c.tensor(0), &a = c.tensor(1), &b = c.tensor(2);
  if (a.dim() != 3) throw RuntimeError("batch1 must be a 3D tensor");
  if (b.dim() != 3) throw RuntimeError("batch2 must be a 3D tensor");
  expand_to(self, {a.size(0), a.size(1), b.size(2)});
  check_batches(a, b);
  if (self.dtype() != a.dtype())
    throw RuntimeError("Input dtypes must be the same, got: input ", scalar_type_name(self.dtype()), ", batch1: ",
                       scalar_type_name(a.dtype()), ", batch2: ", scalar_type_name(b.dtype()));
  const Tensor out = start(self, {a.size(0), a.size(1), b.size(2)}, c.scalar(3), device_of(a, b));
  multiply_into(out, a, b, c.scalar(4), c.scalar(3), "baddbmm");
  c.out.push_back(out);
}

// The sum over the batch is one product: (m, batch * k) @ (batch * k, n).
void addbmm(Call& c) {
  const Tensor &self = c.tensor(0), &a = c.tensor(1), &b = c.tensor(2);
  if (a.dim() != 3) throw RuntimeError("batch1 must be a 3D tensor");
  if (b.dim() != 3) throw RuntimeError("batch2 must be a 3D tensor");
  expand_to(self, {a.size(1), b.size(2)});
  check_batches(a, b);
  const Tensor out = start(self, {a.size(1), b.size(2)}, c.scalar(3), device_of(a, b));
  if (out.is_meta()) {
    c.out.push_back(out);
    return;
  }
  if (is_floating(out.dtype()) && item_size(out.dtype()) == 2 && a.size(0) > 0) {
    // PyTorch rounds after each matrix.
    for (int64_t i = 0; i < a.size(0); ++i) {
      const auto matrix = [i](const Tensor& t) {
        return as_view(t, {t.size(1), t.size(2)}, {t.stride(1), t.stride(2)}, t->offset + i * t.stride(0));
      };
      multiply_into(out, matrix(a), matrix(b), c.scalar(4), i ? kOne : c.scalar(3), "addbmm");
    }
  } else {
    const int64_t depth = a.size(0) * a.size(2);
    const Tensor left = reshaped(contiguous(permuted(a, {1, 0, 2})), {a.size(1), depth});
    multiply_into(out, left, reshaped(contiguous(b), {depth, b.size(2)}), c.scalar(4), c.scalar(3), "addbmm");
  }
  c.out.push_back(out);
}

Tensor as_column(const Tensor& v) { return as_view(v, {v.size(0), 1}, {v.stride(0), 1}, v->offset); }
Tensor as_row(const Tensor& v) { return as_view(v, {1, v.size(0)}, {1, v.stride(0)}, v->offset); }

void check_mv(const Tensor& self, const Tensor& a, const Tensor& v) {
  if (a.dim() != 2 || v.dim() != 1 || self.dim() > 1)
    throw RuntimeError("vector + matrix @ vector expected, got ", self.dim(), ", ", a.dim(), ", ", v.dim());
  if (a.size(1) != v.size(0) || (self.numel() != a.size(0) && self.numel() != 1))
    throw RuntimeError("size mismatch, got input (", self.size(0), "), mat (", a.size(0), "x", a.size(1),
                       "), vec (", v.size(0), ")");
  if (self.dtype() != a.dtype() || a.dtype() != v.dtype())
    throw RuntimeError("addmv input tensors must have the same dtype, but got ", scalar_type_name(self.dtype()),
                       ", ", scalar_type_name(a.dtype()), ", and ", scalar_type_name(v.dtype()));
  refuse_bool(a, "addmv_impl_cpu");
}

void mv(Call& c) {
  const Tensor &a = c.tensor(0), &v = c.tensor(1);
  const int64_t rows = a.dim() ? a.size(0) : 0;
  if (a.dim() != 2 || v.dim() != 1)
    throw RuntimeError("vector + matrix @ vector expected, got 1, ", a.dim(), ", ", v.dim());
  const Tensor out = empty({rows}, v.dtype(), device_of(a, v));
  check_mv(out, a, v);
  multiply_into(as_column(out), a, as_column(v), kOne, kZero, "addmv_impl_cpu");
  c.out.push_back(out);
}

void addmv(Call& c) {
  const Tensor &self = c.tensor(0), &a = c.tensor(1), &v = c.tensor(2);
  check_mv(self, a, v);
  const Tensor out = start(self, {a.size(0)}, c.scalar(3), device_of(a, v));
  multiply_into(as_column(out), a, as_column(v), c.scalar(4), c.scalar(3), "addmv_impl_cpu");
  c.out.push_back(out);
}

void check_dot(const Tensor& a, const Tensor& b, std::string_view op) {
  if (a.dim() != 1 || b.dim() != 1)
    throw RuntimeError("1D tensors expected, but got ", a.dim(), "D and ", b.dim(), "D tensors");
  if (a.dtype() != b.dtype())
    throw RuntimeError("dot : expected both vectors to have same dtype, but found ", scalar_type_name(a.dtype()),
                       " and ", scalar_type_name(b.dtype()));
  if (a.numel() != b.numel())
    throw RuntimeError("inconsistent tensor size, expected tensor [", a.numel(), "] and src [", b.numel(),
                       "] to have the same number of elements, but got ", a.numel(), " and ", b.numel(),
                       " elements respectively");
  refuse_bool(a, op);
}

// Contiguous vectors: pieces in the lanes of `sum_terms`.
// Short vectors in the order of the BLAS that PyTorch has on AMD processors: registers of four, four of them in turn, whole
// blocks of 16, 8 and 4, what is left in the first lane. Line searches near a minimum follow the last bits.
float short_dot(const float* a, const float* b, int64_t n) {
  float r[4][4] = {};
  int64_t i = 0;
  auto add = [&](int count) {
    for (int v = 0; v < count; ++v, i += 4) for (int k = 0; k < 4; ++k) r[v][k] += a[i + k] * b[i + k];
  };
  while (n - i >= 16) add(4);
  if (n - i >= 8) add(2);
  if (n - i >= 4) add(1);
  for (; i < n; ++i) r[0][0] += a[i] * b[i];
  float s[4];
  for (int k = 0; k < 4; ++k) s[k] = r[0][k] + r[1][k] + r[2][k] + r[3][k];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

template <class T>
T dot_product(const T* a, const T* b, int64_t n) {
  if constexpr (std::is_same_v<T, float>) if (n <= 128) return short_dot(a, b, n);
  constexpr int64_t piece = 32 << 10;
  const int64_t pieces = (n + piece - 1) / piece;
  Scratch<Wide<T>> partial(std::max<int64_t>(1, pieces));
  Wide<T>* sums = partial.get();
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sums[i] = sum_terms<T>(std::min(piece, n - i * piece), [&](int64_t k) { return a[i * piece + k] * b[i * piece + k]; });
  });
  Wide<T> total = 0;
  for (int64_t i = 0; i < pieces; ++i) total += sums[i];
  return T(total);
}

void dot(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  check_dot(a, b, "dot");
  const Tensor out = empty({}, a.dtype(), device_of(a, b));
  if ((a.dtype() == DType::float32 || a.dtype() == DType::float64) && !out.is_meta()) {
    const Tensor x = contiguous(a), y = contiguous(b);
    for_floating(a.dtype(), "dot", [&]<class T> { *out.data<T>() = dot_product(x.data<T>(), y.data<T>(), x.numel()); });
    c.out.push_back(out);
    return;
  }
  multiply_into(as_view(out, {1, 1}, {1, 1}, out->offset), as_row(a), as_column(b), kOne, kZero, "dot");
  c.out.push_back(out);
}

void vdot(Call& c) {
  Tensor a = c.tensor(0);
  const Tensor& b = c.tensor(1);
  check_dot(a, b, "vdot");
  if (is_complex(a.dtype()) && !a.is_meta()) {
    const Tensor copy = empty(a.sizes(), a.dtype());
    copy_into(copy, a);
    for_inexact(a.dtype(), "vdot", [&]<class T> {
      if constexpr (is_complex_v<T>)
        for (int64_t i = 0; i < copy.numel(); ++i) copy.data<T>()[i] = std::conj(copy.data<T>()[i]);
    });
    a = copy;
  }
  const Tensor out = empty({}, a.dtype(), device_of(a, b));
  multiply_into(as_view(out, {1, 1}, {1, 1}, out->offset), as_row(a), as_column(b), kOne, kZero, "vdot");
  c.out.push_back(out);
}

// Batched product with broadcasting; vectors have been given their second dimension.
void matmul(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  check_dtypes(a, b);
  refuse_bool(a, "addmm_impl_cpu_");
  const Device device = device_of(a, b);
  if (b.dim() == 2) {
    const Tensor rows = as_rows(a);
    check_inner(rows, b);
    Dims sizes = a.sizes();
    sizes.back() = b.size(1);
    const Tensor out = empty(sizes, a.dtype(), device);
    multiply_into(reshaped(out, {rows.size(0), b.size(1)}), rows, b, kOne, kZero, "addmm_impl_cpu_");
    c.out.push_back(out);
    return;
  }
  const Dims batch = broadcast_sizes(Dims(a.sizes().data(), size_t(a.dim() - 2)), Dims(b.sizes().data(), size_t(b.dim() - 2)));
  if (a.size(-1) != b.size(-2))
    throw RuntimeError("Expected size for first two dimensions of batch2 tensor to be: [", batch.numel(), ", ",
                       a.size(-1), "] but got: [", batch.numel(), ", ", b.size(-2), "].");
  Dims sizes = batch;
  sizes.push_back(a.size(-2));
  sizes.push_back(b.size(-1));
  const Tensor out = empty(sizes, a.dtype(), device);
  if (!out.is_meta())
    multiply_into(reshaped(out, {batch.numel(), a.size(-2), b.size(-1)}), as_batch(a, batch), as_batch(b, batch),
                  kOne, kZero, "bmm");
  c.out.push_back(out);
}

// ---------------------------------------------------------------- linear

void linear(Call& c) {
  const Tensor &x = c.tensor(0), &w = c.tensor(1), &bias = c.tensor(2);
  if (w.dim() > 2) throw RuntimeError("t() expects a tensor with <= 2 dimensions, but self is ", w.dim(), "D");
  if (x.dim() == 0 || w.dim() == 0)
    throw RuntimeError("both arguments to linear need to be at least 1D, but they are ", x.dim(), "D and ", w.dim(), "D");
  const Tensor rows = x.dim() == 1 ? as_row(x) : as_rows(x);
  const Tensor right = w.dim() == 1 ? as_column(w) : transposed(w, 0, 1);
  check_inner(rows, right);
  if (bias && bias.dtype() != w.dtype())
    throw RuntimeError("self and mat2 must have the same dtype, but got ", scalar_type_name(bias.dtype()),
                       " and ", scalar_type_name(w.dtype()));
  check_dtypes(x, w);
  refuse_bool(x, "addmm_impl_cpu_");
  Dims sizes = x.sizes();
  if (w.dim() == 1) sizes.resize(sizes.size() - 1);
  else sizes.back() = w.size(0);
  const Dims flat{rows.size(0), right.size(1)};
  const Tensor out = empty(sizes, x.dtype(), device_of(x, w));
  const Tensor target = reshaped(out, flat);
  const bool fused = bias && is_floating(x.dtype()) && bias.dim() == 1 && bias.size(0) == flat[1] && bias.stride(0) == 1;
  const bool add = bias && !fused;
  if (add) {
    const Tensor wide = expand_to(bias, x.dim() == 2 ? flat : sizes);
    if (!out.is_meta()) copy_into(out, wide);
  }
  multiply_into(target, rows, right, kOne, add ? kOne : kZero, "addmm_impl_cpu_", fused ? bias : Tensor());
  c.out.push_back(out);
}

// (grad, input, weight, needs): gradients of input, weight and bias; bits of `needs` ask for each.
void linear_backward(Call& c) {
  const Tensor &grad = c.tensor(0), &x = c.tensor(1), &w = c.tensor(2);
  const int64_t needs = c.integer(3);
  const Tensor g = as_rows(grad), rows = as_rows(x);
  Tensor dx, dw, db;
  if (needs & 1) {
    dx = empty(x.sizes(), x.dtype(), x.device());
    multiply_into(reshaped(dx, rows.sizes()), g, w, kOne, kZero, "addmm_impl_cpu_");
  }
  if (needs & 2) {
    dw = empty(w.sizes(), w.dtype(), w.device());
    multiply_into(dw, transposed(g, 0, 1), rows, kOne, kZero, "addmm_impl_cpu_");
  }
  if (needs & 4) {
    db = empty({g.size(1)}, grad.dtype(), grad.device());
    if (!db.is_meta()) {
      if (g.size(0) == 0) fill(db, 0);
      else for_product(db.dtype(), "linear_backward", [&]<class S> {
        using T = typename ScaleOf<S>::type;
        column_sums<S, T>(g.size(0), g.size(1), matrix<const S>(g, 0, 1), db.data<S>());
      });
    }
  }
  c.out = {dx, dw, db};
}

const Register registers[] = {
    {"matmul.mm", mm}, {"matmul.addmm", addmm}, {"matmul.bmm", bmm}, {"matmul.baddbmm", baddbmm},
    {"matmul.addbmm", addbmm}, {"matmul.mv", mv}, {"matmul.addmv", addmv}, {"matmul.dot", dot}, {"matmul.vdot", vdot},
    {"matmul.matmul", matmul}, {"matmul.linear", linear}, {"matmul.linear_backward", linear_backward}};

}  // namespace
}  // namespace facula
