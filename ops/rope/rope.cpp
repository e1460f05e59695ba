#include "ops/rope/rope.h"

#include <fmt/core.h>

#include "ops/rope/rope_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value rope(Context& ctx, const Value& x, const Tensor& positions, const RopeTable& table, int head_dim) {
    if (head_dim < 2 || head_dim % 2 != 0 || x.dim(-1) % head_dim != 0)
        throw Error(
            fmt::format("[rope] expected an even head_dim that divides the {} columns of x, got {}; check head_dim "
                        "in the model's config",
                        x.dim(-1), head_dim));
    DType accumulate = accumulator_type(x.dtype());
    expect("rope", "positions", positions.shape(), Shape{x.dim(0)});
    expect("rope", "a cosine table", table.cos.shape(), Shape{table.cos.dim(0), head_dim / 2});
    expect("rope", "a sine table", table.sin.shape(), table.cos.shape());
    expect("rope", "tables in f64 for x in f64, else in f32",
           table.cos.dtype() == accumulate && table.sin.dtype() == accumulate);
    Value y(ctx.run({"rope", cost::elementwise(x, x), {x, positions, table.cos, table.sin}}, like(x, "rope.y"),
                    [&](auto device, const Tensor& y) {
                        rope_rotate(device, {x, positions, table, head_dim, Rotation::forward, y, {}});
                    }));
    ctx.backward(y, {x}, [slot = x.slot(), positions, table, head_dim](Context& ctx, Tensor dy) {
        GradOut dx = ctx.grad(slot);
        Cost cost = cost::elementwise(dy, dx.out);
        ctx.run({"rope.backward", cost, {dy, positions, table.cos, table.sin}, {dx}}, [&](auto device) {
            rope_rotate(device, {dy, positions, table, head_dim, Rotation::inverse, dx.out, dx.addend});
        });
    });
    return y;
}

}  // namespace tandem
