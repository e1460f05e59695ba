#include "ops/adamw/adamw_kernels.h"
#include "runtime/cuda/vector.cuh"

namespace tandem {

namespace {

template <int width> __global__ void __launch_bounds__(elementwise_threads)
    adamw_update_kernel(float* __restrict__ master, float* __restrict__ gradient, float* __restrict__ m,
                        float* __restrict__ v, std::int64_t n, AdamwScalars<float> c) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    Vector<float, width> p = load<width>(master + i), g = load<width>(gradient + i);
    Vector<float, width> m1 = load<width>(m + i), v1 = load<width>(v + i);
#pragma unroll
    for (int k = 0; k < width; k++) {
        const float scaled = g[k] * c.scale;
        m1[k] = m1[k] + c.rate1 * (scaled - m1[k]);
        v1[k] = v1[k] * c.beta2 + c.rate2 * scaled * scaled;
        const float denominator = sqrtf(v1[k]) / c.root2 + c.eps;
        p[k] = p[k] * c.keep - c.size * m1[k] / denominator;
        g[k] = 0;
    }
    store(master + i, p);
    store(gradient + i, g);
    store(m + i, m1);
    store(v + i, v1);
}

}  // namespace

void adamw_kernel(const CudaDevice& device, const AdamwStep& s) {
    float *master = device_data<float>(s.master), *gradient = device_data<float>(s.gradient);
    float *m = device_data<float>(s.m), *v = device_data<float>(s.v);
    const std::int64_t n = s.master.elements();
    visit_width<float>(n, {master, gradient, m, v}, [&]<int width>() {
        launch(adamw_update_kernel<width>, one_vector_each(n, width, device.stream), master, gradient, m, v, n,
               AdamwScalars<float>(s));
    });
}

}  // namespace tandem
