#include <algorithm>

#include "ops/gemm/dequantize_cuda.h"
#include "ops/gemm/dense_product.h"
#include "ops/gemm/qmatmul.h"
#include "quant/decode_pair.cuh"
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

// A weight dequantized into a tile.
struct Dequantized final : TileMaker {
    Dequantized(const QuantTensor& weight, DType dtype) : weight_(weight), dtype_(dtype) {}

    void make(CUstream_st* stream, const std::byte* bytes, std::byte* tile) const override {
        QuantTensor weight = weight_;
        weight.bytes = bytes;
        dequantize(stream, weight, dtype_, tile);
    }
    bool same(const TileMaker& other) const override {
        const auto* o = dynamic_cast<const Dequantized*>(&other);
        return o && o->weight_.spec == weight_.spec && o->weight_.rows == weight_.rows &&
               o->weight_.cols == weight_.cols && o->dtype_ == dtype_;
    }

  private:
    QuantTensor weight_;
    DType dtype_;
};

const std::byte* take_tile(const CudaDevice& device, const QuantTensor& w, DType dtype) {
    return device.tiles->take({.bytes = w.bytes,
                               .tile_bytes = std::size_t(w.rows * w.cols) * size_of(dtype),
                               .maker = std::make_shared<Dequantized>(w, dtype)});
}

bool reads_codes(const MatmulArgs& p) {
    return is_in_pairs(*p.b.quant) && p.b.transposed && p.k % 32 == 0 && !p.a.transposed && p.a.stride == p.k &&
           p.c_stride == p.n && !p.addend && p.alpha == 1 && p.c_dtype == p.a.dtype;
}

}  // namespace

void qmatmul_tile(const CudaDevice& device, const MatmulArgs& p) {
    const QuantTensor& w = *p.b.quant;
    multiply(device, dense_product(p, {take_tile(device, w, p.a.dtype), w.cols, p.b.transposed}));
}

void qmatmul(const CudaDevice& device, const MatmulArgs& p) {
    if (reads_codes(p) && p.m <= few_tokens)
        qmatmul_few(device, p);
    else if (reads_codes(p) && p.a.dtype == DType::bf16 && p.m <= fused_limit(device.ordinal))
        qmatmul_some(device, p);
    else
        qmatmul_tile(device, p);
}

}  // namespace tandem
