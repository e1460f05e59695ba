// A checkpoint's tensors decide: what config.json would leave out is refused, what it only claims is not believed.
#include "models/train/check_weights.h"

#include <doctest/doctest.h>

#include <set>

#include "models/io/stored_weight.h"
#include "quant/quantize.h"
#include "runtime/thread_pool.h"
#include "tests/models/io/support.h"
#include "tests/support/golden_model.h"
#include "tests/support/model_variant.h"

using namespace tandem;
using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

const char* const llama2 = "llama2-mha";
const char* const tied_llama3 = "llama3-gqa";
const char* const qwen2 = "qwen2-bias";
const char* const nf4 = "llama2-mha-bnb-nf4-double";
const char* const fp4 = "llama2-mha-bnb-fp4";
const std::string up = "model.layers.1.mlp.up_proj.weight", q = "model.layers.2.self_attn.q_proj.weight";

// In fp32, of 24 tokens.
double loss(const fs::path& folder, TrainType type = TrainType::lora) {
    GoldenBatch batch{1, 24, {}, {}};
    for (int i = 0; i < 24; i++) batch.ids.push_back(7 * i + 3);
    batch.labels = batch.ids;
    return GoldenRun({folder, type}, 1).run(batch).loss;
}
double golden_loss(const std::string& name, TrainType type = TrainType::lora) {
    return loss(golden / "models" / name, type);
}

std::string error_of(const ModelVariant& m) {
    fs::path folder = m.write();
    return message_of<InputError>([&] { GoldenRun({folder, TrainType::lora}, 1); });
}

std::vector<std::string> notes_of(const ModelVariant& m) {
    ModelRecipe options;
    options.model = m.write().string();
    return open_model(options).notes;
}

// What a run of the given type holds in 4 bits.
std::set<std::string> quantized(const fs::path& folder, TrainType type) {
    ModelRecipe options;
    options.model = folder.string();
    options.train_type = type;
    Model model = open_model(options);
    ParamSetup setup;
    setup.quant = base_quant(model, options);
    std::set<std::string> names;
    for (const TableEntry& e : make_params(model.config, setup).table)
        if (e.quant) names.insert(e.name);
    return names;
}

// The weight as the dense numbers that its 4 bits stand for.
void make_dense(ModelVariant& m, const std::string& from, const std::string& weight) {
    CheckpointFiles files = CheckpointFiles::open(golden / "models" / from);
    StoredWeight w = *find_stored_weight(files, weight);
    std::vector<std::byte> bytes(quant_bytes(w.spec, w.rows, w.cols));
    w.copy(bytes);
    std::vector<float> values(std::size_t(w.rows * w.cols));
    dequantize(QuantTensor{w.spec, w.rows, w.cols, bytes.data()}, 0, std::int64_t(values.size()), values.data());
    for (const std::string& name : w.tensors) m.tensors.erase(name);
    m.add(weight, {w.rows, w.cols});
    std::memcpy(m.tensors.at(weight).bytes.data(), values.data(), values.size() * sizeof(float));
}

// The tensor in 4 bits, as bitsandbytes would write it without double quantization.
void make_4bit(ModelVariant& m, const std::string& weight, int block) {
    ModelVariant::Part dense = m.tensors.at(weight);
    std::vector<float> values(dense.bytes.size() / size_of(dense.dtype));
    to_float(dense.dtype, std::as_bytes(std::span(dense.bytes)), values);
    const Block4 spec{.book = Block4::Book::nf4, .nested = false, .block = block};
    const std::int64_t n = std::int64_t(values.size());
    const QuantParts parts = spec.parts(1, n);
    std::vector<std::byte> bytes(parts.bytes());
    ThreadPool pool(1);
    REQUIRE(quantize(spec, host_weight(values.data(), 1, n), bytes.data(), pool));
    auto part = [&](int i) {
        return std::string(reinterpret_cast<const char*>(bytes.data()) + parts[i].at, parts[i].bytes());
    };
    std::string state = nlohmann::json{{"quant_type", "nf4"}, {"blocksize", block}, {"dtype", "float32"},
                                       {"shape", dense.dims}}
                            .dump();
    m.tensors[weight] = {DType::u8, {n / 2, 1}, part(0)};
    m.tensors[weight + ".absmax"] = {DType::f32, {n / block}, part(1)};
    m.tensors[weight + ".quant_map"] = {DType::f32, {16}, part(2)};
    m.tensors[weight + ".quant_state.bitsandbytes__nf4"] = {DType::u8, {std::int64_t(state.size())}, state};
}

}  // namespace

