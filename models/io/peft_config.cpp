#include "models/io/peft_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "models/io/json_fields.h"

namespace tandem {

namespace {

// Keys that change what the adapter computes or holds when they are set.
constexpr const char* unsupported[] = {
    "modules_to_save", "rank_pattern", "alpha_pattern", "layers_to_transform", "layer_replication", "lora_bias",
    "use_qalora", "use_bdlora", "alora_invocation_tokens", "target_parameters", "trainable_token_indices",
    "fan_in_fan_out"};

void refuse_unsupported(const JsonFields& f) {
    for (const char* key : unsupported)
        if (f.is_set(key)) f.fail(key, "is set, which is not supported");
    if (std::string bias = f.text("bias").value_or("none"); bias != "none")
        f.fail("bias", fmt::format("is '{}'; supported is none", bias));
    std::string task = f.text("task_type").value_or("CAUSAL_LM");
    if (task != "CAUSAL_LM") f.fail("task_type", fmt::format("is '{}'; supported is CAUSAL_LM", task));
    if (f.is_text("init_lora_weights") && *f.text("init_lora_weights") != "gaussian")
        f.fail("init_lora_weights", "may change the base model; supported are true, false and gaussian");
}

bool plain(const std::string& name) {
    return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::vector<std::string> read_targets(const JsonFields& f) {
    std::vector<std::string> targets = f.required("target_modules", f.texts("target_modules"));
    if (!f.is_list("target_modules")) {
        if (targets.front() == "all-linear") return {};
        if (!plain(targets.front()))
            f.fail("target_modules", fmt::format("is the pattern '{}'; supported are a list of names and all-linear",
                                                 targets.front()));
    }
    if (targets.empty() || std::ranges::count(targets, "") > 0) f.fail("target_modules", "must hold names of modules");
    std::ranges::sort(targets);
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    return targets;
}

}  // namespace

AdapterConfig read_adapter_config(const std::filesystem::path& file) {
    Json json = parse_json_file(file);
    JsonFields f(json, file.string());
    std::string type = f.required("peft_type", f.text("peft_type"));
    if (type != "LORA") f.fail("peft_type", fmt::format("is '{}'; supported is LORA", type));
    refuse_unsupported(f);
    AdapterConfig c;
    LoraSpec& lora = c.lora;
    lora.rank = int(f.required("r", f.integer("r", {1, 65536})));
    lora.alpha = f.required("lora_alpha", f.positive_number("lora_alpha"));
    lora.dropout = f.number("lora_dropout").value_or(0);
    if (lora.dropout < 0 || lora.dropout >= 1)
        f.fail("lora_dropout", fmt::format("must be at least 0 and below 1, got {}", lora.dropout));
    lora.rslora = f.boolean("use_rslora").value_or(false);
    c.dora = f.boolean("use_dora").value_or(false);
    lora.targets = read_targets(f);
    c.base_model = f.text("base_model_name_or_path").value_or("");
    return c;
}

std::string adapter_config_text(const AdapterConfig& c) {
    const LoraSpec& lora = c.lora;
    Json json;
    json["base_model_name_or_path"] = c.base_model;
    json["bias"] = "none";
    json["fan_in_fan_out"] = false;
    json["inference_mode"] = true;
    json["init_lora_weights"] = true;
    // PEFT declares an integer and takes both; an integral alpha is written as one.
    if (lora.alpha == std::floor(lora.alpha) && lora.alpha < 1e9) json["lora_alpha"] = std::int64_t(lora.alpha);
    else json["lora_alpha"] = lora.alpha;
    json["lora_dropout"] = lora.dropout;
    json["modules_to_save"] = nullptr;
    json["peft_type"] = "LORA";
    json["r"] = lora.rank;
    json["target_modules"] = Json(lora.targets);
    json["task_type"] = "CAUSAL_LM";
    json["use_dora"] = c.dora;
    json["use_rslora"] = lora.rslora;
    return json.text(2) + "\n";
}

}  // namespace tandem
