#include "ops/gemm/split_k.h"
#include "ops/linear/lora_cuda.h"
#include "ops/linear/lora_mask.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"

namespace tandem {

namespace {

// On a multiprocessor, as registers allow.
constexpr int resident_blocks(int n_tiles) { return n_tiles == 16 ? 2 : n_tiles == 8 ? 3 : 4; }

constexpr int warps = 4, threads = warps * 32, tokens_of_block = warps * 16;
constexpr int k_of_step = 32, steps = 2, k_of_chunk = k_of_step * steps;
constexpr std::int64_t least_chunks = 4;  // of a part of k

// One chunk of A in shared memory, by 16 bytes: [step][rank][t].
template <int n_tiles> __device__ __forceinline__ void load_a(uint4* to, const nv_bf16* __restrict__ a, int rank,
                                                              std::int64_t k, std::int64_t in) {
    constexpr int pieces = k_of_chunk / 8;
    for (int i = int(threadIdx.x); i < n_tiles * 8 * pieces; i += threads) {
        const int r = i / pieces, piece = i % pieces;
        const bool inside = r < rank && k + piece * 8 < in;
        ptx::cp_async16(to + (piece / 4 * n_tiles * 8 + r) * 4 + piece % 4, inside ? a + r * in + k + piece * 8 : a,
                        inside ? 16 : 0);
    }
    ptx::cp_async_commit();
}

// down[token, rank], or the sums of this part of k where it is cut.
template <int n_tiles> __device__ __forceinline__ void store(const float (&d)[n_tiles][4], std::int64_t first,
                                                             std::int64_t tokens, int rank, float scale, nv_bf16* down,
                                                             float* sums) {
    const int g = int(threadIdx.x % 32) / 4, t = int(threadIdx.x % 4);
#pragma unroll
    for (int n = 0; n < n_tiles; n++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const std::int64_t row = first + g + 8 * i;
            const int r = n * 8 + 2 * t;
            if (row >= tokens || r >= rank) continue;
            const float u = d[n][2 * i], v = d[n][2 * i + 1];
            if (sums)
                *reinterpret_cast<float2*>(sums + row * rank + r) = {u, v};
            else
                *reinterpret_cast<std::uint32_t*>(down + row * rank + r) = pack_bf16(scale * u, scale * v);
        }
}

template <int n_tiles>
__device__ __forceinline__ void multiply_chunk(const uint4 (&x)[steps][2], const uint4* a, float (&d)[n_tiles][4]) {
#pragma unroll
    for (int s = 0; s < steps; s++) {
        const uint4 &u = x[s][0], &v = x[s][1];
#pragma unroll
        for (int n = 0; n < n_tiles; n++) {
            const uint4 b = a[(s * n_tiles + n) * 32 + int(threadIdx.x % 32)];
            ptx::mma_m16n8k16_bf16(d[n], {u.x, v.x, u.y, v.y}, {b.x, b.y});
            ptx::mma_m16n8k16_bf16(d[n], {u.z, v.z, u.w, v.w}, {b.z, b.w});
        }
    }
}

// A block multiplies 64 tokens by all ranks over its part of k. As in ops/gemm/qmatmul_mma.cuh the order of k is free:
// of 32 columns, lane (g, t) takes the eight from 8 t on, so that x goes to registers by 16 bytes and is masked there.
template <int n_tiles> __global__ void __launch_bounds__(threads, resident_blocks(n_tiles))
    lora_down_kernel(const nv_bf16* __restrict__ x, const nv_bf16* __restrict__ a,
                     const std::int32_t* __restrict__ samples, const std::int32_t* __restrict__ positions,
                     MaskDraw mask, float scale, nv_bf16* __restrict__ down, float* __restrict__ sums,
                     std::int64_t tokens, std::int64_t in, int rank, std::int64_t k_of_part) {
    constexpr int stage = n_tiles * k_of_chunk;     // 16-byte pieces
    uint4* const a_tile = dynamic_shared<uint4>();  // two chunks
    const int g = int(threadIdx.x % 32) / 4, t = int(threadIdx.x % 4);
    const std::int64_t first = std::int64_t(blockIdx.x) * tokens_of_block + threadIdx.x / 32 * 16;
    const std::int64_t begin = std::int64_t(blockIdx.y) * k_of_part, end = min(begin + k_of_part, in);
    const std::int64_t token[2] = {min(first + g, tokens - 1), min(first + g + 8, tokens - 1)};
    const std::int32_t sample[2] = {samples[token[0]], samples[token[1]]};
    const std::int32_t position[2] = {positions[token[0]], positions[token[1]]};
    float d[n_tiles][4] = {};
    uint4 next[steps][2];
    auto load_x = [&](std::int64_t k) {
#pragma unroll
        for (int s = 0; s < steps; s++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const std::int64_t column = k + s * k_of_step + t * 8;
                next[s][i] =
                    column < in ? *reinterpret_cast<const uint4*>(x + token[i] * in + column) : uint4{0, 0, 0, 0};
            }
    };
    load_a<n_tiles>(a_tile, a, rank, begin, in);
    load_x(begin);
    int filled = 0;
    for (std::int64_t k = begin; k < end; k += k_of_chunk, filled ^= 1) {
        uint4 now[steps][2];
#pragma unroll
        for (int s = 0; s < steps; s++)
#pragma unroll
            for (int i = 0; i < 2; i++) now[s][i] = next[s][i];
        if (k + k_of_chunk < end) {
            load_a<n_tiles>(a_tile + (filled ^ 1) * stage, a, rank, k + k_of_chunk, in);
            load_x(k + k_of_chunk);
        }
#pragma unroll
        for (int s = 0; s < steps; s++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                now[s][i] =
                    now[s][i] & kept_bits(mask, sample[i], position[i], std::uint32_t(k + s * k_of_step + t * 8));
        if (k + k_of_chunk < end)
            ptx::cp_async_wait<1>();
        else
            ptx::cp_async_wait<0>();
        __syncthreads();
        multiply_chunk<n_tiles>(now, a_tile + filled * stage, d);
        __syncthreads();
    }
    store(d, first, tokens, rank, scale, down, sums ? sums + blockIdx.y * tokens * rank : nullptr);
}

template <int n_tiles> void run(const CudaDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down) {
    const DropoutMask& mask = *dropped.mask;
    const std::int64_t tokens = dropped.x.rows(), in = dropped.x.dim(-1), rank = a.dim(0);
    const std::int64_t token_tiles = (tokens + tokens_of_block - 1) / tokens_of_block;
    const SplitK cut = split_k(token_tiles, (in + k_of_chunk - 1) / k_of_chunk, least_chunks, tokens * rank);
    float* sums = cut.parts > 1 ? reinterpret_cast<float*>(device.scratch) : nullptr;
    const LaunchConfig config{dim3(unsigned(token_tiles), unsigned(cut.parts)), dim3(threads),
                              std::size_t(2 * n_tiles * k_of_chunk) * sizeof(uint4), device.stream};
    launch(lora_down_kernel<n_tiles>, config, device_data<nv_bf16>(dropped.x), device_data<nv_bf16>(a),
           device_data<std::int32_t>(mask.random.samples), device_data<std::int32_t>(mask.random.positions),
           mask_draw(mask), kept_scale(mask), device_data<nv_bf16>(down), sums, tokens, in, int(rank),
           cut.steps * k_of_chunk);
    if (sums)
        add_partial_sums(device, {.sums = sums,
                                  .parts = cut.parts,
                                  .elements = tokens * rank,
                                  .columns = rank,
                                  .c_type = DType::bf16,
                                  .c = down.data(),
                                  .alpha = kept_scale(mask)});
}

}  // namespace

void lora_masked_down(const CudaDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down) {
    if (dropped.x.rows() == 0) return;
    const std::int64_t rank = a.dim(0);
    if (rank <= 8)
        run<1>(device, dropped, a, down);
    else if (rank <= 16)
        run<2>(device, dropped, a, down);
    else if (rank <= 32)
        run<4>(device, dropped, a, down);
    else if (rank <= 64)
        run<8>(device, dropped, a, down);
    else
        run<16>(device, dropped, a, down);
}

}  // namespace tandem
