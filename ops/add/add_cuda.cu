#include "ops/add/add_kernels.h"

namespace tandem {

void add_forward(const CudaDevice&, const AddForward&) { throw Error("[add_forward] pending"); }

}  // namespace tandem
