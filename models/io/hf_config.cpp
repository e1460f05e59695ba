#include "models/io/hf_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "models/io/files.h"
#include "models/io/json_fields.h"
#include "models/io/rope_config.h"
#include "models/io/stored_weight.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

enum class Family { llama, mistral, qwen2 };

Family read_family(const JsonFields& f) {
    std::string type = f.required("model_type", f.text("model_type"));
    if (type == "llama") return Family::llama;
    if (type == "mistral") return Family::mistral;
    if (type == "qwen2") return Family::qwen2;
    f.fail("model_type", fmt::format("is '{}'; supported are llama, mistral, qwen2", type));
}

int size(const JsonFields& f, std::string_view key) {
    return int(f.required(key, f.integer(key, JsonFields::positive)));
}

int read_kv_heads(const JsonFields& f, Family family, int heads) {
    std::string_view key = "num_key_value_heads";
    int otherwise = heads;  // where it is null, or a Llama does not write it
    if (!f.present(key) && family == Family::mistral) otherwise = 8;
    if (!f.present(key) && family == Family::qwen2) otherwise = 32;
    return int(f.integer(key, JsonFields::positive).value_or(otherwise));
}

// The first Llamas have max_sequence_length or nothing; then transformers' defaults count.
std::int64_t read_max_positions(const JsonFields& f, Family family) {
    for (std::string_view key : {"max_position_embeddings", "max_sequence_length"})
        if (std::optional<std::int64_t> n = f.integer(key, JsonFields::positive)) return *n;
    switch (family) {
        case Family::llama: return 2048;
        case Family::mistral: return 131072;
        case Family::qwen2: return 32768;
    }
    return 0;
}

void read_sizes(const JsonFields& f, Family family, LlamaConfig& c) {
    c.hidden = size(f, "hidden_size");
    c.layers = int(f.required("num_hidden_layers", f.integer("num_hidden_layers", {1, 10000})));
    c.heads = size(f, "num_attention_heads");
    c.kv_heads = read_kv_heads(f, family, c.heads);
    c.intermediate = size(f, "intermediate_size");
    c.vocab = size(f, "vocab_size");
    c.max_positions = read_max_positions(f, family);
    if (c.heads % c.kv_heads != 0)
        f.fail("num_key_value_heads", fmt::format("is {}, which does not divide the {} heads", c.kv_heads, c.heads));
    if (std::optional<std::int64_t> head_dim = f.integer("head_dim", JsonFields::positive)) {
        c.head_dim = int(*head_dim);
    } else {
        if (c.hidden % c.heads != 0)
            f.fail("hidden_size", fmt::format("is {}, which is no multiple of the {} heads", c.hidden, c.heads));
        c.head_dim = c.hidden / c.heads;
    }
    if (c.head_dim % 2 != 0) f.fail("head_dim", fmt::format("must be even for rotary embeddings, got {}", c.head_dim));
    if (std::int64_t(c.heads) * c.head_dim > JsonFields::positive.max)
        f.fail("head_dim", fmt::format("is {}, too large for {} heads", c.head_dim, c.heads));
}

void read_switches(const JsonFields& f, Family family, LlamaConfig& c) {
    std::string act = f.text("hidden_act").value_or("silu");
    if (act != "silu") f.fail("hidden_act", fmt::format("is '{}'; supported is silu", act));
    double rms_eps = f.positive_number("rms_norm_eps").value_or(1e-6);
    if (rms_eps < 1e-30 || rms_eps >= 1)
        f.fail("rms_norm_eps", fmt::format("must be from 1e-30 to 1, got {}", rms_eps));
    c.rms_eps = float(rms_eps);
    c.claims_tied = f.boolean("tie_word_embeddings");
    c.tied = c.claims_tied.value_or(false);
    // Llama has either as an option; Qwen2 always biases q, k and v; Mistral none. Theirs are no keys of the file.
    bool bias = family == Family::llama && f.boolean("attention_bias").value_or(false);
    c.attention_bias = {.qkv = bias || family == Family::qwen2, .o = bias};
    c.mlp_bias = family == Family::llama && f.boolean("mlp_bias").value_or(false);
}

