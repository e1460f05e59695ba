#include "ops/add/add_kernels.h"
#include "ops/cuda/gradient.cuh"

namespace tandem {

namespace {

template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    add_kernel(const T* a, const T* b, T* y, std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    store_gradient(y, a, i, load<width>(b + i));
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
