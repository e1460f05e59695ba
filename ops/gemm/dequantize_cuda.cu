#include "ops/gemm/dequantize_cuda.h"
#include "quant/block4/decode.cuh"
#include "runtime/cuda/launch.cuh"

namespace tandem {

namespace {

constexpr int threads = 256;
// A warp's tile is 1024 elements, so that each lane finds one absmax of 32 elements, the smallest block; two tiles keep
// enough bytes on their way. Codes are padded to 2048 elements (quant_layout): none are read beyond them.
constexpr int tile = 1024, tiles_per_warp = 2, steps = 4;
constexpr int elements_per_block = threads / 32 * tiles_per_warp * tile;

__device__ __forceinline__ void store8(float* to, const float (&v)[8]) {
    reinterpret_cast<float4*>(to)[0] = {v[0], v[1], v[2], v[3]};
    reinterpret_cast<float4*>(to)[1] = {v[4], v[5], v[6], v[7]};
}
__device__ __forceinline__ void store8(nv_bf16* to, const float (&v)[8]) {
    *reinterpret_cast<uint4*>(to) = {pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]),
                                     pack_bf16(v[6], v[7])};
}

template <class T, bool nested> __global__ void __launch_bounds__(threads)
    dequantize_kernel(const std::byte* __restrict__ weight, Block4Parts parts, std::int64_t elements,
                      T* __restrict__ out) {
    const int lane = int(threadIdx.x % 32);
    const std::int64_t first =
        std::int64_t(blockIdx.x) * elements_per_block + std::int64_t(threadIdx.x / 32) * (tiles_per_warp * tile);
    if (first >= elements) return;
    const Block4Tables<nested> tables(weight, parts);
    const std::uint32_t last_block = std::uint32_t((elements - 1) >> parts.block_log2);
    std::uint32_t codes[tiles_per_warp][steps];
    StoredAbsmax<nested> stored[tiles_per_warp];
#pragma unroll
    for (int i = 0; i < tiles_per_warp; i++) {
        const std::int64_t begin = first + i * tile;
#pragma unroll
        for (int s = 0; s < steps; s++)
            codes[i][s] = reinterpret_cast<const std::uint32_t*>(weight)[begin / 8 + s * 32 + lane];
        const std::uint32_t block = std::uint32_t((begin + lane * 32) >> parts.block_log2);
        stored[i] = load_absmax<nested>(weight, parts, min(block, last_block));
    }
#pragma unroll
    for (int i = 0; i < tiles_per_warp; i++) {
        const float absmax = tables.absmax(stored[i]);
#pragma unroll
        for (int s = 0; s < steps; s++) {
            const float mine = __shfl_sync(all_lanes, absmax, s * 8 + lane / 4);
            float v[8];
#pragma unroll
            for (int p = 0; p < 4; p++) {
                const float2 pair = tables.pair(codes[i][s], p, mine);
                v[2 * p] = pair.x;
                v[2 * p + 1] = pair.y;
            }
            const std::int64_t at = first + i * tile + s * 256 + lane * 8;
            if (at + 8 <= elements) {
                store8(out + at, v);
            } else {
#pragma unroll
                for (int e = 0; e < 8; e++)
                    if (at + e < elements) out[at + e] = from_float<T>(v[e]);
            }
        }
    }
}

}  // namespace

void dequantize(CUstream_st* stream, const QuantSpec& spec, std::int64_t elements, const std::byte* weight, DType dtype,
                std::byte* out) {
    const dim3 grid(unsigned((elements + elements_per_block - 1) / elements_per_block));
    const LaunchConfig config{grid, dim3(threads), 0, stream};
    const Block4Parts parts = block4_parts(spec, elements);
    visit_cuda("dequantize", dtype, [&]<class T>() {
        launch(spec.nested ? dequantize_kernel<T, true> : dequantize_kernel<T, false>, config, weight, parts, elements,
               reinterpret_cast<T*>(out));
    });
}

}  // namespace tandem
