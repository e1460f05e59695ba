#include "ops/linear/linear_kernels.h"

namespace tandem {

void linear_forward(const CudaDevice&, const LinearForward&) { throw Error("[linear_forward] pending"); }
void linear_input_gradient(const CudaDevice&, const LinearInputGradient&) { throw Error("[linear_input_gradient] pending"); }
void linear_weight_gradient(const CudaDevice&, const LinearWeightGradient&) { throw Error("[linear_weight_gradient] pending"); }
void linear_bias_gradient(const CudaDevice&, const Tensor&, const GradOut&) { throw Error("[linear_bias_gradient] pending"); }
void lora_down(const CudaDevice&, const Tensor&, const Tensor&, const Tensor&) { throw Error("[lora_down] pending"); }
void lora_up(const CudaDevice&, const Tensor&, const Tensor&, double, const Tensor&) { throw Error("[lora_up] pending"); }
void lora_backward(const CudaDevice&, const LoraBackward&) { throw Error("[lora_backward] pending"); }

}  // namespace tandem
