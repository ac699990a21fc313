// Joining tensors.
#include <algorithm>

#include "cpu/parallel.h"
#include "tensor/views.h"
#include "tensor/call.h"

namespace facula {
namespace {

bool skipped(const Tensor& t) { return t.dim() == 1 && t.size(0) == 0; }  // a legacy of cat: empty vectors fit anywhere

DType joint_dtype(const std::vector<Tensor>& tensors) {
  DType dims = DType::undefined, zero = DType::undefined;
  for (auto& t : tensors) {
    DType& d = t.dim() ? dims : zero;
    d = d == t.dtype() ? d : promote(t.dtype(), d);
  }
  if (dims == DType::undefined) return zero;
  if (zero == DType::undefined) return dims;
  auto kind = [](DType t) { return is_complex(t) ? 3 : is_floating(t) ? 2 : t == DType::bool_ ? 0 : 1; };
  return kind(zero) > kind(dims) ? promote(dims, zero) : dims;
}

// Rows of `outer` blocks: block k of every input follows block k of the one before.
void join_rows(const std::vector<Tensor>& parts, const std::vector<int64_t>& block, int64_t outer, int64_t item, std::byte* to) {
  int64_t row = 0;
  for (auto b : block) row += b;
  const int64_t bytes = row * item;
  constexpr int64_t kDirect = 64 << 10, kPiece = 256 << 10;
  if (bytes * outer <= kDirect) {
    for (int64_t o = 0; o < outer; ++o)
      for (size_t k = 0; k < parts.size(); ++k) {
        std::memcpy(to, parts[k].raw() + o * block[k] * item, size_t(block[k] * item));
        to += block[k] * item;
      }
    return;
  }
  std::vector<const std::byte*> from;
  for (auto& p : parts) from.push_back(p.raw());
  parallel_for(bytes * outer, kPiece, [&](int64_t a, int64_t b) {
    int64_t o = a / bytes, at = a % bytes;
    size_t k = 0;
    while (at >= block[k] * item) at -= block[k++] * item;
    while (a < b) {
      const int64_t size = block[k] * item, n = std::min(b - a, size - at);
      if (n > 0) std::memcpy(to + a, from[k] + o * size + at, size_t(n));
      a += std::max<int64_t>(n, 0);
      at = 0;
      if (++k == block.size()) { k = 0; ++o; }
    }
  });
}

void check_all(const std::vector<Tensor>& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i)
    if (!tensors[i]) throw TypeError("expected Tensor as element ", i, " in argument 0, but got None");
}

void cat_kernel(Call& c) {
  const auto& tensors = c.tensors(0);
  if (tensors.empty()) throw ValueError("torch.cat(): expected a non-empty list of Tensors");
  const Tensor* model = nullptr;
  check_all(tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].dim() == 0) throw RuntimeError("zero-dimensional tensor (at position ", i, ") cannot be concatenated");
    if (!skipped(tensors[i]) && !model) model = &tensors[i];
  }
  if (!model) model = &tensors[0];
  const int64_t dim = wrap_dim(c.integer(1), model->dim());
  const DType dtype = joint_dtype(tensors);
  Dims sizes = model->sizes();
  sizes[dim] = 0;
  std::vector<Tensor> parts;
  std::vector<int64_t> block;
  int64_t inner = 1, outer = 1;
  for (int d = 0; d < model->dim(); ++d) (d < dim ? outer : inner) *= d == dim ? 1 : model->size(d);
  bool plain = true, channels_last = true;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    if (t.device().type != model->device().type && t.numel())
      throw RuntimeError("Expected all tensors to be on the same device, but got tensors is on ", t.device(),
                         ", different from other tensors on ", model->device(), " (when checking argument in method wrapper_cat)");
    if (skipped(t)) continue;
    if (t.dim() != model->dim())
      throw RuntimeError("Tensors must have same number of dimensions: got ", model->dim(), " and ", t.dim());
    for (int d = 0; d < t.dim(); ++d)
      if (d != dim && t.size(d) != model->size(d))
        throw RuntimeError("Sizes of tensors must match except in dimension ", dim, ". Expected size ", model->size(d),
                           " but got size ", t.size(d), " for tensor number ", i, " in the list.");
    sizes[dim] += t.size(dim);
    if (t.numel() == 0) continue;
    plain = plain && t.dtype() == dtype && t.is_contiguous();
    channels_last = channels_last && t.dim() == 4 && t.is_contiguous(MemoryFormat::channels_last) && !t.is_contiguous();
    parts.push_back(t);
    block.push_back(t.size(dim) * inner);
  }
  const bool keep_format = channels_last && !parts.empty();
  Tensor out = keep_format ? empty_strided(sizes, contiguous_strides(sizes, MemoryFormat::channels_last), dtype, model->device())
                           : empty(sizes, dtype, model->device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  if (plain && !keep_format) return join_rows(parts, block, outer, item_size(dtype), out.raw());
  int64_t at = 0;
  for (auto& t : parts) {
    copy_into(narrow_view(out, dim, at, t.size(dim)), t);
    at += t.size(dim);
  }
}

void stack_kernel(Call& c) {
  const auto& tensors = c.tensors(0);
  if (tensors.empty()) throw RuntimeError("stack expects a non-empty TensorList");
  check_all(tensors);
  const Tensor& model = tensors[0];
  const int64_t dim = wrap_dim(c.integer(1), model.dim() + 1);
  const DType dtype = joint_dtype(tensors);
  bool plain = true;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!(tensors[i].sizes() == model.sizes()))
      throw RuntimeError("stack expects each tensor to be equal size, but got ", model.sizes(), " at entry 0 and ", tensors[i].sizes(), " at entry ", i);
    plain = plain && tensors[i].dtype() == dtype && tensors[i].is_contiguous();
  }
  Dims sizes = model.sizes();
  sizes.insert(dim, int64_t(tensors.size()));
  Tensor out = empty(sizes, dtype, model.device());
  c.out.push_back(out);
  if (out.is_meta() || out.numel() == 0) return;
  int64_t inner = 1, outer = 1;
  for (int d = 0; d < model.dim(); ++d) (d < dim ? outer : inner) *= model.size(d);
  if (plain) return join_rows(tensors, std::vector<int64_t>(tensors.size(), inner), outer, item_size(dtype), out.raw());
  for (size_t i = 0; i < tensors.size(); ++i) copy_into(select_view(out, dim, int64_t(i)), tensors[i]);
}

const Register here[] = {{"join.cat", cat_kernel}, {"join.stack", stack_kernel}};

}  // namespace
}  // namespace facula
