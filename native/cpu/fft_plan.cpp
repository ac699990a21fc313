#include "cpu/fft_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <unordered_map>

namespace facula::fft {
namespace {

constexpr int kRadices[] = {8, 4, 2, 3, 5, 7, 11, 13};
#ifdef __AVX512F__
constexpr int kVectorBytes = 64;
#else
constexpr int kVectorBytes = 32;
#endif
template <class T>
struct Wide {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  static constexpr int64_t lanes = kVectorBytes / sizeof(T);
};

template <class V, class T>
inline V load(const T* p) { V v; std::memcpy(&v, p, sizeof v); return v; }
template <class V, class T>
inline void store(T* p, V v) { std::memcpy(p, &v, sizeof v); }

// ---------------------------------------------------------------- transforms of a few points, in registers
template <class V>
inline void dft2(V* re, V* im) {
  const V r = re[0] - re[1], i = im[0] - im[1];
  re[0] += re[1]; im[0] += im[1];
  re[1] = r; im[1] = i;
}
template <class V>
inline void dft4(V* re, V* im) {
  const V ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
  const V cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
  re[0] = ar + cr; im[0] = ai + ci;
  re[1] = br + di; im[1] = bi - dr;
  re[2] = ar - cr; im[2] = ai - ci;
  re[3] = br - di; im[3] = bi + dr;
}
template <class T, class V>
inline void dft8(V* re, V* im) {
  V er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
  V qr[4] = {re[1], re[3], re[5], re[7]}, qi[4] = {im[1], im[3], im[5], im[7]};
  dft4(er, ei);
  dft4(qr, qi);
  constexpr T h = T(0.70710678118654752440);
  const V r1 = (qr[1] + qi[1]) * h, i1 = (qi[1] - qr[1]) * h;
  const V r3 = (qi[3] - qr[3]) * h, i3 = -(qr[3] + qi[3]) * h;
  const V tr[4] = {qr[0], r1, qi[2], r3}, ti[4] = {qi[0], i1, -qr[2], i3};
  for (int k = 0; k < 4; ++k) {
    re[k] = er[k] + tr[k]; im[k] = ei[k] + ti[k];
    re[k + 4] = er[k] - tr[k]; im[k + 4] = ei[k] - ti[k];
  }
}
// An odd number of points: points j and R - j share their products with cosines and with sines.
template <class T, int R>
struct OddTable {
  T c[R], s[R];
  OddTable() { for (int k = 0; k < R; ++k) { const auto w = root_of_unity(k, R); c[k] = T(w.re); s[k] = T(-w.im); } }
};
template <class T, int R, class V>
inline void dft_odd(V* re, V* im) {
  static const OddTable<T, R> t;
  constexpr int kHalf = (R - 1) / 2;
  V pr[kHalf], pi[kHalf], mr[kHalf], mi[kHalf];
  const V r0 = re[0], i0 = im[0];
  for (int j = 0; j < kHalf; ++j) {
    pr[j] = re[j + 1] + re[R - 1 - j]; pi[j] = im[j + 1] + im[R - 1 - j];
    mr[j] = re[j + 1] - re[R - 1 - j]; mi[j] = im[j + 1] - im[R - 1 - j];
    re[0] += pr[j]; im[0] += pi[j];
  }
  for (int k = 1; k <= kHalf; ++k) {
    V cr = r0, ci = i0, sr = V{}, si = V{};
    for (int j = 0; j < kHalf; ++j) {
      const int at = (j + 1) * k % R;
      cr += pr[j] * t.c[at]; ci += pi[j] * t.c[at];
      sr += mr[j] * t.s[at]; si += mi[j] * t.s[at];
    }
    re[k] = cr + si; im[k] = ci - sr;
    re[R - k] = cr - si; im[R - k] = ci + sr;
  }
}
template <class T, int R, class V>
inline void dft(V* re, V* im) {
  if constexpr (R == 2) dft2(re, im);
  else if constexpr (R == 4) dft4(re, im);
  else if constexpr (R == 8) dft8<T>(re, im);
  else dft_odd<T, R>(re, im);
}

// ---------------------------------------------------------------- one pass
template <class T>
struct Step {
  Split<T> from, to;
  int64_t rest, stride;  // transforms of `rest` points remain; neighbours of one transform lie `stride` apart
  const T* twiddles;
};

// R points of neighbouring lines q ...: their factors are the same.
template <class T, int R, class V>
inline void along_lines(const Step<T>& s, int64_t p, int64_t q, const T* wr, const T* wi) {
  V re[R], im[R];
  const int64_t from = s.stride * p + q, to = s.stride * R * p + q, hop = s.stride * s.rest;
  for (int k = 0; k < R; ++k) { re[k] = load<V>(s.from.re + from + k * hop); im[k] = load<V>(s.from.im + from + k * hop); }
  dft<T, R>(re, im);
  store(s.to.re + to, re[0]);
  store(s.to.im + to, im[0]);
  for (int k = 1; k < R; ++k) {
    store(s.to.re + to + k * s.stride, V(re[k] * wr[k - 1] - im[k] * wi[k - 1]));
    store(s.to.im + to + k * s.stride, V(re[k] * wi[k - 1] + im[k] * wr[k - 1]));
  }
}
// The first pass over a single line: neighbouring p in one vector, each with its own factors.
template <class T, int R, class V>
inline void along_points(const Step<T>& s, int64_t p) {
  constexpr int64_t kLanes = Wide<T>::lanes;
  V re[R], im[R];
  for (int k = 0; k < R; ++k) { re[k] = load<V>(s.from.re + p + k * s.rest); im[k] = load<V>(s.from.im + p + k * s.rest); }
  dft<T, R>(re, im);
  for (int k = 1; k < R; ++k) {
    const T* w = s.twiddles + (k - 1) * 2 * s.rest + p;
    const V wr = load<V>(w), wi = load<V>(w + s.rest), r = re[k], i = im[k];
    re[k] = r * wr - i * wi;
    im[k] = r * wi + i * wr;
  }
  T *out_re = s.to.re + R * p, *out_im = s.to.im + R * p;
  for (int64_t j = 0; j < kLanes; ++j)
    for (int k = 0; k < R; ++k) { out_re[j * R + k] = re[k][j]; out_im[j * R + k] = im[k][j]; }
}

template <class T, int R>
void pass(const Step<T>& s) {
  using V = typename Wide<T>::type;
  constexpr int64_t kLanes = Wide<T>::lanes;
  int64_t p = 0;
  if (s.stride == 1)
    for (; p + kLanes <= s.rest; p += kLanes) along_points<T, R, V>(s, p);
  for (; p < s.rest; ++p) {
    T wr[R], wi[R];
    for (int k = 0; k < R - 1; ++k) { wr[k] = s.twiddles[2 * k * s.rest + p]; wi[k] = s.twiddles[(2 * k + 1) * s.rest + p]; }
    int64_t q = 0;
    for (; q + kLanes <= s.stride; q += kLanes) along_lines<T, R, V>(s, p, q, wr, wi);
    for (; q < s.stride; ++q) along_lines<T, R, T>(s, p, q, wr, wi);
  }
}
template <class T>
void run_pass(int radix, const Step<T>& s) {
  switch (radix) {
    case 2: return pass<T, 2>(s);
    case 3: return pass<T, 3>(s);
    case 4: return pass<T, 4>(s);
    case 5: return pass<T, 5>(s);
    case 7: return pass<T, 7>(s);
    case 8: return pass<T, 8>(s);
    case 11: return pass<T, 11>(s);
    default: return pass<T, 13>(s);
  }
}

// The radices of n, or nothing where a prime above 13 divides it.
std::vector<int> factors(int64_t n) {
  std::vector<int> found;
  for (int r : kRadices)
    for (; n % r == 0 && n > 1; n /= r) found.push_back(r);
  if (n > 1) found.clear();
  for (size_t i = 1; i < found.size(); ++i)  // 8 and 2 cost more than 4 and 4
    if (found[i] == 2 && found[i - 1] == 8) found[i] = found[i - 1] = 4;
  return found;
}

}  // namespace

Root root_of_unity(int64_t k, int64_t n) {
  // Octant by octant, so that symmetric roots are exactly symmetric.
  k %= n;
  if (k < 0) k += n;
  int64_t eighth = 8 * k;
  bool negate_sin = true, negate_cos = false, exchange = false;
  if (eighth > 4 * n) { eighth = 8 * n - eighth; negate_sin = false; }
  if (eighth > 2 * n) { eighth = 4 * n - eighth; negate_cos = true; }
  if (eighth > n) { eighth = 2 * n - eighth; exchange = true; }
  const double angle = double(eighth) / double(n) * 0.78539816339744830962;
  double c = std::cos(angle), s = std::sin(angle);
  if (exchange) std::swap(c, s);
  return {negate_cos ? -c : c, negate_sin ? -s : s};
}

int64_t good_size(int64_t n) {
  int64_t best = 1;
  while (best < n) best *= 2;
  for (int64_t five = 1; five < best; five *= 5)
    for (int64_t three = five; three < best; three *= 3) {
      int64_t size = three;
      while (size < n) size *= 2;
      best = std::min(best, size);
    }
  return best;
}

template <class T>
Plan<T>::Plan(int64_t n) : n_(n) {
  const auto radices = factors(n);
  if (radices.empty() && n > 1) {
    auto chirp = std::make_shared<Chirp>(Chirp{Plan(good_size(2 * n - 1)), {}, {}, {}, {}});
    const int64_t m = chirp->inner.size();
    std::vector<T> ar(size_t(m), T(0)), ai(ar), br(ar), bi(ar);
    for (int64_t k = 0; k < n; ++k) {
      const Root w = root_of_unity(int64_t((unsigned __int128)(k) * k % (2 * n)), 2 * n);
      chirp->re.push_back(T(w.re));
      chirp->im.push_back(T(w.im));
      ar[k] = ar[k ? m - k : 0] = T(w.re / double(m));
      ai[k] = ai[k ? m - k : 0] = T(-w.im / double(m));
    }
    const auto out = chirp->inner.run({ar.data(), ai.data()}, {br.data(), bi.data()}, 1);
    chirp->spectrum_re.assign(out.re, out.re + m);
    chirp->spectrum_im.assign(out.im, out.im + m);
    chirp_ = chirp;
    return;
  }
  for (int r : radices) {
    const int64_t rest = n / r;
    Pass pass{r, rest, std::vector<T>(size_t(2 * (r - 1) * rest))};
    for (int k = 1; k < r; ++k)
      for (int64_t p = 0; p < rest; ++p) {
        const Root w = root_of_unity(p * k, n);
        pass.twiddles[size_t(2 * (k - 1) * rest + p)] = T(w.re);
        pass.twiddles[size_t((2 * k - 1) * rest + p)] = T(w.im);
      }
    passes_.push_back(std::move(pass));
    n = rest;
  }
}

template <class T>
Split<T> Plan<T>::run(Split<T> a, Split<T> b, int64_t lanes) const {
  if (chirp_) return bluestein(a, b, lanes);
  int64_t stride = lanes;
  for (const auto& p : passes_) {
    run_pass<T>(p.radix, {a, b, p.rest, stride, p.twiddles.data()});
    stride *= p.radix;
    std::swap(a, b);
  }
  return a;
}

// jk = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution with a chirp.
template <class T>
Split<T> Plan<T>::bluestein(Split<T> a, Split<T> b, int64_t lanes) const {
  const Chirp& c = *chirp_;
  const int64_t m = c.inner.size();
  const auto multiply = [lanes](Split<T> x, int64_t count, const T* wr, const T* wi, bool exchange) {
    for (int64_t k = 0; k < count; ++k)
      for (int64_t i = k * lanes; i < (k + 1) * lanes; ++i) {
        const T re = x.re[i] * wr[k] - x.im[i] * wi[k], im = x.re[i] * wi[k] + x.im[i] * wr[k];
        x.re[i] = exchange ? im : re;
        x.im[i] = exchange ? re : im;
      }
  };
  multiply(a, n_, c.re.data(), c.im.data(), false);
  std::fill(a.re + n_ * lanes, a.re + m * lanes, T(0));
  std::fill(a.im + n_ * lanes, a.im + m * lanes, T(0));
  Split<T> x = c.inner.run(a, b, lanes);
  multiply(x, m, c.spectrum_re.data(), c.spectrum_im.data(), true);  // exchanged: the way back is an inverse
  Split<T> y = c.inner.run(x, x.re == a.re ? b : a, lanes);
  std::swap(y.re, y.im);
  multiply(y, n_, c.re.data(), c.im.data(), false);
  return y;
}

template <class T>
Roots<T>::Roots(int64_t n) {
  for (int64_t k = 0; k <= n / 2 && n; ++k) {
    const Root w = root_of_unity(k, n);
    re.push_back(T(w.re));
    im.push_back(T(w.im));
  }
}

namespace {
// Tables by size, forgotten all together when there are too many.
template <class Made>
std::shared_ptr<const Made> cached(int64_t n) {
  static std::mutex lock;
  static std::unordered_map<int64_t, std::shared_ptr<const Made>> known;
  std::lock_guard guard(lock);
  if (const auto found = known.find(n); found != known.end()) return found->second;
  if (known.size() >= 256) known.clear();
  return known[n] = std::make_shared<const Made>(n);
}
}  // namespace

template <class T>
std::shared_ptr<const Plan<T>> plan_for(int64_t n) { return cached<Plan<T>>(n); }
template <class T>
std::shared_ptr<const Roots<T>> half_roots(int64_t n) { return cached<Roots<T>>(n); }

template class Plan<float>;
template class Plan<double>;
template std::shared_ptr<const Plan<float>> plan_for<float>(int64_t);
template std::shared_ptr<const Plan<double>> plan_for<double>(int64_t);
template std::shared_ptr<const Roots<float>> half_roots<float>(int64_t);
template std::shared_ptr<const Roots<double>> half_roots<double>(int64_t);

}  // namespace facula::fft
