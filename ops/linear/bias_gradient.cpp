#include "ops/linear/linear_kernels.h"
#include "runtime/thread_pool.h"

namespace tandem {

void linear_bias_gradient(const CpuDevice& device, const Tensor& dy, const GradOut& dbias) {
    visit_compute(dy.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        std::int64_t n = dy.dim(-1);
        const T* in = dy.as<T>();
        A* out = dbias.out.as<A>();
        device.pool->parallel_for(n, [&](std::int64_t i) {
            A sum = 0;
            for (std::int64_t t = 0; t < dy.rows(); t++) sum += A(in[t * n + i]);
            out[i] += sum;
        });
    });
}

}  // namespace tandem
