// Convolutions as operations: checks, shapes, dtypes; the loops are in conv.cpp.
#include <algorithm>

#include "cpu/conv.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

struct Options {
  int spatial;
  Dims stride, before, after, dilation, output_padding;
  bool transposed;
  int64_t groups;
};

Dims spread(const Dims& given, int spatial, const char* name, int64_t otherwise) {
  if (given.empty()) return Dims(size_t(spatial), otherwise);
  if (given.size() == 1) return Dims(size_t(spatial), given[0]);
  if (given.ndim() != spatial)
    throw RuntimeError("expected ", name, " to be a single integer value or a list of ", spatial,
                       " values to match the convolution dimensions, but got ", name, "=", given);
  return given;
}

// `padding`: one per dimension, both sides of each ([before..., after...]), or the name of a rule.
void set_padding(Options& o, const Value& padding, const Tensor& weight) {
  if (padding.kind == Value::string) {
    o.before = o.after = Dims(size_t(o.spatial), 0);
    if (padding.text == "valid") return;
    if (padding.text != "same") throw RuntimeError("Invalid padding string: '", padding.text, "'");
    for (int64_t s : o.stride)
      if (s != 1) throw RuntimeError("padding='same' is not supported for strided convolutions");
    for (int d = 0; d < o.spatial; ++d) {
      const int64_t total = o.dilation[d] * (weight.size(d + 2) - 1);
      o.before[d] = total / 2;
      o.after[d] = total - total / 2;
    }
    return;
  }
  if (padding.dims.ndim() == 2 * o.spatial && o.spatial > 0) {
    o.before = Dims(padding.dims.data(), size_t(o.spatial));
    o.after = Dims(padding.dims.data() + o.spatial, size_t(o.spatial));
  } else {
    o.before = o.after = spread(padding.dims, o.spatial, "padding", 0);
  }
}

void check_positive(const Options& o) {
  for (int64_t p : o.before) if (p < 0) throw RuntimeError("negative padding is not supported");
  for (int64_t p : o.output_padding) if (p < 0) throw RuntimeError("negative output_padding is not supported");
  for (int64_t s : o.stride) if (s <= 0) throw RuntimeError("non-positive stride is not supported");
  for (int64_t d : o.dilation)
    if (d <= 0) throw RuntimeError("dilation should be greater than zero, but got ", o.dilation);
  if (o.groups <= 0) throw RuntimeError("non-positive groups is not supported");
}

std::string cpp_name(DType t) {
  switch (t) {
    case DType::float32: return "float";
    case DType::float64: return "double";
    case DType::float16: return "c10::Half";
    case DType::bfloat16: return "c10::BFloat16";
    case DType::int64: return "long long";
    case DType::int32: return "int";
    case DType::complex64: return "c10::complex<float>";
    case DType::complex128: return "c10::complex<double>";
    default: return std::string(name(t));
  }
}

void check_dtypes(const Tensor& x, const Tensor& w, const Tensor& b) {
  if (x.dtype() == DType::bool_) not_implemented_for("slow_conv2d_cpu", x.dtype());
  if (b && b.dtype() != x.dtype() && w.dtype() == x.dtype())
    throw RuntimeError("Input type (", cpp_name(x.dtype()), ") and bias type (", cpp_name(b.dtype()), ") should be the same");
  if (w.dtype() != x.dtype())
    throw RuntimeError("expected scalar type ", scalar_type_name(x.dtype()), " but found ", scalar_type_name(w.dtype()));
}

void check_shapes(const Options& o, const Tensor& x, const Dims& sizes, const Tensor& w, const Tensor& b) {
  const int64_t g = o.groups, first = w.size(0);
  if (o.transposed) {
    if (sizes[1] != first)
      throw RuntimeError("Given transposed=1, weight of size ", w.sizes(), ", expected input", x.sizes(), " to have ", first,
                         " channels, but got ", sizes[1], " channels instead");
    if (b && (b.dim() != 1 || b.size(0) != w.size(1) * g))
      throw RuntimeError("Given transposed=1, weight of size ", w.sizes(), ", expected bias to be 1-dimensional with ",
                         w.size(1) * g, " elements, but got bias of size ", b.sizes(), " instead");
    return;
  }
  if (first < g)
    throw RuntimeError("Given groups=", g, ", expected weight to be at least ", g, " at dimension 0, but got weight of size ",
                       w.sizes(), " instead");
  if (first % g)
    throw RuntimeError("Given groups=", g, ", expected weight to be divisible by ", g, " at dimension 0, but got weight of size [",
                       w.sizes(), "] instead");
  if (sizes[1] != w.size(1) * g)
    throw RuntimeError("Given groups=", g, ", weight of size ", w.sizes(), ", expected input", x.sizes(), " to have ", w.size(1) * g,
                       " channels, but got ", sizes[1], " channels instead");
  if (b && (b.dim() != 1 || b.size(0) != first))
    throw RuntimeError("Given weight of size ", w.sizes(), ", expected bias to be 1-dimensional with ", first,
                       " elements, but got bias of size ", b.sizes(), " instead");
}

