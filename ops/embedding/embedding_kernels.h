// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct EmbeddingForward {
    Tensor tokens, weight;
    Tensor y;
};
void embedding_forward(const CpuDevice& device, const EmbeddingForward& args);
void embedding_forward(const CudaDevice& device, const EmbeddingForward& args);

struct EmbeddingBackward {
    Tensor tokens, dy;
    GradOut dweight;  // [vocab, hidden] in the gradient type; the addend is `out` itself
};
void embedding_backward(const CpuDevice& device, const EmbeddingBackward& args);
void embedding_backward(const CudaDevice& device, const EmbeddingBackward& args);

}  // namespace tandem
