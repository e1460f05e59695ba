// From about 9 to 128 tokens: codes are decoded straight into operand A, x comes through shared memory.
#include "ops/gemm/qmatmul.h"
#include "ops/gemm/qmatmul_mma.cuh"
#include "ops/gemm/split_k.h"
#include "quant/warp_table.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"

namespace tandem {

namespace {

// On a multiprocessor, as registers allow.
constexpr int resident_blocks(int n_tiles) { return n_tiles == 8 ? 2 : 3; }

constexpr int warps = 4, m_tiles = 2, rows = warps * m_tiles * 16, threads = warps * 32;
constexpr std::int64_t least_chunks = 4;  // of a part of k

// One chunk of x in shared memory, by 16 bytes: [word of a lane's four][token][t], so that eight lanes that read
// together read 128 bytes in a row.
template <int n_tiles> __device__ __forceinline__ void load_x(uint4* to, const nv_bf16* __restrict__ x,
                                                              std::int64_t first_token, std::int64_t tokens,
                                                              std::int64_t k, std::int64_t in) {
    constexpr int tile_tokens = n_tiles * 8, pieces = k_of_chunk / 8;
#pragma unroll
    for (int i = int(threadIdx.x); i < tile_tokens * pieces; i += threads) {
        const int token = i / pieces, piece = i % pieces, t = piece / 4, w = piece % 4;
        const bool inside = first_token + token < tokens && k + piece * 8 < in;
        const nv_bf16* from = inside ? x + (first_token + token) * in + k + piece * 8 : x;
        ptx::cp_async16(to + (w * tile_tokens + token) * 4 + t, from, inside ? 16 : 0);
    }
    ptx::cp_async_commit();
}

template <int n_tiles, class Decoder>
__device__ __forceinline__ void multiply_chunk(const CodeChunk<Decoder> (&chunk)[m_tiles], const uint4* x,
                                               const Decoder& decoder, float (&d)[m_tiles][n_tiles][4]) {
    const int lane = int(threadIdx.x % 32);
    typename Decoder::Scale scale[m_tiles][2];
#pragma unroll
    for (int m = 0; m < m_tiles; m++)
#pragma unroll
        for (int i = 0; i < 2; i++) scale[m][i] = decoder.scale(chunk[m].scale[i]);
#pragma unroll
    for (int w = 0; w < 4; w++) {
        std::uint32_t a[m_tiles][2][4];
#pragma unroll
        for (int m = 0; m < m_tiles; m++) decode_steps(chunk[m], decoder, scale[m], w, a[m]);
#pragma unroll
        for (int n = 0; n < n_tiles; n++) {
            const uint4 b = x[(w * n_tiles * 8 + n * 8) * 4 + lane];
#pragma unroll
            for (int m = 0; m < m_tiles; m++) {
                ptx::mma_m16n8k16_bf16(d[m][n], a[m][0], {b.x, b.y});
                ptx::mma_m16n8k16_bf16(d[m][n], a[m][1], {b.z, b.w});
            }
        }
    }
}

// y[token, row], or the sums of this part of k where it is cut.
template <int n_tiles> __device__ __forceinline__ void store(const float (&d)[m_tiles][n_tiles][4],
                                                             std::int64_t first_row, std::int64_t first_token,
                                                             std::int64_t tokens, std::int64_t out, const nv_bf16* bias,
                                                             nv_bf16* y, float* sums) {
    const int g = int(threadIdx.x % 32) / 4, t = int(threadIdx.x % 4);
#pragma unroll
    for (int m = 0; m < m_tiles; m++)
#pragma unroll
        for (int n = 0; n < n_tiles; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const std::int64_t row = first_row + m * 16 + g + i / 2 * 8,
                                   token = first_token + n * 8 + 2 * t + i % 2;
                if (row >= out || token >= tokens) continue;
                if (sums)
                    sums[token * out + row] = d[m][n][i];
                else
                    y[token * out + row] = from_float<nv_bf16>(d[m][n][i] + (bias ? to_float(bias[row]) : 0.0f));
            }
}

// A block makes 128 rows of W for n_tiles * 8 tokens over its part of k.
template <int n_tiles, class Decoder> __global__ void __launch_bounds__(threads, resident_blocks(n_tiles))
    qmatmul_some_kernel(const std::byte* __restrict__ weight, typename Decoder::Places at,
                        const nv_bf16* __restrict__ x, const nv_bf16* __restrict__ bias, nv_bf16* __restrict__ y,
                        float* __restrict__ sums, std::int64_t tokens, std::int64_t out, std::int64_t in,
                        std::int64_t k_of_part) {
    constexpr int stage = n_tiles * 8 * k_of_chunk / 8;
    uint4* const x_tile = dynamic_shared<uint4>();  // two chunks
    const int warp = int(threadIdx.x / 32), g = int(threadIdx.x % 32) / 4, t = int(threadIdx.x % 4);
    const std::int64_t first_row = std::int64_t(blockIdx.x) * rows + warp * m_tiles * 16;
    const std::int64_t first_token = std::int64_t(blockIdx.z) * n_tiles * 8;
    const std::int64_t begin = std::int64_t(blockIdx.y) * k_of_part, end = min(begin + k_of_part, in);
    const Decoder decoder(weight, at);
    float d[m_tiles][n_tiles][4] = {};
    CodeChunk<Decoder> now[m_tiles], next[m_tiles];
    auto load_codes = [&](std::int64_t k) {
#pragma unroll
        for (int m = 0; m < m_tiles; m++) {
            const std::int64_t row = first_row + m * 16 + g;
            next[m].load(weight, at, {min(row, out - 1), min(row + 8, out - 1)}, k + t * 32, in);
        }
    };
    load_x<n_tiles>(x_tile, x, first_token, tokens, begin, in);
    load_codes(begin);
    int filled = 0;
    for (std::int64_t k = begin; k < end; k += k_of_chunk, filled ^= 1) {
#pragma unroll
        for (int m = 0; m < m_tiles; m++) now[m] = next[m];
        if (k + k_of_chunk < end) {
            load_x<n_tiles>(x_tile + (filled ^ 1) * stage, x, first_token, tokens, k + k_of_chunk, in);
            load_codes(k + k_of_chunk);
            ptx::cp_async_wait<1>();
        } else {
            ptx::cp_async_wait<0>();
        }
        __syncthreads();
        multiply_chunk<n_tiles>(now, x_tile + filled * stage, decoder, d);
        __syncthreads();
    }
    store(d, first_row, first_token, tokens, out, bias, y, sums ? sums + blockIdx.y * tokens * out : nullptr);
}

template <int n_tiles> void run(const CudaDevice& device, const MatmulArgs& p) {
    const std::int64_t tokens = p.m, row_tiles = (p.n + rows - 1) / rows;
    const std::int64_t token_tiles = (tokens + n_tiles * 8 - 1) / (n_tiles * 8);
    const std::int64_t chunks = (p.k + k_of_chunk - 1) / k_of_chunk;
    const SplitK cut = split_k(row_tiles * token_tiles, chunks, least_chunks, tokens * p.n);
    float* sums = cut.parts > 1 ? reinterpret_cast<float*>(device.scratch) : nullptr;
    const LaunchConfig config{dim3(unsigned(row_tiles), unsigned(cut.parts), unsigned(token_tiles)), dim3(threads),
                              std::size_t(2 * n_tiles * 8 * k_of_chunk) * sizeof(nv_bf16), device.stream};
    visit_pairs<WarpTable>(*p.b.quant, [&]<class Decoder>(const typename Decoder::Places& at) {
        launch(qmatmul_some_kernel<n_tiles, Decoder>, config, p.b.quant->bytes, at,
               static_cast<const nv_bf16*>(p.a.data), static_cast<const nv_bf16*>(p.bias),
               static_cast<nv_bf16*>(p.c), sums, tokens, p.n, p.k, cut.steps * k_of_chunk);
    });
    if (sums)
        add_partial_sums(device, {.sums = sums,
                                  .parts = cut.parts,
                                  .elements = tokens * p.n,
                                  .columns = p.n,
                                  .c_type = DType::bf16,
                                  .c = static_cast<std::byte*>(p.c),
                                  .bias = static_cast<const std::byte*>(p.bias)});
}

}  // namespace

void qmatmul_some(const CudaDevice& device, const MatmulArgs& p) {
    if (p.m <= 16)
        run<2>(device, p);
    else if (p.m <= 32)
        run<4>(device, p);
    else
        run<8>(device, p);
}

}  // namespace tandem
