// The twins' signatures.
#pragma once
#include "ops/adamw/adamw.h"

namespace tandem {

void adamw_kernel(const CpuDevice& device, const AdamwStep& step);
void adamw_kernel(const CudaDevice& device, const AdamwStep& step);

}  // namespace tandem
