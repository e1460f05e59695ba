// The twins' signatures.
#pragma once
#include "ops/sgd/sgd.h"

namespace tandem {

void sgd_kernel(const CpuDevice& device, const SgdStep& step);
void sgd_kernel(const CudaDevice& device, const SgdStep& step);

}  // namespace tandem
