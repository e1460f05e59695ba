#include "ops/gemm/avx2.h"
#include "ops/gemm/machines.h"

namespace tandem {

namespace {
template <class C, class Bias> TANDEM_AVX2 void store(const MatmulArgs& args, const StoreTile& tile) {
    const __m256 alpha = _mm256_set1_ps(float(args.alpha));
    const Bias* bias = args.bias ? static_cast<const Bias*>(args.bias) + tile.col : nullptr;
    for (std::int64_t i = 0; i < tile.rows; i++) {
        const std::int64_t at = (tile.row + i) * args.c_stride + tile.col;
        const float* sums = static_cast<const float*>(tile.sums) + i * tile.sums_stride;
        const C* addend = args.addend ? static_cast<const C*>(args.addend) + at : nullptr;
        C* c = static_cast<C*>(args.c) + at;
        for (std::int64_t j = 0; j < tile.cols; j += 8) {
            const std::int64_t left = tile.cols - j;
            __m256 other = addend ? avx2::load(addend + j, left) : _mm256_setzero_ps();
            if (bias) other = _mm256_add_ps(other, avx2::load(bias + j, left));
            const __m256 scaled = _mm256_mul_ps(alpha, avx2::load(sums + j, left));
            avx2::store(c + j, _mm256_add_ps(other, scaled), left);
        }
    }
}

template <class C> void store_with_bias(const MatmulArgs& args, const StoreTile& tile) {
    if (args.a.dtype == DType::bf16)
        store<C, bf16>(args, tile);
    else
        store<C, float>(args, tile);
}
}  // namespace

void store_avx2(const MatmulArgs& args, const StoreTile& tile) {
    if (args.c_dtype == DType::f64)
        store_scalar<float>(args, tile);
    else if (args.c_dtype == DType::f32)
        store_with_bias<float>(args, tile);
    else
        store_with_bias<bf16>(args, tile);
}

}  // namespace tandem
