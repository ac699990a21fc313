// Memory that other processes can map: anonymous files under storages.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "bind/data.h"
#include "tensor/storage.h"

namespace facula {
namespace {

using FileId = std::pair<dev_t, ino_t>;
struct Region;
std::mutex known_mutex;
auto& known() {  // never destroyed: storages may outlive static objects
  static auto* map = new std::map<FileId, Region*>;
  return *map;
}

struct Region {
  void* data = nullptr;
  int64_t nbytes = 0;
  int fd = -1;  // -1 once closed: the mapping needs none
  FileId id;
  Storage* storage = nullptr;

  ~Region() {
    {
      std::lock_guard lock(known_mutex);
      const auto found = known().find(id);
      if (found != known().end() && found->second == this) known().erase(found);
    }
    if (data) munmap(data, size_t(nbytes));
    if (fd >= 0) close(fd);
  }
};

void release(void* region) { delete static_cast<Region*>(region); }

Region* region_of(const Storage* s) { return s && s->deleter == release ? static_cast<Region*>(s->context) : nullptr; }

[[noreturn]] void fail(const char* what, int64_t nbytes) {
  throw RuntimeError("unable to ", what, " shared memory of ", nbytes, " bytes: ", std::strerror(errno), " (", errno, ")");
}

int anonymous_file() {
#if defined(__linux__)
  return memfd_create("facula", MFD_CLOEXEC);
#else
  static std::atomic<int> number{0};
  const std::string name = "/facula-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  const int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) shm_unlink(name.c_str());
  return fd;
#endif
}

// Maps a file whole; its pages at once where the system can, which costs a third of one fault a page.
std::unique_ptr<Region> mapped(int fd, int64_t nbytes) {
  auto region = std::make_unique<Region>();
  region->fd = fd;
  struct stat file;
  if (fstat(fd, &file)) fail("look at", nbytes);
  region->id = {file.st_dev, file.st_ino};
#if defined(MAP_POPULATE)
  constexpr int flags = MAP_SHARED | MAP_POPULATE;
#else
  constexpr int flags = MAP_SHARED;
#endif
  void* p = mmap(nullptr, size_t(nbytes), PROT_READ | PROT_WRITE, flags, fd, 0);
  if (p == MAP_FAILED) fail("map", nbytes);
  region->data = p;
  region->nbytes = nbytes;
  return region;
}

std::unique_ptr<Region> fresh(int64_t nbytes) {
  const int fd = anonymous_file();
  if (fd < 0) fail("create", nbytes);
  if (ftruncate(fd, nbytes)) {
    close(fd);
    fail("allocate", nbytes);
  }
  return mapped(fd, nbytes);
}

void remember(Region* region, Storage* storage) {
  region->storage = storage;
  std::lock_guard lock(known_mutex);
  known()[region->id] = region;
}

StorageRef storage_on(std::unique_ptr<Region> region) {
  StorageRef s = borrow_storage(region->data, region->nbytes, release, region.get());
  remember(region.release(), s.get());
  return s;
}

// The storage here that already maps the file, if it still lives.
StorageRef find(int fd) {
  struct stat file;
  if (fstat(fd, &file)) fail("look at", 0);
  std::lock_guard lock(known_mutex);
  const auto found = known().find({file.st_dev, file.st_ino});
  if (found == known().end()) return {};
  Storage* s = found->second->storage;
  int64_t count = __atomic_load_n(&s->count, __ATOMIC_RELAXED);
  while (count > 0)
    if (__atomic_compare_exchange_n(&s->count, &count, count + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return StorageRef(s);
  return {};
}

PyObject* bytes_on(StorageRef storage) {
  Tensor t = empty({0}, DType::uint8);
  t->sizes = {storage->nbytes};
  t->strides = {1};
  t->numel = storage->nbytes;
  t->storage = std::move(storage);
  return give(t);
}

// share_memory(tensor): moves the memory under it, and so under all its views, to where other processes can map it.
PyObject* share_memory(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(o)) throw TypeError("share_memory(): expected a tensor, not ", Py_TYPE(o)->tp_name);
    Storage* s = tensor_of(o)->storage.get();
    if (!s || region_of(s) || s->device.type != Device::cpu || !s->nbytes) Py_RETURN_NONE;
    auto region = fresh(s->nbytes);
    std::memcpy(region->data, s->data, size_t(s->nbytes));
    if (s->deleter) s->deleter(s->context);
    else deallocate(s->data, s->capacity);
    s->data = static_cast<std::byte*>(region->data);
    s->capacity = s->nbytes;
    s->deleter = release;
    s->context = region.get();
    s->resizable = false;
    remember(region.release(), s);
    Py_RETURN_NONE;
  });
}

// empty_shared(nbytes): new bytes that other processes can map.
PyObject* empty_shared(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    const long long nbytes = PyLong_AsLongLong(o);
    if (PyErr_Occurred()) throw PythonError();
    return bytes_on(storage_on(fresh(nbytes)));
  });
}

// map_shared(fd, nbytes, keep): the bytes behind a descriptor, which it takes over. Without `keep` the descriptor is closed:
// the bytes stay shared, but cannot be handed on.
PyObject* map_shared(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    int fd, keep;
    long long nbytes;
    if (!PyArg_ParseTuple(args, "iLp", &fd, &nbytes, &keep)) return nullptr;
    if (StorageRef here = find(fd)) {
      close(fd);
      return bytes_on(std::move(here));
    }
    auto region = mapped(fd, nbytes);
    if (!keep) close(std::exchange(region->fd, -1));
    return bytes_on(storage_on(std::move(region)));
  });
}

// shared_file(tensor): (descriptor or -1, bytes) of its shared memory; None where it is not shared.
PyObject* shared_file(PyObject*, PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (!is_tensor(o)) throw TypeError("shared_file(): expected a tensor, not ", Py_TYPE(o)->tp_name);
    const Region* region = region_of(tensor_of(o)->storage.get());
    if (!region) Py_RETURN_NONE;
    return Py_BuildValue("iL", region->fd, static_cast<long long>(region->nbytes));
  });
}

}  // namespace

PyMethodDef shared_functions[] = {
    {"share_memory", share_memory, METH_O, "Moves a tensor's memory to where other processes can map it."},
    {"empty_shared", empty_shared, METH_O, "New bytes that other processes can map."},
    {"map_shared", map_shared, METH_VARARGS, "The bytes behind a file descriptor."},
    {"shared_file", shared_file, METH_O, "Descriptor and size of a tensor's shared memory, or None."}, {}};

}  // namespace facula
