// The threads of one CPU rank. Work is cut by shape: what index i computes must not depend on how many
// threads there are or on which one runs it; then results do not either.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace tandem {

class ThreadPool {
  public:
    explicit ThreadPool(int threads);  // the caller is one of them; 1 starts none
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int size() const;

    // Calls f(i) for every i in [0, count), in any order, on any thread; returns when all are done.
    // The first exception is rethrown. Not reentrant: f must not call parallel_for of the same pool.
    template <class F> void parallel_for(std::int64_t count, F&& f) {
        run(count, &f, [](void* g, std::int64_t i) { (*static_cast<std::remove_reference_t<F>*>(g))(i); });
    }

    // As above, and tells which of the size() threads runs it, for scratch memory: f(i, thread).
    template <class F> void parallel_for_thread(std::int64_t count, F&& f) {
        run_thread(count, &f,
                   [](void* g, std::int64_t i, int t) { (*static_cast<std::remove_reference_t<F>*>(g))(i, t); });
    }

  private:
    void run(std::int64_t count, void* f, void (*call)(void*, std::int64_t));
    void run_thread(std::int64_t count, void* f, void (*call)(void*, std::int64_t, int));
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tandem
