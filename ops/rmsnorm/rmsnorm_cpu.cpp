#include <cmath>

#include "ops/rmsnorm/rmsnorm_kernels.h"

namespace tandem {

namespace {

template <class T> void forward_row(const T* x, const T* weight, T* y, accumulate_t<T>& rstd, std::int64_t n, double eps) {
    using A = accumulate_t<T>;
    A sum = 0;
    for (std::int64_t i = 0; i < n; i++) sum += A(x[i]) * A(x[i]);
    rstd = A(1) / std::sqrt(sum / A(n) + A(eps));
    for (std::int64_t i = 0; i < n; i++) y[i] = T(A(weight[i]) * A(T(A(x[i]) * rstd)));
}

// With z = x * rstd: dx = rstd * (w dy - z * mean(w dy z)).
template <class T> void input_gradient_row(const T* x, const T* weight, accumulate_t<T> rstd, const T* dy, const T* addend,
                                           T* dx, std::int64_t n) {
    using A = accumulate_t<T>;
    A dot = 0;
    for (std::int64_t i = 0; i < n; i++) dot += A(weight[i]) * A(dy[i]) * A(x[i]);
    A scale = dot * rstd * rstd / A(n);
    for (std::int64_t i = 0; i < n; i++) {
        A v = rstd * (A(weight[i]) * A(dy[i]) - A(x[i]) * scale);
        dx[i] = T(addend ? A(addend[i]) + v : v);
    }
}

constexpr std::int64_t columns_per_block = 64;

// Rows are added in order, for a block of columns at a time.
template <class T, class G> void weight_gradient_columns(const RmsnormBackward& a, std::int64_t begin, std::int64_t end) {
    using A = accumulate_t<T>;
    std::int64_t n = a.x.dim(-1);
    A sums[columns_per_block] = {};
    for (std::int64_t t = 0; t < a.x.rows(); t++) {
        const T *x = a.x.as<T>() + t * n, *dy = a.dy.as<T>() + t * n;
        A rstd = a.rstd.as<A>()[t];
        for (std::int64_t i = begin; i < end; i++) sums[i - begin] += A(dy[i]) * A(T(A(x[i]) * rstd));
    }
    G* out = a.dweight.out.as<G>();
    for (std::int64_t i = begin; i < end; i++) out[i] += G(sums[i - begin]);
}

}  // namespace

void rmsnorm_forward(const CpuDevice& device, const RmsnormForward& a) {
    visit_compute(a.x.dtype(), [&]<class T>() {
        std::int64_t n = a.x.dim(-1);
        device.pool->parallel_for(a.x.rows(), [&](std::int64_t t) {
            forward_row(a.x.as<T>() + t * n, a.weight.as<T>(), a.y.as<T>() + t * n, a.rstd.as<accumulate_t<T>>()[t], n, a.eps);
        });
    });
}

void rmsnorm_backward(const CpuDevice& device, const RmsnormBackward& a) {
    visit_compute(a.x.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        std::int64_t n = a.x.dim(-1);
        if (a.dx)
            device.pool->parallel_for(a.x.rows(), [&](std::int64_t t) {
                const T* addend = a.dx.addend ? a.dx.addend.as<T>() + t * n : nullptr;
                input_gradient_row(a.x.as<T>() + t * n, a.weight.as<T>(), a.rstd.as<A>()[t], a.dy.as<T>() + t * n, addend,
                                   a.dx.out.as<T>() + t * n, n);
            });
        if (a.dweight)
            device.pool->parallel_for((n + columns_per_block - 1) / columns_per_block, [&](std::int64_t block) {
                std::int64_t begin = block * columns_per_block;
                weight_gradient_columns<T, A>(a, begin, std::min(n, begin + columns_per_block));
            });
    });
}

}  // namespace tandem
