#include "ops/lm_head/lm_head.h"

#include <algorithm>
#include <vector>

#include "ops/lm_head/lm_head_kernels.h"
#include "runtime/check.h"

namespace tandem {

namespace {

Cost product_cost(const Tensor& hidden, const Weight& w) {
    const std::int64_t vocab = w.param.shape[0];
    const double logits = double(hidden.rows() * vocab) * double(size_of(accumulator_type(hidden.dtype())));
    return cost::matmul(hidden.rows(), vocab, hidden.dim(-1),
                        logits + double(hidden.bytes()) +
                            double(w.param.shape.elements()) * double(size_of(w.param.dtype)));
}

}  // namespace

std::int64_t default_rows_per_chunk(std::int64_t vocab) {
    return std::max<std::int64_t>(32, (96 << 20) / (vocab * std::int64_t(sizeof(float))));
}

Tensor lm_head(Context& ctx, const Tensor& h, const Weight& weight) {
    expect("lm_head", "h and weight of equal width", h.dim(-1) == weight.param.shape[1]);
    const Output logits{{h.rows(), weight.param.shape[0]}, accumulator_type(h.dtype()), "lm_head.logits"};
    return ctx.run({"lm_head", product_cost(h, weight), {h, weight.param}}, logits,
                   [&](auto device, const Tensor& out) {
                       lm_head_logits(device, h, {ctx.bytes(weight.param), weight.quant}, out);
                   });
}

namespace {

// What the chunks of one loss share.
struct Chunks {
    Context& ctx;
    const Tensor& h;
    const Weight& weight;
    const LossTargets& targets;
    const LossOptions& options;
    Tensor losses, hidden, logits, dlogits, dhidden;
    Tensor own_dlogits;  // f32 [chunk, vocab], of a loss of one's own where it writes to the rank's memory
    GradOut dh, dweight;

