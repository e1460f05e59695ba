#include "ops/linear/lora_cuda.h"
#include "ops/linear/lora_mask.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"

namespace tandem {

namespace {

constexpr int threads = 256, tokens_of_block = threads / 32 * 16, columns = 128, groups = columns / 32;
constexpr int stride = columns + 8;  // elements; 8 more, so that ldmatrix meets every bank once

// A's columns in shared memory. Within 32 columns, pair j of the eight from 8 t on (j, t < 4) lies where the t-th pair
// of the eight from 8 j on would: so that lane (g, t) of the product holds eight neighbouring columns, which are one
// draw of the mask and 16 bytes of dx. Ranks up to the next multiple of 16 are zeros.
__device__ __forceinline__ void load_a(nv_bf16* to, const nv_bf16* __restrict__ a, int rank, std::int64_t first,
                                       std::int64_t in) {
    constexpr int pieces = columns / 8;
    for (int i = int(threadIdx.x); i < (rank + 15) / 16 * 16 * pieces; i += threads) {
        const int r = i / pieces, piece = i % pieces, t = piece % 4;
        const std::int64_t column = first + piece * 8;
        const uint4 v =
            r < rank && column < in ? *reinterpret_cast<const uint4*>(a + r * in + column) : uint4{0, 0, 0, 0};
        const std::uint32_t pair[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int j = 0; j < 4; j++)
            *reinterpret_cast<std::uint32_t*>(to + r * stride + piece / 4 * 32 + j * 8 + t * 2) = pair[j];
    }
}

__device__ __forceinline__ std::uint32_t add_pair(std::uint32_t addend, float low, float high) {
    return pack_bf16(__uint_as_float(addend << 16) + low, __uint_as_float(addend & 0xffff0000u) + high);
}

// A block makes 128 tokens x 128 columns, a warp 16 tokens.
__global__ void __launch_bounds__(threads, 2)
    lora_dx_kernel(const nv_bf16* __restrict__ up, const nv_bf16* __restrict__ a,
                   const std::int32_t* __restrict__ samples, const std::int32_t* __restrict__ positions, MaskDraw mask,
                   float scale, nv_bf16* dx, const nv_bf16* addend, std::int64_t tokens, std::int64_t in, int rank) {
    nv_bf16* const a_tile = dynamic_shared<nv_bf16>();
    const int lane = int(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    const std::int64_t first_column = std::int64_t(blockIdx.x) * columns;
    const std::int64_t first = std::int64_t(blockIdx.y) * tokens_of_block + threadIdx.x / 32 * 16;
    load_a(a_tile, a, rank, first_column, in);
    __syncthreads();
    float d[groups * 4][4] = {};
    for (int k = 0; k < rank; k += 16) {
        std::uint32_t u[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const std::int64_t token = min(first + g + i % 2 * 8, tokens - 1);
            const int r = k + i / 2 * 8 + 2 * t;
            u[i] = r < rank ? *reinterpret_cast<const std::uint32_t*>(up + token * rank + r) : 0;
        }
#pragma unroll
        for (int n = 0; n < groups * 4; n += 2) {
            std::uint32_t b[4];
            ptx::ldmatrix_x4_trans(b, a_tile + (k + lane / 8 % 2 * 8 + lane % 8) * stride + n * 8 + lane / 16 * 8);
            ptx::mma_m16n8k16_bf16(d[n], u, {b[0], b[1]});
            ptx::mma_m16n8k16_bf16(d[n + 1], u, {b[2], b[3]});
        }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const std::int64_t token = first + g + 8 * i;
        if (token >= tokens) continue;
        const std::int32_t sample = samples[token], position = positions[token];
#pragma unroll
        for (int q = 0; q < groups; q++) {
            const std::int64_t column = first_column + q * 32 + t * 8;
            if (column >= in) continue;
            const uint4 kept = kept_bits(mask, sample, position, std::uint32_t(column));
            const std::uint32_t keeps[4] = {kept.x, kept.y, kept.z, kept.w};
            const uint4 before =
                addend ? *reinterpret_cast<const uint4*>(addend + token * in + column) : uint4{0, 0, 0, 0};
            const std::uint32_t old[4] = {before.x, before.y, before.z, before.w};
            std::uint32_t sum[4];
#pragma unroll
            for (int j = 0; j < 4; j++)
                sum[j] = add_pair(old[j], keeps[j] & 0xffffu ? scale * d[q * 4 + j][2 * i] : 0.0f,
                                  keeps[j] >> 16 ? scale * d[q * 4 + j][2 * i + 1] : 0.0f);
            *reinterpret_cast<uint4*>(dx + token * in + column) = {sum[0], sum[1], sum[2], sum[3]};
        }
    }
}

}  // namespace

void lora_masked_dx(const CudaDevice& device, const Tensor& up, const Tensor& a, const DropoutMask& mask,
                    const GradOut& dx) {
    const std::int64_t tokens = up.rows(), in = a.dim(1), rank = a.dim(0);
    const LaunchConfig config{
        dim3(unsigned((in + columns - 1) / columns), unsigned((tokens + tokens_of_block - 1) / tokens_of_block)),
        dim3(threads), std::size_t((rank + 15) / 16 * 16 * stride) * sizeof(nv_bf16), device.stream};
    launch(lora_dx_kernel, config, device_data<nv_bf16>(up), device_data<nv_bf16>(a),
           device_data<std::int32_t>(mask.random.samples), device_data<std::int32_t>(mask.random.positions),
           mask_draw(mask), kept_scale(mask), device_data<nv_bf16>(dx.out), device_data<nv_bf16>(dx.addend), tokens, in,
           int(rank));
}

}  // namespace tandem
