#include "ops/gemm/dequantize_cuda.h"
#include "quant/codes.h"
#include "quant/decode_pair.cuh"
#include "quant/warp_table.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

namespace {

constexpr int threads = 256;

// Where codes have 4 bits and groups are of aligned 32 elements or a multiple: a warp's tile is 1024 elements, so that
// each lane finds the scale of 32; two tiles keep enough bytes on their way. Codes are padded to 2048 elements
// (QuantParts): none are read beyond them.
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

// Eight elements from `at` on, those that there are.
template <class T>
__device__ __forceinline__ void store_some(T* out, std::int64_t at, std::int64_t elements, const float (&v)[8]) {
    if (at + 8 <= elements) {
        store8(out + at, v);
    } else {
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (at + e < elements) out[at + e] = from_float<T>(v[e]);
    }
}

template <class T, class Decoder> __global__ void __launch_bounds__(threads)
    dequantize_tiles_kernel(const std::byte* __restrict__ weight, typename Decoder::Places at, std::int64_t elements,
                            T* __restrict__ out) {
    const int lane = int(threadIdx.x % 32);
    const std::int64_t first =
        std::int64_t(blockIdx.x) * elements_per_block + std::int64_t(threadIdx.x / 32) * (tiles_per_warp * tile);
    if (first >= elements) return;
    const Decoder decoder(weight, at);
    const int group_log2 = Decoder::group_log2(at);
    const std::uint32_t last_group = std::uint32_t((elements - 1) >> group_log2);
    std::uint32_t codes[tiles_per_warp][steps];
    typename Decoder::Stored stored[tiles_per_warp];
#pragma unroll
    for (int i = 0; i < tiles_per_warp; i++) {
        const std::int64_t begin = first + i * tile;
#pragma unroll
        for (int s = 0; s < steps; s++)
            codes[i][s] = reinterpret_cast<const std::uint32_t*>(weight)[begin / 8 + s * 32 + lane];
        const std::uint32_t group = std::uint32_t((begin + lane * 32) >> group_log2);
        stored[i] = Decoder::load(weight, at, min(group, last_group));
    }
#pragma unroll
    for (int i = 0; i < tiles_per_warp; i++) {
        const typename Decoder::Scale scale = decoder.scale(stored[i]);
#pragma unroll
        for (int s = 0; s < steps; s++) {
            const auto mine = scale_of_lane(scale, s * 8 + lane / 4);
            float v[8];
#pragma unroll
            for (int p = 0; p < 4; p++) {
                const float2 pair = decode_pair(decoder, codes[i][s], p, mine);
                v[2 * p] = pair.x;
                v[2 * p + 1] = pair.y;
            }
            store_some(out, first + i * tile + s * 256 + lane * 8, elements, v);
        }
    }
}

// Any width and any groups: eight elements of a thread at a time. A look-up asks for all lanes of a warp, so none
// leaves early: those beyond the end read where the last eight are.
constexpr int eights_per_thread = 4;
template <class T, class Decoder> __global__ void __launch_bounds__(threads)
    dequantize_eights_kernel(const std::byte* __restrict__ weight, typename Decoder::Places at, std::int64_t elements,
                             T* __restrict__ out) {
    using Eight = EightCodes<Decoder::bits>;
    constexpr int groups = Decoder::run == 1 ? 8 : 1;  // of eight elements
    const Decoder decoder(weight, at);
    const std::int64_t first = std::int64_t(blockIdx.x) * (threads * eights_per_thread) + threadIdx.x;
    const std::int64_t last = (elements - 1) / 8;
#pragma unroll
    for (int i = 0; i < eights_per_thread; i++) {
        const std::int64_t eight = min(first + i * threads, last);
        const Eight codes(weight, eight);
        typename Decoder::Stored stored[groups];
        std::uint32_t group = Decoder::group_of(at, eight * 8);
#pragma unroll
        for (int g = 0; g < groups; g++) {
            stored[g] = Decoder::load(weight, at, group);
            if constexpr (groups > 1) group = Decoder::next_group(at, group);
        }
        float v[8];
#pragma unroll
        for (int k = 0; k < 8; k++) v[k] = decoder.value(codes[k], decoder.scale(stored[k % groups]));
        if (first + i * threads <= last) store_some(out, eight * 8, elements, v);
    }
}

}  // namespace

void dequantize(CUstream_st* stream, const QuantTensor& weight, DType dtype, std::byte* out) {
    const std::int64_t elements = weight.rows * weight.cols;
    visit_cuda("dequantize", dtype, [&]<class T>() {
        auto run = [&](auto kernel, const auto& at, std::int64_t per_block) {
            const dim3 grid(unsigned((elements + per_block - 1) / per_block));
            launch(kernel, {grid, dim3(threads), 0, stream}, weight.bytes, at, elements, reinterpret_cast<T*>(out));
        };
        const bool done = visit_pairs<WarpTable>(weight, [&]<class Decoder>(const typename Decoder::Places& at) {
            run(dequantize_tiles_kernel<T, Decoder>, at, elements_per_block);
        });
        if (done) return;
        visit_decoder<WarpTable>(weight, [&]<class Decoder>(const typename Decoder::Places& at) {
            if constexpr (!has_pairs<Decoder> || Decoder::run < 32)
                run(dequantize_eights_kernel<T, Decoder>, at, threads * eights_per_thread * 8);
        });
    });
}

}  // namespace tandem
