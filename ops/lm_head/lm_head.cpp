#include "ops/lm_head/lm_head.h"

#include <algorithm>

#include "ops/lm_head/lm_head_kernels.h"
#include "runtime/check.h"

namespace tandem {

namespace {

Cost product_cost(const Tensor& hidden, const Tensor& logits, const Weight& w) {
    return cost::matmul(logits.rows(), logits.dim(-1), hidden.dim(-1),
                        double(logits.bytes() + hidden.bytes()) +
                            double(w.param.shape.elements()) * double(size_of(w.param.dtype)));
}

}  // namespace

std::int64_t default_rows_per_chunk(std::int64_t vocab) {
    return std::max<std::int64_t>(32, (96 << 20) / (vocab * std::int64_t(sizeof(float))));
}

Tensor lm_head(Context& ctx, const Tensor& h, const Weight& weight) {
    expect("lm_head", "h and weight of equal width", h.dim(-1) == weight.param.shape[1]);
    Tensor logits = ctx.empty({h.rows(), weight.param.shape[0]}, accumulator_type(h.dtype()), "lm_head.logits");
    ctx.run({"lm_head", product_cost(h, logits, weight), {h}, {logits}}, [&](auto device) {
        lm_head_logits(device, h, {ctx.bytes(weight.param), weight.quant}, logits);
    });
    return logits;
}

Tensor lm_head_loss(Context& ctx, const Value& h, const Weight& weight, const LossTargets& targets, double scale,
                    std::int64_t rows_per_chunk) {
    expect("lm_head_loss", "h and weight of equal width", h.dim(-1) == weight.param.shape[1]);
    expect("lm_head_loss", "a dense weight", !weight.quant);
    expect("lm_head_loss", "targets", targets.targets.shape(), targets.rows.shape());
    std::int64_t supervised = targets.rows.dim(0), chunk = std::min(rows_per_chunk, supervised);
    std::int64_t vocab = weight.param.shape[0], width = h.dim(-1);
    bool learns = ctx.recording() && (ctx.wants(h) || weight.param.trainable);

    Tensor losses = ctx.empty({supervised}, DType::f64, "lm_head.losses");
    Tensor hidden = ctx.empty({chunk, width}, h.dtype(), "lm_head.hidden");
    Tensor logits = ctx.empty({chunk, vocab}, accumulator_type(h.dtype()), "lm_head.logits");
    Tensor dlogits, dhidden;
    GradOut dh, dweight;
    if (learns) {
        dlogits = logits.dtype() == h.dtype() ? logits : ctx.empty({chunk, vocab}, h.dtype(), "lm_head.dlogits");
        dhidden = ctx.empty({chunk, width}, h.dtype(), "lm_head.dhidden");
        dh = ctx.grad(h);
        dweight = ctx.grad(weight.param);
        if (dh)
            ctx.run({"lm_head.gradient_start", cost::elementwise(dh.out), {dh.addend}, {dh.out}},
                    [&](auto device) { lm_head_gradient_start(device, dh); });
    }
    for (std::int64_t begin = 0; begin < supervised; begin += chunk) {
        std::int64_t end = std::min(supervised, begin + chunk), rows = end - begin;
        LossForward part{h, {}, targets, begin, end, scale, hidden.slice(0, rows), logits.slice(0, rows), losses};
        ctx.run({"lm_head_loss", product_cost(part.hidden, part.logits, weight), {h}, {hidden, logits, losses}},
                [&](auto device) {
                    part.weight = {ctx.bytes(weight.param), weight.quant};
                    lm_head_loss_forward(device, part);
                });
        if (!learns) continue;
        ctx.run({"lm_head_loss.backward", product_cost(part.hidden, part.logits, weight), {logits, hidden}, {dh.out}},
                [&](auto device) {
                    part.weight = {ctx.bytes(weight.param), weight.quant};
                    lm_head_loss_backward(device, {part, dlogits.slice(0, rows), dhidden.slice(0, rows),
                                                   {dh.out, dh.out}, dweight});
                });
    }
    Tensor loss = ctx.empty({1}, DType::f64, "lm_head.loss");
    ctx.run({"lm_head_loss.sum", cost::elementwise(losses), {losses}, {loss}},
            [&](auto device) { lm_head_loss_sum(device, losses, scale, loss); });
    return loss;
}

}  // namespace tandem
