#include "tests/cudasim/state.h"

#include "tests/cudasim/settings.h"

namespace cudasim {

constexpr int default_dynamic_limit = 48 << 10;

State::State() : devices(settings().devices) {
    for (Device& d : devices) {
        d.limit = settings().memory;
        d.peer.resize(devices.size());
    }
}

State& state() {
    static State& machine = *new State;  // never destroyed: a program may leave streams running
    return machine;
}

const Allocation* State::find(const void* p, const char** base) const {
    const auto* at = static_cast<const char*>(p);
    auto it = memory.upper_bound(at);
    if (it == memory.begin()) return nullptr;
    --it;
    if (at >= it->first + it->second.bytes) return nullptr;
    if (base) *base = it->first;
    return &it->second;
}

bool State::inside(const void* p, std::size_t bytes) const {
    const char* base = nullptr;
    const Allocation* a = find(p, &base);
    return a && static_cast<const char*>(p) + bytes <= base + a->bytes;
}

Kernel& State::kernel(const void* function) {
    auto it = kernels.find(function);
    if (it == kernels.end()) {
        FunctionSymbol symbol = find_function(function);
        std::string name = "kernel " + symbol.readable;
        it = kernels.emplace(function, Kernel{std::move(symbol), std::move(name), default_dynamic_limit}).first;
    }
    return it->second;
}

Lock::Lock() {
    tsan_ignore(true);
    lock_ = std::unique_lock(state().mutex);
}
Lock::~Lock() {
    lock_.unlock();
    tsan_ignore(false);
}

void declare_suballocation(const void* p, std::size_t bytes) {
    if (bytes == 0) return;
    Lock lock;
    if (!state().order.declare(p, bytes)) report("declare_suballocation: not inside an allocation");
}

std::size_t noted_segments() {
    Lock lock;
    return state().order.segments();
}

}  // namespace cudasim
