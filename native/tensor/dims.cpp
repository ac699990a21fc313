// Dims, strides and view arithmetic.
#include <algorithm>

#include "tensor/tensor.h"

namespace facula {

void Dims::reserve(size_t n) {
  if (n <= capacity_) return;
  auto* p = new int64_t[n];
  std::copy_n(p_, n_, p);
  free_heap();
  p_ = p;
  capacity_ = uint32_t(n);
}

void Dims::assign(const int64_t* p, size_t n) {
  reserve(n);
  std::copy_n(p, n, p_);
  n_ = uint32_t(n);
}

void Dims::move(Dims& o) noexcept {
  n_ = o.n_;
  if (o.p_ == o.inline_) {
    p_ = inline_;
    capacity_ = kInline;
    std::copy_n(o.inline_, n_, inline_);
  } else {
    p_ = o.p_;
    capacity_ = o.capacity_;
    o.p_ = o.inline_;
    o.capacity_ = kInline;
  }
  o.n_ = 0;
}

void Dims::resize(size_t n, int64_t value) {
  reserve(n);
  for (size_t i = n_; i < n; ++i) p_[i] = value;
  n_ = uint32_t(n);
}

void Dims::insert(size_t at, int64_t v) {
  resize(n_ + 1);
  std::copy_backward(p_ + at, p_ + n_ - 1, p_ + n_);
  p_[at] = v;
}

void Dims::erase(size_t at) {
  std::copy(p_ + at + 1, p_ + n_, p_ + at);
  --n_;
}

bool Dims::operator==(const Dims& o) const { return n_ == o.n_ && std::equal(begin(), end(), o.begin()); }

std::ostream& operator<<(std::ostream& out, const Dims& d) {
  out << '[';
  for (size_t i = 0; i < d.size(); ++i) out << (i ? ", " : "") << d[i];
  return out << ']';
}

std::string by(const Dims& d) {
  std::string s;
  for (size_t i = 0; i < d.size(); ++i) s += (i ? "x" : "") + std::to_string(d[i]);
  return s;
}

Dims contiguous_strides(const Dims& sizes, MemoryFormat format) {
  Dims strides(sizes.size(), 1);
  const int n = sizes.ndim();
  int64_t step = 1;
  const bool last = (format == MemoryFormat::channels_last && n == 4) ||
                    (format == MemoryFormat::channels_last_3d && n == 5);
  auto place = [&](int d) { strides[d] = step; step *= std::max<int64_t>(sizes[d], 1); };
  if (last) {
    place(1);
    for (int d = n - 1; d >= 2; --d) place(d);
    place(0);
  } else {
    for (int d = n - 1; d >= 0; --d) place(d);
  }
  return strides;
}

Dims broadcast_sizes(const Dims& a, const Dims& b) {
  if (a == b) return a;
  const int n = std::max(a.ndim(), b.ndim());
  Dims out(size_t(n), 1);
  for (int i = 1; i <= n; ++i) {
    const int64_t x = i <= a.ndim() ? a[a.ndim() - i] : 1, y = i <= b.ndim() ? b[b.ndim() - i] : 1;
    if (x != y && x != 1 && y != 1)
      throw RuntimeError("The size of tensor a (", x, ") must match the size of tensor b (", y,
                         ") at non-singleton dimension ", n - i, ": shapes are ", a, " and ", b);
    out[n - i] = x == 1 ? y : x;
  }
  return out;
}

bool view_strides(const Dims& sizes, const Dims& strides, const Dims& to, Dims& out) {
  out = Dims(to.size(), 1);
  if (to.numel() == 0) {
    out = contiguous_strides(to);
    return true;
  }
  // Walks both shapes from the back, one run of mergeable dimensions at a time.
  int v = to.ndim() - 1;
  int64_t base = sizes.empty() ? 1 : strides.back(), run = 1, filled = 1;
  if (sizes.empty()) {
    for (; v >= 0; --v) { if (to[v] != 1) return false; out[v] = 1; }
    return true;
  }
  for (int d = sizes.ndim() - 1; d >= 0; --d) {
    run *= sizes[d];
    if (d == 0 || (sizes[d - 1] != 1 && strides[d - 1] != run * base)) {
      while (v >= 0 && (filled < run || to[v] == 1)) {
        out[v] = filled * base;
        filled *= to[v];
        --v;
      }
      if (filled != run) return false;
      if (d > 0) { base = strides[d - 1]; run = filled = 1; }
    }
  }
  return v == -1;
}

Dims infer_size(const Dims& wanted, int64_t numel) {
  Dims out = wanted;
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < out.ndim(); ++i) {
    if (out[i] == -1) {
      if (unknown >= 0) throw RuntimeError("only one dimension can be inferred");
      unknown = i;
    } else if (out[i] < 0) {
      throw RuntimeError("invalid shape dimension ", out[i], " at index ", i, " of shape ", wanted);
    } else {
      known *= out[i];
    }
  }
  if (unknown >= 0) {
    if (known == 0)
      throw RuntimeError("cannot reshape tensor of 0 elements into shape ", wanted,
                         " because the unspecified dimension size -1 can be any value and is ambiguous");
    if (numel % known == 0) { out[unknown] = numel / known; known = numel; }
  }
  if (known != numel) throw RuntimeError("shape '", wanted, "' is invalid for input of size ", numel);
  return out;
}

int64_t wrap_dim(int64_t d, int64_t ndim, std::string_view) {
  const int64_t n = ndim == 0 ? 1 : ndim;
  if (d < -n || d >= n)
    throw IndexError("Dimension out of range (expected to be in range of [", -n, ", ", n - 1, "], but got ", d, ")");
  return d < 0 ? d + n : d;
}

}  // namespace facula