// A window that is not written has transformers' default of 4096; null switches it off.
std::optional<std::int64_t> window_or_default(const JsonFields& f) {
    if (f.present("sliding_window")) return f.integer("sliding_window", JsonFields::positive);
    return 4096;
}

std::optional<std::int64_t> read_window(const JsonFields& f, Family family, int layers) {
    if (family == Family::llama) return std::nullopt;
    std::optional<std::int64_t> window = window_or_default(f);
    if (family == Family::mistral) return window;
    if (!f.boolean("use_sliding_window").value_or(false)) return std::nullopt;
    bool some_layer = f.integer("max_window_layers", {0, JsonFields::positive.max}).value_or(28) < layers;
    if (auto types = f.texts("layer_types")) some_layer = std::ranges::count(*types, "sliding_attention") > 0;
    return some_layer ? window : std::nullopt;
}

std::vector<int> token_ids(const JsonFields& f, std::string_view key, int vocab) {
    std::vector<int> ids;
    for (std::int64_t id : f.integers(key, {0, vocab - 1}).value_or(std::vector<std::int64_t>{}))
        ids.push_back(int(id));
    return ids;
}

void read_token_ids(const JsonFields& f, Family family, LlamaConfig& c) {
    auto read = [&](std::string_view key, int otherwise) {
        if (f.present(key) || family == Family::qwen2 || otherwise >= c.vocab) return token_ids(f, key, c.vocab);
        return std::vector{otherwise};
    };
    std::vector<int> bos = read("bos_token_id", 1);
    if (!bos.empty()) c.bos_id = bos.front();
    c.eos_ids = read("eos_token_id", 2);
}

void read_generation_config(const fs::path& path, LlamaConfig& c) {
    if (!is_there(path)) return;
    Json json = parse_json_file(path);
    JsonFields f(json, path.string());
    std::vector<int> bos = token_ids(f, "bos_token_id", c.vocab), eos = token_ids(f, "eos_token_id", c.vocab);
    if (!c.bos_id && !bos.empty()) c.bos_id = bos.front();
    if (!eos.empty()) c.eos_ids = eos;
}

DType read_stored(const JsonFields& f) {
    static constexpr std::array<std::pair<std::string_view, DType>, 4> known{
        {{"float32", DType::f32}, {"bfloat16", DType::bf16}, {"float16", DType::f16}, {"float64", DType::f64}}};
    std::string_view key = f.is_set("dtype") ? "dtype" : "torch_dtype";
    std::string name = f.text(key).value_or("float32");
    for (auto [text, dtype] : known)
        if (name == text || name == fmt::format("torch.{}", text)) return dtype;
    f.fail(key, fmt::format("is '{}'; supported are float32, bfloat16, float16, float64", name));
}

// What is quantized, and how, the tensors themselves say. Of the configuration only the method counts: one that is not
// read has tensors of its own. Before transformers 4.35 nobody wrote it.
bool read_quantization(const JsonFields& f) {
    bool there = false;
    for (std::string_view key : {"quantization_config", "compression_config"}) {  // the latter is older
        std::optional<JsonFields> q = f.object(key);
        if (!q) continue;
        std::string method = q->text("quant_method").value_or("bitsandbytes");
        if (!is_read(method))
            q->fail("quant_method", fmt::format("is '{}'; supported: {}; get such a copy of the model, or a 16-bit one",
                                                method, read_methods()));
        there = true;
    }
    return there;
}

}  // namespace

LlamaConfig read_hf_config(const fs::path& folder) {
    fs::path path = folder / "config.json";
    Json json = parse_json_file(path);
    JsonFields f(json, path.string());
    Family family = read_family(f);
    LlamaConfig c;
    c.model_type = *f.text("model_type");
    read_sizes(f, family, c);
    read_switches(f, family, c);
    c.rope = read_rope_config(f, c.head_dim, c.max_positions);
    c.sliding_window = read_window(f, family, c.layers);
    read_token_ids(f, family, c);
    read_generation_config(folder / "generation_config.json", c);
    c.stored = read_stored(f);
    c.claims_quantized = read_quantization(f);
    return c;
}

}  // namespace tandem
