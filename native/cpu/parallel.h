// The thread pool. Work is cut by size, never by the number of threads, so that answers
// do not depend on it.
#pragma once
#include <cstdint>
#include <type_traits>

namespace facula {

int num_threads();
void set_num_threads(int n);
bool in_parallel();

// Set by the Python boundary. run_tasks wraps its work in release ... acquire, so bodies of
// parallel_for never touch reference counts (no Tensor copies inside) nor anything of Python's.
extern void* (*release_interpreter)();
extern void (*acquire_interpreter)(void*);
// Called every ~100 ms by the waiting thread while work goes on: true asks to stop early.
extern bool (*interrupted)();

// For long loops on the calling thread: throws where Ctrl-C was pressed.
void poll_interrupt();

// Runs task(i) for i in [0, count) on the pool; exceptions are raised again here.
void run_tasks(int64_t count, void (*task)(void* context, int64_t i), void* context);

// body(begin, end) over pieces of [0, n) of `grain` each (the last may be shorter); the pieces
// are the same for every thread count.
template <class Body>
void parallel_for(int64_t n, int64_t grain, const Body& body) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  if (n <= grain) { body(int64_t(0), n); return; }
  struct Context { const Body& body; int64_t n, grain; } context{body, n, grain};
  run_tasks((n + grain - 1) / grain, [](void* c, int64_t i) {
    auto& x = *static_cast<Context*>(c);
    const int64_t begin = i * x.grain;
    x.body(begin, begin + x.grain < x.n ? begin + x.grain : x.n);
  }, &context);
}

}  // namespace facula
