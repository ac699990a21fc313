// Connectionist temporal classification: Graves et al., ICML 2006. Forward variables alpha over the target with blanks
// between, in logarithms; the gradient joins them with the backward variables.
#include <cmath>
#include <limits>

#include "cpu/parallel.h"
#include "tensor/call.h"

namespace facula {
namespace {

template <class T> constexpr T kNever = -std::numeric_limits<T>::infinity();

// log(exp(a) + exp(b) + exp(c)), also of minus infinities.
template <class T>
T log_add(T a, T b, T c = kNever<T>) {
  const T top = std::max(a, std::max(b, c));
  if (top == kNever<T>) return top;
  return top + std::log(std::exp(a - top) + std::exp(b - top) + std::exp(c - top));
}

// A batch of sequences: log-probabilities (time, batch, classes), targets padded or joined end to end.
struct Batch {
  int64_t time, batch, classes, blank, longest;
  Dims inputs, targets;
  std::vector<int64_t> first;  // where each sequence's labels begin
  Tensor labels;

  Batch(const Tensor& lp, const Tensor& target, const Dims& in, const Dims& out, int64_t blank_) : blank(blank_), longest(0), inputs(in), targets(out) {
    if (!is_floating(lp.dtype())) throw RuntimeError("ctc_loss: expected floating log_probs, got ", scalar_type_name(lp.dtype()));
    if (lp.dim() != 3) throw RuntimeError("Expected 3-dimensional tensor, but got ", lp.dim(), "-dimensional tensor for argument #1 'log_probs' (while checking arguments for ctc_loss_cpu)");
    time = lp.size(0), batch = lp.size(1), classes = lp.size(2);
    if (blank < 0 || blank >= classes) throw RuntimeError("blank must be in label range");
    if (in.ndim() != batch) throw RuntimeError("input_lengths must be of size batch_size");
    if (out.ndim() != batch) throw RuntimeError("target_lengths must be of size batch_size");
    if (target.dim() != 1 && target.dim() != 2)
      throw RuntimeError("Expected 1 or 2 dimensions for argument #2 'targets', but got ", target.dim(), " (while checking arguments for ctc_loss_cpu)");
    if (target.dtype() != DType::int64 && target.dtype() != DType::int32) throw RuntimeError("ctc_loss: targets must be int32 or int64");
    labels = contiguous_as(target, DType::int64);
    int64_t at = 0;
    for (int64_t b = 0; b < batch; ++b) {
      if (out[int(b)] < 0) throw RuntimeError("Expected target_lengths to have value at least 0, but got value ", out[int(b)], " (while checking arguments for ctc_loss_cpu)");
      if (in[int(b)] < 0) throw RuntimeError("Expected input_lengths to have value at least 0, but got value ", in[int(b)], " (while checking arguments for ctc_loss_cpu)");
      if (in[int(b)] > time)
        throw RuntimeError("Expected input_lengths to have value at most ", time, ", but got value ", in[int(b)], " (while checking arguments for ctc_loss_cpu)");
      first.push_back(target.dim() == 2 ? b * target.size(1) : at);
      at += out[int(b)];
      longest = std::max(longest, out[int(b)]);
    }
    if (target.dim() == 1 && at != target.size(0))
      throw RuntimeError("Expected tensor to have size ", at, " at dimension 0, but got size ", target.size(0), " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
    if (target.dim() == 2 && (target.size(0) != batch || target.size(1) < longest))
      throw RuntimeError("Expected tensor to have size at least ", longest, " at dimension 1, but got size ", target.size(1), " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
    if (!lp.is_meta())
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t k = 0; k < out[int(b)]; ++k)
          if (const int64_t l = labels.data<int64_t>()[first[size_t(b)] + k]; l < 0 || l >= classes)
            throw IndexError("ctc_loss: label ", l, " is not one of ", classes, " classes");
  }
  int64_t states() const { return 2 * longest + 1; }
};

// One sequence: its labels with blanks between are the states 0 ... 2 count.
template <class T>
struct Sequence {
  const T* lp;
  int64_t step, time, count, blank;
  const int64_t* labels;
  Sequence(const Batch& b, const T* all, int64_t i)
      : lp(all + i * b.classes), step(b.batch * b.classes), time(b.inputs[int(i)]), count(b.targets[int(i)]), blank(b.blank),
        labels(b.labels.data<int64_t>() + b.first[size_t(i)]) {}
  int64_t label(int64_t s) const { return s % 2 ? labels[s / 2] : blank; }
  bool skips(int64_t s) const { return s > 1 && s <= 2 * count && label(s) != label(s - 2); }  // from s - 2 straight to s
  T at(int64_t t, int64_t s) const { return lp[t * step + label(s)]; }

