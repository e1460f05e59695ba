#include "ops/grad_norm/grad_norm.h"

#include "ops/grad_norm/grad_norm_kernels.h"
#include "runtime/check.h"

namespace tandem {

void sum_of_squares(Context& ctx, const Tensor& gradient, const Tensor& out) {
    expect("sum_of_squares", "out", out.shape(), Shape{1});
    ctx.run({"sum_of_squares", cost::elementwise(gradient), {gradient}, {out}},
            [&](auto device) { sum_of_squares_kernel(device, gradient, out); });
}

}  // namespace tandem
