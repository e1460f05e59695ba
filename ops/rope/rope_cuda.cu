#include "ops/rope/rope_kernels.h"

namespace tandem {

void rope_rotate(const CudaDevice&, const RopeRotate&) { throw Error("[rope_rotate] pending"); }

}  // namespace tandem
