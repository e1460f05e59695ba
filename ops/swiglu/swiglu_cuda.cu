#include "ops/cuda/gradient.cuh"
#include "ops/swiglu/swiglu_kernels.h"

namespace tandem {

namespace {

__device__ __forceinline__ float sigmoid(float g) { return 1.0f / (1.0f + expf(-g)); }

template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    swiglu_kernel(const T* __restrict__ gate, const T* __restrict__ up, T* __restrict__ y, std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    const Vector<float, width> g = load<width>(gate + i), u = load<width>(up + i);
    Vector<T, width> out;
#pragma unroll
    for (int k = 0; k < width; k++) out[k] = from_float<T>(g[k] * sigmoid(g[k]) * u[k]);
    store(y + i, out);
}

// With s = sigmoid(g): d silu / dg = s (1 + g (1 - s)).
template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    swiglu_backward_kernel(const T* __restrict__ gate, const T* __restrict__ up, const T* __restrict__ dy,
                           const T* dgate_addend, T* dgate, const T* dup_addend, T* dup, std::int64_t n) {
    const std::int64_t i = vector_start<width>();
    if (i >= n) return;
    const Vector<float, width> gates = load<width>(gate + i), ups = load<width>(up + i), dys = load<width>(dy + i);
    Vector<float, width> dg, du;
#pragma unroll
    for (int k = 0; k < width; k++) {
        const float g = gates[k], s = sigmoid(g), d = dys[k];
        dg[k] = d * ups[k] * (s * (1.0f + g * (1.0f - s)));
        du[k] = d * (g * s);
    }
    if (dgate) store_gradient(dgate, dgate_addend, i, dg);
    if (dup) store_gradient(dup, dup_addend, i, du);
}

}  // namespace

void swiglu_forward(const CudaDevice& device, const SwigluForward& args) {
    visit_cuda("swiglu", args.y.dtype(), [&]<class T>() {
        const T *gate = device_data<T>(args.gate), *up = device_data<T>(args.up);
        T* y = device_data<T>(args.y);
        const std::int64_t n = args.y.elements();
        visit_width<T>(n, {gate, up, y}, [&]<int width>() {
            launch(swiglu_kernel<T, width>, one_vector_each(n, width, device.stream), gate, up, y, n);
        });
    });
}

void swiglu_backward(const CudaDevice& device, const SwigluBackward& args) {
    visit_cuda("swiglu", args.dy.dtype(), [&]<class T>() {
        const T *gate = device_data<T>(args.gate), *up = device_data<T>(args.up), *dy = device_data<T>(args.dy);
        const T *dgate_addend = device_data<T>(args.dgate.addend), *dup_addend = device_data<T>(args.dup.addend);
        T *dgate = device_data<T>(args.dgate.out), *dup = device_data<T>(args.dup.out);
        const std::int64_t n = args.dy.elements();
        visit_width<T>(n, {gate, up, dy, dgate_addend, dgate, dup_addend, dup}, [&]<int width>() {
            launch(swiglu_backward_kernel<T, width>, one_vector_each(n, width, device.stream), gate, up, dy,
                   dgate_addend, dgate, dup_addend, dup, n);
        });
    });
}

}  // namespace tandem
