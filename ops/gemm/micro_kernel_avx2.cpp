#include <immintrin.h>

#include <cstddef>

#include "ops/gemm/machines.h"

#define TARGET __attribute__((target("avx2,fma")))

namespace tandem {

namespace {
constexpr int mr = 4, nr = 24;  // 12 sums, 3 vectors of B and one of A fit into 16 registers

template <int Rows>
TARGET void multiply_rows(std::int64_t k, const float* a, const float* b, float* sums, std::int64_t stride) {
    __m256 acc[Rows][3];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = _mm256_setzero_ps();
    for (std::int64_t i = 0; i < k; i++, a += mr, b += nr) {
        __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8), b2 = _mm256_loadu_ps(b + 16);
#pragma GCC unroll 4
        for (int r = 0; r < Rows; r++) {
            __m256 one = _mm256_broadcast_ss(a + r);
            acc[r][0] = _mm256_fmadd_ps(one, b0, acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(one, b1, acc[r][1]);
            acc[r][2] = _mm256_fmadd_ps(one, b2, acc[r][2]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < Rows; r++) {
        float* sum = sums + r * stride;
#pragma GCC unroll 3
        for (int c = 0; c < 3; c++)
            _mm256_storeu_ps(sum + 8 * c, _mm256_add_ps(_mm256_loadu_ps(sum + 8 * c), acc[r][c]));
    }
}

void multiply(int rows, std::int64_t k, const void* a, const void* b, void* sums, std::int64_t stride) {
    constexpr decltype(&multiply_rows<1>) with_rows[] = {multiply_rows<1>, multiply_rows<2>, multiply_rows<3>,
                                                         multiply_rows<4>};
    with_rows[rows - 1](k, static_cast<const float*>(a), static_cast<const float*>(b), static_cast<float*>(sums),
                        stride);
}
}  // namespace

bool cpu_has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

constexpr MicroKernel avx2_kernel = {
    .name = "avx2",
    .type = DType::f32,
    .a = {.width = mr, .step = 1},
    .b = {.width = nr, .step = 1},
    .supported = cpu_has_avx2,
    .pack = pack_avx2<float>,
    .decoder = scalar_decoder,
    .multiply = multiply,
    .store = store_avx2,
};

}  // namespace tandem
