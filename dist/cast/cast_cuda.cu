#include "dist/cast/cast.h"
#include "runtime/cuda/vector.cuh"

namespace tandem {

namespace {

template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    cast_kernel(const float* __restrict__ from, T* __restrict__ to, std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    const Vector<float, width> v = load<width>(from + i);
    Vector<T, width> rounded;
#pragma unroll
    for (int k = 0; k < width; k++) rounded[k] = from_float<T>(v[k]);
    store(to + i, rounded);
}

}  // namespace

void cast(const CudaDevice& device, const Tensor& from, const Tensor& to) {
    const float* values = device_data<float>(from);
    const std::int64_t n = to.elements();
    visit_cuda("cast", to.dtype(), [&]<class T>() {
        T* out = device_data<T>(to);
        visit_width<T>(n, {values, out}, [&]<int width>() {
            launch(cast_kernel<T, width>, one_vector_each(n, width, device.stream), values, out, n);
        });
    });
}

}  // namespace tandem
