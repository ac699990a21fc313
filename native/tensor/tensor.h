// The tensor handle: a strided view on reference-counted storage.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/dtype.h"

namespace facula {

// ---------------------------------------------------------------- reference counting
// Tensors and graph nodes are Python objects, and this head is laid out as Python lays out
// its own: one object, one count, one allocation. `bind/` checks the layout and sets the hooks.
struct Object {
  std::ptrdiff_t count;
  void* type;
};
extern void (*destroy_object)(Object*);

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* p) : p_(p) { if (p_) ++head()->count; }
  Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(Ref o) noexcept { std::swap(p_, o.p_); return *this; }
  ~Ref() { if (p_ && --head()->count == 0) destroy_object(head()); }
  static Ref steal(T* p) { Ref r; r.p_ = p; return r; }
  T* release() { return std::exchange(p_, nullptr); }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_; }
  bool operator==(const Ref& o) const { return p_ == o.p_; }
 private:
  Object* head() const { return reinterpret_cast<Object*>(p_); }
  T* p_ = nullptr;
};

// ---------------------------------------------------------------- shapes
// Sizes or strides, inline up to 6 dimensions.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> v) { assign(v.begin(), v.size()); }
  Dims(const int64_t* p, size_t n) { assign(p, n); }
  explicit Dims(size_t n, int64_t value) { resize(n, value); }
  explicit Dims(const std::vector<int64_t>& v) { assign(v.data(), v.size()); }
  Dims(const Dims& o) { assign(o.data(), o.size()); }
  Dims(Dims&& o) noexcept { move(o); }
  Dims& operator=(const Dims& o) { if (this != &o) assign(o.data(), o.size()); return *this; }
  Dims& operator=(Dims&& o) noexcept { if (this != &o) { free_heap(); move(o); } return *this; }
  ~Dims() { free_heap(); }
  int64_t* data() { return p_; }
  const int64_t* data() const { return p_; }
  int64_t* begin() { return p_; }
  int64_t* end() { return p_ + n_; }
  const int64_t* begin() const { return p_; }
  const int64_t* end() const { return p_ + n_; }
  size_t size() const { return n_; }
  int ndim() const { return int(n_); }
  bool empty() const { return n_ == 0; }
  int64_t& operator[](size_t i) { return p_[i]; }
  int64_t operator[](size_t i) const { return p_[i]; }
  int64_t& back() { return p_[n_ - 1]; }
  int64_t back() const { return p_[n_ - 1]; }
  void resize(size_t n, int64_t value = 0);
  void push_back(int64_t v) { resize(n_ + 1, v); }
  void insert(size_t at, int64_t v);
  void erase(size_t at);
  bool operator==(const Dims& o) const;
  int64_t numel() const { int64_t n = 1; for (auto d : *this) n *= d; return n; }
  operator std::span<const int64_t>() const { return {p_, n_}; }
 private:
  static constexpr size_t kInline = 6;
  void assign(const int64_t* p, size_t n);
  void move(Dims& o) noexcept;
  void free_heap() { if (p_ != inline_) delete[] p_; }
  void reserve(size_t n);
  uint32_t n_ = 0, capacity_ = kInline;
  int64_t inline_[kInline];
  int64_t* p_ = inline_;
};
std::ostream& operator<<(std::ostream& out, const Dims& d);  // [2, 3]
std::string by(const Dims& d);                                // 2x3

// ---------------------------------------------------------------- devices and storage
struct Device {
  enum Type : int8_t { cpu, cuda, meta, mps } type = cpu;
  int8_t index = -1;
  bool operator==(const Device&) const = default;
  std::string str() const;
};
inline std::ostream& operator<<(std::ostream& out, const Device& d) { return out << d.str(); }

struct Storage {
  int64_t count = 1;
  std::byte* data = nullptr;
  int64_t nbytes = 0, capacity = 0;
  void (*deleter)(void* context) = nullptr;  // null: our allocator's memory
  void* context = nullptr;
  Device device;
  bool resizable = true;
  uint32_t version = 0;  // counts in-place writes; shared by all views
};
class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* p) : p_(p) {}  // takes over the count of a new storage
  StorageRef(const StorageRef& o) : p_(o.p_) { if (p_) __atomic_add_fetch(&p_->count, 1, __ATOMIC_RELAXED); }
  StorageRef(StorageRef&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  StorageRef& operator=(StorageRef o) noexcept { std::swap(p_, o.p_); return *this; }
  ~StorageRef() { if (p_ && __atomic_sub_fetch(&p_->count, 1, __ATOMIC_ACQ_REL) == 0) destroy(p_); }
  Storage* get() const { return p_; }
  Storage* operator->() const { return p_; }
  explicit operator bool() const { return p_; }
  bool operator==(const StorageRef& o) const { return p_ == o.p_; }
 private:
  static void destroy(Storage*);
  Storage* p_ = nullptr;
};
StorageRef new_storage(int64_t nbytes, Device device);
StorageRef borrow_storage(void* data, int64_t nbytes, void (*deleter)(void*), void* context);
void resize_storage(Storage& s, int64_t nbytes);  // keeps the common prefix

