// Adapters as PEFT reads them: which modules they are for, and what a run makes of it.
#include <regex>

#include "models/llama/params.h"
#include "tests/support/adapter_files.h"
#include "tests/support/model_files.h"

using namespace tandem;
using namespace tandem::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const std::string seven =
    R"("target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])";

Adapter whole() { return Adapter::open(golden("adapters/lora-llama2/final")); }

fs::path with_keys(const fs::path& folder, const json& keys) {
    fs::copy(golden("adapters/lora-llama2/final"), folder);
    fs::permissions(folder / "adapter_config.json", fs::perms::owner_write, fs::perm_options::add);
    edit_json(folder / "adapter_config.json", [&](json& c) { c.update(keys); });
    return folder;
}

Arguments evaluation(const fs::path& adapter) {
    return Arguments{"eval"} + model_and_data() +
           Arguments{"--dataset-samples", "3",    "--precision", "fp32", "--json",
                     "--train-type",      "lora", "--adapter",   adapter};
}

json evaluated(const fs::path& adapter) {
    Exit e = run(evaluation(adapter));
    REQUIRE_MESSAGE(e.code == 0, e.err);
    return json::parse(e.out);
}

Arguments going_on(const fs::path& output, const fs::path& adapter, int steps) {
    return Arguments{"train"} + model_and_data() +
           Arguments{"--dataset-samples", "8",    "--num-epochs",   "1000",        "--gpus",
                     "cpu,cpu",           "--lr", "1e-2",           "--max-steps", std::to_string(steps),
                     "--output-dir",      output, "--init-adapter", adapter};
}

json config_of(const fs::path& adapter) { return json::parse(text_of(adapter / "adapter_config.json")); }

std::vector<std::string> tensors_of(const fs::path& adapter) {
    std::vector<std::string> names;
    const json header = Shard(adapter / "adapter_model.safetensors").header;
    for (const auto& item : header.items())
        if (item.key() != "__metadata__") names.push_back(item.key());
    return names;
}

}  // namespace

TEST_CASE("adapters: targets that are not there are left out and said; PEFT fails only where none is") {
    Scratch s;
    const json loss = evaluated(golden("adapters/lora-llama2/final"));
    json targets = projection_names();
    for (const char* more : {"lm_head", "embed_tokens", "w1", "q_proj", "proj"}) targets.push_back(more);
    fs::path adapter = with_keys(s / "more", {{"target_modules", targets}});
    Exit e = run(evaluation(adapter));
    REQUIRE_MESSAGE(e.code == 0, e.err);
    CHECK(json::parse(e.out) == loss);
    CHECK_MESSAGE(e.says("has nothing for the target modules embed_tokens, lm_head, proj, w1"), e.err);
    for (const json& alike : {json("all-linear"), json(R"(model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj)")}) {
        e = run(evaluation(with_keys(s / std::to_string(alike.dump().size()), {{"target_modules", alike}})));
        REQUIRE_MESSAGE(e.code == 0, e.err);
        CHECK(json::parse(e.out) == loss);
    }
    e = run(going_on(s / "run", adapter, 1));
    REQUIRE_MESSAGE(e.code == 0, e.err);
    CHECK(e.says("has nothing for the target modules embed_tokens, lm_head, proj, w1"));
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    CHECK(config_of(s / "run/adapter")["target_modules"] == targets);
    CHECK(tensors_of(s / "run/adapter").size() == 56);
}

