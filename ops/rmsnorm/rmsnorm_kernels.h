// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct RmsnormForward {
    Tensor x, weight;
    double eps;
    Tensor y, rstd;  // rstd: [tokens] in the accumulation type, 1 / sqrt(mean + eps)
};
void rmsnorm_forward(const CpuDevice& device, const RmsnormForward& args);
void rmsnorm_forward(const CudaDevice& device, const RmsnormForward& args);

struct RmsnormBackward {
    Tensor x, weight, rstd, dy;
    GradOut dx;
    GradOut dweight;  // [hidden] in the gradient type
};
void rmsnorm_backward(const CpuDevice& device, const RmsnormBackward& args);
void rmsnorm_backward(const CudaDevice& device, const RmsnormBackward& args);

}  // namespace tandem
