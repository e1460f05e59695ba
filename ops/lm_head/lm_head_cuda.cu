#include "ops/cuda/gradient.cuh"
#include "ops/gemm/dense_product.h"
#include "ops/lm_head/lm_head_kernels.h"
#include "ops/lm_head/softmax_cuda.h"
#include "runtime/cuda/vector.cuh"
#include "runtime/cuda/warp.cuh"

namespace tandem {

namespace {

constexpr int threads = 256;

// to[i] = from[rows[i]], by pieces of type T; a row that is not there becomes bytes of 0xff, which is NaN.
template <class T> __global__ void __launch_bounds__(threads)
    gather_rows_kernel(const T* __restrict__ from, const std::int32_t* __restrict__ rows, T* __restrict__ to,
                       std::int64_t tokens, std::int64_t pieces) {
    const std::int64_t row = rows[blockIdx.x];
    const bool there = row >= 0 && row < tokens;
    T missing;
    memset(&missing, 0xff, sizeof missing);
    for (std::int64_t i = threadIdx.x; i < pieces; i += threads)
        to[blockIdx.x * pieces + i] = there ? from[row * pieces + i] : missing;
}

template <class T>
void gather_rows(const CudaDevice& device, const Tensor& from, const std::int32_t* rows, const Tensor& to) {
    launch(gather_rows_kernel<T>, {dim3(unsigned(to.rows())), dim3(threads), 0, device.stream},
           reinterpret_cast<const T*>(from.data()), rows, reinterpret_cast<T*>(to.data()), from.rows(),
           to.dim(-1) * std::int64_t(size_of(to.dtype())) / std::int64_t(sizeof(T)));
}

// to[rows[i]] += from[i]. The rows differ, so that no two blocks write the same one.
template <class T, int width> __global__ void __launch_bounds__(threads)
    add_rows_kernel(const T* __restrict__ from, const std::int32_t* __restrict__ rows, T* __restrict__ to,
                    std::int64_t tokens, std::int64_t columns) {
    const std::int64_t row = rows[blockIdx.x];
    if (row < 0 || row >= tokens) return;
    for (std::int64_t i = std::int64_t(threadIdx.x) * width; i < columns; i += threads * width)
        store_gradient<T>(to + row * columns, to + row * columns, i, load<width>(from + blockIdx.x * columns + i));
}

__global__ void __launch_bounds__(threads)
    loss_sum_kernel(const double* __restrict__ losses, std::int64_t rows, double scale, double* __restrict__ out) {
    __shared__ double partial[threads / 32];
    double sum = 0;
    for (std::int64_t i = threadIdx.x; i < rows; i += threads) sum += losses[i];
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) *out = sum * scale;
}

}  // namespace

void lm_head_logits(const CudaDevice& device, const Tensor& h, const WeightBytes& w, const Tensor& logits) {
    matmul(device, product(logits, h.dim(-1), operand(h), transposed(w.bytes)));
}

void lm_head_rows(const CudaDevice& device, const LossForward& a) {
    const std::int32_t* rows = device_data<std::int32_t>(a.targets.rows) + a.begin;
    const bool by_16_bytes = a.hidden.dim(-1) * std::int64_t(size_of(a.hidden.dtype())) % 16 == 0;
    if (by_16_bytes)
        gather_rows<uint4>(device, a.h, rows, a.hidden);
    else
        gather_rows<std::uint16_t>(device, a.h, rows, a.hidden);
    lm_head_logits(device, a.hidden, a.weight, a.logits);
}

void lm_head_losses(const CudaDevice& device, const LossForward& a) {
    softmax_losses(device, a.logits, device_data<std::int32_t>(a.targets.targets) + a.begin,
                   device_data<double>(a.losses) + a.begin);
}

void lm_head_dlogits(const CudaDevice& device, const LossBackward& b) {
    const LossForward& a = b.forward;
    softmax_gradient(device, a.logits, device_data<std::int32_t>(a.targets.targets) + a.begin,
                     device_data<double>(a.losses) + a.begin, float(a.scale), b.dlogits);
}

void lm_head_gradients(const CudaDevice& device, const LossBackward& b) {
    const LossForward& a = b.forward;
    if (b.dh) {
        matmul(device, product(b.dhidden, b.dlogits.dim(-1), operand(b.dlogits), operand(a.weight.bytes)));
        visit_cuda("lm_head_loss", b.dhidden.dtype(), [&]<class T>() {
            const T* from = device_data<T>(b.dhidden);
            T* to = device_data<T>(b.dh.out);
            const std::int64_t columns = b.dhidden.dim(-1);
            visit_width<T>(columns, {from, to}, [&]<int width>() {
                launch(add_rows_kernel<T, width>, {dim3(unsigned(b.dhidden.rows())), dim3(threads), 0, device.stream},
                       from, device_data<std::int32_t>(a.targets.rows) + a.begin, to, b.dh.out.rows(), columns);
            });
        });
    }
    if (b.dweight)
        matmul(device, product(b.dweight.out, a.hidden.rows(), transposed(b.dlogits), operand(a.hidden),
                               b.dweight.addend));
}

void lm_head_loss_sum(const CudaDevice& device, const Tensor& losses, double scale, const Tensor& out) {
    launch(loss_sum_kernel, {dim3(1), dim3(threads), 0, device.stream}, device_data<double>(losses), losses.elements(),
           scale, device_data<double>(out));
}

void lm_head_gradient_start(const CudaDevice& device, const GradOut& dh) {
    if (!dh.addend)
        cuda::check(cudaMemsetAsync(dh.out.data(), 0, dh.out.bytes(), device.stream), "cudaMemsetAsync(dh)");
    else if (dh.addend.data() != dh.out.data())
        cuda::check(
            cudaMemcpyAsync(dh.out.data(), dh.addend.data(), dh.out.bytes(), cudaMemcpyDeviceToDevice, device.stream),
            "cudaMemcpyAsync(dh)");
}

}  // namespace tandem