TEST_CASE("a tensor that the model would not use is refused, with what would use it") {
    struct Case {
        const char* model;
        std::vector<std::string> names;
        const char* use;
    };
    const std::string attention = "model.layers.0.self_attn.", mlp = "model.layers.0.mlp.";
    for (const Case& c : {
             Case{llama2, {attention + "q_proj.bias"}, "\"model_type\": \"qwen2\""},
             {llama2, {attention + "o_proj.bias", attention + "v_proj.bias"}, ": \"attention_bias\": true"},
             {qwen2, {attention + "o_proj.bias"}, "\"model_type\": \"llama\" with \"attention_bias\": true"},
             {llama2, {mlp + "down_proj.bias"}, ": \"mlp_bias\": true"},
             {qwen2, {mlp + "gate_proj.bias"}, "\"model_type\": \"llama\" with \"mlp_bias\": true"},
             {llama2, {attention + "q_norm.weight"}, "qwen3"},
             {llama2, {attention + "k_norm.weight"}, "qwen3"},
             {llama2, {"model.layers.4.input_layernorm.weight"}, "num_hidden_layers is 4; 5 would use all layers"},
             {llama2, {"model.layers.11.mlp.up_proj.bias"}, "num_hidden_layers is 4; 12 would use all layers"},
             {llama2, {"model.layers.0.pre_feedforward_layernorm.weight"}, "gemma"},
             {llama2, {mlp + "experts.0.up_proj.weight"}, "mixture of experts"},
             {llama2, {attention + "q_proj.lora_A.weight"}, "adapter"},
             {llama2, {attention + "q_proj.SCB"}, "8-bit"},
             {llama2, {attention + "q_proj.qweight"}, "GPTQ"},
             {llama2, {attention + "q_proj.weight_scale_inv"}, "FP8"},
             {llama2, {"vision_tower.embeddings.weight"}, "images"},
             {llama2, {"model.zzz"}, "another model"},
             {llama2, {"lm_head.bias"}, "another model"},
             {llama2, {"model.layers.01x.norm"}, "another model"},
             {nf4, {attention + "q_proj.weight.more"}, "another model"},
         }) {
        ModelVariant m(c.model);
        for (const std::string& name : c.names) m.add(name, {2});
        std::string message = error_of(m);
        CHECK_MESSAGE(contains(message, "model.safetensors: tensor '" + c.names[0] + "'"), message);
        CHECK_MESSAGE(contains(message, c.use), message);
    }
    ModelVariant fewer(llama2);
    fewer.config["num_hidden_layers"] = 1;
    CHECK(contains(error_of(fewer), "'model.layers.1.input_layernorm.weight' and 26 others would not be used"));
    ModelVariant base(llama2);
    for (const auto& [name, part] : ModelVariant(llama2).tensors)
        if (name.starts_with("model.")) base.rename(name, name.substr(6));
    CHECK(contains(error_of(base), "'model.embed_tokens.weight' would be used"));
    ModelVariant stateless(fp4);
    stateless.tensors.erase(up + ".quant_state.bitsandbytes__fp4");
    CHECK(contains(error_of(stateless), "without a quant_state"));
}