  // alpha: (time, states); gives the negative log-likelihood.
  T forward(T* alpha, int64_t states) const {
    if (time == 0) return count == 0 ? T(0) : -kNever<T>;
    alpha[0] = at(0, 0);
    if (count > 0) alpha[1] = at(0, 1);
    for (int64_t t = 1; t < time; ++t) {
      const T* before = alpha + (t - 1) * states;
      for (int64_t s = 0; s <= 2 * count; ++s)
        alpha[t * states + s] = at(t, s) + log_add(before[s], s > 0 ? before[s - 1] : kNever<T>, skips(s) ? before[s - 2] : kNever<T>);
    }
    const T* last = alpha + (time - 1) * states;
    return -(count > 0 ? log_add(last[2 * count], last[2 * count - 1]) : last[0]);
  }

  // The gradient of nll, times g, of log-probabilities that come out of log_softmax.
  void backward(const T* alpha, int64_t states, int64_t classes, T nll, T g, T* grad, std::vector<T>& beta, std::vector<T>& joint) const {
    const int64_t top = 2 * count;
    beta.assign(size_t(2 * (top + 1)), kNever<T>);
    for (int64_t t = time - 1; t >= 0; --t) {
      T *now = beta.data() + t % 2 * (top + 1), *after = beta.data() + (t + 1) % 2 * (top + 1);
      for (int64_t s = top; s >= 0; --s) {
        if (t == time - 1) now[s] = s >= top - 1 ? at(t, s) : kNever<T>;
        else now[s] = at(t, s) + log_add(after[s], s < top ? after[s + 1] : kNever<T>, s + 2 <= top && skips(s + 2) ? after[s + 2] : kNever<T>);
      }
      joint.assign(size_t(classes), kNever<T>);
      for (int64_t s = top; s >= 0; --s) joint[size_t(label(s))] = log_add(joint[size_t(label(s))], alpha[t * states + s] + now[s]);
      for (int64_t k = 0; k < classes; ++k) {
        const T p = lp[t * step + k], share = joint[size_t(k)];
        grad[t * step + k] = g * (std::exp(p) - (share == kNever<T> ? T(0) : std::exp(share + nll - p)));
      }
    }
  }
};

// _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity) -> neg_log_likelihood, log_alpha
void ctc_loss(Call& c) {
  const Tensor& lp = c.tensor(0);
  const Batch b(lp, c.tensor(1), c.ints(2), c.ints(3), c.integer(4));
  const DType type = compute_dtype(lp.dtype());
  const Tensor in = contiguous_as(lp, type), nll = empty({b.batch}, type, lp.device());
  const Tensor alpha = full({b.batch, b.time, b.states()}, kNever<double>, type, lp.device());
  if (!lp.is_meta())
    for_floating(type, c.op, [&]<class T> {
      const T* p = in.data<T>();
      T *to = nll.data<T>(), *a = alpha.data<T>();
      parallel_for(b.batch, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = Sequence<T>(b, p, i).forward(a + i * b.time * b.states(), b.states());
      });
    });
  c.out = {cast(nll, lp.dtype()), cast(alpha, lp.dtype())};
}

// _ctc_loss_back(grad, log_probs, targets, input_lengths, target_lengths, nll, log_alpha, blank, zero_infinity)
void ctc_loss_back(Call& c) {
  const Tensor& lp = c.tensor(1);
  const Batch b(lp, c.tensor(2), c.ints(3), c.ints(4), c.integer(7));
  const DType type = compute_dtype(lp.dtype());
  const Tensor in = contiguous_as(lp, type), g = contiguous_as(c.tensor(0), type), nll = contiguous_as(c.tensor(5), type), alpha = contiguous_as(c.tensor(6), type);
  const Tensor out = full(lp.sizes(), 0, type, lp.device());
  const bool forgive = c.flag(8);
  if (!lp.is_meta())
    for_floating(type, c.op, [&]<class T> {
      const T *p = in.data<T>(), *grad = g.data<T>(), *likelihood = nll.data<T>(), *a = alpha.data<T>();
      T* to = out.data<T>();
      parallel_for(b.batch, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> beta, joint;
        for (int64_t i = begin; i < end; ++i) {
          if (forgive && likelihood[i] == -kNever<T>) continue;
          Sequence<T>(b, p, i).backward(a + i * b.time * b.states(), b.states(), b.classes, likelihood[i], grad[i], to + i * b.classes, beta, joint);
        }
      });
    });
  c.out.push_back(cast(out, lp.dtype()));
}

const Register here[] = {{"loss.ctc", ctc_loss}, {"loss.ctc_back", ctc_loss_back}};

}  // namespace
}  // namespace facula
