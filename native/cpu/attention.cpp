// Scaled dot-product attention. A task holds one head's keys and values packed, and takes its queries in
// blocks of rows: scores of a block live in cache only and are made again in backward from their logarithmic
// sums (Dao et al., "FlashAttention", arXiv 2205.14135).
#include <cmath>
#include <vector>

#include "cpu/math.h"
#include "cpu/panels.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

constexpr int64_t kRows = 4 * tile::kRows;  // queries of a block
constexpr int64_t kTask = 256;              // queries of a task, where heads are few

// (batch, heads, length, width), the last dimension contiguous.
template <class T>
struct Heads {
  T* data;
  int64_t batch_step, head_step, row_step, length, width;
  T* at(int64_t b, int64_t h) const { return data + b * batch_step + h * head_step; }
};
template <class T>
Heads<T> heads_of(const Tensor& t) { return {t.data<std::remove_const_t<T>>(), t.stride(0), t.stride(1), t.stride(2), t.size(2), t.size(3)}; }

// Rows of the last dimension contiguous; anything else is copied.
Tensor rows_of(const Tensor& t, DType type) {
  if (!t) return t;
  return t.dtype() == type && (t.size(3) <= 1 || t.stride(3) == 1) ? t : contiguous_as(t, type);
}

struct Mask {  // broadcast to (batch, heads, queries, keys); bool: what takes part, float: what is added
  const std::byte* data = nullptr;
  int64_t step[4] = {};
  bool boolean = false;
};
Mask mask_of(const Tensor& m) {
  if (!m) return {};
  Mask out{m.raw(), {}, m.dtype() == DType::bool_};
  for (int d = 0; d < 4; ++d) out.step[d] = m.stride(d) * item_size(m.dtype());
  return out;
}

template <class T>
struct Problem {
  Heads<const T> q, k, v;
  Mask mask;
  bool causal;
  T scale;
  int64_t heads;
  int64_t keys_for(int64_t last_query) const { return causal ? std::min(k.length, last_query) : k.length; }

  // scores of queries [from, from + rows): scaled, masked; columns from `keys` on are not touched.
  void scores(int64_t b, int64_t h, int64_t from, int64_t rows, int64_t keys, const Panels<T>& kt, T* s) const {
    kt.multiply(rows, {q.at(b, h) + from * q.row_step, q.row_step, 1}, {s, k.length, 1}, false, q.width, keys);
    for (int64_t r = 0; r < rows; ++r) {
      T* row = s + r * k.length;
      for (int64_t j = 0; j < keys; ++j) row[j] *= scale;
      if (mask.data) {
        const std::byte* m = mask.data + b * mask.step[0] + h * mask.step[1] + (from + r) * mask.step[2];
        if (mask.boolean) for (int64_t j = 0; j < keys; ++j) row[j] = *reinterpret_cast<const bool*>(m + j * mask.step[3]) ? row[j] : -m::inf<T>;
        else for (int64_t j = 0; j < keys; ++j) row[j] += *reinterpret_cast<const T*>(m + j * mask.step[3]);
      }
      if (causal) for (int64_t j = from + r + 1; j < keys; ++j) row[j] = -m::inf<T>;
    }
  }
};

template <class T>
T largest(const T* x, int64_t n) {
  T lanes[16];
  for (auto& l : lanes) l = -m::inf<T>;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) for (int k = 0; k < 16; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  T v = lanes[0];
  for (auto l : lanes) v = l > v ? l : v;
  return v;
}
template <class T>
T sum_of(const T* x, int64_t n) {
  T lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) for (int k = 0; k < 16; ++k) lanes[k] += x[i + k];
  for (; i < n; ++i) lanes[0] += x[i];
  double total = 0;
  for (auto l : lanes) total += double(l);
  return T(total);
}

// Probabilities in place of scores; returns the logarithm of the sum of their exponentials.
template <class T>
T softmax_row(T* s, int64_t n) {
  const T top = largest(s, n);
  if (top == -m::inf<T>) { std::fill(s, s + n, T(0)); return top; }
  for (int64_t j = 0; j < n; ++j) s[j] = m::exp(s[j] - top);
  const T total = sum_of(s, n), part = T(1) / total;
  for (int64_t j = 0; j < n; ++j) s[j] *= part;
  return top + std::log(total);
}

template <class T>
void forward_task(const Problem<T>& p, const Heads<T>& out, T* lse, int64_t b, int64_t h, int64_t from, int64_t to) {
  const int64_t keys = p.keys_for(to);
  Panels<T> kt({p.k.at(b, h), 1, p.k.row_step}, p.k.width, keys), v({p.v.at(b, h), p.v.row_step, 1}, keys, p.v.width);
  std::vector<T> s(size_t(kRows * p.k.length));
  for (int64_t i = from; i < to; i += kRows) {
    const int64_t rows = std::min(kRows, to - i), n = p.keys_for(i + rows);
    p.scores(b, h, i, rows, n, kt, s.data());
    for (int64_t r = 0; r < rows; ++r) lse[(b * p.heads + h) * p.q.length + i + r] = softmax_row(s.data() + r * p.k.length, n);
    v.multiply(rows, {s.data(), p.k.length, 1}, {out.at(b, h) + i * out.row_step, out.row_step, 1}, false, n);
  }
}

Tensor by_rows(int64_t b, int64_t h, int64_t l, int64_t e, DType type, Device d) {  // (b, h, l, e) over memory in the order b, l, h, e
  return empty_strided({b, h, l, e}, {l * h * e, e, h * e, 1}, type, d);
}

