// The thread pool: workers spin for a moment after a job, because the next one tends to come
// within microseconds, and sleep after that. The caller works too. Every thread has a share of the tasks, and helps with others'
// when it is done.
#include "cpu/parallel.h"

#include <pthread.h>
#include <signal.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>
#include <utility>

#include "tensor/error.h"

namespace facula {

void* (*release_interpreter)() = nullptr;
void (*acquire_interpreter)(void*) = nullptr;
bool (*interrupted)() = nullptr;

namespace {

void check_interrupt() {
  if (interrupted && interrupted()) throw PythonError();
}

// While tasks run, other Python threads may.
struct Unlocked {
  void* state = release_interpreter ? release_interpreter() : nullptr;
  ~Unlocked() { if (acquire_interpreter) acquire_interpreter(state); }
};

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(40);        // about the cost of two wake-ups
constexpr auto kBeforeInterrupt = std::chrono::milliseconds(100);

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int default_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n > 0) return n;
  }
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  const int n = int(std::thread::hardware_concurrency());
  return n > 0 ? n : 1;
}

thread_local bool inside = false;
std::atomic<int> wanted_threads{0};  // 0: not asked for yet

class Pool {
 public:
  std::mutex busy;  // one job at a time; who finds it taken runs alone

  void run(int threads, int64_t count, void (*task)(void*, int64_t), void* context) {
    const int active = int(count < threads ? count : threads), helpers = active - 1;
    while (started_ < threads - 1) start(started_++);
    if (threads > int(shares_.size())) shares_ = std::vector<Share>(size_t(threads));
    task_ = task;
    context_ = context;
    limit_ = threads - 1;
    active_ = active;
    error_ = nullptr;
    for (int t = 0; t < active; ++t) {
      shares_[size_t(t)].next.store(count * t / active, std::memory_order_relaxed);
      shares_[size_t(t)].end = count * (t + 1) / active;
    }
    open_.store(true);
    epoch_.fetch_add(1);
    if (sleepers_.load() > 0) {
      if (helpers >= started_) epoch_.notify_all();
      else for (int i = 0; i < helpers; ++i) epoch_.notify_one();
    }
    inside = true;
    work(0);
    inside = false;
    open_.store(false);
    for (int i = 0; users_.load() != 0; ++i) {
      if (i < 4096) pause();
      else std::this_thread::yield();
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void start(int index) {
    // Signals belong to the caller's thread: Python looks for Ctrl-C there.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this, index] { loop(index); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void loop(int index) {
    inside = true;
    uint32_t seen = epoch_.load() - 1;  // a job may be waiting already
    for (;;) {
      wait_for_change(seen);
      seen = epoch_.load();
      // Count ourselves in first, then look whether the job is still open: the caller closes it
      // first and then looks at the count, so one of us sees the other.
      users_.fetch_add(1);
      if (open_.load() && index < limit_) work(index + 1);
      users_.fetch_sub(1);
    }
  }

  void wait_for_change(uint32_t seen) {
    const auto until = Clock::now() + kSpin;
    do {
      for (int i = 0; i < 32; ++i) {
        if (epoch_.load(std::memory_order_acquire) != seen) return;
        pause();
      }
    } while (Clock::now() < until);
    sleepers_.fetch_add(1);
    while (epoch_.load() == seen) epoch_.wait(seen);
    sleepers_.fetch_sub(1);
  }

  // Its own share first, which over the same arrays is the same each time and may still be in its cache; then what others have left.
  void work(int thread) {
    const bool caller = thread == 0;
    const auto interrupt = caller ? Clock::now() + kBeforeInterrupt : Clock::time_point();
    try {
      for (int k = 0; k < active_; ++k) {
        Share& share = shares_[size_t((thread + k) % active_)];
        for (int64_t i; (i = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
          task_(context_, i);
          if (caller && Clock::now() > interrupt) check_interrupt();
        }
      }
    } catch (...) {
      for (int t = 0; t < active_; ++t) shares_[size_t(t)].next.store(shares_[size_t(t)].end);
      std::lock_guard lock(error_lock_);
      if (!error_) error_ = std::current_exception();
    }
  }

  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares_;
  void (*task_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int limit_ = 0, active_ = 0, started_ = 0;
  std::exception_ptr error_;
  std::mutex error_lock_;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<int> sleepers_{0};
  alignas(64) std::atomic<int> users_{0};
  std::atomic<bool> open_{false};
};

// Never freed: workers may still sleep in it while the process ends. A forked child has none of
// the workers, so it starts anew.
std::atomic<Pool*> pool{nullptr};

void forget_pool() {
  pool.store(nullptr);
  inside = false;
}

Pool& the_pool() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, forget_pool); });
  Pool* p = pool.load(std::memory_order_acquire);
  if (p) return *p;
  auto* fresh = new Pool;
  if (pool.compare_exchange_strong(p, fresh)) return *fresh;
  delete fresh;
  return *p;
}

void run_alone(int64_t count, void (*task)(void*, int64_t), void* context) {
  const auto interrupt = Clock::now() + kBeforeInterrupt;
  for (int64_t i = 0; i < count; ++i) {
    task(context, i);
    if (!inside && count > 1 && Clock::now() > interrupt) check_interrupt();
  }
}

}  // namespace

int num_threads() {
  int n = wanted_threads.load(std::memory_order_relaxed);
  if (n == 0) wanted_threads.store(n = default_threads());
  return n;
}

void set_num_threads(int n) { wanted_threads.store(n < 1 ? 1 : n); }

bool in_parallel() { return inside; }

void poll_interrupt() { if (!inside) check_interrupt(); }

void run_tasks(int64_t count, void (*task)(void*, int64_t), void* context) {
  if (inside) return run_alone(count, task, context);
  Unlocked unlocked;
  const int threads = count < 2 ? 1 : num_threads();
  if (threads < 2) return run_alone(count, task, context);
  Pool& p = the_pool();
  std::unique_lock lock(p.busy, std::try_to_lock);
  if (!lock) return run_alone(count, task, context);
  p.run(threads, count, task, context);
}

}  // namespace facula
