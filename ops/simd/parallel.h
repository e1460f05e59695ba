// Plain loops run with the widest vectors of this machine. A loop body is compiled once per instruction set, with
// everything it calls inlined; nothing is fused or reassociated, so all give the same bits.
#pragma once
#include <algorithm>
#include <cstdint>

#include "runtime/cpu/cpu_device.h"
#include "runtime/thread_pool.h"

namespace tandem::simd {

#if defined(__x86_64__) && defined(__GNUC__)
template <class F>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"), gnu::flatten]] void run_avx512(F& f) {
    f();
}
template <class F> [[gnu::target("avx2"), gnu::flatten]] void run_avx2(F& f) { f(); }

template <class F> void run(F&& f) {
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        run_avx512(f);
    else if (__builtin_cpu_supports("avx2"))
        run_avx2(f);
    else
        f();
}
#else
template <class F> void run(F&& f) { f(); }
#endif

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
