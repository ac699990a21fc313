// Recurrent layers: one direction of one layer, all steps in one call. The input's products are made
// before (one large product); here only the recurrence is left. Rows of the batch do not depend on one
// another, so each task takes some rows through all of time, with the weights packed once for all.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/column_sums.h"
#include "cpu/gemm.h"
#include "cpu/math.h"
#include "cpu/panels.h"
#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

enum class Mode { lstm, gru, rnn_tanh, rnn_relu };
Mode mode_of(const std::string& s) { return s == "LSTM" ? Mode::lstm : s == "GRU" ? Mode::gru : s == "RNN_TANH" ? Mode::rnn_tanh : Mode::rnn_relu; }
int gates_of(Mode m) { return m == Mode::lstm ? 4 : m == Mode::gru ? 3 : 1; }
int kept_of(Mode m) { return m == Mode::lstm || m == Mode::gru ? 4 : 0; }  // numbers per unit and step that backward reads

// Where step t's rows lie: sequences are sorted by falling length, so sizes only fall.
struct Steps {
  std::vector<int64_t> size, start;
  bool reverse;
  int64_t count() const { return int64_t(size.size()); }
  int64_t rows() const { return count() ? start.back() + size.back() : 0; }
  int64_t batch() const { return count() ? size[0] : 0; }
  int64_t at(int64_t k) const { return reverse ? count() - 1 - k : k; }  // the k-th step in order
  // The row before row b of step t, or -1 where the initial state stands.
  int64_t before(int64_t t, int64_t b) const {
    const int64_t s = reverse ? t + 1 : t - 1;
    return s < 0 || s >= count() || b >= size[size_t(s)] ? -1 : start[size_t(s)] + b;
  }
};
Steps steps_of(const Tensor& x, const Value& sizes, bool reverse) {
  Steps s{{}, {}, reverse};
  if (sizes.kind == Value::none) s.size.assign(size_t(x.size(0)), x.size(1));
  else s.size.assign(sizes.dims.begin(), sizes.dims.end());
  int64_t at = 0;
  for (auto n : s.size) { s.start.push_back(at); at += n; }
  return s;
}

// Each task reads all the weights at every step, so it should have rows to use them on.
int64_t rows_per_task(int64_t batch) { return std::clamp<int64_t>((batch + 3) / 4, 1, 8); }

template <class T>
void lstm_row(int64_t h, const T* __restrict gates, const T* __restrict cell_before, T* __restrict kept, T* __restrict cell, T* __restrict out) {
#pragma GCC ivdep
  for (int64_t u = 0; u < h; ++u) {
    const T i = m::sigmoid(gates[u]), f = m::sigmoid(gates[h + u]), g = m::tanh(gates[2 * h + u]), o = m::sigmoid(gates[3 * h + u]);
    const T c = f * cell_before[u] + i * g;
    kept[u] = i; kept[h + u] = f; kept[2 * h + u] = g; kept[3 * h + u] = o;
    cell[u] = c;
    out[u] = o * m::tanh(c);
  }
}
template <class T>
void gru_row(int64_t h, const T* __restrict x, const T* __restrict hidden, const T* __restrict before, T* __restrict kept, T* __restrict out) {
#pragma GCC ivdep
  for (int64_t u = 0; u < h; ++u) {
    const T r = m::sigmoid(x[u] + hidden[u]), z = m::sigmoid(x[h + u] + hidden[h + u]), n = m::tanh(x[2 * h + u] + r * hidden[2 * h + u]);
    kept[u] = r; kept[h + u] = z; kept[2 * h + u] = n; kept[3 * h + u] = hidden[2 * h + u];
    out[u] = n + z * (before[u] - n);
  }
}

template <class T>
struct Forward {
  Mode mode;
  const Steps& steps;
  int64_t h, gates;
  const T *x, *bias, *h0, *c0;
  const Panels<T>& weight;
  T *out, *hn, *cn, *kept, *cells;

  void run(int64_t first, int64_t last) const {
    const int64_t rows = last - first, wide = gates * h;
    std::vector<T> state(size_t(rows * h)), cell(size_t(c0 ? rows * h : 0)), sums(size_t(rows * wide));
    std::copy(h0 + first * h, h0 + last * h, state.begin());
    if (c0) std::copy(c0 + first * h, c0 + last * h, cell.begin());
    for (int64_t k = 0; k < steps.count(); ++k) {
      const int64_t t = steps.at(k), n = std::min(last, steps.size[size_t(t)]) - first, at = steps.start[size_t(t)] + first;
      if (n <= 0) continue;
      for (int64_t r = 0; r < n; ++r) {
        T* to = sums.data() + r * wide;
        const T* from = x + (at + r) * wide;
        if (mode == Mode::gru) for (int64_t j = 0; j < wide; ++j) to[j] = bias ? bias[j] : T(0);
        else for (int64_t j = 0; j < wide; ++j) to[j] = bias ? from[j] + bias[j] : from[j];
      }
      weight.multiply(n, {state.data(), h, 1}, {sums.data(), wide, 1}, true);
      for (int64_t r = 0; r < n; ++r) {
        T *s = sums.data() + r * wide, *hr = state.data() + r * h, *to = out + (at + r) * h;
        if (mode == Mode::lstm) {
          T* c = cells + (at + r) * h;
          lstm_row(h, s, cell.data() + r * h, kept + (at + r) * 4 * h, c, to);
          std::copy(c, c + h, cell.begin() + r * h);
        } else if (mode == Mode::gru) {
          gru_row(h, x + (at + r) * wide, s, hr, kept + (at + r) * 4 * h, to);
        } else if (mode == Mode::rnn_tanh) {
          for (int64_t u = 0; u < h; ++u) to[u] = m::tanh(s[u]);
        } else {
          for (int64_t u = 0; u < h; ++u) to[u] = s[u] > T(0) ? s[u] : T(0);
        }
        std::copy(to, to + h, hr);
      }
    }
    std::copy(state.begin(), state.end(), hn + first * h);
    if (c0) std::copy(cell.begin(), cell.end(), cn + first * h);
  }
};

