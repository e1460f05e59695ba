#include "models/io/peft_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "models/io/json_fields.h"
#include "runtime/joined.h"
#include "runtime/utf8.h"

namespace tandem {

namespace {

// Keys that change what the adapter computes or holds when they are set.
constexpr const char* unsupported[] = {
    "modules_to_save", "rank_pattern", "alpha_pattern", "layer_replication", "lora_bias", "use_qalora", "use_bdlora",
    "alora_invocation_tokens", "target_parameters", "trainable_token_indices", "fan_in_fan_out", "kasa_config",
    "monteclora_config", "arrow_config"};

// How A and B began, where the base began as it was. The others moved a part of the base's weights into A and B.
constexpr std::string_view harmless_starts[] = {"gaussian", "eva", "orthogonal"};

void check_start(const JsonFields& f) {
    constexpr const char* key = "init_lora_weights";
    if (!f.is_text(key)) return void(f.boolean(key));
    std::string kind = *f.text(key), small = kind;
    for (char& c : small) c = char(std::tolower(static_cast<unsigned char>(c)));
    if (std::ranges::count(harmless_starts, small) == 0)
        f.fail(key, fmt::format("is '{}', which may change the base model's weights; taken are true, false, {}: save "
                                "the adapter with PEFT's path_initial_model_for_weight_conversion, or merge it into "
                                "its model (merge_and_unload) and give the model that comes out",
                                excerpt(kind), joined(harmless_starts)));
}

void refuse_unsupported(const JsonFields& f) {
    for (const char* key : unsupported)
        if (f.is_set(key)) f.fail(key, "is set, which is not supported");
    if (std::string bias = f.text("bias").value_or("none"); bias != "none")
        f.fail("bias", fmt::format("is '{}'; supported is none", bias));
    std::string task = f.text("task_type").value_or("CAUSAL_LM");
    if (task != "CAUSAL_LM") f.fail("task_type", fmt::format("is '{}'; supported is CAUSAL_LM", task));
    check_start(f);
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
    lora.modules = ModuleSelection::read(f, file.string());
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
    lora.modules.write(json);
    json["task_type"] = "CAUSAL_LM";
    json["use_dora"] = c.dora;
    json["use_rslora"] = lora.rslora;
    return json.text(2) + "\n";
}

}  // namespace tandem
