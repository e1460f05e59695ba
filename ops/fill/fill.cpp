#include "ops/fill/fill.h"

#include "ops/fill/fill_kernels.h"

namespace tandem {

void fill_zero(Context& ctx, const Tensor& t) {
    ctx.run({"fill_zero", cost::elementwise(t), {}, {t}}, [&](auto device) { fill_zero_kernel(device, t); });
}

}  // namespace tandem
