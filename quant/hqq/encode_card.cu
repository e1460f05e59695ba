#include <cuda_fp16.h>

#include "quant/codes.h"
#include "quant/hqq/hqq.h"
#include "quant/hqq/solve.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/types.cuh"
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

using namespace hqq;

constexpr int threads = 256, groups_of_block = threads / lanes;

__device__ __forceinline__ float load_float(const std::byte* weight, DType dtype, std::int64_t i) {
    if (dtype == DType::f32) return reinterpret_cast<const float*>(weight)[i];
    const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(weight)[i];
    if (dtype == DType::f16) return __half2float(__ushort_as_half(bits));
    return __uint_as_float(std::uint32_t(bits) << 16);
}

// Over sixteen neighbours of a warp, in the order of the host's tree.
__device__ __forceinline__ float sum_of_lanes(float v) {
#pragma unroll
    for (int d = lanes / 2; d > 0; d /= 2) v += __shfl_xor_sync(all_lanes, v, d);
    return v;
}
template <class F> __device__ __forceinline__ float over_lanes(float v, F f) {
#pragma unroll
    for (int d = lanes / 2; d > 0; d /= 2) v = f(v, __shfl_xor_sync(all_lanes, v, d));
    return v;
}

// A group's elements, `each` of a lane: lane l has l, l + 16 and so on, those below `n`.
template <int each> struct Elements {
    float w[each];
    int n, lane;

    template <class F> __device__ __forceinline__ void visit(F&& f) const {
#pragma unroll
        for (int k = 0; k < each; k++)
            if (lane + k * lanes < n) f(w[k]);
    }
};

template <int each> __device__ __forceinline__ Sums sums_of(const Elements<each>& x, const Line& line) {
    float error = 0, next = 0, largest = 0;
    x.visit([&](float w) {
        const float code = line.code(w), d = magnitude(line.error(w, code));
        error += d;
        largest = max_of(largest, d);
        next += moment(w, code, line.inverse);
    });
    if (__any_sync(all_lanes, largest > shrinks_from)) {
        next = 0;
        x.visit([&](float w) {
            const float code = line.code(w);
            next += shrunk_moment(w, code, line.inverse, line.error(w, code));
        });
    }
    return {sum_of_lanes(error), sum_of_lanes(next)};
}

template <int each> __device__ __forceinline__ Line solve(const Elements<each>& x, float top) {
    float least = INFINITY, largest = -INFINITY;
    x.visit([&](float w) {
        least = min_of(least, w);
        largest = max_of(largest, w);
    });
    least = over_lanes(least, min_of);
    largest = over_lanes(largest, max_of);
    const float scale = scale_of(least, largest, top), one_of_elements = 1.0f / float(x.n);
    Best best{.line = start_of(0, scale, least, top)};
#pragma unroll 1
    for (int s = 0; s < starts_of(top); s++) {
        Walk walk{start_of(s, scale, least, top)};
#pragma unroll 1
        for (int i = 0; i < iterations && __any_sync(all_lanes, !walk.ends); i++) {
            const Sums sums = sums_of(x, walk.line);
            if (walk.ends) continue;  // the warp's other group goes on
            best.take(sums.error, walk.line);
            walk.step(sums, one_of_elements);
        }
    }
    return best.line;
}

struct Out {
    std::byte* codes;
    __half *scale, *zero;
    std::uint32_t* nonfinite;
};

