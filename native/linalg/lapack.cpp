#include "linalg/lapack.h"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>

namespace facula {

std::string (*find_lapack)() = nullptr;

namespace {

struct Names { const char *real, *complex; };
constexpr Names kNames[] = {
    {"potrf", "potrf"}, {"potri", "potri"}, {"potrs", "potrs"}, {"getrf", "getrf"}, {"getri", "getri"}, {"getrs", "getrs"},
    {"trsm", "trsm"}, {"geqrf", "geqrf"}, {"orgqr", "ungqr"}, {"ormqr", "unmqr"}, {"syevd", "heevd"}, {"geev", "geev"},
    {"gesdd", "gesdd"}, {"gels", "gels"}, {"gelsy", "gelsy"}, {"gelsd", "gelsd"}, {"gelss", "gelss"}, {"sytrf", "sytrf"},
    {"sytrs", "sytrs"}, {"sytrf", "hetrf"}, {"sytrs", "hetrs"}};
static_assert(std::size(kNames) == size_t(Routine::count));

void* library = nullptr;
std::once_flag opened;
std::array<std::atomic<void*>, size_t(Routine::count) * 4> symbols;
void (*set_threads)(int) = nullptr;
std::atomic<int> threads_now{0};

void open_library() {
  const std::string path = find_lapack ? find_lapack() : "";
  if (path.empty()) return;
  // Its idle threads would spin for long between calls, on the cores that ours need.
  const char* spin = "OPENBLAS_THREAD_TIMEOUT";
  const bool ours = !std::getenv(spin);
  if (ours) setenv(spin, "8", 1);
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (ours) unsetenv(spin);
  if (!library) throw RuntimeError("cannot open the LAPACK library ", path, ": ", dlerror());
  set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "scipy_openblas_set_num_threads"));
}

}  // namespace

void need_lapack(std::string_view op) {
  if (library) return;
  std::call_once(opened, open_library);
  if (!library)
    throw RuntimeError("Calling ", op, " on a CPU tensor requires LAPACK, which is not installed: pip install scipy-openblas32, "
                       "then start Python again");
}

void* lapack_symbol(Routine r, DType t) {
  const int letter = t == DType::float32 ? 0 : t == DType::float64 ? 1 : t == DType::complex64 ? 2 : 3;
  auto& known = symbols[size_t(r) * 4 + size_t(letter)];
  if (void* s = known.load(std::memory_order_relaxed)) return s;
  const Names& names = kNames[size_t(r)];
  const std::string name = cat("scipy_", "sdcz"[letter], letter < 2 ? names.real : names.complex, "_");
  void* s = dlsym(library, name.c_str());
  if (!s) throw RuntimeError("the LAPACK library lacks ", name, ": pip install --upgrade scipy-openblas32");
  known.store(s, std::memory_order_relaxed);
  return s;
}

LapackThreads::LapackThreads(int n) : before_(threads_now) {
  if (set_threads && n != before_) { set_threads(n); threads_now = n; }
}
// The next user sets what it needs: nothing is gained by going back.
LapackThreads::~LapackThreads() = default;

Dims column_strides(const Dims& sizes) {
  Dims strides = contiguous_strides(sizes);
  const size_t n = sizes.size();
  strides[n - 2] = 1;
  strides[n - 1] = std::max<int64_t>(1, sizes[n - 2]);
  return strides;
}
Dims batch_of(const Tensor& x, int trailing) { return Dims(x.sizes().data(), size_t(x.dim() - trailing)); }
Dims joined(Dims batch, std::initializer_list<int64_t> trailing) {
  for (int64_t n : trailing) batch.push_back(n);
  return batch;
}
Stack new_stack(const Dims& batch, int64_t rows, int64_t cols, DType t, Device device) {
  if (rows > INT32_MAX || cols > INT32_MAX) throw RuntimeError("LAPACK works with at most 2147483647 rows or columns");
  const Dims sizes = joined(batch, {rows, cols});
  return {empty_strided(sizes, column_strides(sizes), t, device), batch.numel(), rows, cols};
}
Stack stack_of(const Tensor& x, const Dims& batch) {
  Stack s = new_stack(batch, x.size(-2), x.size(-1), x.dtype(), x.device());
  if (!x.is_meta() && s.tensor.numel()) copy_into(s.tensor, x);
  return s;
}
Tensor transposed_view(const Tensor& x) { return transposed(x, x.dim() - 2, x.dim() - 1); }

void check_matrices(const Tensor& x, std::string_view op, std::string_view name) {
  if (x.dim() < 2) throw RuntimeError(op, ": The input tensor ", name, " must have at least 2 dimensions.");
}
void check_square(const Tensor& x, std::string_view op, std::string_view name) {
  check_matrices(x, op, name);
  if (x.size(-1) != x.size(-2))
    throw RuntimeError(op, ": ", name, " must be batches of square matrices, but they are ", x.size(-2), " by ", x.size(-1), " matrices");
}
void check_inexact(const Tensor& x, std::string_view op, bool halves) {
  if (!is_inexact(x.dtype())) throw RuntimeError(op, ": Expected a floating point or complex tensor as input. Got ", scalar_type_name(x.dtype()));
  if (!halves && compute_dtype(x.dtype()) != x.dtype())
    throw RuntimeError(op, ": Low precision dtypes not supported. Got ", scalar_type_name(x.dtype()));
}

namespace {

std::string trouble(Trouble kind, int info) {
  switch (kind) {
    case Trouble::singular:
      return cat("The diagonal element ", info, " is zero, the inversion could not be completed because the input matrix is singular.");
    case Trouble::indefinite:
      return cat("The factorization could not be completed because the input is not positive-definite (the leading minor of order ", info,
                 " is not positive-definite).");
    case Trouble::solver: return "The solver failed because the input matrix is singular.";
    case Trouble::eigen:
      return cat("The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues (error code: ",
                 info, ").");
    case Trouble::svd:
      return cat("The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values (error code: ",
                 info, ").");
    case Trouble::lu:
      return cat("U[", info, ",", info, "] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
                 "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)");
    case Trouble::lstsq:
      return cat("The least squares solution could not be computed because the input matrix does not have full rank (error code: ", info, ").");
  }
  return "";
}

}  // namespace

void check_info(const Tensor& info, std::string_view op, Trouble kind) {
  if (op.empty() || info.is_meta()) return;
  const int* codes = info.data<int>();
  for (int64_t i = 0; i < info.numel(); ++i) {
    if (codes[i] == 0) continue;
    const std::string which = info.dim() ? cat("(Batch element ", i, "): ") : "";
    if (kind == Trouble::svd && codes[i] == -4)  // of newer versions: a NaN was found
      throw LinAlgError(op, ": ", which, "The algorithm failed to converge because the input matrix contained non-finite values.");
    if (codes[i] < 0)
      throw RuntimeError(op, ": ", which, "Argument ", -codes[i], " has illegal value. Most certainly there is a bug in the implementation calling the backend library.");
    const std::string text = cat(op, ": ", which, trouble(kind, codes[i]));
    if (kind == Trouble::lu) throw RuntimeError(text);
    throw LinAlgError(text);
  }
}

}  // namespace facula
