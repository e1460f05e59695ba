#include "ops/add/add.h"

#include "ops/add/add_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value add(Context& ctx, const Value& a, const Value& b) {
    expect("add", "b", b.shape(), a.shape());
    expect("add", "a and b of one type", a.dtype() == b.dtype());
    Value y(ctx.run({"add", cost::elementwise(a, b, a), {a, b}}, like(a, "add.y"),
                    [&](auto device, const Tensor& y) { add_forward(device, {a, b, y}); }));
    ctx.backward(y, {a, b}, [a = a.slot(), b = b.slot()](Context& ctx, Tensor dy) {
        for (const GradSlotPtr& slot : {a, b}) {
            GradOut to = ctx.pass(slot, dy);
            if (!to) continue;
            ctx.run({"add.backward", cost::elementwise(dy, to.addend, to.out), {dy}, {to}},
                    [&](auto device) {
                        add_forward(device, {to.addend, dy, to.out});
                    });
        }
    });
    return y;
}

}  // namespace tandem
