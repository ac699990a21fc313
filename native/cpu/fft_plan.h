// One-dimensional discrete Fourier transforms of several lines at once: Stockham's autosort algorithm in mixed radix
// (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992), Bluestein's chirp for large prime factors.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace facula::fft {

// cos and sin of -2 pi k / n in double, from an angle of at most pi / 4.
struct Root { double re, im; };
Root root_of_unity(int64_t k, int64_t n);
int64_t good_size(int64_t n);  // the next size at or above n that has small factors only

// Lines lie in two arrays, real and imaginary parts, element k of line l at k * lanes + l.
template <class T>
struct Split { T *re, *im; };

template <class T>
class Plan {
 public:
  explicit Plan(int64_t n);
  // Forward and unscaled, from `a`; `b` is as large as `a`. Returns whichever of the two holds the result. For the
  // inverse exchange the real and the imaginary parts of what goes in and of what comes out.
  Split<T> run(Split<T> a, Split<T> b, int64_t lanes) const;
  int64_t size() const { return n_; }
  int64_t work() const { return chirp_ ? chirp_->inner.size() : n_; }  // elements a line takes in `a` and in `b`
 private:
  struct Pass { int radix; int64_t rest; std::vector<T> twiddles; };  // twiddles: (radix - 1) rows of `rest` pairs
  struct Chirp;
  Split<T> bluestein(Split<T> a, Split<T> b, int64_t lanes) const;
  int64_t n_;
  std::vector<Pass> passes_;
  std::shared_ptr<Chirp> chirp_;
};

template <class T>
struct Plan<T>::Chirp {
  Plan inner;               // of at least 2 n - 1
  std::vector<T> re, im;    // exp(-pi i k^2 / n)
  std::vector<T> spectrum_re, spectrum_im;  // of the conjugate chirp, divided by the inner size
};

template <class T>
std::shared_ptr<const Plan<T>> plan_for(int64_t n);  // cached

// exp(-2 pi i k / n) for k up to n / 2: with them a real line of n passes through a transform of half its length.
template <class T>
struct Roots {
  std::vector<T> re, im;
  explicit Roots(int64_t n);
};
template <class T>
std::shared_ptr<const Roots<T>> half_roots(int64_t n);  // cached

}  // namespace facula::fft
