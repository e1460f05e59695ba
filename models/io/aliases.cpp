#include <algorithm>
#include <vector>

#include "models/io/find_model.h"

namespace tandem {

namespace {

struct Size {
    int hidden, layers, heads, kv_heads, intermediate;
};

ModelAlias llama2(const char* name, const char* hub_id, Size s) {
    LlamaConfig c;
    c.hidden = s.hidden;
    c.layers = s.layers;
    c.heads = s.heads;
    c.kv_heads = s.kv_heads;
    c.head_dim = s.hidden / s.heads;
    c.intermediate = s.intermediate;
    c.vocab = 32000;
    c.max_positions = 4096;
    c.rms_eps = 1e-5f;
    c.eos_ids = {2};
    c.bos_id = 1;
    c.stored = DType::f16;
    return {name, hub_id, c};
}

ModelAlias llama3(const char* name, const char* hub_id, Size s) {
    LlamaConfig c = llama2(name, hub_id, s).shape;
    c.vocab = 128256;
    c.max_positions = 8192;
    c.rope.theta = 500000;
    c.eos_ids = {128001};
    c.bos_id = 128000;
    c.stored = DType::bf16;
    return {name, hub_id, c};
}

ModelAlias smollm2(const char* name, const char* hub_id, Size s) {
    LlamaConfig c = llama2(name, hub_id, s).shape;
    c.vocab = 49152;
    c.max_positions = 8192;
    c.rope.theta = 100000;
    c.tied = true;
    c.stored = DType::bf16;
    return {name, hub_id, c};
}

}  // namespace

std::span<const ModelAlias> model_aliases() {
    static const std::vector<ModelAlias> all{
        llama2("llama7b", "meta-llama/Llama-2-7b-hf", {4096, 32, 32, 32, 11008}),
        llama2("llama13b", "meta-llama/Llama-2-13b-hf", {5120, 40, 40, 40, 13824}),
        llama2("llama70b", "meta-llama/Llama-2-70b-hf", {8192, 80, 64, 8, 28672}),
        llama3("llama3-8b", "meta-llama/Meta-Llama-3-8B", {4096, 32, 32, 8, 14336}),
        llama3("llama3-70b", "meta-llama/Meta-Llama-3-70B", {8192, 80, 64, 8, 28672}),
        smollm2("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", {576, 30, 9, 3, 1536}),
    };
    return all;
}

const ModelAlias* find_alias(std::string_view name) {
    std::span<const ModelAlias> all = model_aliases();
    auto at = std::ranges::find(all, name, &ModelAlias::name);
    return at == all.end() ? nullptr : &*at;
}

}  // namespace tandem
