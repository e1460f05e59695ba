// Masters rounded to the type that the graph computes with.
#pragma once
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/tensor.h"

namespace tandem {

// to[i] = from[i], rounded to nearest even. from: f32; to: as many elements of bf16 | f32.
void cast(const CpuDevice& device, const Tensor& from, const Tensor& to);
void cast(const CudaDevice& device, const Tensor& from, const Tensor& to);

}  // namespace tandem
