// Copies and fills as operations.
#include "cpu/copy.h"

namespace facula {
namespace {

// _to_copy(input, dtype, device, memory_format)
void to_copy(Call& c) {
  const Tensor& x = c.tensor(0);
  Device device = x.device();
  if (c.has(2)) device = c.string(2).starts_with("meta") ? Device{Device::meta, -1} : Device{};
  const DType type = c.dtype(1);
  const auto format = MemoryFormat(c.integer(3, int64_t(MemoryFormat::preserve)));
  Tensor out;
  if (format == MemoryFormat::preserve) {
    out = empty_like(x, type);
    if (!(device == x.device())) out = empty_strided(x.sizes(), out.strides(), type, device);
  } else {
    out = empty_strided(x.sizes(), contiguous_strides(x.sizes(), format), type, device);
  }
  if (!out.is_meta()) copy_into(out, x);
  c.out.push_back(out);
}

void copy(Call& c) {
  const Tensor& to = c.tensor(0);
  if (c.tensor(1).dim() > to.dim() || !(broadcast_sizes(to.sizes(), c.tensor(1).sizes()) == to.sizes())) expand_to(c.tensor(1), to.sizes());  // says what does not fit
  if (to.numel())
    for (int d = 0; d < to.dim(); ++d)
      if (to.size(d) > 1 && to.stride(d) == 0)
        throw RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                           "Please clone() the tensor before performing the operation.");
  if (!to.is_meta()) copy_into(to, c.tensor(1));
  c.out.push_back(to);
}

void fill_with(Call& c) {
  const Tensor& to = c.tensor(0);
  const Tensor& value = c.tensor(1);
  if (value.dim() != 0) throw RuntimeError("fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(), " dimensions.");
  if (!to.is_meta()) copy_into(to, value);
  c.out.push_back(to);
}

void zero(Call& c) {
  if (!c.tensor(0).is_meta()) fill(c.tensor(0), 0);
  c.out.push_back(c.tensor(0));
}

const Register here[] = {{"basic.to_copy", to_copy}, {"basic.copy_", copy}, {"basic.fill_", fill_with}, {"basic.zero_", zero}};

}  // namespace
}  // namespace facula
