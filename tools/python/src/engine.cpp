#include "tools/python/src/engine.h"

#include <nanobind/nanobind.h>
#include <sched.h>
#include <unistd.h>

#include <memory>
#include <mutex>

namespace tandem::python {

namespace {

int cores() {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

LocalOptions options() {
    LocalOptions o;
    o.threads = cores();
    return o;
}

struct Engine {
    std::mutex lock;
    LocalRank rank{options()};
    pid_t process = getpid();
};

// Lives as long as the process: tensors and threads of Python may outlast any owner. A child of fork() has none of
// the threads, and makes its own.
Engine& engine() {
    static std::mutex making;
    static Engine* made = nullptr;
    std::scoped_lock lock(making);
    if (!made || made->process != getpid()) made = new Engine;
    return *made;
}

}  // namespace

void on_local_rank(const std::function<void(Context&)>& body) {
    nanobind::gil_scoped_release released;
    Engine& e = engine();
    std::scoped_lock lock(e.lock);
    body(e.rank.context());
}

}  // namespace tandem::python
