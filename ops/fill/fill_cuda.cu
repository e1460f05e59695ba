#include "ops/fill/fill_kernels.h"
#include "runtime/cuda/launch.cuh"

namespace tandem {

void fill_zero_kernel(const CudaDevice& device, const Tensor& t) {
    if (t.bytes() > 0) cuda::check(cudaMemsetAsync(t.data(), 0, t.bytes(), device.stream), "cudaMemsetAsync");
}

}  // namespace tandem