TEST_CASE("adapters: of some layers, trained further, resumed, and read again") {
    for (const std::string& keys :
         {seven + R"(, "layers_to_transform": 2)",
          seven + R"(, "layers_to_transform": [3, 1], "layers_pattern": "layers")",
          seven + R"(, "exclude_modules": ["0.self_attn.q_proj", "mlp.up_proj"])",
          std::string(R"("target_modules": ".*\\.[02]\\..*(q|down)_proj", "exclude_modules": ".*0\\.mlp.*")")}) {
        CAPTURE(keys);
        Scratch s;
        ModuleSelection part = selection(keys);
        write_adapter_part(whole(), s / "part", part, Others::gone);
        write_adapter_part(whole(), s / "zero", part, Others::zero);
        CHECK(evaluated(s / "part") == evaluated(s / "zero"));
        Exit e = run(going_on(s / "a", s / "part", 2));
        REQUIRE_MESSAGE(e.code == 0, e.err);
        CHECK(tensors_of(s / "a/adapter") == tensors_of(s / "part"));
        CHECK(adapter(s / "a") != text_of(s / "part/adapter_model.safetensors"));
        json before = config_of(s / "part"), after = config_of(s / "a/adapter");
        for (const char* key : {"target_modules", "layers_to_transform", "layers_pattern", "exclude_modules", "r"})
            CHECK(before.at(key) == after.at(key));
        evaluated(s / "a/adapter");
        // Two steps, then two more: as four at once.
        for (const auto& [output, steps] : {std::pair{"a", 4}, {"b", 4}}) {
            e = run(going_on(s / output, s / "part", steps));
            REQUIRE_MESSAGE(e.code == 0, e.err);
        }
        check_same_run(s / "a", s / "b");
        // The result's own options are no contradiction of its initial adapter.
        e = run(Arguments{"train", "--config", s / "b/config.json", "--max-steps", "1", "--output-dir", s / "c"});
        CHECK_MESSAGE(e.code == 0, e.err);
    }
}

TEST_CASE("adapters: what is not adapted here is refused by name") {
    Scratch s;
    auto refused = [&](const fs::path& folder, const std::string& sentence) {
        for (const Arguments& command : {evaluation(folder), going_on(s / "run", folder, 1)}) {
            Exit e = run(command);
            CHECK(e.code == 2);
            CHECK_MESSAGE(e.says(sentence), e.err);
            CHECK(!fs::exists(s / "run"));
        }
    };
    auto with_module = [&](const char* path, const char* target) {
        AdapterConfig config = whole().config();
        std::vector<std::string> targets = projection_names();
        targets.push_back(target);
        config.lora.modules = targets;
        write_adapter_with(whole(), s / path, config, {path, 64, 512}, 0.5f);
        return s / path;
    };
    refused(with_module("lm_head", "lm_head"), "adapts 'lm_head'; only q_proj, ");
    refused(with_module("model.layers.0.mlp.w1", "w1"), "adapts 'model.layers.0.mlp.w1'; only q_proj, ");
    refused(with_module("model.layers.4.mlp.up_proj", "up_proj"), "adapts 'model.layers.4.mlp.up_proj', and the model");
    write_adapter_part(whole(), s / "part", selection(seven + R"(, "layers_to_transform": [0, 1, 2])"), Others::gone);
    edit_json(s / "part/adapter_config.json", [](json& c) { c["layers_to_transform"] = nullptr; });
    refused(s / "part", "has no model.layers.3.");
    edit_json(s / "part/adapter_config.json", [](json& c) { c["layers_to_transform"] = {0, 1}; });
    refused(s / "part", "'model.layers.2.mlp.down_proj' is no target module of adapter_config.json");
    refused(with_keys(s / "all", {{"target_modules", ".*q_proj"}}), "down_proj' is no target module");
    refused(with_keys(s / "open", {{"target_modules", ".*(q_proj"}}), "\"target_modules\" is the pattern '.*(q_proj'");
    refused(with_keys(s / "endless", {{"exclude_modules", "(.+)+[0-9]"}}), "match limit exceeded");
    for (const char* kind : {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "tomorrow's"})
        refused(with_keys(s / kind, {{"init_lora_weights", kind}}), "\"init_lora_weights\" is '" + std::string(kind));
}

TEST_CASE("adapters: a target module named twice is one") {
    Scratch s;
    Exit e = run(training(s / "run", 1) + Arguments{"--lora-target-modules", "v_proj,q_proj,v_proj"});
    REQUIRE_MESSAGE(e.code == 0, e.err);
    CHECK(config_of(s / "run/adapter")["target_modules"] == json{"q_proj", "v_proj"});
    e = run(training(s / "run", 2) + Arguments{"--lora-target-modules", "q_proj,v_proj"});
    CHECK_MESSAGE(e.code == 0, e.err);
    CHECK(metrics(s / "run").size() == 2);
}