    bool learns() const { return bool(dhidden); }
    WeightBytes bytes() const { return {ctx.bytes(weight.param), weight.quant}; }
    void forward(LossForward part);
    void backward(LossBackward part);
    void own_loss(const LossForward& part, std::int64_t rows);
    void own_loss_on_host(const LossForward& part, std::int64_t rows);
};

template <class T> std::span<T> span_of(const Tensor& t) { return {t.as<T>(), std::size_t(t.elements())}; }

// Memory that the host reads and writes is given to the loss as it is.
void Chunks::own_loss(const LossForward& part, std::int64_t rows) {
    if (ctx.on_cuda()) return own_loss_on_host(part, rows);
    const std::span<float> gradient = span_of<float>(own_dlogits.slice(0, rows));
    options.own({part.logits.dim(-1), options.scale, span_of<float>(part.logits),
                 span_of<std::int32_t>(targets.targets.slice(part.begin, part.end)),
                 span_of<double>(losses.slice(part.begin, part.end)), gradient});
    if (!learns()) return;
    visit_compute(dlogits.dtype(), [&]<class T>() {
        std::transform(gradient.begin(), gradient.end(), dlogits.as<T>(), [](float d) { return T(d); });
    });
}

void Chunks::own_loss_on_host(const LossForward& part, std::int64_t rows) {
    const std::int64_t vocab = part.logits.dim(-1);
    std::vector<float> logits_here(std::size_t(rows * vocab)), gradient(logits_here.size());
    std::vector<std::int32_t> wanted(static_cast<std::size_t>(rows));
    std::vector<double> row_losses(wanted.size());
    ctx.download(std::as_writable_bytes(std::span(logits_here)), part.logits);
    ctx.download(std::as_writable_bytes(std::span(wanted)), targets.targets.slice(part.begin, part.end));
    for (std::int32_t target : wanted)
        expect("lm_head_loss", "targets of the vocabulary", target >= 0 && target < vocab);
    options.own({vocab, options.scale, logits_here, wanted, row_losses, gradient});
    ctx.upload(losses.slice(part.begin, part.end), std::as_bytes(std::span(row_losses)));
    if (!learns()) return;
    visit_compute(dlogits.dtype(), [&]<class T>() {
        const std::vector<T> rounded(gradient.begin(), gradient.end());
        ctx.upload(dlogits.slice(0, rows), std::as_bytes(std::span(rounded)));
    });
}

void Chunks::forward(LossForward part) {
    const Cost cost = product_cost(part.hidden, weight);
    ctx.run({"lm_head_loss", cost, {h, weight.param}, {hidden, logits, losses}},
            [&](auto device) {
                part.weight = bytes();
                lm_head_rows(device, part);
                if (!options.own) lm_head_losses(device, part);
            });
    if (options.own && !ctx.is_plan()) own_loss(part, part.end - part.begin);
}

void Chunks::backward(LossBackward part) {
    ctx.run({"lm_head_loss.backward", product_cost(part.forward.hidden, weight),
             {logits, hidden, weight.param}, {dh, dweight}},
            [&](auto device) {
                part.forward.weight = bytes();
                if (!options.own) lm_head_dlogits(device, part);
                lm_head_gradients(device, part);
            });
}

}  // namespace

Tensor lm_head_loss(Context& ctx, const Value& h, const Weight& weight, const LossTargets& targets,
                    const LossOptions& options) {
    expect("lm_head_loss", "h and weight of equal width", h.dim(-1) == weight.param.shape[1]);
    expect("lm_head_loss", "a dense weight", !weight.quant);
    expect("lm_head_loss", "targets", targets.targets.shape(), targets.rows.shape());
    expect("lm_head_loss", "f32 or bf16 for a loss of one's own", !options.own || h.dtype() != DType::f64);
    const std::int64_t supervised = targets.rows.dim(0), chunk = std::min(options.rows_per_chunk, supervised);
    const std::int64_t vocab = weight.param.shape[0], width = h.dim(-1);
    const bool learns = ctx.recording() && (ctx.wants(h) || weight.param.trainable);

    Chunks c{ctx, h, weight, targets, options, {}, {}, {}, {}, {}, {}, {}, {}};
    c.losses = ctx.empty({supervised}, DType::f64, "lm_head.losses");
    c.hidden = ctx.empty({chunk, width}, h.dtype(), "lm_head.hidden");
    c.logits = ctx.empty({chunk, vocab}, accumulator_type(h.dtype()), "lm_head.logits");
    if (options.own && !ctx.on_cuda()) c.own_dlogits = ctx.empty({chunk, vocab}, DType::f32, "lm_head.own_dlogits");
    if (learns) {
        c.dlogits =
            c.logits.dtype() == h.dtype() ? c.logits : ctx.empty({chunk, vocab}, h.dtype(), "lm_head.dlogits");
        c.dhidden = ctx.empty({chunk, width}, h.dtype(), "lm_head.dhidden");
        c.dh = ctx.grad(h);
        c.dweight = ctx.grad(weight.param);
        if (c.dh)
            ctx.run({"lm_head.gradient_start", cost::elementwise(c.dh.out), {}, {c.dh}},
                    [&](auto device) { lm_head_gradient_start(device, c.dh); });
    }
    for (std::int64_t begin = 0; begin < supervised; begin += chunk) {
        const std::int64_t end = std::min(supervised, begin + chunk), rows = end - begin;
        LossForward part{h, {}, targets, begin, end, options.scale, {}, {}, c.losses};
        part.hidden = c.hidden.slice(0, rows);
        part.logits = c.logits.slice(0, rows);
        c.forward(part);
        if (learns)
            c.backward({part, c.dlogits.slice(0, rows), c.dhidden.slice(0, rows), {c.dh.out, c.dh.out}, c.dweight});
    }
    return ctx.run({"lm_head_loss.sum", cost::elementwise(c.losses), {c.losses}}, {{1}, DType::f64, "lm_head.loss"},
                   [&](auto device, const Tensor& loss) { lm_head_loss_sum(device, c.losses, options.scale, loss); });
}

}  // namespace tandem