Tensor as(const Tensor& t, DType type) { return t ? contiguous_as(t, type) : t; }
template <class T> const T* data(const Tensor& t) { return t ? t.data<T>() : nullptr; }

// rnn.layer(projected, h0, c0?, w_hh, b_hh?, sizes?, mode, reverse) -> output, hn, cn, kept, cells
void forward(Call& c) {
  const DType type = c.tensor(0).dtype(), compute = compute_dtype(type);
  const Mode mode = mode_of(c.string(6));
  const Tensor x = as(c.tensor(0), compute), h0 = as(c.tensor(1), compute), c0 = as(c.tensor(2), compute), w = as(c.tensor(3), compute), b = as(c.tensor(4), compute);
  const Steps steps = steps_of(x, c.args[5], c.flag(7));
  const int64_t h = w.size(1), rows = steps.rows();
  Dims sizes = x.sizes();
  sizes[sizes.ndim() - 1] = h;
  Tensor out = empty(sizes, compute, x.device()), hn = empty(h0.sizes(), compute, x.device());
  Tensor cn = empty(c0 ? c0.sizes() : Dims{0}, compute, x.device());
  Tensor kept = empty({rows, kept_of(mode) * h}, compute, x.device()), cells = empty({c0 ? rows : 0, h}, compute, x.device());
  if (!x.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const Panels<T> panels({w.data<T>(), 1, h}, h, gates_of(mode) * h);
      const Forward<T> f{mode, steps, h, gates_of(mode), x.data<T>(), data<T>(b), h0.data<T>(), data<T>(c0), panels,
                         out.data<T>(), hn.data<T>(), cn.data<T>(), kept.data<T>(), cells.data<T>()};
      parallel_for(steps.batch(), rows_per_task(steps.batch()), [&](int64_t a, int64_t z) { f.run(a, z); });
    });
  c.out = {cast(out, type), cast(hn, type), cast(cn, type), kept, cells};
}

template <class T>
void lstm_row_back(int64_t h, const T* __restrict kept, const T* __restrict cell, const T* __restrict cell_before, const T* __restrict gh,
                   T* __restrict gc, T* __restrict d) {
#pragma GCC ivdep
  for (int64_t u = 0; u < h; ++u) {
    const T i = kept[u], f = kept[h + u], g = kept[2 * h + u], o = kept[3 * h + u], tc = m::tanh(cell[u]);
    const T by_cell = gc[u] + gh[u] * o * (1 - tc * tc);
    d[u] = by_cell * g * i * (1 - i);
    d[h + u] = by_cell * cell_before[u] * f * (1 - f);
    d[2 * h + u] = by_cell * i * (1 - g * g);
    d[3 * h + u] = gh[u] * tc * o * (1 - o);
    gc[u] = by_cell * f;
  }
}
// d: of the input's gates; e: of the hidden state's. gh becomes what reaches the state before directly.
template <class T>
void gru_row_back(int64_t h, const T* __restrict kept, const T* __restrict before, T* __restrict gh, T* __restrict d, T* __restrict e) {
#pragma GCC ivdep
  for (int64_t u = 0; u < h; ++u) {
    const T r = kept[u], z = kept[h + u], n = kept[2 * h + u], hidden = kept[3 * h + u];
    const T dn = gh[u] * (1 - z) * (1 - n * n);
    d[u] = e[u] = dn * hidden * r * (1 - r);
    d[h + u] = e[h + u] = gh[u] * (before[u] - n) * z * (1 - z);
    d[2 * h + u] = dn;
    e[2 * h + u] = dn * r;
    gh[u] *= z;
  }
}

template <class T>
struct Backward {
  Mode mode;
  const Steps& steps;
  int64_t h, gates;
  const T *grad, *grad_hn, *grad_cn;      // any may be null
  const T *out, *h0, *c0, *kept, *cells;
  const Panels<T>& weight;                // gates x h
  T *dx, *dh, *before, *dh0, *dc0;        // dh: gradient of the hidden products (dx itself but for GRU)

