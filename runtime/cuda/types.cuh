// Element types of kernels, and typed pointers into tensors.
#pragma once
#include <fmt/core.h>

#include <cuda_bf16.h>

#include <cstdint>
#include <cstring>

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace tandem {

using nv_bf16 = __nv_bfloat16;  // the same bits as tandem::bf16

template <class T> inline constexpr DType cuda_dtype = DType::f32;
template <> inline constexpr DType cuda_dtype<nv_bf16> = DType::bf16;
template <> inline constexpr DType cuda_dtype<double> = DType::f64;
template <> inline constexpr DType cuda_dtype<std::int32_t> = DType::i32;

template <class T> T* device_data(const Tensor& t) {
    if (t && cuda_dtype<T> != t.dtype())
        throw Error(fmt::format("[tensor] expected {}, got {} {}", name_of(cuda_dtype<T>), name_of(t.dtype()),
                                t.shape().text()));
    return reinterpret_cast<T*>(t.data());
}

// Calls f<float>() or f<nv_bf16>(); graphs in f64 run on the CPU alone.
template <class F> decltype(auto) visit_cuda(const char* op, DType t, F&& f) {
    if (t == DType::bf16) return f.template operator()<nv_bf16>();
    if (t == DType::f32) return f.template operator()<float>();
    throw Error(fmt::format("[{}] has no CUDA kernel for {}; set {} to cpu", op, name_of(t), setting("gpus")));
}

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(nv_bf16 v) { return __bfloat162float(v); }
template <class T> __device__ __forceinline__ T from_float(float v);  // rounded to nearest even
template <> __device__ __forceinline__ float from_float<float>(float v) { return v; }
template <> __device__ __forceinline__ nv_bf16 from_float<nv_bf16>(float v) { return __float2bfloat16_rn(v); }

// Two numbers rounded to bf16, as tensor cores take them: `low` in the low half.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    std::uint32_t bits;
    std::memcpy(&bits, &pair, sizeof bits);
    return bits;
}

}  // namespace tandem
