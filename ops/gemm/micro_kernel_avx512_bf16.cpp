// vdpbf16ps adds two products per lane to a float: a step of k is a pair. It takes denormals for zero.
#include <immintrin.h>

#include <cstddef>

#include "ops/gemm/machines.h"

#define TARGET __attribute__((target("avx512f,avx512bf16")))

namespace tandem {

namespace {
constexpr int mr = 8, nr = 48;  // 24 sums, 3 vectors of B and one of A fit into 32 registers

template <int Rows> TARGET void multiply_rows(std::int64_t k, const std::uint32_t* a, const std::uint32_t* b,
                                              float* sums, std::int64_t stride) {
    __m512 acc[Rows][3];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = _mm512_setzero_ps();
    for (std::int64_t i = 0; i < k; i += 2, a += mr, b += nr) {
        __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16),
                 b2 = (__m512bh)_mm512_loadu_si512(b + 32);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; r++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32(int(a[r]));
            acc[r][0] = _mm512_dpbf16_ps(acc[r][0], pair, b0);
            acc[r][1] = _mm512_dpbf16_ps(acc[r][1], pair, b1);
            acc[r][2] = _mm512_dpbf16_ps(acc[r][2], pair, b2);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++) {
        float* sum = sums + r * stride;
#pragma GCC unroll 3
        for (int c = 0; c < 3; c++)
            _mm512_storeu_ps(sum + 16 * c, _mm512_add_ps(_mm512_loadu_ps(sum + 16 * c), acc[r][c]));
    }
}

void multiply(int rows, std::int64_t k, const void* a, const void* b, void* sums, std::int64_t stride) {
    constexpr decltype(&multiply_rows<1>) with_rows[] = {multiply_rows<1>, multiply_rows<2>, multiply_rows<3>,
                                                         multiply_rows<4>, multiply_rows<5>, multiply_rows<6>,
                                                         multiply_rows<7>, multiply_rows<8>};
    with_rows[rows - 1](k, static_cast<const std::uint32_t*>(a), static_cast<const std::uint32_t*>(b),
                        static_cast<float*>(sums), stride);
}
}  // namespace

constexpr MicroKernel avx512_bf16_kernel = {
    .name = "avx512-bf16",
    .type = DType::bf16,
    .a = {.width = mr, .step = 2},
    .b = {.width = nr, .step = 2},
    .supported = [] { return cpu_has_avx512() && bool(__builtin_cpu_supports("avx512bf16")); },
    .pack = pack_avx2<bf16>,
    .decoder = avx512_decoder,
    .multiply = multiply,
    .store = store_avx2,
};

}  // namespace tandem