// ---------------------------------------------------------------- the tensor object
struct Autograd;  // grad, grad_fn, hooks: autograd/graph.h
enum TensorFlag : uint32_t {
  kRequiresGrad = 1,   // itself or its grad_fn
  kSubclass = 2,       // a Python class with its own __torch_function__
  kBatched = 4,        // inside vmap
  kDual = 8,           // carries a forward-mode tangent
  kUntracked = 16,     // made by .data: writes do not count as versions
  kInference = 32,
  kWrapped = 64,       // a Python number in a 0-dim tensor: promotes like the number
  kOther = 128,        // sparse or other Python-implemented layouts
  kCustomView = 256,   // an input, or a view of one, that an autograd.Function returned
  kManyViews = 512,    // one of several views that a function returned
  kNoGradView = 1024,  // a view made where nothing was recorded
  kInferenceView = 2048,
  kFragileView = kCustomView | kManyViews | kNoGradView | kInferenceView,  // must not be written in place where that is recorded
  kNeedsSlowPath = kSubclass | kBatched | kDual | kOther,
};

struct TensorObject {
  Object head;
  Autograd* autograd;   // null for most tensors
  void* dict;           // PyObject*, Python attributes
  void* weakrefs;
  uint32_t flags;
  DType dtype;
  Device device;
  int64_t offset, numel;  // in elements
  Dims sizes, strides;
  StorageRef storage;
};
bool view_wants_grad(const TensorObject& t);  // the base of a view does; t.autograd is not null
inline bool wants_grad(const TensorObject& t) { return (t.flags & kRequiresGrad) || (t.autograd && view_wants_grad(t)); }
extern TensorObject* (*new_tensor_object)();  // count 1, fields constructed

enum class MemoryFormat : int8_t { contiguous, channels_last, channels_last_3d, preserve };

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorObject* p) : ref_(p) {}
  explicit Tensor(Ref<TensorObject> r) : ref_(std::move(r)) {}
  static Tensor steal(TensorObject* p) { return Tensor(Ref<TensorObject>::steal(p)); }
  explicit operator bool() const { return bool(ref_); }
  TensorObject* get() const { return ref_.get(); }
  TensorObject* operator->() const { return ref_.get(); }
  TensorObject* release() { return ref_.release(); }
  bool is(const Tensor& o) const { return ref_ == o.ref_; }

  const Dims& sizes() const { return ref_->sizes; }
  const Dims& strides() const { return ref_->strides; }
  int64_t size(int64_t d) const { return ref_->sizes[d < 0 ? d + dim() : d]; }
  int64_t stride(int64_t d) const { return ref_->strides[d < 0 ? d + dim() : d]; }
  int dim() const { return ref_->sizes.ndim(); }
  int64_t numel() const { return ref_->numel; }
  DType dtype() const { return ref_->dtype; }
  Device device() const { return ref_->device; }
  bool is_meta() const { return ref_->device.type == Device::meta; }
  bool requires_grad() const { return wants_grad(*ref_.get()); }
  // Address of the first element; null on meta.
  std::byte* raw() const {
    auto* d = ref_->storage ? ref_->storage->data : nullptr;
    return d ? d + ref_->offset * item_size(ref_->dtype) : nullptr;
  }
  template <class T> T* data() const { return reinterpret_cast<T*>(raw()); }
  bool is_contiguous(MemoryFormat f = MemoryFormat::contiguous) const;
  void bump() const { if (!(ref_->flags & kUntracked)) ++ref_->storage->version; }
 private:
  Ref<TensorObject> ref_;
};

// ---------------------------------------------------------------- making and viewing (no autograd here)
Tensor empty(const Dims& sizes, DType dtype, Device device = {});
Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device = {});
Tensor empty_like(const Tensor& x, DType dtype = DType::undefined);  // preserves dense strides
Tensor full(const Dims& sizes, double value, DType dtype, Device device = {});
Tensor as_view(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset);
Tensor shallow_copy(const Tensor& x);  // same view, new object, no graph
Dims contiguous_strides(const Dims& sizes, MemoryFormat f = MemoryFormat::contiguous);
Dims broadcast_sizes(const Dims& a, const Dims& b);
Tensor expand_to(const Tensor& x, const Dims& sizes);
// Strides of a reshape without a copy; false if there are none.
bool view_strides(const Dims& sizes, const Dims& strides, const Dims& to, Dims& out);
Dims infer_size(const Dims& wanted, int64_t numel);  // resolves one -1
Tensor contiguous(const Tensor& x, MemoryFormat f = MemoryFormat::contiguous);
Tensor cast(const Tensor& x, DType dtype);           // same tensor if it has that dtype
Tensor contiguous_as(const Tensor& x, DType dtype);  // both: what most kernels want of an input
Tensor permuted(const Tensor& x, const Dims& order);
Tensor transposed(const Tensor& x, int64_t a, int64_t b);
void copy_into(const Tensor& to, const Tensor& from);  // broadcasts, converts
void fill(const Tensor& x, double value);
int64_t wrap_dim(int64_t d, int64_t ndim, std::string_view op = "");  // throws IndexError as PyTorch does

}  // namespace facula
