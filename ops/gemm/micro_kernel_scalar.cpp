// For any machine, and for double, which only tests need. No FMA: without the instruction it is a library call.
#include <cstddef>

#include "ops/gemm/machines.h"

namespace tandem {

namespace {
constexpr int mr = 4, nr = 8;

template <class T>
void multiply(int rows, std::int64_t k, const void* a_strip, const void* b_strip, void* sums, std::int64_t stride) {
    const T* a = static_cast<const T*>(a_strip);
    const T* b = static_cast<const T*>(b_strip);
    T acc[mr][nr] = {};
    for (std::int64_t i = 0; i < k; i++, a += mr, b += nr)
        for (int r = 0; r < mr; r++)
            for (int c = 0; c < nr; c++) acc[r][c] += a[r] * b[c];
    for (int r = 0; r < rows; r++) {
        T* sum = static_cast<T*>(sums) + r * stride;
        for (int c = 0; c < nr; c++) sum[c] += acc[r][c];
    }
}

template <class T> constexpr MicroKernel kernel = {
    .name = "scalar",
    .type = dtype_of<T>,
    .a = {.width = mr, .step = 1},
    .b = {.width = nr, .step = 1},
    .supported = [] { return true; },
    .pack = pack_scalar<T>,
    .decoder = scalar_decoder,
    .multiply = multiply<T>,
    .store = store_scalar<T>,
};
}  // namespace

constexpr MicroKernel scalar_f64_kernel = kernel<double>;
constexpr MicroKernel scalar_f32_kernel = kernel<float>;

}  // namespace tandem
