// Loops on the threads of a CPU device, with the widest vectors of this machine.
#pragma once
#include <algorithm>
#include <cstdint>

#include "runtime/cpu/cpu_device.h"
#include "runtime/cpu/simd.h"
#include "runtime/thread_pool.h"

namespace tandem::simd {

// f(i) for every i in [0, count), on the device's threads.
template <class F> void parallel(const CpuDevice& device, std::int64_t count, F&& f) {
    device.pool->parallel_for(count, [&](std::int64_t i) { run([&] { f(i); }); });
}

// f(begin, end) for the blocks of [0, count); the inputs and outputs of one stay in the L1 and L2 caches.
inline constexpr std::int64_t block = 4096;
template <class F> void parallel_blocks(const CpuDevice& device, std::int64_t count, F&& f) {
    parallel(device, (count + block - 1) / block,
             [&](std::int64_t i) { f(i * block, std::min(count, (i + 1) * block)); });
}

}  // namespace tandem::simd
