// Sums over a whole tensor: one partial sum per block of fixed length, in scratch (16 MiB: 2^36 elements for sums of 8
// bytes); then one block adds them. The order follows from the length alone.
#pragma once
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

inline constexpr int sum_threads = 256;
inline constexpr std::int64_t elements_per_partial = 1 << 15;

inline std::int64_t partial_count(std::int64_t n) { return (n + elements_per_partial - 1) / elements_per_partial; }

// The sum of f(x) over the elements of this block, for its first thread; `shared` has sum_threads / 32 places.
template <class A, int width, class T, class F>
__device__ __forceinline__ A partial_sum(const T* x, std::int64_t n, A* shared, F f) {
    const std::int64_t begin = blockIdx.x * elements_per_partial, end = min(n, begin + elements_per_partial);
    A sum = 0;
#pragma unroll 4
    for (std::int64_t i = begin + threadIdx.x * width; i < end; i += sum_threads * width) {
        const Vector<float, width> v = load<width>(x + i);
#pragma unroll
        for (int k = 0; k < width; k++) sum = f(sum, v[k]);
    }
    return block_sum(sum, shared);
}

// For the second kernel, one block of sum_threads.
template <class A> __device__ __forceinline__ A sum_of_partials(const A* partials, std::int64_t count, A* shared) {
    A sum = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += sum_threads) sum += partials[i];
    return block_sum(sum, shared);
}

}  // namespace tandem
