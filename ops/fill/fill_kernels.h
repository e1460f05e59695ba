// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

void fill_zero_kernel(const CpuDevice& device, const Tensor& t);
void fill_zero_kernel(const CudaDevice& device, const Tensor& t);

}  // namespace tandem
