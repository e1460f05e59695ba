#include "models/llama/graph.h"

#include "ops/add/add.h"
#include "ops/embedding/embedding.h"
#include "ops/rmsnorm/rmsnorm.h"
#include "ops/swiglu/swiglu.h"

namespace tandem {

namespace {

struct BlockInput {
    const Llama& model;
    const Batch& batch;
    KvCaches* caches;
};

Value attend(Context& ctx, const BlockInput& in, int layer, const Value& q, const Value& k, const Value& v) {
    const LlamaConfig& c = in.model.config;
    AttentionShape shape{c.heads, c.kv_heads, c.head_dim};
    if (!in.caches) return attention(ctx, q, k, v, in.batch.cu_seqlens, shape);
    KvCache cache = in.caches->layers[std::size_t(layer)];
    cache.past = int(in.caches->past);
    return Value(attention_cached(ctx, q, k, v, cache, shape));
}

Value block(Context& ctx, const BlockInput& in, int i, Value h) {
    const LlamaConfig& c = in.model.config;
    const LayerParams& w = in.model.params.layers[std::size_t(i)];
    const TokenRotation& turn = in.batch.rotation;
    Value x = rmsnorm(ctx, h, w.input_norm, c.rms_eps);  // [tokens, hidden]
    Value q = linear(ctx, x, w.q_proj);
    Value k = linear(ctx, x, w.k_proj);
    Value v = linear(ctx, x, w.v_proj);
    q = rope(ctx, q, turn.rows, turn.table, c.head_dim);
    k = rope(ctx, k, turn.rows, turn.table, c.head_dim);
    Value a = attend(ctx, in, i, q, k, v);  // documents do not see each other
    Value o = linear(ctx, a, w.o_proj);
    h = add(ctx, h, o);
    x = rmsnorm(ctx, h, w.post_norm, c.rms_eps);
    Value gate = linear(ctx, x, w.gate_proj);
    Value up = linear(ctx, x, w.up_proj);
    Value m = swiglu(ctx, gate, up);
    Value d = linear(ctx, m, w.down_proj);
    return add(ctx, h, d);
}

}  // namespace

Value hidden_states(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch, KvCaches* caches,
                    const Probe& probe) {
    const Params& p = model.params;
    BlockInput in{model, batch, caches};
    Keep keep{model.recompute};
    if (model.activations == Place::host && ctx.on_cuda()) keep.inputs = std::make_shared<HostInputs>();
    Value h = layer(ctx, store, p.embedding.unit, {}, keep, [in](Context& c, const Value&) {
        return embedding(c, in.batch.tokens, in.model.params.embedding.weight);
    });
    if (probe) probe(p.embedding.unit, h);
    for (int i = 0; i < model.config.layers; i++) {
        int unit = p.layers[std::size_t(i)].unit;
        h = layer(ctx, store, unit, h, keep,
                  [in, i](Context& c, const Value& x) { return block(c, in, i, x); });
        if (probe) probe(unit, h);
    }
    if (caches) caches->past += batch.tokens.dim(0);
    return h;
}

Tensor evaluate(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch, double scale) {
    const HeadParams& w = model.params.head;
    Value h = hidden_states(ctx, model, store, batch);
    LeaseScope lease(ctx, store, w.unit);
    Value x = rmsnorm(ctx, h, w.norm, model.config.rms_eps);
    return lm_head_loss(ctx, x, w.weight, batch.targets, {scale, default_rows_per_chunk(model.config.vocab), {}});
}

namespace {
// Norm, head, loss and their gradients under one lease; h's slot then holds the gradient of the last hidden state.
Tensor head_forward_backward(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch,
                             const LossOptions& options, Value h) {
    const HeadParams& w = model.params.head;
    LeaseScope lease(ctx, store, w.unit);
    std::optional<GradScope> gradients;
    if (model.params.trains(w.unit)) gradients.emplace(ctx, store, w.unit);
    Tape tape;
    Tensor loss;
    {
        TapeScope record(ctx, &tape);
        Value x = rmsnorm(ctx, h, w.norm, model.config.rms_eps);
        loss = lm_head_loss(ctx, x, w.weight, batch.targets, options);
    }
    tape.run(ctx);
    if (gradients) std::move(*gradients).reduce();
    return loss;
}
}  // namespace

Tensor forward_backward(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch, double scale,
                        const RowLoss& own) {
    TrainingScope training(ctx, batch.samples, batch.positions);
    Tape tape;
    Value h = [&] {
        TapeScope record(ctx, &tape);
        return hidden_states(ctx, model, store, batch);
    }();
    Tensor loss = head_forward_backward(ctx, model, store, batch,
                                        {scale, default_rows_per_chunk(model.config.vocab), own}, std::move(h));
    tape.run(ctx);
    return loss;
}

Tensor logits(Context& ctx, const Llama& model, LayerStore& store, const Tensor& h) {
    const HeadParams& w = model.params.head;
    LeaseScope lease(ctx, store, w.unit);
    Value x = rmsnorm(ctx, Value(h), w.norm, model.config.rms_eps);
    return lm_head(ctx, x, w.weight);
}

KvCaches make_kv_caches(Context& ctx, const LlamaConfig& c, std::int64_t capacity) {
    KvCaches caches;
    Shape shape{capacity, std::int64_t(c.kv_heads) * c.head_dim};
    for (int i = 0; i < c.layers; i++) {
        Tensor k = ctx.empty(shape, ctx.compute_type(), "kv_cache.k");
        Tensor v = ctx.empty(shape, ctx.compute_type(), "kv_cache.v");
        caches.layers.push_back({std::move(k), std::move(v), 0});
    }
    return caches;
}

std::vector<int> forward_schedule(const Params& p) {
    std::vector<int> units{p.embedding.unit};
    for (const LayerParams& w : p.layers) units.push_back(w.unit);
    units.push_back(p.head.unit);
    return units;
}

std::vector<int> training_schedule(const Params& p) {
    std::vector<int> down = forward_schedule(p), units = down;
    std::size_t lowest = 0;
    while (lowest + 1 < down.size() && !p.trains(down[lowest])) lowest++;
    for (std::size_t i = down.size() - 1; i-- > lowest;) units.push_back(down[i]);
    return units;
}

}  // namespace tandem
