// Every built-in function once, against values worked out by hand.
#include <cuda_bf16.h>

#include "tests/cudasim/cudasim.h"
#include "tests/cudasim/kernels/kernels.h"

namespace cudasim::kernels {
namespace {

constexpr unsigned all = 0xffffffffu;

struct Checks {
    int* failures;
    __device__ void operator()(int number, bool right) const {
        if (!right) atomicAdd(&failures[number], 1);
    }
};

template <class T> __device__ void check_shuffles(const Checks& check, int number, T (*make)(int)) {
    const int lane = threadIdx.x % 32;
    const auto is = [&](T v, int expected) { return float(v) == float(make(expected)); };
    check(number, is(__shfl_sync(all, make(lane), 5), 5));
    check(number + 1, is(__shfl_sync(all, make(lane), 3, 8), lane / 8 * 8 + 3));
    check(number + 2, is(__shfl_xor_sync(all, make(lane), 9), lane ^ 9));
    check(number + 3, is(__shfl_down_sync(all, make(lane), 4), lane + 4 < 32 ? lane + 4 : lane));
    check(number + 4, is(__shfl_up_sync(all, make(lane), 4), lane >= 4 ? lane - 4 : lane));
    check(number + 5, is(__shfl_down_sync(all, make(lane), 1, 4), lane % 4 < 3 ? lane + 1 : lane));
}

struct Pair {
    __nv_bfloat162 value;
    operator float() const { return __bfloat162float(value.x) + __bfloat162float(value.y); }
};

__global__ void __launch_bounds__(64) warp_builtins_kernel(int* failures) {
    const Checks check{failures};
    const int lane = threadIdx.x % 32;
    check_shuffles<int>(check, 0, [](int i) { return i - 7; });
    check_shuffles<unsigned>(check, 6, [](int i) { return unsigned(i); });
    check_shuffles<float>(check, 12, [](int i) { return i * 0.5f; });
    check_shuffles<double>(check, 18, [](int i) { return i * 0.25; });
    check_shuffles<Pair>(check, 24, [](int i) { return Pair{__floats2bfloat162_rn(float(i), 0.5f)}; });
    check(30, __ballot_sync(all, lane % 2) == 0xaaaaaaaau);
    check(31, __any_sync(all, lane == 9) && !__any_sync(all, 0));
    check(32, __all_sync(all, 1) && !__all_sync(all, lane != 9));
    check(33, __reduce_add_sync(all, lane) == 496);
    check(34, __reduce_min_sync(all, 3 - lane) == -28 && __reduce_max_sync(all, unsigned(lane)) == 31u);
    check(35, __reduce_or_sync(all, 1u << lane) == all && __reduce_and_sync(all, ~(1u << lane)) == 0);
    check(36, __reduce_xor_sync(all, 1u << lane) == all);
    if (lane < 16) {  // half a warp, by its own mask
        check(37, __reduce_add_sync(0xffffu, 1) == 16);
        __syncwarp(0xffffu);
        check(38, __shfl_sync(0xffffu, lane, 15) == 15);
    }
    check(39, __syncthreads_count(threadIdx.x < 40) == 40);
    check(40, __syncthreads_or(threadIdx.x == 63) && !__syncthreads_or(0));
    check(41, __syncthreads_and(1) && !__syncthreads_and(threadIdx.x != 0));
}

__device__ void check_memory(const Checks& check, int* words) {
    __stcs(words, 3);
    __stcg(words + 1, 4);
    __stwt(words + 2, 5);
    check(0, __ldg(words) == 3 && __ldcs(words + 1) == 4 && __ldcg(words + 2) == 5);
    check(1, atomicAdd(words, 2) == 3 && atomicSub(words, 1) == 5 && atomicMax(words, 9) == 4 && *words == 9);
    check(2, atomicMin(words, 1) == 9 && atomicExch(words, 6) == 1 && atomicCAS(words, 6, 7) == 6 && *words == 7);
    check(3, atomicOr(words, 8) == 7 && atomicAnd(words, 12) == 15 && *words == 12);
    auto* counter = reinterpret_cast<unsigned*>(words + 1);
    check(4, atomicInc(counter, 4) == 4 && *counter == 0 && atomicInc(counter, 4) == 0 && *counter == 1);
}

__device__ void check_bits(const Checks& check) {
    check(5, __int_as_float(0x3f800000) == 1.0f && __uint_as_float(0xc0000000u) == -2.0f);
    check(6, __float_as_int(-2.0f) == int(0xc0000000u) && __float_as_uint(1.0f) == 0x3f800000u);
    check(7, __longlong_as_double(__double_as_longlong(1.5)) == 1.5);
    check(8, __popc(0xf0f0u) == 8 && __popcll(~0ull) == 64);
    check(9, __clz(1) == 31 && __clz(0) == 32 && __clzll(1) == 63);
    check(10, __ffs(8) == 4 && __ffs(0) == 0 && __ffsll(1ll << 40) == 41);
    check(11, __umulhi(0x80000000u, 6) == 3 && __mulhi(-1, 1) == -1 && __umul64hi(1ull << 63, 6) == 3);
    check(12, __brev(1) == 0x80000000u && __brev(0x0000ffffu) == 0xffff0000u);
    check(13, __byte_perm(0x33221100u, 0x77665544u, 0x7531) == 0x77553311u);
    check(14, __byte_perm(0x00008000u, 0, 0x9999) == all && __byte_perm(0x80, 0, 0x1110) == 0x80u);
    check(15, __funnelshift_l(0x80000000u, 1, 1) == 3 && __funnelshift_r(2, 3, 1) == 0x80000001u);
}

__device__ bool near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

__device__ void check_maths(const Checks& check) {
    const float third = 1.0f / 3;
    check(16, __fmaf_rn(third, 3.0f, -1.0f) == fmaf(third, 3.0f, -1.0f) && __fmaf_rn(third, 3.0f, -1.0f) != 0);
    check(17, __fadd_rn(1, 2) == 3 && __fsub_rn(1, 2) == -1 && __fmul_rn(3, 2) == 6 && __fdiv_rn(1, 3) == third);
    check(18, __fsqrt_rn(9) == 3 && __frcp_rn(4) == 0.25f && __frsqrt_rn(16) == 0.25f && rsqrtf(4) == 0.5f);
    check(19, __dadd_rn(1, 2) == 3 && __dmul_rn(3, 2) == 6 && __ddiv_rn(1, 4) == 0.25 && __dsqrt_rn(9) == 3);
    check(20, __dsub_rn(1, 2) == -1 && __fma_rn(2, 3, 4) == 10 && __drcp_rn(8) == 0.125 && rsqrt(4.0) == 0.5);
    check(21, near(__expf(1), 2.718281828) && near(__exp10f(2), 100) && near(exp2f(0.5f), 1.414213562));
    check(22,
          near(__logf(2), 0.693147181) && near(__log2f(8), 3) && near(__log10f(100), 2) && near(log1pf(1), 0.69314718));
    float sine, cosine;
    __sincosf(1, &sine, &cosine);
    check(23, near(sine, 0.841470985) && near(cosine, 0.540302306) && near(__sinf(1), sine) && near(__cosf(1), cosine));
    check(24, near(__powf(2, 0.5f), 1.414213562) && near(__tanf(1), 1.557407725) && __fdividef(1, 4) == 0.25f);
    check(25, __float2int_rn(2.5f) == 2 && __float2int_rz(-2.5f) == -2 && __float2int_rd(-2.5f) == -3);
    check(26, __float2int_ru(2.1f) == 3 && __float2int_rn(3e9f) == 2147483647 && __float2int_rz(-3e9f) == INT_MIN);
    check(27, __float2int_rn(NAN) == 0 && __float2uint_rn(3e9f) == 3000000000u && __float2uint_rz(-1) == 0);
    check(28, __saturatef(2) == 1 && __saturatef(-1) == 0 && __saturatef(0.5f) == 0.5f && __saturatef(NAN) == 0);
    check(29, __int2float_rn(-3) == -3.0f && __uint2float_rn(3000000000u) == 3e9f && __double2float_rn(0.5) == 0.5f);
    check(30, max(1, 2) == 2 && min(1.0f, 2.0f) == 1.0f && fmaxf(NAN, 1) == 1);
    const __nv_bfloat162 v =
        __hfma2(__floats2bfloat162_rn(1, 2), __floats2bfloat162_rn(3, 4), __floats2bfloat162_rn(5, 6));
    check(31, __bfloat162float(v.x) == 8 && __bfloat162float(v.y) == 14);
    check(32, near(__bfloat162float(hrsqrt(__float2bfloat16_rn(4))), 0.5) &&
                  __bfloat162float(hexp(__float2bfloat16_rn(0))) == 1);
}

// Also: what a thread knows of itself, in three dimensions.
__global__ void __launch_bounds__(24) thread_builtins_kernel(int* failures) {
    const Checks check{failures};
    const unsigned linear = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    check(33, blockDim.x == 2 && blockDim.y == 3 && blockDim.z == 4 && linear < 24 && warpSize == 32);
    check(34, gridDim.x == 3 && gridDim.y == 2 && blockIdx.x < 3 && blockIdx.y < 2 && blockIdx.z == 0);
    __shared__ int words[24 * 3];
    check_memory(check, words + 3 * linear);
    check_bits(check);
    check_maths(check);
    __threadfence();
    if (linear == 0) atomicAdd(&failures[63], 1 << (blockIdx.x + 3 * blockIdx.y));  // every block: 63
}

}  // namespace

cudaError_t builtins_of_warps(int* failures, cudaStream_t stream) {
    return launch(warp_builtins_kernel, dim3(1), dim3(64), 0, stream, failures);
}
cudaError_t builtins_of_threads(int* failures, cudaStream_t stream) {
    return launch(thread_builtins_kernel, dim3(3, 2), dim3(2, 3, 4), 0, stream, failures);
}

}  // namespace cudasim::kernels
