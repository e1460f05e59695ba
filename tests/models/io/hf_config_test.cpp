#include "models/io/hf_config.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "models/io/files.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;
using nlohmann::json;

namespace {

json llama2() {
    return {{"model_type", "llama"},     {"hidden_size", 4096},
            {"num_hidden_layers", 32},   {"num_attention_heads", 32},
            {"num_key_value_heads", 32}, {"intermediate_size", 11008},
            {"vocab_size", 32000},       {"max_position_embeddings", 4096},
            {"rms_norm_eps", 1e-5},      {"hidden_act", "silu"},
            {"rope_scaling", nullptr},   {"tie_word_embeddings", false},
            {"torch_dtype", "float16"},  {"bos_token_id", 1},
            {"eos_token_id", 2}};
}

LlamaConfig read(const Scratch& s, const json& config, const std::string& generation = "") {
    s.put("config.json", config.dump());
    std::filesystem::remove(s.path / "generation_config.json");
    if (!generation.empty()) s.put("generation_config.json", generation);
    return read_hf_config(s.path);
}

json with(json config, const std::string& key, const json& value) {
    config[key] = value;
    return config;
}

}  // namespace

TEST_CASE("the golden models' configurations") {
    LlamaConfig c = read_hf_config(golden / "models/llama3-gqa");
    CHECK(c.hidden == 96);
    CHECK(c.layers == 3);
    CHECK(c.heads == 6);
    CHECK(c.kv_heads == 2);
    CHECK(c.head_dim == 16);
    CHECK(c.intermediate == 256);
    CHECK(c.vocab == 640);
    CHECK(c.max_positions == 512);
    CHECK(c.rms_eps == 1e-5f);
    CHECK(c.tied);
    CHECK(c.rope == RopeConfig{.type = RopeType::llama3, .theta = 500000, .factor = 8, .original_max_positions = 32,
                               .low_freq_factor = 1, .high_freq_factor = 4, .mscale = {}, .mscale_all_dim = {},
                               .attention_factor = {}});
    CHECK(c.bos_id == 635);
    CHECK(c.eos_ids == std::vector{639});
    CHECK(c.stored == DType::bf16);
    CHECK(c.attention_bias == AttentionBias{});
    CHECK_FALSE(c.claims_quantized);
    CHECK(c.claims_tied == true);
    CHECK_FALSE(c.sliding_window);

    LlamaConfig q = read_hf_config(golden / "models/qwen2-bias");
    CHECK(q.attention_bias == AttentionBias{.qkv = true, .o = false});
    CHECK(q.head_dim == 16);
    CHECK_FALSE(q.bos_id);
    CHECK(q.eos_ids.empty());
    CHECK_FALSE(q.sliding_window);
    CHECK_FALSE(q.tied);

    CHECK(q.claims_tied == false);
    CHECK(read_hf_config(golden / "models/llama2-mha-bnb-fp4").claims_quantized);
}

TEST_CASE("defaults of each model type") {
    Scratch s;
    LlamaConfig c = read(s, llama2());
    CHECK(c.head_dim == 128);
    CHECK(c.rope == RopeConfig{});
    CHECK(c.stored == DType::f16);
    json few = llama2();
    for (const char* key : {"num_key_value_heads", "rms_norm_eps", "hidden_act", "rope_scaling", "tie_word_embeddings",
                            "torch_dtype", "bos_token_id", "eos_token_id", "max_position_embeddings"})
        few.erase(key);
    c = read(s, few);
    CHECK(c.kv_heads == 32);
    CHECK(c.max_positions == 2048);
    CHECK(c.rms_eps == 1e-6f);
    CHECK_FALSE(c.claims_tied);
    CHECK_FALSE(c.tied);
    CHECK(read(s, with(few, "max_sequence_length", 1024)).max_positions == 1024);
    CHECK(read(s, with(few, "max_position_embeddings", nullptr)).max_positions == 2048);
    CHECK(read(s, with(llama2(), "max_sequence_length", 1024)).max_positions == 4096);
    CHECK(c.bos_id == 1);
    CHECK(c.eos_ids == std::vector{2});
    CHECK(c.stored == DType::f32);
    few["model_type"] = "qwen2";
    few["attention_bias"] = false;
    c = read(s, few);
    CHECK(c.kv_heads == 32);
    CHECK(c.max_positions == 32768);
    CHECK_FALSE(c.bos_id);
    CHECK(c.eos_ids.empty());
    CHECK(c.attention_bias.qkv);
    CHECK_FALSE(c.attention_bias.o);
    few["model_type"] = "mistral";
    few["attention_bias"] = true;
    few["head_dim"] = 256;
    c = read(s, few);
    CHECK(c.attention_bias == AttentionBias{});
    CHECK(c.kv_heads == 8);
    CHECK(read(s, with(few, "num_key_value_heads", nullptr)).kv_heads == 32);
    CHECK(c.max_positions == 131072);
    CHECK(c.head_dim == 256);
    c = read(s, with(with(llama2(), "attention_bias", true), "mlp_bias", true));
    CHECK(c.attention_bias == AttentionBias{true, true});
    CHECK(c.mlp_bias);
}

