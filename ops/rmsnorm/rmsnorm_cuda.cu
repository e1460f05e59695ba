#include "ops/rmsnorm/rmsnorm_kernels.h"

namespace tandem {

void rmsnorm_forward(const CudaDevice&, const RmsnormForward&) { throw Error("[rmsnorm_forward] pending"); }
void rmsnorm_backward(const CudaDevice&, const RmsnormBackward&) { throw Error("[rmsnorm_backward] pending"); }

}  // namespace tandem