std::string joined(const int64_t* p, int n) {
  std::string s = std::to_string(p[0]);
  for (int i = 1; i < n; ++i) s += " x " + std::to_string(p[i]);
  return s;
}

// The problem in terms of a plain convolution from `in` to `out`; for transposed ones these are
// the result and the input.
ConvShape shape_of(const Options& o, const Dims& in, const Dims& out, const Tensor& w) {
  ConvShape s{in[0], o.groups, w.size(1), w.size(0) / o.groups, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  for (int d = 0; d < o.spatial; ++d) {
    const int at = 3 - o.spatial + d;
    s.in[at] = in[d + 2];
    s.out[at] = out[d + 2];
    s.kernel[at] = w.size(d + 2);
    s.stride[at] = o.stride[d];
    s.pad[at] = o.before[d];
    s.dilation[at] = o.dilation[d];
  }
  return s;
}

Dims result_sizes(const Options& o, const Dims& sizes, const Tensor& w) {
  Dims out{sizes[0], o.transposed ? w.size(1) * o.groups : w.size(0)};
  Dims padded;
  for (int d = 0; d < o.spatial; ++d) {
    const int64_t reach = o.dilation[d] * (w.size(d + 2) - 1) + 1, n = sizes[d + 2], pad = o.before[d] + o.after[d];
    padded.push_back(n + pad);
    out.push_back(o.transposed ? (n - 1) * o.stride[d] - pad + reach + o.output_padding[d] : (n + pad - reach) / o.stride[d] + 1);
  }
  if (o.transposed) {
    for (int d = 0; d < o.spatial; ++d)
      if (o.output_padding[d] >= std::max(o.stride[d], o.dilation[d])) {
        const char* const names[] = {"depth", "height", "width"};
        std::string text;
        for (auto [label, dims] : {std::pair{"output_padding_", &o.output_padding}, {"stride_", &o.stride}, {"dilation_", &o.dilation}})
          for (int i = std::max(0, o.spatial - 3); i < o.spatial; ++i)
            text += cat(text.empty() ? "" : " ", label, names[i + 3 - std::max(o.spatial, 1)], ": ", (*dims)[i]);
        throw RuntimeError("output padding must be smaller than either stride or dilation, but got ", text);
      }
    if (std::any_of(out.begin() + 2, out.end(), [](int64_t n) { return n < 1; }))
      throw RuntimeError("Given input size per channel: (", joined(sizes.data() + 2, o.spatial), "). Calculated output size per channel: (",
                         joined(out.data() + 2, o.spatial), "). Output size is too small");
    return out;
  }
  if (std::any_of(w.sizes().begin() + 2, w.sizes().end(), [](int64_t k) { return k < 1; }))
    throw RuntimeError("kernel size should be greater than zero, but got kernel_height: ", w.size(-2), " kernel_width: ", w.size(-1));
  for (int d = 0; d < o.spatial; ++d)
    if (padded[d] < o.dilation[d] * (w.size(d + 2) - 1) + 1) {
      Dims reach;
      for (int i = 0; i < o.spatial; ++i) reach.push_back(o.dilation[i] * (w.size(i + 2) - 1) + 1);
      throw RuntimeError("Calculated padded input size per channel: (", joined(padded.data(), o.spatial), "). Kernel size: (",
                         joined(reach.data(), o.spatial), "). Kernel size can't be greater than actual input size");
    }
  return out;
}

// ---------------------------------------------------------------- bilinear pieces on tensors

DType work_dtype(DType t) {
  if (is_complex(t)) return t == DType::complex128 ? DType::float64 : DType::float32;
  return t == DType::float32 || t == DType::float16 || t == DType::bfloat16 ? DType::float32 : DType::float64;
}

// One part of a complex tensor, or an exact real copy of any other.
Tensor plane(const Tensor& x, int part, bool conjugate) {
  if (!is_complex(x.dtype())) return contiguous_as(x, work_dtype(x.dtype()));
  const Tensor from = contiguous_as(x, x.dtype() == DType::complex32 ? DType::complex64 : x.dtype());
  const Tensor to = empty(x.sizes(), work_dtype(x.dtype()));
  for_floating(to.dtype(), "convolution", [&]<class T> {
    const T* p = reinterpret_cast<const T*>(from.raw()) + part;
    const T sign = part && conjugate ? T(-1) : T(1);
    for (int64_t i = 0; i < to.numel(); ++i) to.data<T>()[i] = sign * p[2 * i];
  });
  return to;
}

// f(a, b, result) on real contiguous tensors -> the same for any dtype; b is conjugated if asked.
template <class F>
Tensor bilinear(const Dims& sizes, DType dtype, const Tensor& a, bool conjugate_a, const Tensor& b, bool conjugate_b, const F& f) {
  const DType work = work_dtype(dtype);
  const auto real = [&](int p, int q) {
    const Tensor out = empty(sizes, work);
    for_floating(work, "convolution", [&]<class T> {
      f.template operator()<T>(plane(a, p, conjugate_a).template data<T>(), plane(b, q, conjugate_b).template data<T>(),
                               out.template data<T>());
    });
    return out;
  };
  if (!is_complex(dtype)) return cast(real(0, 0), dtype);
  const DType type = dtype == DType::complex32 ? DType::complex64 : dtype;
  const Tensor rr = real(0, 0), ii = real(1, 1), ri = real(0, 1), ir = real(1, 0), out = empty(sizes, type);
  for_floating(work, "convolution", [&]<class T> {
    T* p = reinterpret_cast<T*>(out.raw());
    for (int64_t i = 0; i < out.numel(); ++i) {
      p[2 * i] = rr.template data<T>()[i] - ii.template data<T>()[i];
      p[2 * i + 1] = ri.template data<T>()[i] + ir.template data<T>()[i];
    }
  });
  return cast(out, dtype);
}

// bias broadcast over (batch, channels, ...), added where it could not be fused.
void add_bias(const Tensor& y, const Tensor& bias, int64_t inner) {
  const int64_t channels = y.size(1), n = y.numel();
  for_inexact(y.dtype(), "convolution", [&]<class T> {
    T* p = y.data<T>();
    const T* b = bias.data<T>();
    for (int64_t i = 0; i < n; ++i) p[i] += b[i / inner % channels];
  });
}

// The map from `a` (input side of the weights' first or second channel) to a result.
Tensor apply(const Options& o, const ConvShape& s, const Dims& sizes, const Tensor& a, const Tensor& w, bool conjugate_w,
             bool transposed, const Tensor& bias) {
  const DType dtype = a.dtype();
  if (sizes.numel() == 0) return empty(sizes, dtype);
  (void)o;
  const bool fused = bias && !is_complex(dtype);
  const Tensor b = fused ? contiguous_as(bias, work_dtype(dtype)) : Tensor();
  Tensor out;
  if (a.numel() == 0 || w.numel() == 0) {
    out = full(sizes, 0, dtype);
    if (bias) {
      Dims broadcast{bias.size(0)};
      while (broadcast.ndim() < int(sizes.size()) - 1) broadcast.push_back(1);
      copy_into(out, expand_to(as_view(contiguous(bias), broadcast, contiguous_strides(broadcast), bias->offset), sizes));
    }
    return out;
  }
  out = bilinear(sizes, dtype, a, false, w, conjugate_w, [&]<class T>(const T* x, const T* weight, T* y) {
    const T* c = fused ? b.data<T>() : nullptr;
    if (transposed) conv_backward_data<T>(s, x, weight, c, y);
    else conv_forward<T>(s, x, weight, c, y);
  });
  if (bias && !fused) add_bias(out, contiguous_as(bias, dtype), sizes.numel() / (sizes[0] * sizes[1]));
  return out;
}

// (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
void run(Call& c, std::string_view name, const Value& padding, const Dims& stride, const Dims& dilation, const Dims& output_padding,
         bool transposed, int64_t groups, int spatial) {
  const Tensor &x = c.tensor(0), &w = c.tensor(1), &bias = c.tensor(2);
  if (spatial > 0 && x.dim() != spatial + 1 && x.dim() != spatial + 2)
    throw RuntimeError("Expected ", spatial + 1, "D (unbatched) or ", spatial + 2, "D (batched) input to ", name,
                       ", but got input of size: ", x.sizes());
  Options o{w.dim() - 2, {}, {}, {}, {}, {}, transposed, groups};
  if (o.spatial < 1 || o.spatial > 3) throw RuntimeError("expected weight to have 3, 4 or 5 dimensions, but got weight of size ", w.sizes());
  o.stride = spread(stride, o.spatial, "stride", 1);
  o.dilation = spread(dilation, o.spatial, "dilation", 1);
  o.output_padding = spread(output_padding, o.spatial, "output_padding", 0);
  set_padding(o, padding, w);
  check_positive(o);
  const bool batched = x.dim() == o.spatial + 2;
  Dims sizes = x.sizes();
  if (!batched) sizes.insert(0, 1);
  if (sizes.ndim() != w.dim())
    throw RuntimeError("Expected ", o.spatial + 1, "D (unbatched) or ", o.spatial + 2, "D (batched) input to ", name,
                       ", but got input of size: ", x.sizes());
  check_dtypes(x, w, bias);
  check_shapes(o, x, sizes, w, bias);
  const Dims to = result_sizes(o, sizes, w);
  Dims shown = to;
  if (!batched) shown.erase(0);
  if (x.is_meta() || w.is_meta()) {
    c.out.push_back(empty(shown, x.dtype(), Device{Device::meta}));
    return;
  }
  const ConvShape s = transposed ? shape_of(o, to, sizes, w) : shape_of(o, sizes, to, w);
  const Tensor y = apply(o, s, to, x, w, false, transposed, bias);
  c.out.push_back(batched ? y : as_view(y, shown, contiguous_strides(shown), y->offset));
}

template <int spatial>
void conv(Call& c) {
  static const std::string name = cat("conv", spatial, "d");
  run(c, name, c.args[4], c.ints(3), c.ints(5), {}, false, c.integer(6, 1), spatial);
}
template <int spatial>
void conv_transpose(Call& c) {
  static const std::string name = cat("conv_transpose", spatial, "d");
  run(c, name, c.args[4], c.ints(3), c.ints(7), c.ints(5), true, c.integer(6, 1), spatial);
}
void convolution(Call& c) {
  run(c, "convolution", c.args[4], c.ints(3), c.ints(5), c.ints(7), c.flag(6), c.integer(8, 1), 0);
}

// The sum over images and positions for each channel, in blocks so that long sums keep their digits.
Tensor channel_sums(const Tensor& grad, const Dims& sizes) {
  const DType work = is_complex(grad.dtype()) ? compute_dtype(grad.dtype()) : work_dtype(grad.dtype());
  const Tensor from = contiguous_as(grad, work), out = empty({sizes[1]}, work);
  const int64_t channels = sizes[1], inner = Dims(sizes.data() + 2, sizes.size() - 2).numel();
  for_inexact(work, "convolution_backward", [&]<class T> {
    const T* p = from.data<T>();
    T* to = out.data<T>();
    parallel_for(channels, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, sizes[0] * inner)), [&](int64_t begin, int64_t end) {
      for (int64_t ch = begin; ch < end; ++ch) {
        T total = 0;
        for (int64_t n = 0; n < sizes[0]; ++n) {
          const T* row = p + (n * channels + ch) * inner;
          for (int64_t i = 0; i < inner; i += 256) {
            T lanes[16] = {};
            const int64_t end_block = std::min(inner, i + 256), whole = i + (end_block - i) / 16 * 16;
            for (int64_t j = i; j < whole; j += 16)
              for (int l = 0; l < 16; ++l) lanes[l] += row[j + l];
            T sum = 0;
            for (int64_t j = whole; j < end_block; ++j) sum += row[j];
            for (T v : lanes) sum += v;
            total += sum;
          }
        }
        to[ch] = total;
      }
    });
  });
  return cast(out, grad.dtype());
}

