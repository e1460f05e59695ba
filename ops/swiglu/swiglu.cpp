#include "ops/swiglu/swiglu.h"

#include "ops/swiglu/swiglu_kernels.h"
#include "runtime/check.h"

namespace tandem {

Value swiglu(Context& ctx, const Value& gate, const Value& up) {
    expect("swiglu", "up", up.shape(), gate.shape());
    expect("swiglu", "gate and up of one type", gate.dtype() == up.dtype());
    Value y(ctx.run({"swiglu", cost::elementwise(gate, up, gate), {gate, up}}, like(gate, "swiglu.y"),
                    [&](auto device, const Tensor& y) { swiglu_forward(device, {gate, up, y}); }));
    ctx.backward(y, {gate, up}, [gate, up](Context& ctx, Tensor dy) {
        GradOut dgate = ctx.grad(gate), dup = ctx.grad(up);
        const Cost cost = cost::elementwise(gate, up, dy, dgate.out, dup.out);
        ctx.run({"swiglu.backward", cost, {gate, up, dy}, {dgate, dup}},
                [&](auto device) { swiglu_backward(device, {gate, up, dy, dgate, dup}); });
    });
    return y;
}

}  // namespace tandem
