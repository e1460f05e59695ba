#include "ops/reshape/reshape.h"

#include "ops/add/add_kernels.h"

namespace tandem {

Value reshape(Context& ctx, const Value& x, const Shape& shape) {
    Value y(x.tensor().reshape(shape));
    ctx.backward(y, {x}, [slot = x.slot()](Context& ctx, Tensor dy) {
        dy = dy.reshape(slot->shape);
        GradOut dx = ctx.pass(slot, dy);
        if (!dx) return;
        ctx.run({"reshape.backward", cost::elementwise(dy, dx.addend, dx.out), {dy}, {dx}},
                [&](auto device) { add_forward(device, {dx.addend, dy, dx.out}); });
    });
    return y;
}

}  // namespace tandem
