// New tensors: uninitialised, constant, sequences.
#include <cmath>

#include "cpu/copy.h"
#include "cpu/math.h"
#include "cpu/parallel.h"

namespace facula {
namespace {

Device device_of(Call& c, size_t i) { return c.has(i) ? c.args[i].dev : default_device(); }
DType kind_type(const Scalar& s) {
  return s.kind == Scalar::boolean ? DType::bool_ : s.kind == Scalar::integer ? DType::int64 : s.kind == Scalar::real ? default_dtype() : to_complex(default_dtype());
}

// _new(size, dtype?, device?, fill?)
void make(Call& c) {
  const DType type = c.dtype(1, c.has(3) ? kind_type(c.scalar(3)) : default_dtype());
  Tensor out = empty(c.ints(0), type, device_of(c, 2));
  if (c.has(3)) fill_scalar(out, c.scalar(3));
  c.out.push_back(out);
}

// zeros, ones, empty (size, dtype?, device?): the short forms, without a fill to look up
template <int kFill>
void constant(Call& c) {
  Tensor out = empty(c.ints(0), c.dtype(1, default_dtype()), device_of(c, 2));
  if constexpr (kFill == 0) { if (!out.is_meta() && out.numel()) std::memset(out.raw(), 0, size_t(out.numel() * item_size(out.dtype()))); }
  else if constexpr (kFill > 0) fill_scalar(out, Scalar{Scalar::integer, kFill, 0});
  c.out.push_back(out);
}

// _new_like(input, dtype?, device?, memory_format?, fill?)
void make_like(Call& c) {
  const Tensor& x = c.tensor(0);
  const DType type = c.dtype(1, x.dtype());
  const Device device = c.has(2) ? c.args[2].dev : x.device();
  const auto format = MemoryFormat(c.integer(3, int64_t(MemoryFormat::preserve)));
  const Dims strides = format != MemoryFormat::preserve ? contiguous_strides(x.sizes(), format)
                     : x.is_contiguous() ? contiguous_strides(x.sizes()) : empty_like(x).strides();
  Tensor out = empty_strided(x.sizes(), strides, type, device);
  if (c.has(4)) fill_scalar(out, c.scalar(4));
  c.out.push_back(out);
}

void make_strided(Call& c) { c.out.push_back(empty_strided(c.ints(0), c.ints(1), c.dtype(2, default_dtype()), device_of(c, 3))); }

// _arange(start, end, step, dtype?, device?)
void arange(Call& c) {
  const Scalar &start = c.scalar(0), &end = c.scalar(1), &step = c.scalar(2);
  const bool whole = start.kind <= Scalar::integer && end.kind <= Scalar::integer && step.kind <= Scalar::integer;
  const DType type = c.dtype(3, whole ? DType::int64 : default_dtype());
  if (step.d() == 0) throw RuntimeError("step must be nonzero");
  if (!std::isfinite(start.d()) || !std::isfinite(end.d())) throw RuntimeError("unsupported range: ", start.d(), " -> ", end.d());
  if ((step.d() > 0 && start.d() > end.d()) || (step.d() < 0 && start.d() < end.d()))
    throw RuntimeError("upper bound and lower bound inconsistent with step sign");
  const bool integral = is_integral(type);
  if (integral && step.n() == 0) throw ValueError("step must be nonzero");
  const int64_t n = type == DType::int64 ? (end.n() - start.n() + step.n() - (step.n() > 0 ? 1 : -1)) / step.n()
                                      : int64_t(std::ceil((end.d() - start.d()) / step.d()));
  Tensor out = empty({n}, type, device_of(c, 4));
  if (!out.is_meta())
    for_all(type, "arange", [&]<class T> {
      T* p = out.data<T>();
      parallel_for(n, 32 << 10, [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; ++i) {
          if constexpr (std::is_integral_v<T>) p[i] = T(start.n() + i * step.n());
          else if constexpr (is_complex_v<T>) p[i] = T(typename T::value_type(start.d() + double(i) * step.d()));
          else p[i] = T(start.d() + double(i) * step.d());
        }
      });
    });
  c.out.push_back(out);
}

// _linspace(start, end, steps, dtype?, device?): from both ends, so that both are exact.
void linspace(Call& c) {
  const int64_t n = c.integer(2);
  if (n < 0) throw RuntimeError("number of steps must be non-negative");
  const Scalar &start = c.scalar(0), &end = c.scalar(1);
  const bool complex = start.kind == Scalar::complex || end.kind == Scalar::complex;
  const DType type = c.dtype(3, complex ? to_complex(default_dtype()) : default_dtype());
  Tensor out = empty({n}, type, device_of(c, 4));
  if (!out.is_meta())
    for_all(type, "linspace", [&]<class T> {
      T* p = out.data<T>();
      using W = std::conditional_t<is_complex_v<T>, T, std::conditional_t<sizeof(T) == 4 && !std::is_integral_v<T>, float, double>>;
      W a, b;
      if constexpr (is_complex_v<W>) { a = W(start.c()); b = W(end.c()); }
      else if constexpr (std::is_integral_v<T>) { a = W(start.n()); b = W(end.n()); }
      else { a = W(start.d()); b = W(end.d()); }
      const W step = n > 1 ? (b - a) / W(double(n - 1)) : W(0);
      for (int64_t i = 0; i < n; ++i) {
        W v;
        if constexpr (std::is_same_v<W, T> && !is_complex_v<T>)  // fused, as PyTorch's loop is
          v = i < n / 2 ? m::mad(step, W(i), a) : m::mad(-step, W(n - 1 - i), b);
        else v = i < n / 2 ? a + step * W(double(i)) : b - step * W(double(n - 1 - i));
        p[i] = T(n == 1 ? a : v);
      }
    });
  c.out.push_back(out);
}

// _eye(n, m, dtype?, device?)
void eye(Call& c) {
  const int64_t n = c.integer(0), m = c.integer(1);
  if (n < 0) throw RuntimeError("n must be greater or equal to 0, got ", n);
  if (m < 0) throw RuntimeError("m must be greater or equal to 0, got ", m);
  Tensor out = full({n, m}, 0, c.dtype(2, default_dtype()), device_of(c, 3));
  if (!out.is_meta() && n && m) {
    const int64_t k = std::min(n, m);
    fill(as_view(out, {k}, {m + 1}, 0), 1);
  }
  c.out.push_back(out);
}

const Register here[] = {{"create.zeros", constant<0>}, {"create.ones", constant<1>}, {"create.empty", constant<-1>}, {"create.new", make}, {"create.new_like", make_like}, {"create.new_strided", make_strided},
                         {"create.arange", arange}, {"create.linspace", linspace}, {"create.eye", eye}};

}  // namespace
}  // namespace facula
