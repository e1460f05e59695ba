#include "ops/swiglu/swiglu_kernels.h"

namespace tandem {

void swiglu_forward(const CudaDevice&, const SwigluForward&) { throw Error("[swiglu_forward] pending"); }
void swiglu_backward(const CudaDevice&, const SwigluBackward&) { throw Error("[swiglu_backward] pending"); }

}  // namespace tandem
