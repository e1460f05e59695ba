#include "tests/cudasim/gemm.h"

#include <algorithm>
#include <vector>

namespace cudasim {
namespace {

typedef float Vector __attribute__((vector_size(64)));  // any machine's vectors: the compiler cuts them to size
constexpr std::int64_t lanes = 16, tile_rows = 6, tile_columns = 2 * lanes, block_k = 256;

// A tile of at most tile_rows rows of c against one packed panel of b: [k, tile_columns]. Vectors by pointer: as return
// values they would have another calling convention on each machine.
template <int rows> [[gnu::always_inline]] inline void tile(std::int64_t k, const float* a, std::int64_t lda,
                                                            const float* panel, float* sums) {
    Vector sum[rows][2] = {};
    for (std::int64_t i = 0; i < k; ++i) {
        Vector b[2];
        __builtin_memcpy(b, panel + i * tile_columns, sizeof b);
        for (int r = 0; r < rows; ++r) {
            sum[r][0] += a[r * lda + i] * b[0];
            sum[r][1] += a[r * lda + i] * b[1];
        }
    }
    __builtin_memcpy(sums, sum, sizeof sum);
}

struct Block {
    std::int64_t m, k, columns;
    const float* a;
    std::int64_t lda;
    const float* panel;
    float* c;
    std::int64_t ldc;
};

[[gnu::always_inline]] inline void add_block(const Block& x) {
    for (std::int64_t row = 0; row < x.m; row += tile_rows) {
        float sums[tile_rows * tile_columns];
        const float* a = x.a + row * x.lda;
        const std::int64_t rows = std::min(tile_rows, x.m - row);
        switch (rows) {
            case 6: tile<6>(x.k, a, x.lda, x.panel, sums); break;
            case 5: tile<5>(x.k, a, x.lda, x.panel, sums); break;
            case 4: tile<4>(x.k, a, x.lda, x.panel, sums); break;
            case 3: tile<3>(x.k, a, x.lda, x.panel, sums); break;
            case 2: tile<2>(x.k, a, x.lda, x.panel, sums); break;
            default: tile<1>(x.k, a, x.lda, x.panel, sums);
        }
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t j = 0; j < x.columns; ++j) x.c[(row + r) * x.ldc + j] += sums[r * tile_columns + j];
    }
}

[[gnu::target("avx512f")]] void add_block_avx512(const Block& x) { add_block(x); }
[[gnu::target("avx2")]] void add_block_avx2(const Block& x) { add_block(x); }
void add_block_plain(const Block& x) { add_block(x); }

}  // namespace

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
    const auto add = __builtin_cpu_supports("avx512f") ? add_block_avx512
                     : __builtin_cpu_supports("avx2")  ? add_block_avx2
                                                       : add_block_plain;
    std::fill(c, c + m * n, 0.0f);
    std::vector<float> panel(std::min(k, block_k) * tile_columns);
    for (std::int64_t column = 0; column < n; column += tile_columns) {
        const std::int64_t columns = std::min(tile_columns, n - column);
        for (std::int64_t first = 0; first < k; first += block_k) {
            const std::int64_t depth = std::min(block_k, k - first);
            for (std::int64_t i = 0; i < depth; ++i)
                for (std::int64_t j = 0; j < tile_columns; ++j)
                    panel[i * tile_columns + j] = j < columns ? b[(first + i) * n + column + j] : 0.0f;
            add({m, depth, columns, a + first, k, panel.data(), c + column, n});
        }
    }
}

}  // namespace cudasim