TEST_CASE("tensors that are harmless are passed over") {
    ModelVariant m(llama2);
    m.add("model.layers.0.self_attn.rotary_emb.inv_freq", {8});
    m.add("model.layers.3.self_attn.rotary_emb.inv_freq", {8}, DType::f16);
    m.add("model.rotary_emb.inv_freq", {8});
    CHECK(loss(m.write()) == golden_loss(llama2));
    ModelVariant tied(tied_llama3);
    tied.tensors["lm_head.weight"] = tied.tensors.at("model.embed_tokens.weight");
    CHECK(loss(tied.write()) == golden_loss(tied_llama3));
    CHECK(notes_of(tied).empty());
    ModelVariant::Part& head = tied.tensors.at("lm_head.weight");  // the same numbers in another type
    std::vector<float> values(head.bytes.size() / 2);
    to_float(DType::bf16, std::as_bytes(std::span(head.bytes)), values);
    head = {DType::f32, head.dims, std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4)};
    CHECK(loss(tied.write()) == golden_loss(tied_llama3));
    CHECK(notes_of(tied).empty());
    tied.set("lm_head.weight", values.size() - 1, 3);  // one number is another: its own head
    CHECK(loss(tied.write()) != golden_loss(tied_llama3));
    CHECK(notes_of(tied).size() == 1);
}

TEST_CASE("whether the head is the embedding, the tensors decide") {
    ModelVariant m(llama2);
    CHECK(notes_of(m).empty());
    for (const char* claim : {"absent", "null"}) {
        m.config["tie_word_embeddings"] = nullptr;
        if (claim == std::string("absent")) m.config.erase("tie_word_embeddings");
        CHECK(loss(m.write()) == golden_loss(llama2));
        CHECK(notes_of(m).empty());
    }
    m.config["tie_word_embeddings"] = true;
    CHECK(loss(m.write()) == golden_loss(llama2));
    REQUIRE(notes_of(m).size() == 1);
    CHECK(contains(notes_of(m)[0], "lm_head.weight differs from the embedding and is used"));

    ModelVariant none(tied_llama3);
    CHECK(notes_of(none).empty());
    for (const char* claim : {"absent", "null"}) {
        none.config["tie_word_embeddings"] = nullptr;
        if (claim == std::string("absent")) none.config.erase("tie_word_embeddings");
        CHECK(loss(none.write()) == golden_loss(tied_llama3));
        REQUIRE(notes_of(none).size() == 1);
        CHECK(contains(notes_of(none)[0], "the head is the embedding"));
    }
    none.config["tie_word_embeddings"] = false;
    CHECK(contains(error_of(none), "\"tie_word_embeddings\": false"));
    none.config["tie_word_embeddings"] = true;  // a head of another size is a head of its own, and does not fit
    none.add("lm_head.weight", {641, 96});
    CHECK(contains(error_of(none), "tensor 'lm_head.weight' is [641, 96]"));
}

TEST_CASE("what is in 4 bits, each tensor's quant_state says") {
    using nlohmann::json;
    for (const char* name : {nf4, fp4}) {
        const double golden = golden_loss(name);
        ModelVariant m(name);
        auto same = [&](const char* what, const std::function<void(json&)>& edit) {
            CAPTURE(what);
            m.config = json::parse(text_of(::tandem::test::golden / "models" / name / "config.json"));
            edit(m.config);
            for (TrainType type : {TrainType::lora, TrainType::qlora}) CHECK(loss(m.write(), type) == golden);
            CHECK(notes_of(m).empty());
        };
        const char* const key = "quantization_config";
        same("no quantization_config", [&](json& c) { c.erase(key); });
        same("null", [&](json& c) { c[key] = nullptr; });
        same("empty", [&](json& c) { c[key] = json::object(); });
        same("no quant_method", [&](json& c) { c[key].erase("quant_method"); });
        same("no load_in_4bit", [&](json& c) { c[key].erase("load_in_4bit"); });
        same("8 bits", [&](json& c) { c[key] = {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}}; });
        same("another type", [&](json& c) { c[key]["bnb_4bit_quant_type"] = name == nf4 ? "fp4" : "nf4"; });
        same("no such type", [&](json& c) { c[key]["bnb_4bit_quant_type"] = "int4"; });
        same("double or not", [&](json& c) { c[key]["bnb_4bit_use_double_quant"] = name != nf4; });
        for (const json& skip : {json("null"), json{"lm_head", "multi_modal_projector"}, json{"q_proj"}, json{"model"},
                                 json::array(), json{1}})
            same("skip list", [&](json& c) { c[key]["llm_int8_skip_modules"] = skip; });
    }
}

