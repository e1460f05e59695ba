// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

void sum_of_squares_kernel(const CpuDevice& device, const Tensor& gradient, const Tensor& out);
void sum_of_squares_kernel(const CudaDevice& device, const Tensor& gradient, const Tensor& out);

}  // namespace tandem
