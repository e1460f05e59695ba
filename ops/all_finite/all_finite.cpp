#include "ops/all_finite/all_finite.h"

#include "ops/all_finite/all_finite_kernels.h"
#include "runtime/check.h"

namespace tandem {

void all_finite(Context& ctx, const Tensor& x, const Tensor& out) {
    expect("all_finite", "out", out.shape(), Shape{1});
    ctx.run({"all_finite", cost::elementwise(x), {x}, {out}},
            [&](auto device) { all_finite_kernel(device, x, out); });
}

}  // namespace tandem
