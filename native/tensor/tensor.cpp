// Making tensors and views; dtype tables. Elements are moved by cpu/copy.cpp.
#include "tensor/tensor.h"

#include <algorithm>

#include "tensor/call.h"

namespace facula {

void (*destroy_object)(Object*) = nullptr;
TensorObject* (*new_tensor_object)() = nullptr;

std::string_view scalar_type_name(DType t) {
  static constexpr std::string_view names[] = {"Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double",
      "ComplexHalf", "ComplexFloat", "ComplexDouble", "Bool", "BFloat16", "UInt16", "UInt32", "UInt64"};
  return t == DType::undefined ? "Undefined" : names[int(t)];
}

void not_implemented_for(std::string_view op, DType t) {
  throw NotImplementedError("\"", op, "\" not implemented for '", scalar_type_name(t), "'");
}

DType promote(DType a, DType b) {
  if (a == b || b == DType::undefined) return a;
  if (a == DType::undefined) return b;
  auto rank = [](DType t) { return t == DType::bool_ ? 0 : is_integral(t) ? 1 : is_floating(t) ? 2 : 3; };
  if (rank(a) < rank(b)) std::swap(a, b);  // a is of the higher category
  switch (rank(a)) {
    case 3:
      if (rank(b) == 3) return item_size(a) >= item_size(b) ? a : b;
      return b == DType::float64 ? DType::complex128
           : a == DType::complex32 && (b == DType::float32 || b == DType::bfloat16) ? DType::complex64 : a;
    case 2:
      if (rank(b) < 2) return a;
      return item_size(a) != item_size(b) ? (item_size(a) > item_size(b) ? a : b) : DType::float32;
    case 1: {
      if (rank(b) == 0) return a;
      const bool ua = info(a).kind == 'u', ub = info(b).kind == 'u';
      if (ua == ub) return item_size(a) >= item_size(b) ? a : b;
      const DType u = ua ? a : b, s = ua ? b : a;
      if (u != DType::uint8)
        throw RuntimeError("Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ",
                           scalar_type_name(a), " and ", scalar_type_name(b));
      return s == DType::int8 ? DType::int16 : s;
    }
    default: return a;
  }
}

std::string Device::str() const {
  static constexpr const char* names[] = {"cpu", "cuda", "meta", "mps"};
  return index < 0 ? names[type] : cat(names[type], ":", int(index));
}

bool Tensor::is_contiguous(MemoryFormat format) const {
  const auto& s = sizes();
  const auto& t = strides();
  if (numel() == 0) return true;
  const int n = dim();
  int64_t step = 1;
  auto fits = [&](int d) { if (s[d] != 1) { if (t[d] != step) return false; step *= s[d]; } return true; };
  if (format == MemoryFormat::channels_last || format == MemoryFormat::channels_last_3d) {
    if (n != (format == MemoryFormat::channels_last ? 4 : 5)) return false;
    if (!fits(1)) return false;
    for (int d = n - 1; d >= 2; --d) if (!fits(d)) return false;
    return fits(0);
  }
  for (int d = n - 1; d >= 0; --d) if (!fits(d)) return false;
  return true;
}

namespace {
Tensor make(StorageRef storage, const Dims& sizes, const Dims& strides, int64_t offset, DType dtype, Device device) {
  auto* p = new_tensor_object();
  p->dtype = dtype;
  p->device = device;
  p->offset = offset;
  p->numel = sizes.numel();
  p->sizes = sizes;
  p->strides = strides;
  p->storage = std::move(storage);
  return Tensor::steal(p);
}

int64_t checked_nbytes(const Dims& sizes, DType dtype) {
  int64_t n = item_size(dtype);
  for (auto d : sizes) {
    if (d < 0) throw RuntimeError("Trying to create tensor with negative dimension ", d, ": ", sizes);
    if (d && __builtin_mul_overflow(n, d, &n)) throw RuntimeError("Storage size calculation overflowed with sizes=", sizes);
  }
  for (auto d : sizes) if (d == 0) return 0;
  return n;
}
}  // namespace

Tensor empty(const Dims& sizes, DType dtype, Device device) {
  const int64_t nbytes = checked_nbytes(sizes, dtype);
  if (device.type == Device::cuda || device.type == Device::mps)
    throw RuntimeError(device.type == Device::cuda ? "Facula not compiled with CUDA enabled" : "MPS is not available here");
  return make(new_storage(nbytes, device), sizes, contiguous_strides(sizes), 0, dtype, device);
}

Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device) {
  checked_nbytes(sizes, dtype);
  int64_t last = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) { last = 0; break; }
    last += (sizes[i] - 1) * strides[i];
  }
  return make(new_storage(last * item_size(dtype), device), sizes, strides, 0, dtype, device);
}