template <class T>
Problem<T> problem_of(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal, double scale) {
  return {heads_of<const T>(q), heads_of<const T>(k), heads_of<const T>(v), mask_of(mask), causal, T(scale), q.size(1)};
}
Tensor mask_as(const Tensor& m, DType type) { return !m || m.dtype() == DType::bool_ ? m : cast(m, type); }

// attention.forward(query, key, value, mask?, causal, scale) -> output, logarithmic sums
void forward(Call& c) {
  const DType type = c.tensor(0).dtype(), compute = compute_dtype(type);
  const Tensor q = rows_of(c.tensor(0), compute), k = rows_of(c.tensor(1), compute), v = rows_of(c.tensor(2), compute), mask = mask_as(c.tensor(3), compute);
  const int64_t batch = q.size(0), heads = q.size(1), length = q.size(2);
  Tensor out = by_rows(batch, heads, length, v.size(3), compute, q.device()), lse = empty({batch, heads, length}, compute, q.device());
  if (!q.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const auto p = problem_of<T>(q, k, v, mask, c.flag(4), c.real(5));
      const auto o = heads_of<T>(out);
      const int64_t each = batch * heads >= 16 ? std::max<int64_t>(1, length) : kTask, parts = (length + each - 1) / each;
      parallel_for(batch * heads * parts, 1, [&](int64_t i, int64_t) {
        const int64_t pair = i / parts, from = i % parts * each;
        forward_task<T>(p, o, lse.data<T>(), pair / heads, pair % heads, from, std::min(length, from + each));
      });
    });
  c.out = {cast(out, type), lse};
}

template <class T>
void backward_task(const Problem<T>& p, const Heads<const T>& out, const Heads<const T>& grad, const T* lse, const Heads<T>& gq, const Heads<T>& gk,
                   const Heads<T>& gv, int64_t b, int64_t h) {
  const int64_t all = p.k.length, wide = p.q.width, deep = p.v.width;
  Panels<T> kt({p.k.at(b, h), 1, p.k.row_step}, wide, all), k({p.k.at(b, h), p.k.row_step, 1}, all, wide), vt({p.v.at(b, h), 1, p.v.row_step}, deep, all);
  Panels<T> q, g;
  std::vector<T> s(size_t(kRows * all)), d(size_t(kRows * all));
  for (int64_t j = 0; j < all; ++j) {
    std::fill_n(gk.at(b, h) + j * gk.row_step, wide, T(0));
    std::fill_n(gv.at(b, h) + j * gv.row_step, deep, T(0));
  }
  for (int64_t i = 0; i < p.q.length; i += kRows) {
    const int64_t rows = std::min(kRows, p.q.length - i), n = p.keys_for(i + rows);
    const T *gi = grad.at(b, h) + i * grad.row_step, *oi = out.at(b, h) + i * out.row_step;
    p.scores(b, h, i, rows, n, kt, s.data());
    vt.multiply(rows, {gi, grad.row_step, 1}, {d.data(), all, 1}, false, deep, n);
    for (int64_t r = 0; r < rows; ++r) {
      T *sr = s.data() + r * all, *dr = d.data() + r * all, dot = 0;
      for (int64_t e = 0; e < deep; ++e) dot += gi[r * grad.row_step + e] * oi[r * out.row_step + e];
      const T shift = lse[(b * p.heads + h) * p.q.length + i + r];
      if (shift == -m::inf<T>) { std::fill_n(sr, n, T(0)); std::fill_n(dr, n, T(0)); continue; }
      for (int64_t j = 0; j < n; ++j) sr[j] = m::exp(sr[j] - shift);
      for (int64_t j = 0; j < n; ++j) dr[j] = sr[j] * (dr[j] - dot) * p.scale;
    }
    k.multiply(rows, {d.data(), all, 1}, {gq.at(b, h) + i * gq.row_step, gq.row_step, 1}, false, n);
    q.pack({p.q.at(b, h) + i * p.q.row_step, p.q.row_step, 1}, rows, wide);
    g.pack({gi, grad.row_step, 1}, rows, deep);
    q.multiply(n, {d.data(), 1, all}, {gk.at(b, h), gk.row_step, 1}, true);
    g.multiply(n, {s.data(), 1, all}, {gv.at(b, h), gv.row_step, 1}, true);
  }
}

// attention.backward(grad, query, key, value, mask?, output, sums, causal, scale) -> gradients of query, key, value
void backward(Call& c) {
  const DType type = c.tensor(1).dtype(), compute = compute_dtype(type);
  const Tensor grad = rows_of(c.tensor(0), compute), q = rows_of(c.tensor(1), compute), k = rows_of(c.tensor(2), compute), v = rows_of(c.tensor(3), compute);
  const Tensor mask = mask_as(c.tensor(4), compute), out = rows_of(c.tensor(5), compute), lse = c.tensor(6);
  const int64_t batch = q.size(0), heads = q.size(1);
  Tensor gq = by_rows(batch, heads, q.size(2), q.size(3), compute, q.device()), gk = by_rows(batch, heads, k.size(2), k.size(3), compute, q.device());
  Tensor gv = by_rows(batch, heads, v.size(2), v.size(3), compute, q.device());
  if (!q.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const auto p = problem_of<T>(q, k, v, mask, c.flag(7), c.real(8));
      const auto o = heads_of<const T>(out), g = heads_of<const T>(grad);
      const auto a = heads_of<T>(gq), b = heads_of<T>(gk), d = heads_of<T>(gv);
      parallel_for(batch * heads, 1, [&](int64_t i, int64_t) { backward_task<T>(p, o, g, lse.data<T>(), a, b, d, i / heads, i % heads); });
    });
  c.out = {cast(gq, type), cast(gk, type), cast(gv, type)};
}

const Register here[] = {{"attention.forward", forward}, {"attention.backward", backward}};

}  // namespace
}  // namespace facula
