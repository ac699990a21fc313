// What the machine can do: bytes per second of a copy through memory, and fused multiply-adds per
// second of single precision, on all threads at once. Prints both.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vec __attribute__((vector_size(kBytes)));

double seconds(int threads, const std::function<void(int)>& work) {
  double best = 1e9;
  for (int round = 0; round < 8; ++round) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) all.emplace_back(work, t);
    for (auto& t : all) t.join();
    const std::chrono::duration<double> d = std::chrono::steady_clock::now() - start;
    if (d.count() < best) best = d.count();
  }
  return best;
}

void multiply_add(long rounds) {
  Vec acc[12], a = Vec{} + 0.999f, b = Vec{} + 0.001f;
#pragma GCC unroll 12
  for (int j = 0; j < 12; ++j) acc[j] = Vec{} + float(j);  // alike, they would be computed once
  for (long i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) acc[j] = acc[j] * a + b;
    asm volatile("" : "+x"(a), "+x"(b));
  }
  volatile float sink = 0;
#pragma GCC unroll 12
  for (int j = 0; j < 12; ++j) sink = sink + acc[j][0];
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const long bytes = 64L << 20, rounds = 20'000'000;
  std::vector<char> from(bytes, 1), to(bytes, 2);
  const double copy = seconds(threads, [&](int t) { std::memcpy(to.data() + bytes / threads * t, from.data() + bytes / threads * t, bytes / threads); });
  const double sums = seconds(threads, [&](int) { multiply_add(rounds); });
  std::printf("%.4g %.4g\n", 2.0 * bytes / copy, 2.0 * 12 * (kBytes / 4) * rounds * threads / sums);
}
