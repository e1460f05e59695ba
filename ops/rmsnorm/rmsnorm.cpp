#include "ops/rmsnorm/rmsnorm.h"

#include "ops/rmsnorm/rmsnorm_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value rmsnorm(Context& ctx, const Value& x, const Param& weight, double eps) {
    expect("rmsnorm", "weight", weight.shape, Shape{x.dim(-1)});
    const Output scale{{x.rows()}, accumulator_type(x.dtype()), "rmsnorm.rstd"};
    auto [out, rstd] = ctx.run({"rmsnorm", cost::elementwise(x, x), {x, weight}}, {like(x, "rmsnorm.y"), scale},
                               [&](auto device, const Tensor& y, const Tensor& rstd) {
                                   rmsnorm_forward(device, {x, ctx.bytes(weight), eps, y, rstd});
                               });
    Value y(out);
    ctx.backward(y, {x, weight}, [x, weight, rstd = rstd](Context& ctx, Tensor dy) {
        GradOut dx = ctx.grad(x), dweight = ctx.grad(weight);
        ctx.run({"rmsnorm.backward", cost::elementwise(x, dy, dx.out), {x, weight, rstd, dy}, {dx, dweight}},
                [&](auto device) {
                    rmsnorm_backward(device, {x, ctx.bytes(weight), rstd, dy, dx, dweight});
                });
    });
    return y;
}

}  // namespace tandem
