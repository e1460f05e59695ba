#include "ops/rmsnorm/rmsnorm.h"

#include "ops/rmsnorm/rmsnorm_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value rmsnorm(Context& ctx, const Value& x, const Param& weight, double eps) {
    expect("rmsnorm", "weight", weight.shape, Shape{x.dim(-1)});
    Value y(ctx.empty_like(x, "rmsnorm.y"));
    Tensor rstd = ctx.empty({x.rows()}, accumulator_type(x.dtype()), "rmsnorm.rstd");
    ctx.run({"rmsnorm", cost::elementwise(x, y), {x}, {y, rstd}}, [&](auto device) {
        rmsnorm_forward(device, {x, ctx.bytes(weight), eps, y, rstd});
    });
    ctx.backward(y, {x, weight}, [x, weight, rstd](Context& ctx, Tensor dy) {
        GradOut dx = ctx.grad(x), dweight = ctx.grad(weight);
        ctx.run({"rmsnorm.backward", cost::elementwise(x, dy, dx.out), {x, rstd, dy, dx.addend}, {dx.out}},
                [&](auto device) {
                    rmsnorm_backward(device, {x, ctx.bytes(weight), rstd, dy, dx, dweight});
                });
    });
    return y;
}

}  // namespace tandem
