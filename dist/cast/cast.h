// Masters to the type that the graph computes in.
#pragma once
#include "runtime/context.h"

namespace tandem {

// to[i] = from[i], rounded to nearest even. from: f32; to: f32 | bf16, of equal size.
void cast(const CpuDevice& device, const Tensor& from, const Tensor& to);
void cast(const CudaDevice& device, const Tensor& from, const Tensor& to);

}  // namespace tandem