  void run(int64_t first, int64_t last) const {
    const int64_t rows = last - first, wide = gates * h;
    std::vector<T> gh(size_t(rows * h)), gc(size_t(rows * h));
    if (grad_hn) std::copy(grad_hn + first * h, grad_hn + last * h, gh.begin());
    if (grad_cn) std::copy(grad_cn + first * h, grad_cn + last * h, gc.begin());
    for (int64_t k = steps.count() - 1; k >= 0; --k) {
      const int64_t t = steps.at(k), n = std::min(last, steps.size[size_t(t)]) - first, at = steps.start[size_t(t)] + first;
      if (n <= 0) continue;
      for (int64_t r = 0; r < n; ++r) {
        const int64_t row = at + r, prev = steps.before(t, first + r);
        T *g = gh.data() + r * h, *d = dx + row * wide;
        if (grad) for (int64_t u = 0; u < h; ++u) g[u] += grad[row * h + u];
        const T* hp = prev < 0 ? h0 + (first + r) * h : out + prev * h;
        std::copy(hp, hp + h, before + row * h);
        if (mode == Mode::lstm) {
          lstm_row_back(h, kept + row * 4 * h, cells + row * h, prev < 0 ? c0 + (first + r) * h : cells + prev * h, g, gc.data() + r * h, d);
          std::fill(g, g + h, T(0));
        } else if (mode == Mode::gru) {
          gru_row_back(h, kept + row * 4 * h, hp, g, d, dh + row * wide);
        } else {
          const T* y = out + row * h;
          if (mode == Mode::rnn_tanh) for (int64_t u = 0; u < h; ++u) d[u] = g[u] * (1 - y[u] * y[u]);
          else for (int64_t u = 0; u < h; ++u) d[u] = y[u] > T(0) ? g[u] : T(0);
          std::fill(g, g + h, T(0));
        }
      }
      weight.multiply(n, {dh + at * wide, wide, 1}, {gh.data(), h, 1}, true);
    }
    std::copy(gh.begin(), gh.end(), dh0 + first * h);
    if (dc0) std::copy(gc.begin(), gc.end(), dc0 + first * h);
  }
};

// rnn.layer_back(grad?, grad_hn?, grad_cn?, output, h0, c0?, w_hh, kept, cells, sizes?, mode, reverse, bias)
//   -> gradients of projected, h0, c0, w_hh, b_hh
void backward(Call& c) {
  const DType type = c.tensor(3).dtype(), compute = compute_dtype(type);
  const Mode mode = mode_of(c.string(10));
  const Tensor g = as(c.tensor(0), compute), ghn = as(c.tensor(1), compute), gcn = as(c.tensor(2), compute), out = as(c.tensor(3), compute);
  const Tensor h0 = as(c.tensor(4), compute), c0 = as(c.tensor(5), compute), w = as(c.tensor(6), compute), kept = c.tensor(7), cells = c.tensor(8);
  const Steps steps = steps_of(out, c.args[9], c.flag(11));
  const int64_t h = w.size(1), wide = gates_of(mode) * h, rows = steps.rows();
  Dims sizes = out.sizes();
  sizes[sizes.ndim() - 1] = wide;
  Tensor dx = empty(sizes, compute, out.device()), dh = mode == Mode::gru ? empty(sizes, compute, out.device()) : dx;
  Tensor before = empty(out.sizes(), compute, out.device()), dh0 = empty(h0.sizes(), compute, out.device());
  Tensor dc0 = c0 ? empty(c0.sizes(), compute, out.device()) : Tensor();
  Tensor dw = full(w.sizes(), 0, compute, out.device()), db = c.flag(12) ? full({wide}, 0, compute, out.device()) : Tensor();
  if (!out.is_meta())
    for_floating(compute, c.op, [&]<class T> {
      const Panels<T> panels({w.data<T>(), h, 1}, wide, h);
      const Backward<T> f{mode, steps, h, gates_of(mode), data<T>(g), data<T>(ghn), data<T>(gcn), out.data<T>(), h0.data<T>(), data<T>(c0),
                          kept.data<T>(), cells.data<T>(), panels, dx.data<T>(), dh.data<T>(), before.data<T>(), dh0.data<T>(), dc0 ? dc0.data<T>() : nullptr};
      parallel_for(steps.batch(), rows_per_task(steps.batch()), [&](int64_t a, int64_t z) { f.run(a, z); });
      gemm<T>(wide, h, rows, T(1), {dh.data<T>(), 1, wide}, {before.data<T>(), h, 1}, T(0), {dw.data<T>(), h, 1});
      if (db) column_sums<T, T>(rows, wide, {dh.data<T>(), wide, 1}, db.data<T>());
    });
  c.out = {cast(dx, type), cast(dh0, type), dc0 ? cast(dc0, type) : dc0, cast(dw, c.tensor(6).dtype()), db ? cast(db, c.tensor(6).dtype()) : db};
}

const Register here[] = {{"rnn.layer", forward}, {"rnn.layer_back", backward}};

}  // namespace
}  // namespace facula