// (grad, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs)
void backward(Call& c) {
  const Tensor &grad = c.tensor(0), &x = c.tensor(1), &w = c.tensor(2);
  Options o{w.dim() - 2, {}, {}, {}, {}, {}, c.flag(6), c.integer(8, 1)};
  o.stride = spread(c.ints(3), o.spatial, "stride", 1);
  o.dilation = spread(c.ints(5), o.spatial, "dilation", 1);
  set_padding(o, c.args[4], w);
  const int64_t needs = c.integer(9, 7);
  Dims from = x.sizes(), to = grad.sizes();
  if (x.dim() == o.spatial + 1) {
    from.insert(0, 1);
    to.insert(0, 1);
  }
  Tensor dx, dw, db;
  if (grad.is_meta() || x.is_meta() || w.is_meta()) {
    const Device meta{Device::meta};
    if (needs & 1) dx = empty(x.sizes(), x.dtype(), meta);
    if (needs & 2) dw = empty(w.sizes(), w.dtype(), meta);
    if (needs & 4) db = empty({to[1]}, grad.dtype(), meta);
    c.out = {dx, dw, db};
    return;
  }
  const ConvShape s = o.transposed ? shape_of(o, to, from, w) : shape_of(o, from, to, w);
  if (needs & 1) {
    dx = apply(o, s, from, grad, w, true, !o.transposed, {});
    if (x.dim() == o.spatial + 1) dx = as_view(dx, x.sizes(), contiguous_strides(x.sizes()), dx->offset);
  }
  if (needs & 2) {
    if (w.numel() == 0 || x.numel() == 0 || grad.numel() == 0) {
      dw = full(w.sizes(), 0, w.dtype());
    } else {
      const auto weight = [&]<class T>(const T* a, const T* b, T* out) { conv_backward_weight<T>(s, a, b, out); };
      if (o.transposed) dw = bilinear(w.sizes(), w.dtype(), grad, false, x, true, weight);
      else dw = bilinear(w.sizes(), w.dtype(), x, true, grad, false, weight);
    }
  }
  if (needs & 4) db = channel_sums(grad, to);
  c.out = {dx, dw, db};
}

