// The Llama graph (Touvron et al., 2023), serving Llama 2 and 3, SmolLM2, Mistral and Qwen2 from one table.
#pragma once
#include "models/llama/batch.h"
#include "models/llama/params.h"
#include "ops/attention/attention.h"
#include "runtime/layer.h"

namespace tandem {

struct Llama {
    LlamaConfig config;
    Params params;
    Rotary rotary;
    Recompute recompute = Recompute::block;
    Place activations = Place::device;  // of block inputs; on a CPU rank, whose device is the host, both are one
};

// Keys and values of the tokens so far, of each layer. For generation.
struct KvCaches {
    std::vector<KvCache> layers;
    std::int64_t past = 0;
};
KvCaches make_kv_caches(Context& ctx, const LlamaConfig& config, std::int64_t capacity);

// The order in which a step uses the units: down the layers, and up again as far as something is trained.
std::vector<int> training_schedule(const Params& params);
std::vector<int> forward_schedule(const Params& params);

// Is told of each unit's output in turn; finds where numbers go bad.
using Probe = std::function<void(int unit, const Tensor& h)>;

// After the last layer, before the final norm. With caches: the batch is one document that goes on where they end.
Value hidden_states(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch,
                    KvCaches* caches = nullptr, const Probe& probe = {});

// Loss of the supervised tokens, scale * their sum, f64 [1]; records nothing, keeps nothing.
Tensor evaluate(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch, double scale);

// As evaluate, and adds the gradients of every trainable to the store's. `own`: a loss in the place of cross-entropy.
Tensor forward_backward(Context& ctx, const Llama& model, LayerStore& store, const Batch& batch, double scale,
                        const RowLoss& own = {});

// [rows, vocab] of hidden states before the final norm.
Tensor logits(Context& ctx, const Llama& model, LayerStore& store, const Tensor& h);

}  // namespace tandem
