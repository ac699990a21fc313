// LAPACK, opened at first use, and the loop over stacks of matrices that all its drivers run in.
#pragma once
#include <cmath>
#include <string>
#include <tuple>

#include "cpu/parallel.h"
#include "tensor/call.h"
#include "tensor/storage.h"

namespace facula {

enum class Routine : uint8_t {
  potrf, potri, potrs, getrf, getri, getrs, trsm, geqrf, orgqr, ormqr, syevd, geev, gesdd, gels, gelsy, gelsd, gelss,
  sytrf, sytrs, hetrf, hetrs, count
};

// Set by the Python boundary: the path of the library, empty where it is not installed.
extern std::string (*find_lapack)();
// To be called by a kernel before its loop: opens the library, or says what to install.
void need_lapack(std::string_view op);
void* lapack_symbol(Routine r, DType t);

// How many threads the library may use while this object lives.
class LapackThreads {
 public:
  explicit LapackThreads(int n);
  ~LapackThreads();
  LapackThreads(const LapackThreads&) = delete;
  LapackThreads& operator=(const LapackThreads&) = delete;
 private:
  int before_;
};

// Calls a Fortran routine: everything goes by address, and letters have lengths behind the last argument.
template <class T, class... Args>
void lapack(Routine r, Args... args) {
  const auto address = [](auto& a) {
    if constexpr (std::is_pointer_v<std::remove_reference_t<decltype(a)>>) return a;
    else return &a;
  };
  auto* routine = reinterpret_cast<void (*)(decltype(address(args))..., size_t, size_t, size_t, size_t)>(lapack_symbol(r, dtype_of<T>));
  routine(address(args)..., 1, 1, 1, 1);
}

// The size of work space that a routine asks for when called with -1.
template <class T, class Query>
int workspace(const Query& query) {
  T size = T(0);
  query(&size, -1);
  return std::max(1, int(std::ceil(std::real(size) * 1.0001)));  // large sizes are rounded in float
}

// A stack of matrices: each column after column, one after another.
struct Stack {
  Tensor tensor;
  int64_t count = 0, row_count = 0, col_count = 0;
  int rows() const { return int(row_count); }
  int cols() const { return int(col_count); }
  int ld() const { return int(std::max<int64_t>(1, row_count)); }
  template <class T> T* at(int64_t i) const { return tensor.data<T>() + i * row_count * col_count; }
};
Dims column_strides(const Dims& sizes);
Dims batch_of(const Tensor& x, int trailing = 2);
Dims joined(Dims batch, std::initializer_list<int64_t> trailing);
Stack new_stack(const Dims& batch, int64_t rows, int64_t cols, DType t, Device device = {});
Stack stack_of(const Tensor& x, const Dims& batch);  // a copy, broadcast to the batch
inline Stack stack_of(const Tensor& x) { return stack_of(x, batch_of(x)); }
// The same matrices seen transposed: a view of the tensor whose rows lie in columns.
Tensor transposed_view(const Tensor& x);

// body(begin, end) over [0, count) matrices of about `work` multiplications each. Large matrices come
// one by one with the library's threads, small ones in pieces on ours.
template <class Body>
void each_matrix(int64_t count, double work, const Body& body) {
  if (count == 0) return;
  const bool alone = (count == 1 || (work > 2e7 && count < num_threads())) && !in_parallel();
  LapackThreads threads(alone && work > 1e6 ? num_threads() : 1);
  if (!alone) return parallel_for(count, std::max<int64_t>(1, int64_t(30000 / (work + 1))), body);
  struct Unlocked {  // others may run Python while we calculate
    void* state = nullptr;
    explicit Unlocked(bool wanted) { if (wanted && release_interpreter) state = release_interpreter(); }
    ~Unlocked() { if (state) acquire_interpreter(state); }
  } unlocked(work > 1e5);
  body(int64_t(0), count);
}
inline double cube(double a, double b, double c) { return a * b * c; }

// ---- checks shared by the drivers; `op` is the name that messages begin with
void check_matrices(const Tensor& x, std::string_view op, std::string_view name = "A");
void check_square(const Tensor& x, std::string_view op, std::string_view name = "A");
void check_inexact(const Tensor& x, std::string_view op, bool halves = false);
// Throws LinAlgError for the first matrix whose info is not 0; nothing for an empty op.
enum class Trouble { singular, indefinite, solver, eigen, svd, lu, lstsq };
void check_info(const Tensor& info, std::string_view op, Trouble kind);

}  // namespace facula
