#include "ops/linear/linear.h"

#include "ops/dropout/dropout_kernels.h"
#include "ops/linear/linear_kernels.h"
#include "runtime/check.h"

namespace tandem {

namespace {

WeightBytes bytes_of(Context& ctx, const Weight& w) { return {ctx.bytes(w.param), w.quant}; }

// y: a tensor, or what is to become one.
Cost weight_cost(const Linear& w, const Tensor& x, const auto& y) {
    std::int64_t out = w.weight.param.shape[0], in = w.weight.param.shape[1];
    double weight_bytes = w.weight.quant ? double(quant_bytes(*w.weight.quant, out, in))
                                         : double(out * in) * double(size_of(w.weight.param.dtype));
    return cost::matmul(x.rows(), out, in, weight_bytes + double(x.bytes() + y.bytes()));
}

Cost down_cost(const Lora& l, const Tensor& x) {
    return cost::matmul(x.rows(), l.a.shape[0], x.dim(-1), double(x.bytes()));
}
Cost up_cost(const Lora& l, const Tensor& y) {
    return cost::matmul(y.rows(), y.dim(-1), l.a.shape[0], double(y.bytes()));
}

bool drops(const Context& ctx, const Lora& l) { return l.dropout > 0 && ctx.random.samples; }

// Whether lora_down and lora_backward apply the mask: on a card, where rows of x and A are whole in 16 bytes and a
// block of threads has room for every rank.
bool masks_in_kernels(const Context& ctx, const Tensor& x, const Lora& l) {
    return ctx.on_cuda() && x.dtype() == DType::bf16 && x.dim(-1) % 8 == 0 && l.a.shape[0] % 8 == 0 &&
           l.a.shape[0] <= 128;
}

Dropped dropped(Context& ctx, const Tensor& x, const Lora& l) {
    if (!drops(ctx, l)) return {x, {}};
    if (masks_in_kernels(ctx, x, l)) return {x, DropoutMask{l.site, l.dropout, ctx.random}};
    const RandomState& r = ctx.random;
    return {ctx.run({"lora.dropout", cost::elementwise(x, x), {x, r.samples, r.positions}}, like(x, "lora.dropped"),
                    [&](auto device, const Tensor& out) { dropout_forward(device, {x, l.site, l.dropout, r, out}); }),
            {}};
}

// Two ops, so that a recomputed block whose y nobody reads makes `down` only.
Tensor add_lora(Context& ctx, const Tensor& x, const Lora& l, const Tensor& y) {
    Dropped in = dropped(ctx, x, l);
    const Output narrow{{x.rows(), l.a.shape[0]}, x.dtype(), "lora.down"};
    Tensor down = ctx.run({"lora.down", down_cost(l, in.x), {in.x, l.a}}, narrow,
                          [&](auto device, const Tensor& down) { lora_down(device, in, ctx.bytes(l.a), down); });
    ctx.run({"lora.up", up_cost(l, y), {down, l.b}, {y}}, [&](auto device) {
        lora_up(device, down, ctx.bytes(l.b), l.scale, y);
    });
    return down;
}

void lora_gradients(Context& ctx, const Value& x, const Lora& l, const Tensor& down, const Tensor& dy) {
    Dropped in = dropped(ctx, x, l);
    bool through_mask = drops(ctx, l) && !in.mask && ctx.wants(x);
    GradOut dx;
    if (through_mask) dx.out = ctx.empty_like(x, "lora.dx");
    else dx = ctx.grad(x);
    Cost c;
    for (int products = 0; products < 2; products++) {
        c += down_cost(l, x);
        c += up_cost(l, dy);
    }
    GradOut da = ctx.grad(l.a), db = ctx.grad(l.b);
    ctx.run({"lora.backward", c, {in.x, l.a, l.b, down, dy}, {da, db, dx}}, like(down, "lora.up"),
            [&](auto device, const Tensor& up) {
                lora_backward(device, {dy, in, ctx.bytes(l.a), ctx.bytes(l.b), down, l.scale, up, da, db, dx});
            });
    if (!through_mask) return;
    GradOut to = ctx.grad(x);
    ctx.run({"lora.dropout.backward", cost::elementwise(dx.out, to.out), {dx.out}, {to}},
            [&](auto device) {
                dropout_backward(device, {dx.out, l.site, l.dropout, ctx.random, to});
            });
}

void weight_gradients(Context& ctx, const Value& x, const Linear& w, const Tensor& dy) {
    GradOut dx = ctx.grad(x);
    if (dx)
        ctx.run({"linear.backward", weight_cost(w, dx.out, dy), {dy, w.weight.param}, {dx}}, [&](auto device) {
            linear_input_gradient(device, {dy, bytes_of(ctx, w.weight), dx});
        });
    GradOut dweight = ctx.grad(w.weight.param), dbias = ctx.grad(w.bias);
    if (dweight)
        ctx.run({"linear.weight_gradient", weight_cost(w, x, dy), {x, dy}, {dweight}}, [&](auto device) {
            linear_weight_gradient(device, {dy, x, 1.0, dweight});
        });
    if (dbias)
        ctx.run({"linear.bias_gradient", cost::elementwise(dy), {dy}, {dbias}}, [&](auto device) {
            linear_bias_gradient(device, dy, dbias);
        });
}

}  // namespace

Value linear(Context& ctx, const Value& x, const Linear& w) {
    const Param& weight = w.weight.param;
    expect("linear", "x and weight of equal width", x.dim(-1) == weight.shape[1]);
    expect("linear", "a frozen weight where it is quantized", !(w.weight.quant && weight.trainable));
    const Output rows{{x.rows(), weight.shape[0]}, x.dtype(), "linear.y"};
    Value y(ctx.run({"linear", weight_cost(w, x, rows), {x, weight, w.bias}}, rows,
                    [&](auto device, const Tensor& y) {
                        linear_forward(device, {x, bytes_of(ctx, w.weight), w.bias ? ctx.bytes(w.bias) : Tensor(), y});
                    }));
    Tensor down = w.lora ? add_lora(ctx, x, *w.lora, y) : Tensor();
    bool keeps_x = w.lora || weight.trainable;
    Value in = keeps_x ? x : Value(Tensor(), x.slot());
    ctx.backward(y, {x, weight, w.bias, Wants(keeps_x)}, [in, w, down](Context& ctx, Tensor dy) {
        weight_gradients(ctx, in, w, dy);
        if (w.lora) lora_gradients(ctx, in, *w.lora, down, dy);
    });
    return y;
}

}  // namespace tandem
