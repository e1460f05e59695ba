// Device and page-locked host memory: capped, poisoned with NaN, guarded; and its copies.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "tests/cudasim/state.h"

namespace cudasim {
namespace {

#ifdef CUDASIM_ASAN
constexpr std::size_t guard = 0;  // ASan watches
#else
constexpr std::size_t guard = 64;
#endif
constexpr unsigned char guard_byte = 0xa5;
constexpr std::size_t alignment = 256, huge_page = 2u << 20;

cudaError_t allocate(void** out, std::size_t bytes, int device) {
    Lock lock;
    State& s = state();
    *out = nullptr;
    if (s.devices.empty()) return done(cudaErrorNoDevice);
    if (bytes == 0) return cudaSuccess;
    if (device != host_memory && s.devices[device].used + bytes > s.devices[device].limit)
        return done(cudaErrorMemoryAllocation);
    void* raw = nullptr;
    const bool large = bytes >= 2 * huge_page;
    if (posix_memalign(&raw, large ? huge_page : alignment, bytes + guard) != 0) return done(cudaErrorMemoryAllocation);
    if (large) madvise(raw, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // poisoning them is most of short tests
    std::memset(raw, 0xff, bytes);
    std::memset(static_cast<char*>(raw) + bytes, guard_byte, guard);
    if (device != host_memory) s.devices[device].used += bytes;
    s.memory[static_cast<char*>(raw)] = {bytes, device, true};
    s.order.add_allocation(raw, bytes);
    *out = raw;
    return cudaSuccess;
}

void check_guard(const void* p, std::size_t bytes) {
    const auto* end = static_cast<const unsigned char*>(p) + bytes;
    for (std::size_t i = 0; i < guard; ++i) {
        if (end[i] == guard_byte) continue;
        report("write past the end of an allocation of " + std::to_string(bytes) + " bytes, at +" + std::to_string(i));
        return;
    }
}

cudaError_t release(const char* call, void* p, bool host) {
    if (!p) return cudaSuccess;
    Lock lock;
    State& s = state();
    const auto it = s.memory.find(static_cast<char*>(p));
    if (it == s.memory.end() || !it->second.owned || (it->second.device == host_memory) != host)
        return refuse(cudaErrorInvalidValue, call, "a pointer that was not allocated so");
    const Allocation a = it->second;
    // Both wait for the devices that may use it.
    for (int d = 0; d < int(s.devices.size()); ++d)
        if (host || d == a.device) synchronize_device(lock, d);
    check_guard(p, a.bytes);
    if (!host) s.devices[a.device].used -= a.bytes;
    s.memory.erase(static_cast<char*>(p));
    s.order.remove_allocation(p);
    std::free(p);
    return cudaSuccess;
}

const char* check_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    const State& s = state();
    const Allocation *a = s.find(to), *b = s.find(from);
    if (!a || !b) return "with pageable host memory it would not be asynchronous";
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault &&
        ((a->device != host_memory) != to_device || (b->device != host_memory) != from_device))
        return "the kind does not fit the pointers";
    if (!s.inside(to, bytes) || !s.inside(from, bytes)) return "past the end of an allocation";
    return nullptr;
}

cudaError_t copy_async(const char* call, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                       cudaStream_t stream) {
    if (cudaError_t e = check_stream(call, stream)) return e;
    if (bytes == 0) return cudaSuccess;
    Lock lock;
    if (const char* why = check_copy(to, from, bytes, kind)) return refuse(cudaErrorInvalidValue, call, why);
    // Copies between devices need no peer access: the driver stages them.
    return done(push(stream, call, {{from, bytes, false}, {to, bytes, true}}, [=] { std::memcpy(to, from, bytes); }));
}

}  // namespace
}  // namespace cudasim

using namespace cudasim;

extern "C" {

cudaError_t cudaMalloc(void** p, size_t bytes) { return allocate(p, bytes, current_device()); }
cudaError_t cudaFree(void* p) { return release("cudaFree", p, false); }
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) { return allocate(p, bytes, host_memory); }
cudaError_t cudaMallocHost(void** p, size_t bytes) { return allocate(p, bytes, host_memory); }
cudaError_t cudaFreeHost(void* p) { return release("cudaFreeHost", p, true); }

cudaError_t cudaHostRegister(void* p, size_t bytes, unsigned) {
    Lock lock;
    State& s = state();
    if (s.devices.empty()) return done(cudaErrorNoDevice);
    if (!p || bytes == 0) return done(cudaErrorInvalidValue);
    const auto* begin = static_cast<char*>(p);
    const auto after = s.memory.lower_bound(begin);
    if (s.find(p) || (after != s.memory.end() && after->first < begin + bytes))
        return done(cudaErrorHostMemoryAlreadyRegistered);
    s.memory[begin] = {bytes, host_memory, false};
    s.order.add_allocation(p, bytes);
    return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* p) {
    Lock lock;
    State& s = state();
    const auto it = s.memory.find(static_cast<char*>(p));
    if (it == s.memory.end() || it->second.owned) return done(cudaErrorHostMemoryNotRegistered);
    for (int d = 0; d < int(s.devices.size()); ++d) synchronize_device(lock, d);
    s.memory.erase(static_cast<char*>(p));
    s.order.remove_allocation(p);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return copy_async("cudaMemcpyAsync", to, from, bytes, kind, stream);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream) {
    {
        Lock lock;
        const Allocation *a = state().find(to), *b = state().find(from);
        if (bytes && (!a || !b || a->device != to_device || b->device != from_device))
            return refuse(cudaErrorInvalidValue, "cudaMemcpyPeerAsync", "the devices do not fit the pointers");
    }
    return copy_async("cudaMemcpyPeerAsync", to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
    if (cudaError_t e = check_stream("cudaMemsetAsync", stream)) return e;
    if (bytes == 0) return cudaSuccess;
    Lock lock;
    if (!state().inside(p, bytes)) return refuse(cudaErrorInvalidValue, "cudaMemsetAsync", "outside an allocation");
    if (!reaches(state(), stream, {p, bytes, true}, "cudaMemsetAsync")) return done(cudaErrorIllegalAddress);
    return done(push(stream, "cudaMemsetAsync", {{p, bytes, true}}, [=] { std::memset(p, value, bytes); }));
}

// Waits for everything on the current device, unlike a card's, which does not wait for non-blocking streams.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
    {
        Lock lock;
        for (const void* p : {static_cast<const void*>(to), from})
            if (bytes && state().find(p) && !state().inside(p, bytes))
                return refuse(cudaErrorInvalidValue, "cudaMemcpy", "past the end of an allocation");
    }
    if (cudaError_t e = cudaDeviceSynchronize()) return e;
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* out, const void* p) {
    Lock lock;
    *out = {};
    const Allocation* a = state().find(p);
    out->type = !a ? cudaMemoryTypeUnregistered : a->device == host_memory ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
    out->device = a && a->device != host_memory ? a->device : current_device();
    if (!a) return cudaSuccess;
    out->devicePointer = const_cast<void*>(p);
    if (a->device == host_memory) out->hostPointer = out->devicePointer;
    return cudaSuccess;
}

}  // extern "C"
