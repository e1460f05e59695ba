// The twins' signatures.
#pragma once
#include "ops/linear/linear.h"

namespace tandem {

// A weight as bytes: of the lease that is held now.
struct WeightBytes {
    Tensor bytes;  // [out, in]; data only, when quantized
    std::optional<QuantSpec> quant;
};

// y = x W^T + bias
struct LinearForward {
    Tensor x;
    WeightBytes weight;
    Tensor bias;  // empty: none
    Tensor y;
};
void linear_forward(const CpuDevice& device, const LinearForward& args);
void linear_forward(const CudaDevice& device, const LinearForward& args);

// dx = addend + dy W
struct LinearInputGradient {
    Tensor dy;
    WeightBytes weight;
    GradOut dx;
};
void linear_input_gradient(const CpuDevice& device, const LinearInputGradient& args);
void linear_input_gradient(const CudaDevice& device, const LinearInputGradient& args);

// dW += scale * dy^T x, in the gradient type
struct LinearWeightGradient {
    Tensor dy, x;
    double scale;
    GradOut dweight;
};
void linear_weight_gradient(const CpuDevice& device, const LinearWeightGradient& args);
void linear_weight_gradient(const CudaDevice& device, const LinearWeightGradient& args);

// dbias += column sums of dy, rows in order
void linear_bias_gradient(const CpuDevice& device, const Tensor& dy, const GradOut& dbias);
void linear_bias_gradient(const CudaDevice& device, const Tensor& dy, const GradOut& dbias);

struct DropoutMask {
    RandomSite site;
    double p;
    RandomState random;
};
// drop(x) as it is, or x and a mask that is still to be applied: by the kernels that read x, on CUDA alone.
struct Dropped {
    Tensor x;
    std::optional<DropoutMask> mask;
};

// down = dropped A^T
void lora_down(const CpuDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down);
void lora_down(const CudaDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down);
// y += scale * down B^T
void lora_up(const CpuDevice& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y);
void lora_up(const CudaDevice& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y);

// up = scale * dy B; dB += scale * dy^T down; dA += up^T dropped; dx = addend + up A, through the mask where there is
// one.
struct LoraBackward {
    Tensor dy;
    Dropped dropped;
    Tensor a, b, down;
    double scale;
    Tensor up;  // [tokens, rank]
    GradOut da, db;
    GradOut dx;  // empty: nobody wants it
};
void lora_backward(const CpuDevice& device, const LoraBackward& args);
void lora_backward(const CudaDevice& device, const LoraBackward& args);

}  // namespace tandem
