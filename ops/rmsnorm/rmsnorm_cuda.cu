#include "ops/cuda/gradient.cuh"

#include <fmt/core.h>

#include "ops/rmsnorm/rmsnorm_kernels.h"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

constexpr int threads = 256;  // for a row
// Vectors of a row that a thread keeps in registers: rows of up to 8192 elements are read once.
template <class T> inline constexpr int held = int(2 * sizeof(T));
// Blocks that a multiprocessor is to hold: while some wait at their barrier, others load.
template <class T> inline constexpr int resident = sizeof(T) == 2 ? 3 : 2;

// For each of this thread's vectors: of_held(h, column) for those in registers, h being their number, and
// of_other(column) for the rest.
template <int held, int width, class Held, class Other>
__device__ __forceinline__ void for_vectors(int n, Held of_held, Other of_other) {
#pragma unroll
    for (int h = 0; h < held; h++) {
        const int column = (h * threads + int(threadIdx.x)) * width;
        if (column < n) of_held(h, column);
    }
#pragma unroll 1  // few rows are so long
    for (int column = (held * threads + int(threadIdx.x)) * width; column < n; column += threads * width)
        of_other(column);
}

template <class T, int width> __global__ void __launch_bounds__(threads, resident<T>)
    rmsnorm_kernel(const T* __restrict__ x, const T* __restrict__ weight, T* __restrict__ y, float* __restrict__ rstd,
                   int n, float eps) {
    __shared__ float shared[threads / 32];
    x += blockIdx.x * std::int64_t(n);
    y += blockIdx.x * std::int64_t(n);
    Packed<T, width> kept[held<T>] = {};
    for_vectors<held<T>, width>(
        n, [&](int h, int c) { kept[h] = load_packed<width>(x + c); }, [](int) {});
    float sum = 0;
    auto add_squares = [&](const Vector<float, width>& v) {
#pragma unroll
        for (int k = 0; k < width; k++) sum += v[k] * v[k];
    };
    for_vectors<held<T>, width>(
        n, [&](int h, int) { add_squares(unpack(kept[h])); }, [&](int c) { add_squares(load<width>(x + c)); });
    const float r = 1.0f / sqrtf(block_sum(sum, shared) / float(n) + eps);
    if (threadIdx.x == 0) rstd[blockIdx.x] = r;
    auto write = [&](int c, const Vector<float, width>& v) {
        const Vector<float, width> w = load<width>(weight + c);
        Vector<T, width> scaled;
#pragma unroll
        for (int k = 0; k < width; k++) scaled[k] = from_float<T>(w[k] * to_float(from_float<T>(v[k] * r)));
        store(y + c, scaled);
    };
    for_vectors<held<T>, width>(
        n, [&](int h, int c) { write(c, unpack(kept[h])); }, [&](int c) { write(c, load<width>(x + c)); });
}

// With z = x * rstd: dx = rstd * (w dy - z * mean(w dy z)).
template <class T, int width> __global__ void __launch_bounds__(threads, resident<T>)
    rmsnorm_input_gradient_kernel(const T* __restrict__ x, const T* __restrict__ weight, const float* __restrict__ rstd,
                                  const T* __restrict__ dy, const T* addend, T* dx, int n) {
    __shared__ float shared[threads / 32];
    const std::int64_t row = blockIdx.x * std::int64_t(n);
    x += row;
    dy += row;
    Packed<T, width> kept_x[held<T>] = {}, kept_dy[held<T>] = {};
    for_vectors<held<T>, width>(
        n,
        [&](int h, int c) {
            kept_x[h] = load_packed<width>(x + c);
            kept_dy[h] = load_packed<width>(dy + c);
        },
        [](int) {});
    const float r = rstd[blockIdx.x];
    float dot = 0;
    auto add_products = [&](int c, const Vector<float, width>& vx, const Vector<float, width>& vdy) {
        const Vector<float, width> w = load<width>(weight + c);
#pragma unroll
        for (int k = 0; k < width; k++) dot += w[k] * vdy[k] * vx[k];
    };
    for_vectors<held<T>, width>(
        n, [&](int h, int c) { add_products(c, unpack(kept_x[h]), unpack(kept_dy[h])); },
        [&](int c) { add_products(c, load<width>(x + c), load<width>(dy + c)); });
    const float scale = block_sum(dot, shared) * r * r / float(n);
    auto write = [&](int c, const Vector<float, width>& vx, const Vector<float, width>& vdy) {
        const Vector<float, width> w = load<width>(weight + c);
        Vector<float, width> gradient;
#pragma unroll
        for (int k = 0; k < width; k++) gradient[k] = r * (w[k] * vdy[k] - vx[k] * scale);
        store_gradient(dx, addend, row + c, gradient);
    };
    for_vectors<held<T>, width>(
        n, [&](int h, int c) { write(c, unpack(kept_x[h]), unpack(kept_dy[h])); },
        [&](int c) { write(c, load<width>(x + c), load<width>(dy + c)); });
}

