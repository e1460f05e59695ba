#include "ops/swiglu/swiglu.h"

#include "ops/swiglu/swiglu_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value swiglu(Context& ctx, const Value& gate, const Value& up) {
    expect("swiglu", "up", up.shape(), gate.shape());
    expect("swiglu", "gate and up of one type", gate.dtype() == up.dtype());
    Value y(ctx.empty_like(gate, "swiglu.y"));
    ctx.run({"swiglu", cost::elementwise(gate, up, y), {gate, up}, {y}}, [&](auto device) {
        swiglu_forward(device, {gate, up, y});
    });
    ctx.backward(y, {gate, up}, [gate, up](Context& ctx, Tensor dy) {
        GradOut dgate = ctx.grad(gate), dup = ctx.grad(up);
        ctx.run({"swiglu.backward",
                 cost::elementwise(gate, up, dy, dgate.out, dup.out),
                 {gate, up, dy, dgate.addend, dup.addend},
                 {dgate.out, dup.out}},
                [&](auto device) {
                    swiglu_backward(device, {gate, up, dy, dgate, dup});
                });
    });
    return y;
}

}  // namespace tandem
