// One per launch, shared by all its ranks: the first failure wakes every wait, and every wait then throws.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "runtime/error.h"

namespace tandem {

class AbortSignal {
  public:
    // The first call's exception is the one that `failure()` gives; later ones are dropped.
    void raise(std::exception_ptr failure) {
        std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::move(failure);
        raised_.store(true, std::memory_order_release);
    }
    bool raised() const { return raised_.load(std::memory_order_acquire); }
    void check() const {
        if (raised()) throw Aborted("[launch] another rank failed first");
    }
    std::exception_ptr failure() const {
        std::lock_guard lock(mutex_);
        return failure_;
    }

    // Waits for `ready` under `lock`. Polls the signal too, so that no thread needs to know who waits where.
    template <class Ready>
    void wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Ready ready) const {
        while (!ready()) {
            check();
            changed.wait_for(lock, std::chrono::milliseconds(20));
        }
    }

  private:
    mutable std::mutex mutex_;
    std::exception_ptr failure_;
    std::atomic<bool> raised_{false};
};

}  // namespace tandem
