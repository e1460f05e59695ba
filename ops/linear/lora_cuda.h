// LoRA's products with a masked x on a card: bf16, widths and ranks that are multiples of 8, at most 128 ranks. The
// mask is drawn where x is loaded, the factor 1 / (1 - p) multiplies the sum.
#pragma once
#include "ops/linear/dropped.h"
#include "runtime/cuda/cuda_device.h"

namespace tandem {

// down = drop(x) A^T
void lora_masked_down(const CudaDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down);

// dA += up^T drop(x)
void lora_masked_outer(const CudaDevice& device, const Tensor& up, const Dropped& dropped, const GradOut& da);

// dx = addend + drop'(up A), where drop' multiplies as drop did
void lora_masked_dx(const CudaDevice& device, const Tensor& up, const Tensor& a, const DropoutMask& mask,
                    const GradOut& dx);

}  // namespace tandem
