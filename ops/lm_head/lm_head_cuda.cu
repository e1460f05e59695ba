#include "ops/lm_head/lm_head_kernels.h"

namespace tandem {

void lm_head_logits(const CudaDevice&, const Tensor&, const WeightBytes&, const Tensor&) { throw Error("[lm_head_logits] pending"); }
void lm_head_loss_forward(const CudaDevice&, const LossForward&) { throw Error("[lm_head_loss_forward] pending"); }
void lm_head_loss_backward(const CudaDevice&, const LossBackward&) { throw Error("[lm_head_loss_backward] pending"); }
void lm_head_loss_sum(const CudaDevice&, const Tensor&, double, const Tensor&) { throw Error("[lm_head_loss_sum] pending"); }
void lm_head_gradient_start(const CudaDevice&, const GradOut&) { throw Error("[lm_head_gradient_start] pending"); }

}  // namespace tandem
