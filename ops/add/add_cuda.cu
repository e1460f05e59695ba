#include "ops/add/add_kernels.h"
#include "ops/cuda/gradient.cuh"

namespace tandem {

namespace {

template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    add_kernel(const T* a, const T* b, T* y, std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    const Vector<T, width> right = load<width>(b + i);
    Vector<float, width> value;
#pragma unroll
    for (int k = 0; k < width; k++) value[k] = to_float(right[k]);
    store_gradient(y, a, i, value);
}

}  // namespace

void add_forward(const CudaDevice& device, const AddForward& args) {
    visit_cuda("add", args.y.dtype(), [&]<class T>() {
        const T *a = device_data<T>(args.a), *b = device_data<T>(args.b);
        T* y = device_data<T>(args.y);
        const std::int64_t n = args.y.elements();
        visit_width<T>(n, {a, b, y}, [&]<int width>() {
            launch(add_kernel<T, width>, one_vector_each(n, width, device.stream), a, b, y, n);
        });
    });
}

}  // namespace tandem
