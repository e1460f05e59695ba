// A session is used by one thread at a time, and by the process that made it: a child of fork() has none of its ranks.
#pragma once
#include <unistd.h>

#include <mutex>
#include <string>

#include "runtime/error.h"

namespace tandem::python {

// Whether this thread is a rank's that has called back into Python: whoever waits for the session there waits for ever.
inline thread_local bool called_back = false;

class Guard {
  public:
    explicit Guard(const char* what) : what_(what) {}

    // Held while the session computes; take it without the GIL.
    std::unique_lock<std::mutex> lock() {
        if (getpid() != process_)
            throw Error(std::string("[") + what_ +
                        "] expected the process that opened it, got a child of it by fork(); open it there, or start "
                        "processes by spawn");
        if (called_back)
            throw Error(std::string("[") + what_ + "] expected a call between two steps, got one from within a loss");
        return std::unique_lock(mutex_);
    }

  private:
    const char* what_;
    const pid_t process_ = getpid();
    std::mutex mutex_;
};

}  // namespace tandem::python
