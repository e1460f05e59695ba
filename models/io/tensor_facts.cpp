#include "models/io/tensor_facts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "models/io/stored_weight.h"
#include "models/io/json_fields.h"

namespace tandem {

namespace {

constexpr const char *head_name = "lm_head.weight", *embedding_name = "model.embed_tokens.weight";

bool is_float(DType t) { return t == DType::f32 || t == DType::bf16 || t == DType::f16 || t == DType::f64; }

// The same numbers, whatever their types.
bool equal_values(const CheckpointFiles& files, const TensorInfo& a, const TensorInfo& b) {
    if (a.dims != b.dims || !is_float(a.dtype) || !is_float(b.dtype)) return false;
    std::size_t n = std::size_t(a.elements()), piece = std::min<std::size_t>(n, 1 << 16);
    std::vector<float> x(piece), y(piece);
    for (std::size_t begin = 0; begin < n; begin += piece) {
        std::size_t count = std::min(piece, n - begin);
        auto read = [&](const TensorInfo& t, std::vector<float>& to) {
            std::size_t each = size_of(t.dtype);
            to_float(t.dtype, files.bytes(t).subspan(begin * each, count * each), std::span(to).first(count));
        };
        read(a, x);
        read(b, y);
        if (std::memcmp(x.data(), y.data(), count * sizeof(float)) != 0) return false;
    }
    return true;
}

// A copy of the embedding under the head's name is no head of its own.
bool has_own_head(const LlamaConfig& config, const CheckpointFiles& files) {
    const TensorInfo *head = files.find(head_name), *embedding = files.find(embedding_name);
    if (!head || !embedding || !config.claims_tied.value_or(false)) return head != nullptr;
    bool copy = equal_values(files, *head, *embedding);
    files.drop(*head);
    return !copy;
}

}  // namespace

std::vector<std::string> settle_by_tensors(LlamaConfig& config, const CheckpointFiles& files) {
    std::vector<std::string> said;
    bool own_head = has_own_head(config, files);
    std::string file = files.path().string();
    if (!own_head && config.claims_tied == false)
        throw InputError(fmt::format("{} has no {}, and its config.json says \"tie_word_embeddings\": false; set that "
                                     "to true if the head is the embedding, or get a whole copy of the model",
                                     file, head_name));
    if (!own_head && !config.claims_tied)
        said.push_back(fmt::format("{}: config.json does not set tie_word_embeddings, and there is no {}; the head is "
                                   "the embedding",
                                   file, head_name));
    if (own_head && config.claims_tied.value_or(false))
        said.push_back(fmt::format("{}: {} differs from the embedding and is used, although config.json says "
                                   "\"tie_word_embeddings\": true",
                                   file, head_name));
    config.tied = !own_head;
    if (config.claims_quantized && stored_weights(files).empty())
        said.push_back(fmt::format("{}: config.json has a quantization_config, but no weight is quantized; they "
                                   "are read as the dense weights they are",
                                   file));
    return said;
}

std::string settled_config(const LlamaConfig& config, const std::string& text) {
    bool other_tie = config.claims_tied.value_or(false) != config.tied;
    if (!other_tie && !config.claims_quantized) return text;
    Json json = parse_json(text, "config.json");
    if (other_tie) json["tie_word_embeddings"] = config.tied;
    for (const char* key : {"quantization_config", "compression_config"}) json.erase(key);
    return json.text(2) + "\n";
}

}  // namespace tandem