// ---------------------------------------------------------------- columns of patches

struct Patches {
  int64_t batch, channels, size[2], kernel[2], dilation[2], padding[2], stride[2], blocks[2];
};

// visit(row of the column matrix, block index, offset in the image) for each element inside.
template <class Visit>
void for_patches(const Patches& p, const Visit& visit) {
  for (int64_t kh = 0; kh < p.kernel[0]; ++kh) {
    for (int64_t kw = 0; kw < p.kernel[1]; ++kw) {
      for (int64_t bh = 0; bh < p.blocks[0]; ++bh) {
        const int64_t h = bh * p.stride[0] - p.padding[0] + kh * p.dilation[0];
        if (h < 0 || h >= p.size[0]) continue;
        for (int64_t bw = 0; bw < p.blocks[1]; ++bw) {
          const int64_t w = bw * p.stride[1] - p.padding[1] + kw * p.dilation[1];
          if (w >= 0 && w < p.size[1]) visit((kh * p.kernel[1] + kw) * p.blocks[0] * p.blocks[1] + bh * p.blocks[1] + bw, h * p.size[1] + w);
        }
      }
    }
  }
}

// (input, [output_size,] kernel_size, dilation, padding, stride)
Patches patches_of(Call& c, size_t first) {
  Patches p{};
  const char* const names[] = {"kernel_size", "dilation", "padding", "stride"};
  const char* const spoken[] = {"kernel size", "dilation", "padding", "stride"};
  const char* const stems[] = {"kernel", "dilation", "padding", "stride"};
  int64_t* const fields[] = {p.kernel, p.dilation, p.padding, p.stride};
  for (size_t i = 0; i < 4; ++i) {
    const Dims& d = c.ints(first + i);
    if (d.size() != 1 && d.size() != 2) throw RuntimeError("It is expected ", names[i], " equals to 2, but got size ", d.size());
    fields[i][0] = d[0];
    fields[i][1] = d.back();
    if (i == 2 ? d[0] < 0 || d.back() < 0 : d[0] <= 0 || d.back() <= 0)
      throw RuntimeError(spoken[i], i == 2 ? " should be non-negative" : " should be greater than zero", ", but got ", stems[i], "_height: ", d[0], " ",
                         stems[i], "_width: ", d.back());
  }
  return p;
}