// Sixteen lanes take a group of 16 * each elements. `weight` and the outputs begin with the first of `count`.
template <int each> __global__ void __launch_bounds__(threads, each == 16 ? 2 : 4)  // blocks as registers allow
    hqq_groups_kernel(const std::byte* __restrict__ weight, DType dtype, std::int64_t count, int bits, Out out) {
    constexpr int group = lanes * each;
    const int lane = int(threadIdx.x % lanes);
    const std::int64_t number = std::int64_t(blockIdx.x) * groups_of_block + threadIdx.x / lanes;
    const std::int64_t first = number * group;
    Elements<each> x;
    x.lane = lane;
    x.n = int(max(std::int64_t(0), min(std::int64_t(group), count - first)));
    bool finite = true;
#pragma unroll
    for (int k = 0; k < each; k++) {
        x.w[k] = lane + k * lanes < x.n ? load_float(weight, dtype, first + lane + k * lanes) : 0.0f;
        finite = finite && magnitude(x.w[k]) < INFINITY;
    }
    if (!finite) atomicExch(out.nonfinite, 1u);
    const Line line = solve(x, float((1 << bits) - 1));
    if (x.n > 0 && lane == 0) {
        out.scale[number] = __float2half_rn(line.scale);
        out.zero[number] = __float2half_rn(line.zero);
    }
    const int of_eight = lane % 8;
#pragma unroll
    for (int k = 0; k < each; k++) {
        const int i = lane + k * lanes;
        const std::uint32_t code = i < x.n ? std::uint32_t(line.code(x.w[k])) : 0;
        // The bytes of eight codes, of which lane b stores byte b.
        std::uint32_t word = bits == 8 ? code : bits == 3 ? code << EightCodes<3>::shift(of_eight)
                                      : bits == 4        ? code << EightCodes<4>::shift(of_eight)
                                      : bits == 2        ? code << EightCodes<2>::shift(of_eight)
                                                         : code << EightCodes<1>::shift(of_eight);
        if (bits < 8) {
#pragma unroll
            for (int d = 4; d > 0; d /= 2) word |= __shfl_xor_sync(all_lanes, word, d);
            word >>= bits == 3 ? max(0, 16 - 8 * of_eight) : 8 * (of_eight % 4);
        }
        const int eight = i / 8;
        if (eight * 8 < x.n && of_eight < bits)
            out.codes[(first / 8 + eight) * bits + of_eight] = std::byte(word & 0xff);
    }
}

// Zeros behind each part.
struct Ends {
    std::size_t codes, scale_begin, scale, zero_begin, zero, bytes;
};
__global__ void __launch_bounds__(threads) hqq_padding_kernel(Ends at, std::byte* __restrict__ out) {
    for (std::size_t i = at.codes + threadIdx.x; i < at.scale_begin; i += threads) out[i] = std::byte(0);
    for (std::size_t i = at.scale + threadIdx.x; i < at.zero_begin; i += threads) out[i] = std::byte(0);
    for (std::size_t i = at.zero + threadIdx.x; i < at.bytes; i += threads) out[i] = std::byte(0);
}

}  // namespace

std::size_t Hqq::card_workspace(std::int64_t, std::int64_t) const { return 16; }

void Hqq::encode_piece(const CardJob& job, DType dtype, const std::byte* weight, std::int64_t first,
                       std::int64_t count) const {
    static_assert(card_piece % 256 == 0);
    check_encoding(job.elements());
    if (first == 0) cuda::check(cudaMemsetAsync(job.workspace, 0, 16, job.stream), "cudaMemsetAsync");
    const HqqPlaces at = places(job.rows, job.cols);
    const Out out{job.out + first / 8 * bits, reinterpret_cast<__half*>(job.out + at.scale) + first / group,
                  reinterpret_cast<__half*>(job.out + at.zero) + first / group,
                  reinterpret_cast<std::uint32_t*>(job.workspace)};
    const std::int64_t blocks = (groups(count) + groups_of_block - 1) / groups_of_block;
    const LaunchConfig config{dim3(unsigned(blocks)), dim3(threads), 0, job.stream};
    auto run = [&](auto kernel) { launch(kernel, config, weight, dtype, count, bits, out); };
    switch (group) {
        case 16: return run(hqq_groups_kernel<1>);
        case 32: return run(hqq_groups_kernel<2>);
        case 64: return run(hqq_groups_kernel<4>);
        case 128: return run(hqq_groups_kernel<8>);
        default: return run(hqq_groups_kernel<16>);
    }
}

void Hqq::finish(const CardJob& job) const {
    const QuantParts p = parts(job.rows, job.cols);
    launch(hqq_padding_kernel, {dim3(1), dim3(threads), 0, job.stream},
           Ends{p[0].end(), p[1].at, p[1].end(), p[2].at, p[2].end(), p.bytes()}, job.out);
}

}  // namespace tandem