TEST_CASE("sliding windows") {
    Scratch s;
    json mistral = with(llama2(), "model_type", "mistral");
    CHECK(read(s, with(mistral, "sliding_window", 1024)).sliding_window == 1024);
    CHECK(read(s, mistral).sliding_window == 4096);
    CHECK_FALSE(read(s, with(mistral, "sliding_window", nullptr)).sliding_window);
    CHECK_FALSE(read(s, with(llama2(), "sliding_window", 1024)).sliding_window);
    json qwen = with(with(llama2(), "model_type", "qwen2"), "sliding_window", 1024);
    CHECK_FALSE(read(s, qwen).sliding_window);
    qwen["use_sliding_window"] = true;
    CHECK(read(s, qwen).sliding_window == 1024);  // 32 layers, the window begins at 28
    CHECK_FALSE(read(s, with(qwen, "max_window_layers", 32)).sliding_window);
    CHECK_FALSE(read(s, with(qwen, "layer_types", {"full_attention"})).sliding_window);
    CHECK(read(s, with(with(qwen, "max_window_layers", 32), "layer_types", {"sliding_attention"})).sliding_window ==
          1024);
}

TEST_CASE("token ids: one, a list, none, and generation_config.json") {
    Scratch s;
    CHECK(read(s, with(llama2(), "eos_token_id", {2, 5})).eos_ids == std::vector{2, 5});
    LlamaConfig c = read(s, with(with(llama2(), "eos_token_id", nullptr), "bos_token_id", nullptr));
    CHECK(c.eos_ids.empty());
    CHECK_FALSE(c.bos_id);
    c = read(s, llama2(), R"({"bos_token_id": 7, "eos_token_id": [8, 9]})");
    CHECK(c.eos_ids == std::vector{8, 9});
    CHECK(c.bos_id == 1);
    CHECK(read(s, llama2(), "{}").eos_ids == std::vector{2});
    CHECK(contains(message_of<InputError>([&] { read(s, llama2(), R"({"eos_token_id": "2"})"); }),
                   "generation_config.json"));
    CHECK_THROWS_AS(read(s, llama2(), "[]"), InputError);
}

TEST_CASE("rope, old style and new") {
    Scratch s;
    json old = with(llama2(), "rope_theta", 20000);
    CHECK(read(s, old).rope.theta == 20000);
    LlamaConfig c = read(s, with(old, "rope_scaling", {{"type", "linear"}, {"factor", 2}}));
    CHECK(c.rope.type == RopeType::linear);
    CHECK(c.rope.factor == 2);
    CHECK(c.rope.theta == 20000);
    c = read(s, with(old, "rope_scaling", {{"rope_type", "dynamic"}, {"type", "linear"}, {"factor", 2.5}}));
    CHECK(c.rope.type == RopeType::dynamic);
    json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"rope_theta", 30000}, {"beta_fast", 16}, {"truncate", false},
              {"original_max_position_embeddings", 1024}, {"mscale", 0.7}, {"mscale_all_dim", 0.8}};
    c = read(s, with(old, "rope_parameters", yarn));
    CHECK(c.rope == RopeConfig{.type = RopeType::yarn, .theta = 30000, .factor = 4, .original_max_positions = 1024,
                               .beta_fast = 16, .mscale = 0.7, .mscale_all_dim = 0.8, .attention_factor = {},
                               .truncate = false});
    yarn.erase("original_max_position_embeddings");
    CHECK(read(s, with(old, "rope_parameters", yarn)).rope.original_max_positions == 4096);
    yarn["factor"] = nullptr;
    yarn["original_max_position_embeddings"] = 1024;
    CHECK(read(s, with(old, "rope_parameters", yarn)).rope.factor == 4);
    CHECK(read(s, with(old, "rope_parameters", {{"rope_type", "default"}})).rope ==
          RopeConfig{.theta = 20000, .mscale = {}, .mscale_all_dim = {}, .attention_factor = {}});
}

