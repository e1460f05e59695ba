#include "ops/cuda/gradient.cuh"
#include "ops/dropout/dropout_kernels.h"

namespace tandem {

namespace {

// The numbers of columns place.column to place.column + width - 1: four by each draw.
template <int width> __device__ __forceinline__ Vector<std::uint32_t, width> draw(PhiloxKey key, RandomPlace place) {
    Vector<std::uint32_t, width> numbers;
    if constexpr (width == 1) {
        const PhiloxBits bits = random_bits(key, place);
        numbers[0] = bits[0];
#pragma unroll
        for (std::uint32_t w = 1; w < 4; w++)
            if (place.column % 4 == w) numbers[0] = bits[int(w)];
    } else {
#pragma unroll
        for (int k = 0; k < width; k += 4) {
            const PhiloxBits bits = random_bits(key, place);
#pragma unroll
            for (int w = 0; w < 4; w++) numbers[k + w] = bits[w];
            place.column += 4;
        }
    }
    return numbers;
}

// A block for 256 vectors of token blockIdx.x.
template <class T, int width> __global__ void __launch_bounds__(elementwise_threads)
    dropout_kernel(const T* in, const std::int32_t* __restrict__ samples, const std::int32_t* __restrict__ positions,
                   const T* addend, T* out, std::int64_t columns, PhiloxKey key, std::uint32_t step,
                   std::uint32_t threshold, float scale) {
    const std::int64_t t = blockIdx.x, c = (std::int64_t(blockIdx.y) * elementwise_threads + threadIdx.x) * width;
    if (c >= columns) return;
    const std::int64_t i = t * columns + c;
    const Vector<float, width> x = load<width>(in + i);
    const Vector<std::uint32_t, width> numbers =
        draw<width>(key, {step, std::uint32_t(samples[t]), std::uint32_t(positions[t]), std::uint32_t(c)});
    Vector<float, width> y;
#pragma unroll
    for (int k = 0; k < width; k++) y[k] = dropout_keeps(numbers[k], threshold) ? x[k] * scale : 0.0f;
    store_gradient(out, addend, i, y);
}

}  // namespace

void dropout_forward(const CudaDevice& device, const DropoutForward& args) {
    dropout_backward(device, {args.x, args.site, args.p, args.random, {args.out, {}}});
}

void dropout_backward(const CudaDevice& device, const DropoutBackward& args) {
    const std::int64_t tokens = args.dy.rows(), columns = args.dy.dim(-1);
    const PhiloxKey key = philox_key(args.random.seed, args.site);
    visit_cuda("dropout", args.dy.dtype(), [&]<class T>() {
        const T *dy = device_data<T>(args.dy), *addend = device_data<T>(args.dx.addend);
        T* dx = device_data<T>(args.dx.out);
        visit_width<T>(columns, {dy, addend, dx}, [&]<int width>() {
            LaunchConfig config = one_vector_each(columns, width, device.stream);
            config.grid = dim3(unsigned(tokens), config.grid.x);
            launch(dropout_kernel<T, width>, config, dy, device_data<std::int32_t>(args.random.samples),
                   device_data<std::int32_t>(args.random.positions), addend, dx, columns, key, args.random.step,
                   dropout_threshold(args.p), 1 / (1 - args.p));
        });
    });
}

}  // namespace tandem
