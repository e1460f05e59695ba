// The twins' signatures.
#pragma once
#include "runtime/context.h"

namespace tandem {

struct SwigluForward {
    Tensor gate, up;
    Tensor y;
};
void swiglu_forward(const CpuDevice& device, const SwigluForward& args);
void swiglu_forward(const CudaDevice& device, const SwigluForward& args);

struct SwigluBackward {
    Tensor gate, up, dy;
    GradOut dgate, dup;
};
void swiglu_backward(const CpuDevice& device, const SwigluBackward& args);
void swiglu_backward(const CudaDevice& device, const SwigluBackward& args);

}  // namespace tandem
