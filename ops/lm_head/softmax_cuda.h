// Softmax cross-entropy of rows of logits on a card, which reads them once and writes none: the gradient is made from
// the logits and the loss, as log(sum of exp) = loss + the target's logit.
#pragma once
#include "runtime/cuda/cuda_device.h"
#include "runtime/tensor.h"

namespace tandem {

// losses[i] = -log softmax(logits[i])[targets[i]]; NaN for a target outside the vocabulary.
void softmax_losses(const CudaDevice& device, const Tensor& logits,  // f32 [rows, vocab]
                    const std::int32_t* targets, double* losses);

// dlogits = scale * (softmax(logits) - one-hot of the target), rounded to dlogits' type.
void softmax_gradient(const CudaDevice& device, const Tensor& logits, const std::int32_t* targets, const double* losses,
                      float scale, const Tensor& dlogits);  // may be logits itself

}  // namespace tandem
