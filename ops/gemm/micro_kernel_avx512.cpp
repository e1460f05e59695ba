#include <immintrin.h>

#include <cstddef>

#include "ops/gemm/machines.h"

#define TARGET __attribute__((target("avx512f")))

namespace tandem {

namespace {
constexpr int mr = 8, nr = 48;  // 24 sums, 3 vectors of B and one of A fit into 32 registers

template <int Rows>
TARGET void multiply_rows(std::int64_t k, const float* a, const float* b, float* sums, std::int64_t stride) {
    __m512 acc[Rows][3];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; r++) acc[r][0] = acc[r][1] = acc[r][2] = _mm512_setzero_ps();
    for (std::int64_t i = 0; i < k; i++, a += mr, b += nr) {
        __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16), b2 = _mm512_loadu_ps(b + 32);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; r++) {
            __m512 one = _mm512_set1_ps(a[r]);
            acc[r][0] = _mm512_fmadd_ps(one, b0, acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(one, b1, acc[r][1]);
            acc[r][2] = _mm512_fmadd_ps(one, b2, acc[r][2]);
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
    with_rows[rows - 1](k, static_cast<const float*>(a), static_cast<const float*>(b), static_cast<float*>(sums),
                        stride);
}
}  // namespace

bool cpu_has_avx512() {
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

constexpr MicroKernel avx512_kernel = {
    .name = "avx512",
    .type = DType::f32,
    .a = {.width = mr, .step = 1},
    .b = {.width = nr, .step = 1},
    .supported = cpu_has_avx512,
    .pack = pack_avx2<float>,
    .decoder = avx512_decoder,
    .multiply = multiply,
    .store = store_avx2,
};

}  // namespace tandem
