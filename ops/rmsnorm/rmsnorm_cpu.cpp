#include <cmath>

#include "ops/rmsnorm/rmsnorm_kernels.h"
#include "ops/simd/gradient.h"
#include "ops/simd/parallel.h"
#include "ops/simd/sum.h"

namespace tandem {

namespace {

template <class T>
void forward_row(const T* x, const T* weight, T* y, accumulate_t<T>& rstd, std::int64_t n, double eps) {
    using A = accumulate_t<T>;
    const A sum = simd::sum<A>(n, [x](std::int64_t i) { return A(x[i]) * A(x[i]); });
    const A r = A(1) / std::sqrt(sum / A(n) + A(eps));
    rstd = r;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; i++) y[i] = T(A(weight[i]) * A(T(A(x[i]) * r)));
}

// With z = x * rstd: dx = rstd * (w dy - z * mean(w dy z)).
template <class T> void input_gradient_row(const RmsnormBackward& a, std::int64_t t) {
    using A = accumulate_t<T>;
    const std::int64_t n = a.x.dim(-1), row = t * n;
    const T *x = a.x.as<T>(), *dy = a.dy.as<T>(), *weight = a.weight.as<T>() - row;
    const A rstd = a.rstd.as<A>()[t];
    const A dot = simd::sum<A>(n, [=](std::int64_t i) { return A(weight[row + i]) * A(dy[row + i]) * A(x[row + i]); });
    const A scale = dot * rstd * rstd / A(n);
    simd::write_gradient<T>(a.dx, row, row + n,
                            [=](std::int64_t i) { return rstd * (A(weight[i]) * A(dy[i]) - A(x[i]) * scale); });
}

constexpr std::int64_t columns_per_block = 256;

// Rows are added in order, for a block of columns at a time.
template <class T> void weight_gradient_columns(const RmsnormBackward& a, std::int64_t block) {
    using A = accumulate_t<T>;
    const std::int64_t n = a.x.dim(-1), begin = block * columns_per_block,
                       width = std::min(columns_per_block, n - begin);
    A sums[columns_per_block] = {};
    T normalised[columns_per_block];
    for (std::int64_t t = 0; t < a.x.rows(); t++) {
        const T *x = a.x.as<T>() + t * n + begin, *dy = a.dy.as<T>() + t * n + begin;
        const A rstd = a.rstd.as<A>()[t];
#pragma GCC ivdep
        for (std::int64_t i = 0; i < width; i++) normalised[i] = T(A(x[i]) * rstd);
        for (std::int64_t i = 0; i < width; i++) sums[i] += A(dy[i]) * A(normalised[i]);
    }
    A* out = a.dweight.out.as<A>() + begin;
    for (std::int64_t i = 0; i < width; i++) out[i] += sums[i];
}

}  // namespace

void rmsnorm_forward(const CpuDevice& device, const RmsnormForward& a) {
    visit_compute(a.x.dtype(), [&]<class T>() {
        const std::int64_t n = a.x.dim(-1);
        const T *x = a.x.as<T>(), *weight = a.weight.as<T>();
        simd::parallel(device, a.x.rows(), [&, n, x, weight](std::int64_t t) {
            forward_row(x + t * n, weight, a.y.as<T>() + t * n, a.rstd.as<accumulate_t<T>>()[t], n, a.eps);
        });
    });
}

void rmsnorm_backward(const CpuDevice& device, const RmsnormBackward& a) {
    visit_compute(a.x.dtype(), [&]<class T>() {
        if (a.dx) simd::parallel(device, a.x.rows(), [&](std::int64_t t) { input_gradient_row<T>(a, t); });
        if (a.dweight)
            simd::parallel(device, (a.x.dim(-1) + columns_per_block - 1) / columns_per_block,
                           [&](std::int64_t block) { weight_gradient_columns<T>(a, block); });
    });
}

}  // namespace tandem
