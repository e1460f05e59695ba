// Devices and kernels: what they are, and their limits. As RTX 40: compute capability 8.9, 99 KiB of shared memory per
// block.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/cudasim/settings.h"
#include "tests/cudasim/state.h"

namespace cudasim {
namespace {

thread_local int selected_device = 0;

constexpr int most_dynamic_shared = 99 << 10, shared_per_block = 48 << 10, shared_per_multiprocessor = 100 << 10;
constexpr int reserved_shared = 1 << 10;  // of every block
constexpr int threads_per_multiprocessor = 1536, blocks_per_multiprocessor = 24, multiprocessors = 4;
constexpr int capability_major = 8, capability_minor = 9;

bool exists(int device) { return device >= 0 && device < int(state().devices.size()); }

}  // namespace

int current_device() { return selected_device; }

// At once, not when the process ends: that may be by a signal.
void note_executed(Kernel& kernel, const KernelCall& call) {
    const std::uint64_t threads = std::uint64_t{call.block.x} * call.block.y * call.block.z;
    if (threads <= kernel.threads && call.shared_bytes <= kernel.dynamic_bytes) return;
    kernel.threads = std::max(kernel.threads, threads);
    kernel.dynamic_bytes = std::max(kernel.dynamic_bytes, call.shared_bytes);
    if (settings().executed.empty()) return;
    const std::string line = kernel.symbol.source + " " + kernel.symbol.mangled + " " + std::to_string(kernel.threads) +
                             " " + std::to_string(kernel.dynamic_bytes) + "\n";
    const int file = open(settings().executed.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (file < 0 || write(file, line.data(), line.size()) != ssize_t(line.size()))
        report("CUDASIM_EXECUTED: cannot write " + settings().executed);
    if (file >= 0) close(file);
}

}  // namespace cudasim

using namespace cudasim;

extern "C" {

cudaError_t cudaGetDeviceCount(int* n) {
    *n = int(state().devices.size());
    return *n ? cudaSuccess : done(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
    if (!exists(device)) return done(state().devices.empty() ? cudaErrorNoDevice : cudaErrorInvalidDevice);
    selected_device = device;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
    if (state().devices.empty()) return done(cudaErrorNoDevice);
    *device = selected_device;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
    *version = state().devices.empty() ? 0 : CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    if (!exists(device)) return done(cudaErrorInvalidDevice);
    std::memset(static_cast<void*>(p), 0, sizeof *p);
    std::snprintf(p->name, sizeof p->name, "cudasim device %d", device);
    p->uuid.bytes[0] = char(device);
    p->totalGlobalMem = state().devices[device].limit;
    p->major = capability_major;
    p->minor = capability_minor;
    p->multiProcessorCount = multiprocessors;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = threads_per_multiprocessor;
    p->maxBlocksPerMultiProcessor = blocks_per_multiprocessor;
    p->sharedMemPerBlock = shared_per_block;
    p->sharedMemPerBlockOptin = most_dynamic_shared;
    p->sharedMemPerMultiprocessor = shared_per_multiprocessor;
    p->reservedSharedMemPerBlock = reserved_shared;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->asyncEngineCount = 2;
    p->unifiedAddressing = 1;
    p->l2CacheSize = 4 << 20;
    p->memoryBusWidth = 384;
    p->pciBusID = device + 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    if (!exists(device)) return done(cudaErrorInvalidDevice);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = shared_per_block; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = most_dynamic_shared; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = shared_per_multiprocessor; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = threads_per_multiprocessor; break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrMultiProcessorCount: *value = multiprocessors; break;
        case cudaDevAttrComputeCapabilityMajor: *value = capability_major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = capability_minor; break;
        case cudaDevAttrAsyncEngineCount: *value = 2; break;
        case cudaDevAttrUnifiedAddressing: *value = 1; break;
        case cudaDevAttrClockRate: *value = 1000000; break;        // kHz
        case cudaDevAttrMemoryClockRate: *value = 1000000; break;  // kHz
        case cudaDevAttrGlobalMemoryBusWidth: *value = 384; break;
        case cudaDevAttrL2CacheSize: *value = 4 << 20; break;
        default: return refuse(cudaErrorInvalidValue, "cudaDeviceGetAttribute", "an attribute that is not simulated");
    }
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
    if (!exists(device)) return done(cudaErrorInvalidDevice);
    std::snprintf(text, size_t(length), "0000:%02x:00.0", device + 1);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
    if (state().devices.empty()) return done(cudaErrorNoDevice);
    Lock lock;
    const Device& d = state().devices[selected_device];
    *total = d.limit;
    *free_bytes = d.limit - d.used;
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
    if (!exists(device) || !exists(peer)) return done(cudaErrorInvalidDevice);
    *can = device != peer && settings().peer;
    return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
    if (peer == selected_device || !exists(peer)) return done(cudaErrorInvalidDevice);
    if (!settings().peer) return done(cudaErrorPeerAccessUnsupported);
    Lock lock;
    auto reached = state().devices[selected_device].peer[peer];
    if (reached) return done(cudaErrorPeerAccessAlreadyEnabled);
    reached = true;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize &&
        attribute != cudaFuncAttributePreferredSharedMemoryCarveout)
        return refuse(cudaErrorInvalidValue, "cudaFuncSetAttribute", "an attribute that is not simulated");
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;  // a hint
    if (value < 0 || value > most_dynamic_shared) return done(cudaErrorInvalidValue);
    Lock lock;
    state().kernel(function).dynamic_limit = value;
    return cudaSuccess;
}

// Registers, local and static shared memory of the compiled kernel are unknown here, and zero.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* out, const void* function) {
    Lock lock;
    *out = {};
    out->maxThreadsPerBlock = 1024;
    out->maxDynamicSharedSizeBytes = state().kernel(function).dynamic_limit;
    out->binaryVersion = out->ptxVersion = capability_major * 10 + capability_minor;
    return cudaSuccess;
}
cudaError_t cudaFuncGetName(const char** name, const void* function) {
    Lock lock;
    *name = state().kernel(function).symbol.mangled.c_str();
    return cudaSuccess;
}

// By threads and dynamic shared memory; registers are unknown here.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int threads,
                                                          size_t dynamic_shared) {
    Lock lock;
    if (threads < 1 || threads > 1024) return done(cudaErrorInvalidValue);
    *blocks = 0;
    if (dynamic_shared > size_t(state().kernel(function).dynamic_limit)) return cudaSuccess;
    const int by_threads = threads_per_multiprocessor / ((threads + 31) / 32 * 32);
    const int by_shared = int(shared_per_multiprocessor / (dynamic_shared + reserved_shared));
    *blocks = std::min({by_threads, by_shared, blocks_per_multiprocessor});
    return cudaSuccess;
}

}  // extern "C"