Tensor empty_like(const Tensor& x, DType dtype) {
  if (dtype == DType::undefined) dtype = x.dtype();
  if (x.is_contiguous()) return empty(x.sizes(), dtype, x.device());
  // Dense and not overlapping: keep the order of the dimensions in memory.
  const int n = x.dim();
  Dims order(size_t(n), 0);
  for (int i = 0; i < n; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    if (x.stride(a) == 0 || x.stride(b) == 0) return false;
    return x.stride(a) != x.stride(b) ? x.stride(a) > x.stride(b) : x.size(a) > x.size(b);
  });
  Dims strides(size_t(n), 1);
  int64_t step = 1;
  for (int i = n - 1; i >= 0; --i) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(x.size(order[i]), 1);
  }
  return empty_strided(x.sizes(), strides, dtype, x.device());
}

Tensor full(const Dims& sizes, double value, DType dtype, Device device) {
  Tensor out = empty(sizes, dtype, device);
  fill(out, value);
  return out;
}

Tensor as_view(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset) {
  return make(x->storage, sizes, strides, offset, x.dtype(), x.device());
}

Tensor shallow_copy(const Tensor& x) { return as_view(x, x.sizes(), x.strides(), x->offset); }

Tensor expand_to(const Tensor& x, const Dims& sizes) {
  if (x.sizes() == sizes) return x;
  const int n = sizes.ndim(), lead = n - x.dim();
  if (lead < 0) throw RuntimeError("expand(", x.sizes(), ", size=", sizes, "): the number of sizes provided (", n,
                                   ") must be greater or equal to the number of dimensions in the tensor (", x.dim(), ")");
  Dims strides(size_t(n), 0);
  for (int d = n - 1; d >= lead; --d) {
    if (x.size(d - lead) == sizes[d]) strides[d] = x.stride(d - lead);
    else if (x.size(d - lead) != 1)
      throw RuntimeError("The expanded size of the tensor (", sizes[d], ") must match the existing size (", x.size(d - lead),
                         ") at non-singleton dimension ", d, ".  Target sizes: ", sizes, ".  Tensor sizes: ", x.sizes());
  }
  return as_view(x, sizes, strides, x->offset);
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  if (x.is_contiguous(format)) return x;
  Tensor out = empty_strided(x.sizes(), contiguous_strides(x.sizes(), format), x.dtype(), x.device());
  copy_into(out, x);
  return out;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor out = empty_like(x, dtype);
  copy_into(out, x);
  return out;
}

Tensor contiguous_as(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return contiguous(x);
  Tensor out = empty(x.sizes(), dtype, x.device());
  copy_into(out, x);
  return out;
}

Tensor permuted(const Tensor& x, const Dims& order) {
  Dims sizes, strides;
  for (auto d : order) { sizes.push_back(x.size(d)); strides.push_back(x.stride(d)); }
  return as_view(x, sizes, strides, x->offset);
}

Tensor transposed(const Tensor& x, int64_t a, int64_t b) {
  if (x.dim() == 0) return shallow_copy(x);
  Dims sizes = x.sizes(), strides = x.strides();
  a = wrap_dim(a, x.dim());
  b = wrap_dim(b, x.dim());
  std::swap(sizes[a], sizes[b]);
  std::swap(strides[a], strides[b]);
  return as_view(x, sizes, strides, x->offset);
}

namespace {
std::vector<std::pair<std::string_view, Kernel>>& kernels() {
  static std::vector<std::pair<std::string_view, Kernel>> table;
  return table;
}
DType default_type = DType::float32;
}  // namespace

Register::Register(const char* name, Kernel kernel) { kernels().emplace_back(name, kernel); }

Kernel find_kernel(std::string_view name) {
  auto& table = kernels();
  static size_t sorted = 0;
  if (sorted != table.size()) {  // all registrations ran before the first look-up
    std::sort(table.begin(), table.end(), [](auto& a, auto& b) { return a.first < b.first; });
    sorted = table.size();
  }
  auto at = std::lower_bound(table.begin(), table.end(), name, [](auto& a, std::string_view n) { return a.first < n; });
  return at != table.end() && at->first == name ? at->second : nullptr;
}

DType default_dtype() { return default_type; }
void set_default_dtype(DType t) { default_type = t; }

static Device default_place;
Device default_device() { return default_place; }
void set_default_device(Device d) { default_place = d; }

}  // namespace facula