namespace {
void fails(const std::string& key, const json& value, const std::string& named = "") {
    Scratch s;
    std::string message = message_of<InputError>([&] { read(s, with(llama2(), key, value)); });
    bool says = contains(message, "config.json") && contains(message, "\"" + (named.empty() ? key : named) + "\"");
    CHECK_MESSAGE(says, key << "=" << value.dump() << " -> " << message);
}
}  // namespace

TEST_CASE("every bad value is an error with the file and the key") {
    Scratch s;
    for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                            "vocab_size"}) {
        for (const json& value : {json(nullptr), json(0), json(-1), json(1.5), json("8"), json::array(), json(true),
                                  json(1e30), json(std::uint64_t(1) << 63), json(std::int64_t(1) << 31)})
            fails(key, value);
        json missing = llama2();
        missing.erase(key);
        CHECK_THROWS_AS(read(s, missing), InputError);
    }
    for (const char* key : {"max_position_embeddings", "max_sequence_length"}) {
        json config = llama2();
        config.erase("max_position_embeddings");
        for (const json& value : {json(0), json(-1), json(1.5), json("8"), json(true), json(1e30)})
            CHECK_THROWS_AS(read(s, with(config, key, value)), InputError);
    }
    fails("model_type", "gpt2");
    fails("model_type", nullptr);
    fails("num_key_value_heads", 5);
    fails("num_key_value_heads", 0);
    fails("num_attention_heads", 3, "num_key_value_heads");
    fails("hidden_size", 4095);
    fails("head_dim", 0);
    fails("head_dim", 127);
    fails("head_dim", 2147483646);
    fails("rms_norm_eps", 0);
    fails("rms_norm_eps", -1e-5);
    fails("rms_norm_eps", 1e300);
    fails("rms_norm_eps", "1e-5");
    fails("hidden_act", "gelu");
    fails("tie_word_embeddings", "false");
    fails("attention_bias", 1);
    fails("eos_token_id", -1);
    fails("eos_token_id", 32000);
    fails("eos_token_id", json{2, "3"});
    fails("bos_token_id", 1.0);
    fails("torch_dtype", "int8");
}

TEST_CASE("every bad value of RoPE or quantization is an error with the file and the key") {
    Scratch s;
    fails("rope_theta", -1);
    fails("rope_theta", 1);
    fails("partial_rotary_factor", 0.5);
    fails("rope_scaling", "linear");
    fails("rope_scaling", {{"type", "longrope"}}, "type");
    fails("rope_scaling", {{"rope_type", 1}}, "rope_type");
    fails("rope_scaling", {{"type", "linear"}}, "factor");
    fails("rope_scaling", {{"type", "linear"}, {"factor", 0}}, "factor");
    fails("rope_scaling", {{"type", "linear"}, {"factor", 0.5}}, "factor");
    fails("rope_scaling", {{"type", "yarn"}, {"factor", "4"}}, "factor");
    fails("rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"beta_fast", 0}}, "beta_fast");
    fails("rope_scaling", {{"type", "llama3"}, {"factor", 8}, {"high_freq_factor", 4}}, "low_freq_factor");
    fails("rope_scaling", {{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 4}},
          "high_freq_factor");
    fails("rope_parameters", {{"full_attention", {{"rope_type", "default"}}}});
    fails("quantization_config", {{"quant_method", "gptq"}}, "quant_method");
    fails("quantization_config", {{"quant_method", 4}}, "quant_method");
    fails("quantization_config", "bitsandbytes");
    fails("compression_config", {{"quant_method", "compressed-tensors"}}, "quant_method");
    CHECK(read(s, with(llama2(), "quantization_config", json::object())).claims_quantized);
    CHECK_FALSE(read(s, with(llama2(), "quantization_config", nullptr)).claims_quantized);
}

TEST_CASE("text that is no configuration is an error, whatever it is") {
    Scratch s;
    auto error = [&](const std::string& text) {
        s.put("config.json", text);
        return message_of<InputError>([&] { read_hf_config(s.path); });
    };
    for (const char* text : {"", "{", "[]", "3", "null", "{\"a\": NaN}", "{\"a\": 1e999}", "{\"a\": \"\xff\"}"})
        CHECK_MESSAGE(contains(error(text), "config.json"), text);
    CHECK(contains(error("{}" + std::string(1, '\0')), "NUL"));
    CHECK(contains(error(std::string(200000, '[')), "config.json"));
    std::filesystem::remove(s.path / "config.json");
    CHECK(contains(message_of<InputError>([&] { read_hf_config(s.path); }), "No such file"));
    with_flips(read_file(golden / "models/llama3-gqa/config.json"), 2000, error);
    with_flips(read_file(golden / "models/llama2-mha-bnb-fp4/config.json"), 1000, error);
}