std::string pair(const int64_t* p) { return cat("(", p[0], ", ", p[1], ")"); }

void count_blocks(Patches& p) {
  for (int d = 0; d < 2; ++d) {
    const int64_t room = p.size[d] + 2 * p.padding[d] - p.dilation[d] * (p.kernel[d] - 1) - 1;
    p.blocks[d] = (room >= 0 ? room / p.stride[d] : -((-room + p.stride[d] - 1) / p.stride[d])) + 1;
  }
}

void unfold(Call& c) {
  const Tensor& x = c.tensor(0);
  Patches p = patches_of(c, 1);
  const bool batched = x.dim() == 4;
  bool empty_input = !batched && x.dim() != 3;
  for (int d = 1; d < x.dim() && !empty_input; ++d) empty_input = x.size(batched ? d : d - 1) == 0 && d > 0;
  if (empty_input)
    throw RuntimeError("Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ", x.sizes());
  p.batch = batched ? x.size(0) : 1;
  p.channels = x.size(-3);
  p.size[0] = x.size(-2);
  p.size[1] = x.size(-1);
  count_blocks(p);
  if (p.blocks[0] < 1 || p.blocks[1] < 1)
    throw RuntimeError("Given input with spatial size ", pair(p.size), ", kernel_size=", pair(p.kernel), ", dilation=", pair(p.dilation),
                       ", padding=", pair(p.padding), ", calculated shape of the array of sliding blocks as ", pair(p.blocks),
                       ", but its components must be at least one.");
  const int64_t taps = p.kernel[0] * p.kernel[1], count = p.blocks[0] * p.blocks[1];
  Dims sizes{p.channels * taps, count};
  if (batched) sizes.insert(0, p.batch);
  const Tensor out = empty(sizes, x.dtype(), x.device());
  c.out.push_back(out);
  if (out.is_meta()) return;
  fill(out, 0);
  const Tensor from = contiguous(x);
  for_all(x.dtype(), "im2col_out_cpu", [&]<class T> {
    parallel_for(p.batch * p.channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* image = from.data<T>() + i * p.size[0] * p.size[1];
        T* column = out.data<T>() + i * taps * count;
        for_patches(p, [&](int64_t at, int64_t pixel) { column[at] = image[pixel]; });
      }
    });
  });
}

