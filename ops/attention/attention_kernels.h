// The twins' signatures.
#pragma once
#include "ops/attention/attention.h"

namespace tandem {

struct AttentionForward {
    Tensor q, k, v, cu_seqlens;
    AttentionShape shape;
    Tensor y;
    Tensor lse;  // [heads, tokens] in the accumulation type: log of the sum of exp(scores)
};
void attention_forward(const CpuDevice& device, const AttentionForward& args);
void attention_forward(const CudaDevice& device, const AttentionForward& args);

struct AttentionBackward {
    Tensor q, k, v, cu_seqlens;
    AttentionShape shape;
    Tensor y, lse, dy;
    Tensor delta;  // scratch of lse's shape: sum of dy * y over head_dim
    GradOut dq, dk, dv;
};
void attention_backward(const CpuDevice& device, const AttentionBackward& args);
void attention_backward(const CudaDevice& device, const AttentionBackward& args);

struct AttentionCached {
    Tensor q, k, v;
    KvCache cache;
    AttentionShape shape;
    Tensor y;
};
void attention_cached_forward(const CpuDevice& device, const AttentionCached& args);
void attention_cached_forward(const CudaDevice& device, const AttentionCached& args);

}  // namespace tandem
