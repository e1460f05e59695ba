#include "ops/sgd/sgd_kernels.h"
#include "runtime/cuda/vector.cuh"

namespace tandem {

namespace {

template <int width> __global__ void __launch_bounds__(elementwise_threads)
    sgd_update_kernel(float* __restrict__ master, float* __restrict__ gradient, std::int64_t n, float lr, float decay,
                      float scale) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    Vector<float, width> p = load<width>(master + i), g = load<width>(gradient + i);
#pragma unroll
    for (int k = 0; k < width; k++) {
        p[k] = p[k] - lr * (g[k] * scale + decay * p[k]);
        g[k] = 0;
    }
    store(master + i, p);
    store(gradient + i, g);
}

}  // namespace

void sgd_kernel(const CudaDevice& device, const SgdStep& s) {
    float *master = device_data<float>(s.master), *gradient = device_data<float>(s.gradient);
    const std::int64_t n = s.master.elements();
    visit_width<float>(n, {master, gradient}, [&]<int width>() {
        launch(sgd_update_kernel<width>, one_vector_each(n, width, device.stream), master, gradient, n, s.lr,
               s.weight_decay, s.gradient_scale);
    });
}

}  // namespace tandem
