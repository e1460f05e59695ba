#include "models/train/check_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_set>

#include "models/io/stored_weight.h"
#include "runtime/utf8.h"

namespace tandem {

namespace {

using Names = std::unordered_set<std::string>;

Names names_used(const Params& params, const CheckpointFiles& files) {
    Names names;
    for (const TableEntry& e : params.table) {
        if (e.kind != TableEntry::Kind::base) continue;
        names.insert(e.name);
        if (std::optional<StoredWeight> w = find_stored_weight(files, e.name))
            for (std::string& part : w->tensors) names.insert(std::move(part));
    }
    return names;
}

bool harmless(const std::string& name, const LlamaConfig& config) {
    return name.ends_with("rotary_emb.inv_freq") || (config.tied && name == "lm_head.weight");
}

// "model.layers.12.mlp…" -> 12
std::optional<int> layer_of(std::string_view name) {
    constexpr std::string_view prefix = "model.layers.";
    int layer = 0;
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), layer);
    bool whole = problem == std::errc() && end != name.data() + name.size() && *end == '.';
    return whole ? std::optional(layer) : std::nullopt;
}

int layers_of(const CheckpointFiles& files) {
    int layers = 0;
    for (const TensorInfo* t : files.tensors()) layers = std::max(layers, layer_of(t->name).value_or(-1) + 1);
    return layers;
}

std::string use_of_bias(const std::string& name, const LlamaConfig& config, const CheckpointFiles& files) {
    std::string model = config.model_type == "llama" ? "" : "\"model_type\": \"llama\" with ";
    if (name.find(".mlp.") != name.npos) return model + "\"mlp_bias\": true would use it";
    bool all_four = files.find(name.substr(0, name.rfind(".self_attn.")) + ".self_attn.o_proj.bias");
    return all_four ? model + "\"attention_bias\": true would use it"
                    : "\"model_type\": \"qwen2\", which has biases of q, k and v alone, would use it";
}

// Parts of names that tell whose a tensor is.
constexpr struct { std::string_view part, owner; } owners[] = {
    {".q_norm.", "\"model_type\": \"qwen3\", which is not supported, would use it"},
    {".k_norm.", "\"model_type\": \"qwen3\", which is not supported, would use it"},
    {"_feedforward_layernorm.", "\"model_type\": \"gemma2\" or \"gemma3\", which is not supported, would use it"},
    {".experts.", "it belongs to a mixture of experts, which is not supported"},
    {".mlp.gate.", "it belongs to a mixture of experts, which is not supported"},
    {".block_sparse_moe.", "it belongs to a mixture of experts, which is not supported"},
    {".qkv_proj.", "\"model_type\": \"phi3\", which is not supported, would use it"},
    {".gate_up_proj.", "\"model_type\": \"phi3\", which is not supported, would use it"},
    {".sinks", "\"model_type\": \"gpt_oss\", which is not supported, would use it"},
    {"vision", "it belongs to a model that sees images, which is not supported"},
    {"multi_modal", "it belongs to a model that sees images, which is not supported"},
    {"visual.", "it belongs to a model that sees images, which is not supported"},
    {".lora_", "it belongs to an adapter; merge that into the weights, or keep it in a folder of its own"},
    {".SCB", "it belongs to an 8-bit weight of bitsandbytes; get the model in 4 or 16 bits"},
    {".weight_format", "it belongs to an 8-bit weight of bitsandbytes; get the model in 4 or 16 bits"},
    {".absmax", "it belongs to a 4-bit weight without a quant_state; save it again with bitsandbytes 0.41 or later"},
    {".qweight", "it belongs to a GPTQ or AWQ weight; get the model in 4 bits of bitsandbytes, or in 16"},
    {".qzeros", "it belongs to a GPTQ or AWQ weight; get the model in 4 bits of bitsandbytes, or in 16"},
    {".g_idx", "it belongs to a GPTQ weight; get the model in 4 bits of bitsandbytes, or in 16"},
    {".weight_packed", "it is compressed-tensors'; get the model in 4 bits of bitsandbytes, or in 16"},
    {".weight_scale", "it belongs to an FP8 weight; get the model in 4 bits of bitsandbytes, or in 16"},
};

// What would use the tensor, or whose it is; empty: unknown.
std::string use_of(const std::string& name, const LlamaConfig& config, const CheckpointFiles& files,
                   const Names& used) {
    if (layer_of(name).value_or(-1) >= config.layers)
        return fmt::format("num_hidden_layers is {}; {} would use all layers", config.layers, layers_of(files));
    if (name.ends_with("_proj.bias")) return use_of_bias(name, config, files);
    for (const auto& [part, owner] : owners)
        if (name.find(part) != name.npos) return std::string(owner);
    if (used.contains("model." + name))
        return fmt::format("'model.{}' would be used; save the model with its head, not the part below it", name);
    return "";
}

struct Unused {
    const TensorInfo* first = nullptr;
    std::size_t count = 0;
    std::string use;  // of the first whose use is known, which is then `first`
};

Unused find_unused(const LlamaConfig& config, const Params& params, const CheckpointFiles& files) {
    Names used = names_used(params, files);
    Unused unused;
    for (const TensorInfo* t : files.tensors()) {
        if (used.contains(t->name) || harmless(t->name, config)) continue;
        unused.count++;
        if (!unused.use.empty()) continue;
        unused.use = use_of(t->name, config, files, used);
        if (!unused.first || !unused.use.empty()) unused.first = t;
    }
    return unused;
}

[[noreturn]] void refuse(const Unused& unused, const CheckpointFiles& files) {
    std::size_t others = unused.count - 1;
    std::string more = others ? fmt::format(" and {} other{}", others, others == 1 ? "" : "s") : "";
    std::string what = unused.use.empty() ? "it belongs to another model" : unused.use;
    throw InputError(fmt::format("{}: tensor '{}'{} would not be used by the model that config.json describes: {}",
                                 files.file_of(*unused.first).string(), excerpt(unused.first->name, 160), more, what));
}

void check_entry(const TableEntry& e, const CheckpointFiles& files) {
    if (std::optional<StoredWeight> w = find_stored_weight(files, e.name)) {
        if (Shape{w->rows, w->cols} != e.param.shape)
            throw InputError(fmt::format("{}: tensor '{}' is stored as [{}, {}], config.json asks for {}",
                                         files.path().string(), e.name, w->rows, w->cols, e.param.shape.text()));
        return;
    }
    std::vector<std::int64_t> dims;
    for (int i = 0; i < e.param.shape.rank(); i++) dims.push_back(e.param.shape[i]);
    const TensorInfo& info = files.get(e.name, dims);
    if (info.dtype != DType::f32 && info.dtype != DType::bf16 && info.dtype != DType::f16 && info.dtype != DType::f64)
        throw InputError(fmt::format("{}: {} has type {}; expected f32, bf16 or f16", files.file_of(info).string(),
                                     e.name, name_of(info.dtype)));
}

}  // namespace

void check_weights(const LlamaConfig& config, const Params& params, const CheckpointFiles& files) {
    Unused unused = find_unused(config, params, files);
    if (!unused.use.empty()) refuse(unused, files);
    for (const TableEntry& e : params.table)
        if (e.kind == TableEntry::Kind::base) check_entry(e, files);
    if (unused.first) refuse(unused, files);
}

}  // namespace tandem