TEST_CASE("dense projections in a 4-bit checkpoint stay dense, whatever the skip list says") {
    for (const char* name : {nf4, fp4}) {
        ModelVariant m(name);
        for (const std::string& weight : {up, q}) make_dense(m, name, weight);
        std::set<std::string> all = quantized(golden / "models" / name, TrainType::qlora);
        CHECK(all.size() == 28);
        for (const std::string& weight : {up, q}) all.erase(weight);
        for (const nlohmann::json& skip : {nlohmann::json(), nlohmann::json{"down_proj"}}) {
            m.config["quantization_config"]["llm_int8_skip_modules"] = skip;
            for (TrainType type : {TrainType::lora, TrainType::qlora}) {
                CHECK(quantized(m.write(), type) == all);
                CHECK(std::abs(loss(m.write(), type) - golden_loss(name)) < 1e-5);  // the same numbers
            }
        }
    }
}

TEST_CASE("16-bit weights under a left-over quantization_config are dense; qlora quantizes them as asked") {
    ModelVariant m(llama2);
    for (const nlohmann::json& left : {nlohmann::json{{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}},
                                       nlohmann::json{{"load_in_8bit", true}}, nlohmann::json::object()}) {
        m.config["quantization_config"] = left;
        CHECK(loss(m.write()) == golden_loss(llama2));
        CHECK(loss(m.write(), TrainType::qlora) == golden_loss(llama2, TrainType::qlora));
        CHECK(quantized(m.write(), TrainType::lora).empty());
        CHECK(quantized(m.write(), TrainType::qlora).size() == 28);
        REQUIRE(notes_of(m).size() == 1);
        CHECK(contains(notes_of(m)[0], "no weight is quantized"));
    }
    for (const char* method : {"gptq", "awq", "fp8", "compressed-tensors", "quanto", "eetq", "aqlm", "mxfp4"})
        for (const char* key : {"quantization_config", "compression_config"}) {
            m.config.erase("quantization_config");
            m.config[key] = {{"quant_method", method}};
            std::string message = error_of(m);
            CHECK_MESSAGE((contains(message, "\"quant_method\"") && contains(message, method)), message);
            m.config.erase(key);
        }
}

TEST_CASE("a 4-bit weight may have any block, and a head in 4 bits is held as the dense one it stands for") {
    for (int block : {32, 64, 128, 4096}) {
        CAPTURE(block);
        ModelVariant m(llama2);
        for (const std::string& weight : {up, q, std::string("lm_head.weight")}) {
            make_4bit(m, weight, weight == up ? std::min(block, 64) : block);  // 172 * 64 is no multiple of 4096
        }
        CHECK(quantized(m.write(), TrainType::lora) == std::set{up, q});
        double four_bits = loss(m.write());
        CHECK(four_bits != golden_loss(llama2));
        CHECK(std::abs(four_bits - golden_loss(llama2)) < 0.1);
    }
}

TEST_CASE("a quant_state of another shape than config.json's is refused by name") {
    ModelVariant m(llama2);
    make_4bit(m, q, 64);
    std::string& state = m.tensors.at(q + ".quant_state.bitsandbytes__nf4").bytes;
    state.replace(state.find("[64,64]"), 7, "[32,128]");
    m.tensors.at(q + ".quant_state.bitsandbytes__nf4").dims = {std::int64_t(state.size())};
    CHECK(contains(error_of(m), "'" + q + "' is stored as [32, 128], config.json asks for [64, 64]"));
}

TEST_CASE("the first Llamas' configurations load") {
    for (const char* key : {"max_sequence_length", ""}) {
        ModelVariant m(llama2);
        for (const char* absent : {"max_position_embeddings", "attention_bias", "mlp_bias", "head_dim", "hidden_act",
                                   "num_key_value_heads", "rope_parameters", "tie_word_embeddings", "dtype"})
            m.config.erase(absent);
        if (*key) m.config[key] = 256;
        CHECK(loss(m.write()) == golden_loss(llama2));
    }
}
