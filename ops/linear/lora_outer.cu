#include "ops/gemm/split_k.h"
#include "ops/linear/lora_cuda.h"
#include "ops/linear/lora_mask.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"

namespace tandem {

namespace {

// On a multiprocessor, as registers allow.
constexpr int resident_blocks(int m_tiles) { return m_tiles == 8 ? 3 : 4; }

constexpr int threads = 128, columns = 64, tokens_of_chunk = 32;
constexpr int x_stride = columns + 8;  // elements; 8 more, so that ldmatrix meets every bank once
constexpr int pieces = columns / 8, loads = tokens_of_chunk * pieces / threads;
constexpr std::int64_t least_chunks = 4;  // of a part of the tokens

// One chunk of up in shared memory, a row per token.
template <int m_tiles> __device__ __forceinline__ void load_up(nv_bf16* to, const nv_bf16* __restrict__ up,
                                                               std::int64_t token, std::int64_t tokens, int rank) {
    constexpr int pieces_of_up = m_tiles * 2, stride = m_tiles * 16 + 8;
    for (int i = int(threadIdx.x); i < tokens_of_chunk * pieces_of_up; i += threads) {
        const int row = i / pieces_of_up, r = i % pieces_of_up * 8;
        const bool inside = token + row < tokens && r < rank;
        ptx::cp_async16(to + row * stride + r, inside ? up + (token + row) * rank + r : up, inside ? 16 : 0);
    }
    ptx::cp_async_commit();
}

// This thread's part of one chunk of x, and whose random numbers mask it.
struct XChunk {
    uint4 x[loads];
    std::int32_t sample[loads], position[loads];

