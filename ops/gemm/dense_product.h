// Dense products on a card, whatever their alignment.
#pragma once
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/matmul.h"

namespace tandem {

// cuBLASLt where pointers and strides are multiples of 16 bytes, else plain_matmul. Nothing to sum (k = 0) is a sum of
// 0.
void multiply(const CudaDevice& device, const DenseProduct& product);

// Any sizes and strides, sums in f32 in the order of k. Of no speed in particular.
void plain_matmul(CUstream_st* stream, const DenseProduct& product);

}  // namespace tandem
