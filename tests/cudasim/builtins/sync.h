// Barriers, fences and traps.
#pragma once
#include <atomic>

#include "tests/cudasim/block.h"
#include "tests/cudasim/device_state.h"

// The call's place, for reports.
#define CUDASIM_WHERE cudasim::Where where = cudasim::Where::current()

inline void __syncthreads(CUDASIM_WHERE) { cudasim::barrier(0, "__syncthreads", where); }
inline int __syncthreads_count(int p, CUDASIM_WHERE) { return cudasim::barrier(p, "__syncthreads_count", where); }
inline int __syncthreads_or(int p, CUDASIM_WHERE) { return cudasim::barrier(p, "__syncthreads_or", where) > 0; }
inline int __syncthreads_and(int p, CUDASIM_WHERE) { return cudasim::barrier(!p, "__syncthreads_and", where) == 0; }
inline void __syncwarp(unsigned mask = ~0u, CUDASIM_WHERE) {
    cudasim::warp_arrive(mask, "__syncwarp", where);
    cudasim::warp_meet(nullptr, nullptr);
    cudasim::warp_leave();
}
inline void __threadfence() { std::atomic_signal_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { std::atomic_signal_fence(std::memory_order_seq_cst); }
inline void __threadfence_system() { std::atomic_signal_fence(std::memory_order_seq_cst); }

[[noreturn]] inline void __trap(CUDASIM_WHERE) { cudasim::kernel_failure("__trap", where); }

// Threads are not preempted: what waits by sleeping would wait for ever.
void __nanosleep(unsigned) = delete;