void fold(Call& c) {
  const Tensor& x = c.tensor(0);
  const Dims& size = c.ints(1);
  if (size.size() != 2 && size.size() != 1) throw RuntimeError("It is expected output_size equals to 2, but got size ", size.size());
  Patches p = patches_of(c, 2);
  if (x.dim() != 2 && x.dim() != 3)
    throw RuntimeError("Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: ", x.sizes());
  const bool batched = x.dim() == 3;
  const int64_t taps = p.kernel[0] * p.kernel[1];
  if (x.size(-2) % taps)
    throw RuntimeError("Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=",
                       x.size(-2), " and kernel_size=", pair(p.kernel), ".");
  p.batch = batched ? x.size(0) : 1;
  p.channels = x.size(-2) / taps;
  p.size[0] = size[0];
  p.size[1] = size.back();
  count_blocks(p);
  const int64_t count = p.blocks[0] * p.blocks[1];
  const auto given = [&] {
    return cat("Given output_size=", pair(p.size), ", kernel_size=", pair(p.kernel), ", dilation=", pair(p.dilation), ", padding=",
               pair(p.padding), ", stride=", pair(p.stride), ", ");
  };
  if (p.blocks[0] < 1 || p.blocks[1] < 1)
    throw RuntimeError(given(), "calculated shape of the array of sliding blocks as ", pair(p.blocks), ", which is too small (non-positive)");
  if (x.size(-1) != count)
    throw RuntimeError(given(), "expected size of input's dimension 2 to match the calculated number of sliding blocks ", p.blocks[0], " * ",
                       p.blocks[1], " = ", count, ", but got input.size(2)=", x.size(-1), ".");
  Dims sizes{p.channels, p.size[0], p.size[1]};
  if (batched) sizes.insert(0, p.batch);
  if (x.is_meta()) {
    c.out.push_back(empty(sizes, x.dtype(), x.device()));
    return;
  }
  const DType type = compute_dtype(x.dtype());
  const Tensor from = contiguous_as(x, type), out = full(sizes, 0, type);
  for_compute(type, "col2im_out_cpu", [&]<class T> {
    parallel_for(p.batch * p.channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T* image = out.data<T>() + i * p.size[0] * p.size[1];
        const T* column = from.data<T>() + i * taps * count;
        for_patches(p, [&](int64_t at, int64_t pixel) { image[pixel] += column[at]; });
      }
    });
  });
  c.out.push_back(cast(out, x.dtype()));
}

const Register registers[] = {
    {"conv.conv1d", conv<1>}, {"conv.conv2d", conv<2>}, {"conv.conv3d", conv<3>},
    {"conv.conv_transpose1d", conv_transpose<1>}, {"conv.conv_transpose2d", conv_transpose<2>},
    {"conv.conv_transpose3d", conv_transpose<3>}, {"conv.convolution", convolution}, {"conv.backward", backward},
    {"conv.unfold", unfold}, {"conv.fold", fold}};

}  // namespace
}  // namespace facula