    __device__ __forceinline__ void load(const nv_bf16* __restrict__ from, const std::int32_t* __restrict__ samples,
                                         const std::int32_t* __restrict__ positions, std::int64_t first,
                                         std::int64_t tokens, std::int64_t column, std::int64_t in) {
#pragma unroll
        for (int i = 0; i < loads; i++) {
            const std::int64_t token = first + (int(threadIdx.x) + i * threads) / pieces;
            const bool inside = token < tokens && column < in;
            x[i] = inside ? *reinterpret_cast<const uint4*>(from + token * in + column) : uint4{0, 0, 0, 0};
            sample[i] = inside ? samples[token] : 0;
            position[i] = inside ? positions[token] : 0;
        }
    }
    __device__ __forceinline__ void store(nv_bf16* to, const MaskDraw& mask, std::int64_t column) const {
#pragma unroll
        for (int i = 0; i < loads; i++) {
            const int piece = int(threadIdx.x) + i * threads;
            *reinterpret_cast<uint4*>(to + piece / pieces * x_stride + piece % pieces * 8) =
                x[i] & kept_bits(mask, sample[i], position[i], std::uint32_t(column));
        }
    }
};

// d[rank, column] += up^T x over one chunk; a warp has 16 columns. Both operands lie by rows of tokens, which are k
// here, so both come transposed.
template <int m_tiles>
__device__ __forceinline__ void multiply_chunk(const nv_bf16* up, const nv_bf16* x, float (&d)[m_tiles][2][4]) {
    constexpr int stride = m_tiles * 16 + 8;
    const int lane = int(threadIdx.x % 32), matrix = lane / 8, row = lane % 8;
    const int column = int(threadIdx.x / 32) * 16;
#pragma unroll
    for (int k = 0; k < tokens_of_chunk; k += 16) {
        std::uint32_t b[4];
        ptx::ldmatrix_x4_trans(b, x + (k + matrix % 2 * 8 + row) * x_stride + column + matrix / 2 * 8);
#pragma unroll
        for (int m = 0; m < m_tiles; m++) {
            std::uint32_t a[4];
            ptx::ldmatrix_x4_trans(a, up + (k + matrix / 2 * 8 + row) * stride + m * 16 + matrix % 2 * 8);
            ptx::mma_m16n8k16_bf16(d[m][0], a, {b[0], b[1]});
            ptx::mma_m16n8k16_bf16(d[m][1], a, {b[2], b[3]});
        }
    }
}

// dA[rank, column], or the sums of this part of the tokens where they are cut.
template <int m_tiles> __device__ __forceinline__ void store(const float (&d)[m_tiles][2][4], std::int64_t first_column,
                                                             std::int64_t in, int rank, float scale, float* da,
                                                             const float* addend, float* sums) {
    const int g = int(threadIdx.x % 32) / 4, t = int(threadIdx.x % 4);
#pragma unroll
    for (int m = 0; m < m_tiles; m++)
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int r = m * 16 + g + 8 * i;
                const std::int64_t c = first_column + threadIdx.x / 32 * 16 + n * 8 + 2 * t, at = r * in + c;
                if (r >= rank || c >= in) continue;
                float2 v = {d[m][n][2 * i], d[m][n][2 * i + 1]};
                if (sums) {
                    *reinterpret_cast<float2*>(sums + at) = v;
                    continue;
                }
                v = {scale * v.x, scale * v.y};
                if (addend) v = {addend[at] + v.x, addend[at + 1] + v.y};
                *reinterpret_cast<float2*>(da + at) = v;
            }
}

// A block makes all ranks of 64 columns over its part of the tokens.
template <int m_tiles> __global__ void __launch_bounds__(threads, resident_blocks(m_tiles))
    lora_outer_kernel(const nv_bf16* __restrict__ up, const nv_bf16* __restrict__ x,
                      const std::int32_t* __restrict__ samples, const std::int32_t* __restrict__ positions,
                      MaskDraw mask, float scale, float* da, const float* addend, float* __restrict__ sums,
                      std::int64_t tokens, std::int64_t in, int rank, std::int64_t tokens_of_part) {
    constexpr int up_tile = tokens_of_chunk * (m_tiles * 16 + 8), x_tile = tokens_of_chunk * x_stride;
    nv_bf16* const up_tiles = dynamic_shared<nv_bf16>();  // two chunks
    nv_bf16* const x_tiles = up_tiles + 2 * up_tile;      // two chunks
    const std::int64_t first_column = std::int64_t(blockIdx.x) * columns;
    const std::int64_t column = first_column + threadIdx.x % pieces * 8;
    const std::int64_t begin = std::int64_t(blockIdx.y) * tokens_of_part, end = min(begin + tokens_of_part, tokens);
    float d[m_tiles][2][4] = {};
    XChunk next;
    load_up<m_tiles>(up_tiles, up, begin, end, rank);
    next.load(x, samples, positions, begin, end, column, in);
    int filled = 0;
    for (std::int64_t token = begin; token < end; token += tokens_of_chunk, filled ^= 1) {
        const XChunk now = next;
        const bool more = token + tokens_of_chunk < end;
        if (more) {
            load_up<m_tiles>(up_tiles + (filled ^ 1) * up_tile, up, token + tokens_of_chunk, end, rank);
            next.load(x, samples, positions, token + tokens_of_chunk, end, column, in);
        }
        now.store(x_tiles + filled * x_tile, mask, column);
        if (more)
            ptx::cp_async_wait<1>();
        else
            ptx::cp_async_wait<0>();
        __syncthreads();
        multiply_chunk<m_tiles>(up_tiles + filled * up_tile, x_tiles + filled * x_tile, d);
        __syncthreads();
    }
    store(d, first_column, in, rank, scale, da, addend, sums ? sums + blockIdx.y * (rank * in) : nullptr);
}

template <int m_tiles> void run(const CudaDevice& device, const Tensor& up, const Dropped& dropped, const GradOut& da) {
    const DropoutMask& mask = *dropped.mask;
    const std::int64_t tokens = up.rows(), in = dropped.x.dim(-1), rank = da.out.dim(0);
    const std::int64_t column_tiles = (in + columns - 1) / columns;
    const SplitK cut = split_k(column_tiles, (tokens + tokens_of_chunk - 1) / tokens_of_chunk, least_chunks, rank * in);
    float* sums = cut.parts > 1 ? reinterpret_cast<float*>(device.scratch) : nullptr;
    const LaunchConfig config{dim3(unsigned(column_tiles), unsigned(cut.parts)), dim3(threads),
                              std::size_t(2 * tokens_of_chunk * (m_tiles * 16 + 8 + x_stride)) * sizeof(nv_bf16),
                              device.stream};
    launch(lora_outer_kernel<m_tiles>, config, device_data<nv_bf16>(up), device_data<nv_bf16>(dropped.x),
           device_data<std::int32_t>(mask.random.samples), device_data<std::int32_t>(mask.random.positions),
           mask_draw(mask), kept_scale(mask), device_data<float>(da.out), device_data<float>(da.addend), sums, tokens,
           in, int(rank), cut.steps * tokens_of_chunk);
    if (sums)
        add_partial_sums(device, {.sums = sums,
                                  .parts = cut.parts,
                                  .elements = rank * in,
                                  .columns = in,
                                  .c_type = DType::f32,
                                  .c = da.out.data(),
                                  .addend = da.addend.data(),
                                  .alpha = kept_scale(mask)});
}

}  // namespace

void lora_masked_outer(const CudaDevice& device, const Tensor& up, const Dropped& dropped, const GradOut& da) {
    if (up.rows() == 0) return;
    const std::int64_t rank = da.out.dim(0);
    if (rank <= 16)
        run<1>(device, up, dropped, da);
    else if (rank <= 32)
        run<2>(device, up, dropped, da);
    else if (rank <= 64)
        run<4>(device, up, dropped, da);
    else
        run<8>(device, up, dropped, da);
}

}  // namespace tandem
