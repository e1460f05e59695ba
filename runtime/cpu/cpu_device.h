// What a CPU kernel is given: threads, and scratch memory that is fixed for the rank's life.
#pragma once
#include <cstddef>

namespace tandem {

class ThreadPool;

struct CpuDevice {
    // Owner: the rank's slab. One private part per thread (packed panels, tiles), and one part that all threads of
    // a kernel share (a packed operand). Aligned to 256 bytes. A kernel's results do not depend on these sizes' use by
    // other kernels: nothing in scratch outlives the kernel.
    static constexpr std::size_t private_bytes = 2u << 20;
    static constexpr std::size_t shared_bytes = 16u << 20;
    static constexpr std::size_t scratch_bytes(int threads) {
        return shared_bytes + std::size_t(threads) * private_bytes;
    }

    ThreadPool* pool;
    std::byte* scratch;  // scratch_bytes(pool->size())

    std::byte* shared() const { return scratch; }
    std::byte* of_thread(int thread) const { return scratch + shared_bytes + std::size_t(thread) * private_bytes; }
};

}  // namespace tandem