constexpr int column_threads = 128;
constexpr std::int64_t rows_at_least = 32, partials_at_most = 128;

// A block sums dy * z for its columns over rows [blockIdx.y * rows_each, …), in order, into row blockIdx.y of partials.
template <class T, int width> __global__ void __launch_bounds__(column_threads)
    rmsnorm_weight_partials_kernel(const T* __restrict__ x, const float* __restrict__ rstd, const T* __restrict__ dy,
                                   float* __restrict__ partials, std::int64_t rows, std::int64_t rows_each,
                                   std::int64_t n) {
    const std::int64_t c = (std::int64_t(blockIdx.x) * column_threads + threadIdx.x) * width;
    if (c >= n) return;
    const std::int64_t begin = blockIdx.y * rows_each, end = min(rows, begin + rows_each);
    Vector<float, width> sum = {};
#pragma unroll 4
    for (std::int64_t t = begin; t < end; t++) {
        const float r = rstd[t];
        const Vector<float, width> vx = load<width>(x + t * n + c), vdy = load<width>(dy + t * n + c);
#pragma unroll
        for (int k = 0; k < width; k++) sum[k] += vdy[k] * to_float(from_float<T>(vx[k] * r));
    }
    store(partials + blockIdx.y * n + c, sum);
}

__global__ void __launch_bounds__(column_threads)
    rmsnorm_weight_gradient_kernel(const float* __restrict__ partials, float* __restrict__ dweight, int count,
                                   std::int64_t n) {
    const std::int64_t c = std::int64_t(blockIdx.x) * column_threads + threadIdx.x;
    if (c >= n) return;
    float sum = 0;
#pragma unroll 8
    for (int i = 0; i < count; i++) sum += partials[i * n + c];
    dweight[c] += sum;
}

template <class T> void weight_gradient(const CudaDevice& device, const RmsnormBackward& a) {
    const T *x = device_data<T>(a.x), *dy = device_data<T>(a.dy);
    const float* rstd = device_data<float>(a.rstd);
    float *dweight = device_data<float>(a.dweight.out), *partials = reinterpret_cast<float*>(device.scratch);
    const std::int64_t rows = a.x.rows(), n = a.x.dim(-1);
    const std::int64_t fit = std::int64_t(CudaDevice::scratch_bytes) / (n * std::int64_t(sizeof(float)));
    if (fit == 0) throw Error(fmt::format("[rmsnorm] {} columns are too many for the weight's gradient", n));
    const std::int64_t most = std::min(fit, partials_at_most);
    const std::int64_t rows_each = std::max(rows_at_least, (rows + most - 1) / most);
    const std::int64_t count = (rows + rows_each - 1) / rows_each;
    auto blocks = [n](int width) { return unsigned((n + column_threads * width - 1) / (column_threads * width)); };
    visit_width<T>(n, {x, dy}, [&]<int width>() {
        launch(rmsnorm_weight_partials_kernel<T, width>,
               {dim3(blocks(width), unsigned(count)), dim3(column_threads), 0, device.stream}, x, rstd, dy, partials,
               rows, rows_each, n);
    });
    launch(rmsnorm_weight_gradient_kernel, {dim3(blocks(1)), dim3(column_threads), 0, device.stream}, partials, dweight,
           count, n);
}

}  // namespace

void rmsnorm_forward(const CudaDevice& device, const RmsnormForward& a) {
    visit_cuda("rmsnorm", a.x.dtype(), [&]<class T>() {
        const T *x = device_data<T>(a.x), *weight = device_data<T>(a.weight);
        T* y = device_data<T>(a.y);
        const std::int64_t n = a.x.dim(-1);
        visit_width<T>(n, {x, weight, y}, [&]<int width>() {
            launch(rmsnorm_kernel<T, width>, {dim3(unsigned(a.x.rows())), dim3(threads), 0, device.stream}, x, weight,
                   y, device_data<float>(a.rstd), n, a.eps);
        });
    });
}

void rmsnorm_backward(const CudaDevice& device, const RmsnormBackward& a) {
    visit_cuda("rmsnorm", a.x.dtype(), [&]<class T>() {
        const T *x = device_data<T>(a.x), *weight = device_data<T>(a.weight), *dy = device_data<T>(a.dy);
        const T* addend = device_data<T>(a.dx.addend);
        T* dx = device_data<T>(a.dx.out);
        const std::int64_t n = a.x.dim(-1);
        if (dx)
            visit_width<T>(n, {x, weight, dy, addend, dx}, [&]<int width>() {
                launch(rmsnorm_input_gradient_kernel<T, width>,
                       {dim3(unsigned(a.x.rows())), dim3(threads), 0, device.stream}, x, weight,
                       device_data<float>(a.rstd), dy, addend, dx, n);
            });
        if (a.dweight) weight_gradient<T>(device, a);
    });
}

}  // namespace tandem
