// Random numbers. The order of draws is part of the interface: the same seed gives the same
// numbers as PyTorch, element by element.
#include "cpu/random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/math.h"
#include "cpu/parallel.h"

namespace facula {

void Generator::reseed(uint64_t s) {
  seed = s;
  state[0] = uint32_t(s);
  for (uint32_t i = 1; i < 624; ++i) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  left = 1;
  next = 0;
  cached_normal.reset();
  cached_float_normal.reset();
}

// Matsumoto and Nishimura, "Mersenne Twister", 1998.
void Generator::refill() {
  auto twist = [](uint32_t u, uint32_t v) { return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (v & 1 ? 0x9908b0dfu : 0); };
  for (int i = 0; i < 227; ++i) state[i] = state[i + 397] ^ twist(state[i], state[i + 1]);
  for (int i = 227; i < 623; ++i) state[i] = state[i - 227] ^ twist(state[i], state[i + 1]);
  state[623] = state[396] ^ twist(state[623], state[0]);
  left = 624;
  next = 0;
  static thread_local uint32_t refills = 0;
  if (++refills % 1024 == 0) poll_interrupt();  // every few milliseconds of drawing
}

uint32_t Generator::random() {
  if (--left == 0) refill();
  uint32_t y = state[next++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

double Generator::normal(double mean, double deviation) {
  if (cached_normal) {
    const double v = *cached_normal;
    cached_normal.reset();
    return v * deviation + mean;
  }
  const double u1 = uniform(), u2 = uniform();
  const double r = std::sqrt(-2.0 * std::log1p(-u2)), theta = 2.0 * 3.14159265358979323846 * u1;
  cached_normal = r * std::sin(theta);
  return r * std::cos(theta) * deviation + mean;
}

namespace {
struct Layout {  // 5056 bytes, as saved files and get_rng_state() hold it
  uint64_t seed;
  int32_t left, seeded;
  uint64_t next, state[624];
  double normal_x, normal_y, normal_rho;
  int32_t normal_valid;
  float float_normal;
  bool float_valid;
};
static_assert(sizeof(Layout) == Generator::kStateBytes);
}  // namespace

void Generator::save(uint8_t* bytes) const {
  Layout l{};
  l.seed = seed;
  l.left = left;
  l.seeded = 1;
  l.next = uint64_t(next);
  std::copy_n(state, 624, l.state);
  if (cached_normal) { l.normal_valid = 1; l.normal_rho = 0; l.normal_x = 0; l.normal_y = *cached_normal; }
  l.float_valid = cached_float_normal.has_value();
  l.float_normal = cached_float_normal.value_or(0);
  std::memcpy(bytes, &l, sizeof l);
}

void Generator::load(const uint8_t* bytes) {
  Layout l;
  std::memcpy(&l, bytes, sizeof l);
  if (l.left < 0 || l.left > 624 || l.next > 624) throw RuntimeError("Invalid mt19937 state");
  seed = l.seed;
  left = l.left;
  next = int32_t(l.next);
  for (int i = 0; i < 624; ++i) state[i] = uint32_t(l.state[i]);
  cached_normal = l.normal_valid ? std::optional(l.normal_y) : std::nullopt;
  cached_float_normal = l.float_valid ? std::optional(l.float_normal) : std::nullopt;
}

Generator& default_generator() {
  static Generator g;
  return g;
}
Generator& generator_of(Call& c, size_t i) { return i < c.args.size() && c.args[i].gen ? *c.args[i].gen : default_generator(); }

namespace {

// Draws one value per element in order, into `x` of any strides and floating dtype.
template <class Draw>
void fill_each(const Tensor& x, std::string_view op, const Draw& draw) {
  if (x.is_meta() || x.numel() == 0) return;
  Tensor t = x.is_contiguous() ? x : empty(x.sizes(), x.dtype());
  for_all(t.dtype(), op, [&]<class T> {
    if constexpr (!is_complex_v<T>) {
      T* p = t.data<T>();
      for (int64_t i = 0, n = t.numel(); i < n; ++i) p[i] = draw.template operator()<T>();
    } else not_implemented_for(op, t.dtype());
  });
  if (t.get() != x.get()) copy_into(x, t);
}

void need_floating(Call& c, const Tensor& x) {
  if (!is_floating(x.dtype())) not_implemented_for(c.op, x.dtype());
}

// Draws the parts of complex numbers, as numbers of an innermost dimension.
template <class Draw>
void draw_parts(const Tensor& x, Draw draw) {
  Dims sizes = x.sizes();
  sizes.push_back(2);
  Tensor parts = empty(sizes, to_real(x.dtype()));
  draw(parts);
  Tensor z = as_view(parts, x.sizes(), contiguous_strides(x.sizes()), 0);
  z->dtype = x.dtype();
  copy_into(x, z);
}

// uniform_(input, from, to, generator); complex: both parts
void uniform_into(Call& c, const Tensor& x) {
  const double from = c.real(1, 0), to = c.real(2, 1);
  if (is_complex(x.dtype())) return draw_parts(x, [&](const Tensor& parts) { uniform_into(c, parts); });
  need_floating(c, x);
  const float from_f = float(from), range_f = float(to) - from_f;
  if (from > to) throw RuntimeError("uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  Generator& g = generator_of(c, 3);
  fill_each(x, c.op, [&]<class T>() -> T {
    if constexpr (std::is_same_v<T, double>) return std::fma(g.uniform(), to - from, from);
    else if constexpr (sizeof(T) == 2) {  // what rounds up to the open end starts again from the closed one
      const T v(m::mad(g.uniform_float(), range_f, from_f));
      return float(v) >= float(T(float(to))) ? T(float(from)) : v;
    }
    else return T(m::mad(g.uniform_float(), range_f, from_f));
  });
}
void uniform(Call& c) {
  uniform_into(c, c.tensor(0));
  c.out.push_back(c.tensor(0));
}

// Logarithm, sine and cosine of positive floats by Cephes' polynomials (Moshier), which PyTorch's vectors of normals are made by.
// The last bit of a model's first weights depends on what is fused here.
float cephes_log(float x) {
  const uint32_t bits = m::float_bits(std::max(x, std::numeric_limits<float>::min()));
  float e = float(int32_t(bits >> 23) - 126);
  x = m::bits_float((bits & ~0x7f800000u) | 0x3f000000u);  // in [0.5, 1)
  const bool low = x < 0.707106781186547524f;
  x = (x - 1) + (low ? x : 0);
  e -= low ? 1.0f : 0.0f;
  const float z = x * x;
  float y = m::horner(x, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                      2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
  y = m::mad(-0.5f, z, m::mad(y * x, z, e * -2.12194440e-4f));
  return m::mad(e, 0.693359375f, x + y);
}

void cephes_sincos(float x, float& sine, float& cosine) {
  const int32_t octant = (int32_t(x * 1.27323954473516f) + 1) & ~1;
  const float y = float(octant);
  x = m::mad(y, -3.77489497744594108e-8f, m::mad(y, -2.4187564849853515625e-4f, m::mad(y, -0.78515625f, x)));
  const float z = x * x;
  const float even = m::mad(m::horner(z, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f) * z, z, -(z * 0.5f)) + 1;
  const float odd = m::mad(m::horner(z, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f) * z, x, x);
  const bool straight = (octant & 2) == 0;
  sine = m::bits_float(m::float_bits(straight ? odd : even) ^ uint32_t(octant & 4) << 29);
  cosine = m::bits_float(m::float_bits(straight ? even : odd) ^ uint32_t(~(octant - 2) & 4) << 29);
}

// Sixteen uniforms become sixteen normals: the first eight pair with the last eight.
void sixteen_normals(float* p, float mean, float deviation) {
  for (int j = 0; j < 8; ++j) {
    const float radius = std::sqrt(-2.0f * cephes_log(1.0f - p[j]));
    float sine, cosine;
    cephes_sincos(6.283185307179586f * p[j + 8], sine, cosine);
    p[j] = m::mad(radius * cosine, deviation, mean);
    p[j + 8] = m::mad(radius * sine, deviation, mean);
  }
}

void sixteen_normals(double* p, double mean, double deviation) {
  for (int j = 0; j < 8; ++j) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - p[j])), theta = 2.0 * 3.14159265358979323846 * p[j + 8];
    p[j] = std::fma(radius * std::cos(theta), deviation, mean);
    p[j + 8] = std::fma(radius * std::sin(theta), deviation, mean);
  }
}

// `whole`: numbers of an unfinished sixteen are not drawn before it is drawn anew.
template <class T>
void normal_blocks(T* p, int64_t n, T mean, T deviation, Generator& g, bool whole = false) {
  auto draw = [&]() -> T { if constexpr (std::is_same_v<T, double>) return g.uniform(); else return g.uniform_float(); };
  for (int64_t i = 0, drawn = whole ? n / 16 * 16 : n; i < drawn; ++i) p[i] = draw();
  parallel_for(n / 16, 1024, [&](int64_t a, int64_t b) { for (int64_t i = a; i < b; ++i) sixteen_normals(p + i * 16, mean, deviation); });
  if (n % 16) {  // the tail is drawn anew as the last sixteen
    for (int64_t i = n - 16; i < n; ++i) p[i] = draw();
    sixteen_normals(p + n - 16, mean, deviation);
  }
}

void normal_into(const Tensor& x, double mean, double deviation, Generator& g, std::string_view op) {
  if (x.numel() >= 16 && x.is_contiguous() && !x.is_meta()) {
    if (x.dtype() == DType::float64) { normal_blocks<double>(x.data<double>(), x.numel(), mean, deviation, g); return; }
    if (x.dtype() == DType::float32) { normal_blocks<float>(x.data<float>(), x.numel(), float(mean), float(deviation), g); return; }
    Tensor wide = empty(x.sizes(), DType::float32);
    normal_blocks<float>(wide.data<float>(), x.numel(), float(mean), float(deviation), g, true);
    copy_into(x, wide);
    return;
  }
  fill_each(x, op, [&]<class T>() -> T { return T(g.normal(mean, deviation)); });
}

// normal_(input, mean, std, generator); complex: both parts, with half the variance each
void normal(Call& c) {
  const Tensor& x = c.tensor(0);
  const double mean = c.real(1, 0), deviation = c.real(2, 1);
  if (deviation < 0) throw RuntimeError("normal expects std >= 0.0, but found std ", deviation);
  if (is_complex(x.dtype())) {
    draw_parts(x, [&](const Tensor& parts) { normal_into(parts, mean, deviation * std::sqrt(0.5), generator_of(c, 3), c.op); });
  } else {
    need_floating(c, x);
    normal_into(x, mean, deviation, generator_of(c, 3), c.op);
  }
  c.out.push_back(x);
}

// _random_(input, from, to, generator): integers in [from, to)
void random_range(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t from = c.integer(1), to = c.integer(2);
  if (from >= to) throw RuntimeError("random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
  Generator& g = generator_of(c, 3);
  const uint64_t range = uint64_t(to) - uint64_t(from);
  fill_each(x, c.op, [&]<class T>() -> T {
    const uint64_t r = range >= uint64_t(1) << 32 ? g.random64() % range : g.random() % uint32_t(range);
    const int64_t v = int64_t(r + uint64_t(from));
    if constexpr (std::is_integral_v<T>) return T(v);
    else return T(float(double(v)) == float(v) ? double(v) : double(v));
  });
  c.out.push_back(x);
}

// _random_all(input, generator): the whole range of an integer dtype, 2^mantissa for floats
void random_all(Call& c) {
  const Tensor& x = c.tensor(0);
  Generator& g = generator_of(c, 1);
  fill_each(x, c.op, [&]<class T>() -> T {
    if constexpr (std::is_same_v<T, bool>) return g.random() & 1;
    else if constexpr (std::is_same_v<T, double>) return T(double(g.random64() % ((uint64_t(1) << 53) + 1)));
    else if constexpr (std::is_same_v<T, float>) return T(float(g.random() % ((uint32_t(1) << 24) + 1)));
    else if constexpr (std::is_same_v<T, float16>) return T(float(g.random() % 2049u));
    else if constexpr (std::is_same_v<T, bfloat16>) return T(float(g.random() % 257u));
    else if constexpr (std::is_same_v<T, int64_t>) return T(g.random64() % (uint64_t(std::numeric_limits<int64_t>::max()) + 1));
    else return T(g.random() % (uint64_t(std::numeric_limits<T>::max()) + 1));
  });
  c.out.push_back(x);
}

// bernoulli_(input, p, generator) and bernoulli_(input, Tensor p, generator)
void bernoulli(Call& c) {
  const Tensor& x = c.tensor(0);
  const double p = c.real(1, 0.5);
  if (!(p >= 0 && p <= 1)) throw RuntimeError("bernoulli_ expects p to be in [0, 1], but got p=", p);
  Generator& g = generator_of(c, 2);
  fill_each(x, c.op, [&]<class T>() -> T { return T(g.uniform() < p ? 1 : 0); });
  c.out.push_back(x);
}
void bernoulli_tensor(Call& c) {
  const Tensor& x = c.tensor(0);
  Generator& g = generator_of(c, 2);
  Tensor p = contiguous_as(expand_to(c.tensor(1), x.sizes()), DType::float64);
  const double* q = p.data<double>();
  for (int64_t i = 0; i < p.numel(); ++i) if (!(q[i] >= 0 && q[i] <= 1)) throw RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
  int64_t i = 0;
  const bool single = c.tensor(1).dtype() != DType::float64;
  fill_each(x, c.op, [&]<class T>() -> T { const double u = single ? double(g.uniform_float()) : g.uniform(); return T(u < q[i++] ? 1 : 0); });
  c.out.push_back(x);
}

void exponential(Call& c) {
  const Tensor& x = c.tensor(0);
  const double lambda = c.real(1, 1);
  need_floating(c, x);
  if (!(lambda > 0)) throw RuntimeError("exponential_ expects lambda > 0.0, but found lambda=", lambda);
  Generator& g = generator_of(c, 2);
  fill_each(x, c.op, [&]<class T>() -> T { return T(-1.0 / lambda * std::log1p(-g.uniform())); });
  c.out.push_back(x);
}
void geometric(Call& c) {
  const Tensor& x = c.tensor(0);
  const double p = c.real(1);
  if (!(p > 0 && p < 1)) throw RuntimeError("geometric_ expects p to be in (0, 1), but got p=", p);
  Generator& g = generator_of(c, 2);
  fill_each(x, c.op, [&]<class T>() -> T { return T(std::ceil(std::log(g.uniform()) / std::log1p(-p))); });
  c.out.push_back(x);
}
void log_normal(Call& c) {
  const Tensor& x = c.tensor(0);
  need_floating(c, x);
  if (!(c.real(2, 2) > 0)) throw RuntimeError("log_normal_ expects std > 0.0, but found std=", c.real(2));
  Generator& g = generator_of(c, 3);
  fill_each(x, c.op, [&]<class T>() -> T { return T(std::exp(g.normal(c.real(1, 1), c.real(2, 2)))); });
  c.out.push_back(x);
}
void cauchy(Call& c) {
  const Tensor& x = c.tensor(0);
  need_floating(c, x);
  if (!(c.real(2, 1) > 0)) throw RuntimeError("cauchy_ expects sigma > 0.0, but found sigma=", c.real(2));
  Generator& g = generator_of(c, 3);
  fill_each(x, c.op, [&]<class T>() -> T { return T(c.real(1, 0) + c.real(2, 1) * std::tan(3.14159265358979323846 * (g.uniform() - 0.5))); });
  c.out.push_back(x);
}

// _randperm(n, dtype, generator): Fisher and Yates, one 32-bit draw per element (64 bits for huge n)
void randperm(Call& c) {
  const int64_t n = c.integer(0);
  if (n < 0) throw RuntimeError("Trying to create tensor with negative dimension ", n, ": [", n, "]");
  Tensor out = empty({n}, DType::int64);
  Generator& g = generator_of(c, 2);
  int64_t* p = out.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) p[i] = i;
  const bool small = uint64_t(n) < std::numeric_limits<uint32_t>::max() / 20;
  for (int64_t i = 0; i < n - 1; ++i) std::swap(p[i], p[i + int64_t((small ? g.random() : g.random64()) % uint64_t(n - i))]);
  c.out.push_back(cast(out, c.dtype(1, DType::int64)));
}

const Register here[] = {
    {"random.uniform_", uniform}, {"random.normal_", normal}, {"random.range_", random_range}, {"random.all_", random_all},
    {"random.bernoulli_", bernoulli}, {"random.bernoulli_tensor_", bernoulli_tensor}, {"random.exponential_", exponential},
    {"random.geometric_", geometric}, {"random.log_normal_", log_normal}, {"random.cauchy_", cauchy}, {"random.randperm", randperm}};

}  // namespace
}  // namespace facula
