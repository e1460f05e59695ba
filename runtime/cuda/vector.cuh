// Neighbouring elements that one thread loads and stores at once, in accesses of 16 bytes.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

template <class T> inline constexpr int vector_width = int(16 / sizeof(T));

// Elements in registers. Those of width 1 lie anywhere in memory, wider ones at multiples of 16 bytes.
template <class T, int width> struct Vector {
    static_assert(width == 1 || width * sizeof(T) % 16 == 0);
    static constexpr int accesses = int(width * sizeof(T) / 16);
    T element[width];
    __device__ __forceinline__ T& operator[](int i) { return element[i]; }
    __device__ __forceinline__ const T& operator[](int i) const { return element[i]; }
};

template <int width, class T> __device__ __forceinline__ Vector<T, width> load(const T* from) {
    Vector<T, width> v;
    if constexpr (width == 1) {
        v[0] = *from;
    } else {
        uint4 bytes[v.accesses];
#pragma unroll
        for (int i = 0; i < v.accesses; i++) bytes[i] = reinterpret_cast<const uint4*>(from)[i];
        memcpy(v.element, bytes, sizeof bytes);
    }
    return v;
}

// By intrinsic: the compiler splits some plain stores of 16 bytes.
template <class T, int width> __device__ __forceinline__ void store(T* to, const Vector<T, width>& v) {
    if constexpr (width == 1) {
        *to = v[0];
    } else {
        uint4 bytes[v.accesses];
        memcpy(bytes, v.element, sizeof bytes);
#pragma unroll
        for (int i = 0; i < v.accesses; i++) __stcg(reinterpret_cast<uint4*>(to) + i, bytes[i]);
    }
}

// Calls f<width>(): T's vector width where `columns` is a multiple of it and all pointers are at multiples of 16 bytes,
// else 1. Tensors begin at such places, so that the width follows the shape.
template <class T, class F> void visit_width(std::int64_t columns, std::initializer_list<const void*> pointers, F&& f) {
    bool whole = columns % vector_width<T> == 0;
    for (const void* p : pointers) whole = whole && reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
    if (whole)
        f.template operator()<vector_width<T>>();
    else
        f.template operator()<1>();
}

// For elementwise kernels: a thread for each of n / width vectors, no loop.
inline constexpr int elementwise_threads = 256;
inline LaunchConfig one_vector_each(std::int64_t n, int width, CUstream_st* stream) {
    const std::int64_t per_block = std::int64_t(elementwise_threads) * width;
    return {dim3(unsigned((n + per_block - 1) / per_block)), dim3(elementwise_threads), 0, stream};
}
// This thread's first element.
template <int width> __device__ __forceinline__ std::int64_t vector_start() {
    return (std::int64_t(blockIdx.x) * elementwise_threads + threadIdx.x) * width;
}

}  // namespace tandem
