// The shape of a Llama and of its relatives (Mistral, Qwen2), as config.json tells it; what a checkpoint's tensors
// decide against it is settled by models/io/tensor_facts.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/dtype.h"

namespace tandem {

enum class RopeType : std::uint8_t { standard, linear, dynamic, yarn, llama3 };  // "default" in config.json

struct RopeConfig {
    RopeType type = RopeType::standard;
    double theta = 10000;
    double factor = 1;                        // all but standard
    std::int64_t original_max_positions = 0;  // yarn, llama3
    double low_freq_factor = 1, high_freq_factor = 4;  // llama3
    double beta_fast = 32, beta_slow = 1;              // yarn, from here on
    std::optional<double> mscale, mscale_all_dim;
    std::optional<double> attention_factor;  // empty: follows from factor and the mscales
    bool truncate = true;                    // round the corrected range of dimensions outwards
    bool operator==(const RopeConfig&) const = default;
};

struct AttentionBias {
    bool qkv = false, o = false;
    bool operator==(const AttentionBias&) const = default;
};

struct LlamaConfig {
    std::string model_type = "llama";
    int hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0, vocab = 0;
    std::int64_t max_positions = 0;
    float rms_eps = 1e-6f;
    RopeConfig rope;
    bool tied = false;                // lm_head is embed_tokens
    std::optional<bool> claims_tied;  // what config.json says of it; empty: nothing
    bool claims_quantized = false;    // config.json has a quantization_config (of bitsandbytes)
    AttentionBias attention_bias;
    bool mlp_bias = false;
    std::vector<int> eos_ids;  // each ends a text; empty: none known
    std::optional<int> bos_id;
    std::optional<std::int64_t> sliding_window;  // tokens; attention over a longer context would differ
    DType stored = DType::f32;                   // the type that config.json gives for the weights
};

}  // namespace tandem
