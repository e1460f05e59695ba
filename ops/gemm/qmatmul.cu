#include <algorithm>

#include "ops/gemm/dequantize_cuda.h"
#include "ops/gemm/multiply_cuda.h"
#include "ops/gemm/qmatmul.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/tile_ahead.h"

namespace tandem {

namespace {

// Up to how many tokens reading the codes once beats a tile, by compute capability. A tile costs 4.5 bytes of memory
// traffic per weight and half a byte without it, so cards whose tensor cores are slow for their memory gain longest;
// reading the codes decodes anew for every 64 tokens. Estimates: `tests/run timings --gpu` measures both ways.
struct FusedLimit {
    int capability;
    std::int64_t tokens;
};
constexpr FusedLimit fused_limits[] = {{80, 64}, {86, 128}, {89, 128}, {90, 64}, {120, 128}};
constexpr std::int64_t few_tokens = 8;

int capability(int ordinal) {
    int major = 0, minor = 0;
    cuda::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal), "cudaDeviceGetAttribute");
    cuda::check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal), "cudaDeviceGetAttribute");
    return 10 * major + minor;
}

std::int64_t fused_limit(int ordinal) {  // of the newest kind that is not newer than the card
    std::int64_t tokens = fused_limits[0].tokens;
    const int card = capability(ordinal);
    for (const FusedLimit& limit : fused_limits)
        if (limit.capability <= card) tokens = limit.tokens;
    return tokens;
}

void make_tile(CUstream_st* stream, const TileSource& source, std::byte* tile) {
    const auto& f = source.facts;
    const QuantSpec spec{WeightFormat(f[1]), f[2] != 0, int(f[3]), int(f[4])};
    dequantize(stream, spec, f[0], source.bytes, DType(f[5]), tile);
}

const std::byte* take_tile(const CudaDevice& device, const Block4Weight& w, DType dtype) {
    const std::int64_t elements = w.out * w.in;
    const QuantSpec& s = w.spec;
    return device.tiles->take(
        {.bytes = w.bytes,
         .tile_bytes = std::size_t(elements) * size_of(dtype),
         .facts = {elements, std::int64_t(s.format), s.nested, s.block, s.nested_block, std::int64_t(dtype)},
         .make = make_tile});
}

}  // namespace

void qmatmul_tile(const CudaDevice& device, const QMatmul& q) {
    const Block4Weight& w = q.weight;
    const DType dtype = q.x.dtype();
    MatmulArgs args = matmul_args(q.y, w.in, dtype, matmul_operand(q.x), {take_tile(device, w, dtype), w.in, true});
    args.bias = q.bias.data();
    multiply(device, args);
}

void qmatmul(const CudaDevice& device, const QMatmul& q) {
    const std::int64_t tokens = q.x.rows();
    if (tokens == 0) return;
    const bool reads_codes = q.weight.in % 32 == 0;  // a row of codes begins at a multiple of 16 bytes
    if (reads_codes && tokens <= few_tokens)
        qmatmul_few(device, q);
    else if (reads_codes && q.x.dtype() == DType::bf16 && tokens <= fused_limit(device.ordinal))
        qmatmul_some(device, q);
    else
        qmatmul_tile(device, q);
}

void qmatmul_transposed(const CudaDevice& device, const QMatmulTransposed& q) {
    if (q.dy.rows() == 0) return;
    const Block4Weight& w = q.weight;
    const DType dtype = q.dy.dtype();
    multiply(device, matmul_args(q.dx.out, w.out, dtype, matmul_operand(q.dy), {take_tile(device, w, dtype), w.in},
                                 q.dx.addend));
}

}  // namespace tandem
