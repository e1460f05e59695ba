// Up to eight tokens: the time is that of reading the codes.
#include "ops/gemm/qmatmul.h"
#include "ops/gemm/qmatmul_mma.cuh"
#include "quant/warp_table.cuh"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/ptx.cuh"

namespace tandem {

namespace {

constexpr int warps = 8, rows = 16, most_tokens = 8;

// A block makes 16 rows of W; its warps take chunks of k in turn, and their sums are added in order of the warps.
template <class Decoder> __global__ void __launch_bounds__(warps * 32, 3)
    qmatmul_few_kernel(const std::byte* __restrict__ weight, typename Decoder::Places at, const nv_bf16* __restrict__ x,
                       const nv_bf16* __restrict__ bias, nv_bf16* __restrict__ y, int tokens, std::int64_t out,
                       std::int64_t in) {
    __shared__ float sums[warps][most_tokens][rows];
    const int warp = int(threadIdx.x / 32), lane = int(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    const std::int64_t first = std::int64_t(blockIdx.x) * rows;
    const std::int64_t row[2] = {min(first + g, out - 1), min(first + g + 8, out - 1)};
    const Decoder decoder(weight, at);
    float d[4] = {};
    CodeChunk<Decoder> next;
    std::int64_t k = std::int64_t(warp) * k_of_chunk + t * 32;
    next.load(weight, at, row, k, in);
    for (std::int64_t chunk = std::int64_t(warp) * k_of_chunk; chunk < in; chunk += warps * k_of_chunk) {
        const CodeChunk<Decoder> now = next;
        const bool used = g < tokens && k < in;
        uint4 b[4];
#pragma unroll
        for (int w = 0; w < 4; w++) b[w] = used ? reinterpret_cast<const uint4*>(x + g * in + k)[w] : uint4{0, 0, 0, 0};
        k += warps * k_of_chunk;
        if (chunk + warps * k_of_chunk < in) next.load(weight, at, row, k, in);
        const typename Decoder::Scale scale[2] = {decoder.scale(now.scale[0]), decoder.scale(now.scale[1])};
#pragma unroll
        for (int w = 0; w < 4; w++) {
            std::uint32_t a[2][4];
            decode_steps(now, decoder, scale, w, a);
            ptx::mma_m16n8k16_bf16(d, a[0], {b[w].x, b[w].y});
            ptx::mma_m16n8k16_bf16(d, a[1], {b[w].z, b[w].w});
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) sums[warp][2 * t + i % 2][g + i / 2 * 8] = d[i];
    __syncthreads();
    const int token = int(threadIdx.x) / rows, r = int(threadIdx.x) % rows;
    if (token >= tokens || first + r >= out) return;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < warps; w++) sum += sums[w][token][r];
    if (bias) sum += to_float(bias[first + r]);
    y[token * out + first + r] = from_float<nv_bf16>(sum);
}

// A warp makes one row of W, a lane 32 elements of every 1024.
template <class Decoder> __global__ void __launch_bounds__(warps * 32)
    qmatmul_few_f32_kernel(const std::byte* __restrict__ weight, typename Decoder::Places at,
                           const float* __restrict__ x, const float* __restrict__ bias, float* __restrict__ y,
                           int tokens, std::int64_t out, std::int64_t in) {
    const std::int64_t row = std::int64_t(blockIdx.x) * warps + threadIdx.x / 32;
    if (row >= out) return;
    const int lane = int(threadIdx.x % 32);
    const Decoder decoder(weight, at);
    float sum[most_tokens] = {};
    for (std::int64_t k = 0; k < in; k += 1024) {
        const std::int64_t mine = k + lane * 32, element = row * in + (mine < in ? mine : 0);
        const uint4 codes = *reinterpret_cast<const uint4*>(weight + element / 2);
        const auto scale =
            decoder.scale(Decoder::load(weight, at, std::uint32_t(element >> Decoder::group_log2(at))));
        const std::uint32_t words[4] = {codes.x, codes.y, codes.z, codes.w};
#pragma unroll
        for (int e = 0; e < 32; e += 4) {
            const float2 v = decode_pair(decoder, words[e / 8], e % 8 / 2, scale);
            const float2 u = decode_pair(decoder, words[e / 8], e % 8 / 2 + 1, scale);
#pragma unroll
            for (int token = 0; token < most_tokens; token++) {
                if (token >= tokens || mine >= in) continue;
                const float4 f = *reinterpret_cast<const float4*>(x + token * in + mine + e);
                sum[token] = fmaf(f.x, v.x, sum[token]);
                sum[token] = fmaf(f.y, v.y, sum[token]);
                sum[token] = fmaf(f.z, u.x, sum[token]);
                sum[token] = fmaf(f.w, u.y, sum[token]);
            }
        }
    }
#pragma unroll
    for (int token = 0; token < most_tokens; token++) {
        const float whole = warp_sum(sum[token]);
        if (lane == 0 && token < tokens) y[token * out + row] = whole + (bias ? bias[row] : 0.0f);
    }
}

}  // namespace

void qmatmul_few(const CudaDevice& device, const MatmulArgs& p) {
    const QuantTensor& w = *p.b.quant;
    visit_pairs<WarpTable>(w, [&]<class Decoder>(const typename Decoder::Places& at) {
        auto run = [&]<class T>(auto kernel, int rows_of_block, T) {
            const LaunchConfig config{dim3(unsigned((p.n + rows_of_block - 1) / rows_of_block)), dim3(warps * 32), 0,
                                      device.stream};
            launch(kernel, config, w.bytes, at, static_cast<const T*>(p.a.data), static_cast<const T*>(p.bias),
                   static_cast<T*>(p.c), int(p.m), p.n, p.k);
        };
        if (p.a.dtype == DType::bf16)
            run(qmatmul_few_kernel<Decoder>, rows, nv_bf16());
        else
            run(qmatmul_few_f32_kernel<Decoder>, warps, 0.0f);
    });
}

}  // namespace tandem
