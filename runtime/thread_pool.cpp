#include "runtime/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tandem {

struct ThreadPool::State {
    std::mutex mutex;
    std::condition_variable start, done;
    std::vector<std::thread> threads;
    std::uint64_t generation = 0;
    int working = 0;
    bool quit = false;
    std::exception_ptr failure;

    std::atomic<std::int64_t> next{0};
    std::int64_t count = 0;
    void* f = nullptr;
    void (*call)(void*, std::int64_t, int) = nullptr;

    void take_all(int thread) {
        try {
            for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) call(f, i, thread);
        } catch (...) {
            std::lock_guard lock(mutex);
            if (!failure) failure = std::current_exception();
            next.store(count, std::memory_order_relaxed);
        }
    }

    void serve(int thread) {
        std::uint64_t seen = 0;
        std::unique_lock lock(mutex);
        for (;;) {
            start.wait(lock, [&] { return quit || generation != seen; });
            if (quit) return;
            seen = generation;
            lock.unlock();
            take_all(thread);
            lock.lock();
            if (--working == 0) done.notify_one();
        }
    }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
    for (int t = 1; t < threads; t++) state_->threads.emplace_back([this, t] { state_->serve(t); });
}

ThreadPool::~ThreadPool() {
    {
        std::lock_guard lock(state_->mutex);
        state_->quit = true;
    }
    state_->start.notify_all();
    for (std::thread& t : state_->threads) t.join();
}

int ThreadPool::size() const { return int(state_->threads.size()) + 1; }

void ThreadPool::run_thread(std::int64_t count, void* f, void (*call)(void*, std::int64_t, int)) {
    if (state_->threads.empty() || count <= 1) {
        for (std::int64_t i = 0; i < count; i++) call(f, i, 0);
        return;
    }
    State& s = *state_;
    {
        std::lock_guard lock(s.mutex);
        s.f = f;
        s.call = call;
        s.count = count;
        s.next.store(0, std::memory_order_relaxed);
        s.working = int(s.threads.size());
        s.generation++;
    }
    s.start.notify_all();
    s.take_all(0);
    std::unique_lock lock(s.mutex);
    s.done.wait(lock, [&] { return s.working == 0; });
    if (std::exception_ptr failure = std::exchange(s.failure, nullptr)) std::rethrow_exception(failure);
}

void ThreadPool::run(std::int64_t count, void* f, void (*call)(void*, std::int64_t)) {
    struct Both {
        void* f;
        void (*call)(void*, std::int64_t);
    } both{f, call};
    run_thread(count, &both,
               [](void* b, std::int64_t i, int) { static_cast<Both*>(b)->call(static_cast<Both*>(b)->f, i); });
}

}  // namespace tandem
