// The twins' signatures.
#pragma once
#include "ops/linear/linear_kernels.h"
#include "ops/lm_head/lm_head.h"

namespace tandem {

void lm_head_logits(const CpuDevice& device, const Tensor& h, const WeightBytes& weight, const Tensor& logits);
void lm_head_logits(const CudaDevice& device, const Tensor& h, const WeightBytes& weight, const Tensor& logits);

struct LossForward {
    Tensor h;           // [tokens, hidden]
    WeightBytes weight;
    LossTargets targets;  // of all chunks
    std::int64_t begin, end;  // this chunk's supervised rows
    double scale;
    Tensor hidden;   // [chunk, hidden] in h's type: the rows, gathered
    Tensor logits;   // [chunk, vocab] in the accumulation type
    Tensor losses;   // [supervised] f64, this chunk's part is written
};
// Gathers the rows and computes their logits.
void lm_head_rows(const CpuDevice& device, const LossForward& args);
void lm_head_rows(const CudaDevice& device, const LossForward& args);

// Each row's loss (not scaled). The CPU leaves each row's softmax in logits, CUDA the logits: lm_head_dlogits starts
// from that.
void lm_head_losses(const CpuDevice& device, const LossForward& args);
void lm_head_losses(const CudaDevice& device, const LossForward& args);

struct LossBackward {
    LossForward forward;
    Tensor dlogits;   // [chunk, vocab] in h's type; may be forward.logits itself
    Tensor dhidden;   // [chunk, hidden] in h's type
    GradOut dh;       // [tokens, hidden]; the addend is dh itself
    GradOut dweight;  // [vocab, hidden]
};
void lm_head_dlogits(const CpuDevice& device, const LossBackward& args);
void lm_head_dlogits(const CudaDevice& device, const LossBackward& args);

// From dlogits to h and the weight.
void lm_head_gradients(const CpuDevice& device, const LossBackward& args);
void lm_head_gradients(const CudaDevice& device, const LossBackward& args);

// out = sum of losses * scale, in order
void lm_head_loss_sum(const CpuDevice& device, const Tensor& losses, double scale, const Tensor& out);
void lm_head_loss_sum(const CudaDevice& device, const Tensor& losses, double scale, const Tensor& out);

// out = addend, or 0 where there is none
void lm_head_gradient_start(const CpuDevice& device, const GradOut& dh);
void lm_head_gradient_start(const CudaDevice& device, const GradOut& dh);

}  // namespace tandem
