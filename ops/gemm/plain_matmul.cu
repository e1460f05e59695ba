#include "ops/gemm/dense_product.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

namespace {

constexpr int threads = 256, tile = 64, depth = 16, each = 4;  // 16 x 16 threads, 4 x 4 elements of C each

struct Strides {
    std::int64_t row, k;  // elements
};

// 64 rows of a (or columns of b) from `first`, 16 of k; zeros outside.
template <class T> __device__ void load(float (&to)[depth][tile + 1], const T* from, Strides s, std::int64_t first,
                                        std::int64_t rows, std::int64_t k, std::int64_t k_end) {
    for (int i = int(threadIdx.x); i < tile * depth; i += threads) {
        const int row = s.k == 1 ? i / depth : i % tile, p = s.k == 1 ? i % depth : i / tile;
        const bool inside = first + row < rows && k + p < k_end;
        to[p][row] = inside ? to_float(from[(first + row) * s.row + (k + p) * s.k]) : 0.0f;
    }
}

template <class T, class C> __global__ void __launch_bounds__(threads)
    plain_matmul_kernel(const T* a, Strides a_strides, const T* b, Strides b_strides, std::int64_t m, std::int64_t n,
                        std::int64_t k, C* c, std::int64_t c_stride, const C* addend, const C* bias, float alpha) {
    __shared__ float a_tile[depth][tile + 1], b_tile[depth][tile + 1];
    const std::int64_t row = std::int64_t(blockIdx.y) * tile, column = std::int64_t(blockIdx.x) * tile;
    const int ty = int(threadIdx.x / 16), tx = int(threadIdx.x % 16);
    float sum[each][each] = {};
    for (std::int64_t p = 0; p < k; p += depth) {
        load(a_tile, a, a_strides, row, m, p, k);
        load(b_tile, b, b_strides, column, n, p, k);
        __syncthreads();
        for (int d = 0; d < depth; d++)
            for (int i = 0; i < each; i++)
                for (int j = 0; j < each; j++)
                    sum[i][j] = fmaf(a_tile[d][ty + 16 * i], b_tile[d][tx + 16 * j], sum[i][j]);
        __syncthreads();
    }
    for (int i = 0; i < each; i++)
        for (int j = 0; j < each; j++) {
            const std::int64_t y = row + ty + 16 * i, x = column + tx + 16 * j;
            if (y >= m || x >= n) continue;
            float v = alpha * sum[i][j];
            if (addend) v += to_float(addend[y * c_stride + x]);
            if (bias) v += to_float(bias[x]);
            c[y * c_stride + x] = from_float<C>(v);
        }
}

}  // namespace

void plain_matmul(CUstream_st* stream, const DenseProduct& p) {
    auto strides = [](const DenseOperand& o, bool k_contiguous) {
        return k_contiguous ? Strides{o.stride, 1} : Strides{1, o.stride};
    };
    const LaunchConfig config{dim3(unsigned((p.n + tile - 1) / tile), unsigned((p.m + tile - 1) / tile)), dim3(threads),
                              0, stream};
    auto run = [&]<class T, class C>(T, C) {
        launch(plain_matmul_kernel<T, C>, config, reinterpret_cast<const T*>(p.a.data), strides(p.a, !p.a.transposed),
               reinterpret_cast<const T*>(p.b.data), strides(p.b, p.b.transposed), p.m, p.n, p.k,
               reinterpret_cast<C*>(p.c), p.c_stride, reinterpret_cast<const C*>(p.addend),
               reinterpret_cast<const C*>(p.bias), p.alpha);
    };
    visit_cuda("matmul", p.type, [&]<class T>() {
        if (p.c_type == DType::f32)
            run(T(), 0.0f);
        else
            run(nv_bf16(), nv_bf16());
    });
}

}  // namespace tandem
