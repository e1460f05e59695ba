// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

void all_finite_kernel(const CpuDevice& device, const Tensor& x, const Tensor& out);
void all_finite_kernel(const CudaDevice& device, const Tensor& x, const Tensor& out);

}  // namespace tandem
