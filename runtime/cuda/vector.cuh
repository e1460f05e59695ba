// Neighbouring elements that one thread loads and stores at once, in accesses of 16 bytes.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

template <class T> inline constexpr int vector_width = int(16 / sizeof(T));

// Elements in registers. In memory those of width 1 lie anywhere, wider ones at multiples of 16 bytes.
template <class T, int width> struct Vector {
    static_assert(width == 1 || width * sizeof(T) % 16 == 0);
    T element[width];
    __device__ __forceinline__ T& operator[](int i) { return element[i]; }
    __device__ __forceinline__ const T& operator[](int i) const { return element[i]; }
};

// A vector as it came from memory: bf16 that wait for their use take half the registers so.
template <class T, int width> struct Packed { uint4 bytes[width * sizeof(T) / sizeof(uint4)]; };
template <class T> struct Packed<T, 1> { T element; };

template <int width, class T> __device__ __forceinline__ Packed<T, width> load_packed(const T* from) {
    Packed<T, width> p;
    if constexpr (width == 1) {
        p.element = *from;
    } else {
#pragma unroll
        for (int i = 0; i < int(sizeof p / sizeof(uint4)); i++) p.bytes[i] = reinterpret_cast<const uint4*>(from)[i];
    }
    return p;
}

// What kernels compute with: float for bf16.
template <class T> using value_t = std::conditional_t<std::is_same_v<T, nv_bf16>, float, T>;

template <class T, int width> __device__ __forceinline__ Vector<value_t<T>, width> unpack(const Packed<T, width>& p) {
    Vector<value_t<T>, width> v;
    if constexpr (!std::is_same_v<T, nv_bf16>) {
        memcpy(static_cast<void*>(v.element), &p, sizeof p);
    } else if constexpr (width == 1) {
        v[0] = to_float(p.element);
    } else {
        std::uint32_t pairs[width / 2];
        memcpy(pairs, &p, sizeof p);
#pragma unroll
        for (int i = 0; i < width; i += 2) {
            v[i] = __uint_as_float(pairs[i / 2] << 16);
            v[i + 1] = __uint_as_float(pairs[i / 2] & 0xffff0000u);
        }
    }
    return v;
}

template <int width, class T> __device__ __forceinline__ Vector<value_t<T>, width> load(const T* from) {
    return unpack(load_packed<width>(from));
}

// By intrinsic: the compiler splits some plain stores of 16 bytes.
template <class T, int width> __device__ __forceinline__ void store(T* to, const Vector<T, width>& v) {
    if constexpr (width == 1) {
        *to = v[0];
    } else {
        Packed<T, width> p;
        memcpy(&p, v.element, sizeof p);
#pragma unroll
        for (int i = 0; i < int(sizeof p / sizeof(uint4)); i++) __stcg(reinterpret_cast<uint4*>(to) + i, p.bytes[i]);
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
