// Sums and moments of runs of numbers: blocks in vector lanes, blocks joined in double. As exact
// as pairwise summation, and the same for every thread count.
#pragma once
#include <algorithm>
#include <cstdint>

namespace facula {

constexpr int64_t kMomentBlock = 1024;

// Sums f(i) for i in [0, n), one or more sums at once: f returns nothing and adds to lanes[s][k].
template <int kSums, class T, class F>
inline void lane_sums(int64_t n, double (&total)[kSums], const F& f) {
  for (int64_t at = 0; at < n; at += kMomentBlock) {
    const int64_t end = std::min(n, at + kMomentBlock);
    T lanes[kSums][16] = {};
    int64_t i = at;
    for (; i + 16 <= end; i += 16)
      for (int k = 0; k < 16; ++k) f(i + k, k, lanes);
    for (int k = 0; i < end; ++i, ++k) f(i, k, lanes);
    for (int s = 0; s < kSums; ++s)
      for (int k = 0; k < 16; ++k) total[s] += double(lanes[s][k]);
  }
}

struct Moments {
  double n = 0, mean = 0, m2 = 0;  // count, mean, sum of squared deviations
  // Chan, Golub and LeVeque's rule for joining two samples.
  void join(double count, double their_mean, double their_m2) {
    if (count == 0) return;
    const double whole = n + count, gap = their_mean - mean;
    mean += gap * (count / whole);
    m2 += their_m2 + gap * gap * (n * count / whole);
    n = whole;
  }
  double variance() const { return n > 0 ? m2 / n : 0; }
};

// Adds a run of n numbers; every block is read from memory once and from cache again.
template <class T>
void add_run(Moments& all, const T* x, int64_t n) {
  for (int64_t at = 0; at < n; at += kMomentBlock) {
    const int64_t m = std::min(kMomentBlock, n - at);
    const T* p = x + at;
    double sum[1] = {}, square[1] = {};
    lane_sums<1, T>(m, sum, [&](int64_t i, int k, auto& lanes) { lanes[0][k] += p[i]; });
    const double mean = sum[0] / double(m);
    const T centre = T(mean);
    lane_sums<1, T>(m, square, [&](int64_t i, int k, auto& lanes) { const T d = p[i] - centre; lanes[0][k] += d * d; });
    const double off = mean - double(centre);
    all.join(double(m), mean, square[0] - off * off * double(m));
  }
}

}  // namespace facula
