#include <algorithm>

#include "ops/gemm/split_k.h"
#include "runtime/cuda/launch.cuh"
#include "runtime/cuda/types.cuh"

namespace tandem {

namespace {

constexpr int threads = 256;
constexpr std::int64_t wanted_blocks = 256;  // about two for each multiprocessor of a large card

template <class C> __global__ void __launch_bounds__(threads)
    add_partial_sums_kernel(const float* __restrict__ sums, std::int64_t parts, std::int64_t elements,
                            std::int64_t columns, C* c, const C* addend, const C* bias, float alpha) {
    const std::int64_t i = std::int64_t(blockIdx.x) * threads + threadIdx.x;
    if (i >= elements) return;
    float sum = 0;
#pragma unroll 4
    for (std::int64_t part = 0; part < parts; part++) sum += sums[part * elements + i];
    float v = alpha * sum;
    if (addend) v += to_float(addend[i]);
    if (bias) v += to_float(bias[i % columns]);
    c[i] = from_float<C>(v);
}

}  // namespace

SplitK split_k(std::int64_t tiles, std::int64_t steps, std::int64_t least, std::int64_t elements) {
    const std::int64_t room = std::int64_t(CudaDevice::scratch_bytes) / std::max<std::int64_t>(1, elements * 4);
    const std::int64_t wanted = std::min({(wanted_blocks + tiles - 1) / tiles, steps / least, room});
    const std::int64_t each = (steps + std::max<std::int64_t>(1, wanted) - 1) / std::max<std::int64_t>(1, wanted);
    return {(steps + each - 1) / each, each};
}

void add_partial_sums(const CudaDevice& device, const PartialSums& p) {
    const LaunchConfig config{dim3(unsigned((p.elements + threads - 1) / threads)), dim3(threads), 0, device.stream};
    visit_cuda("add_partial_sums", p.c_type, [&]<class C>() {
        launch(add_partial_sums_kernel<C>, config, p.sums, p.parts, p.elements, p.columns, reinterpret_cast<C*>(p.c),
               reinterpret_cast<const C*>(p.addend), reinterpret_cast<const C*>(p.bias), p.alpha);
    });
}

}  // namespace tandem
