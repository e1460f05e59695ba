// The options of `eval`. The base model is quantized only when --train-type qlora or hqq_lora asks
// for it.
#pragma once
#include <filesystem>

#include "tools/options/options.h"
#include "tools/session/settings/model_settings.h"

namespace tandem {

struct EvalOptions : ModelRecipe {
    EvalOptions() {
        model = "demo";
        train_type = TrainType::full;
    }

    std::optional<std::filesystem::path> adapter;
    std::string dataset = "demo";
    std::optional<std::int64_t> dataset_samples;  // none: all
    bool truncate = false;
    bool json = false;
};

void declare(OptionSet& set, EvalOptions& options);
std::vector<Conflict> validate(const EvalOptions& options, const OptionSet& set);

}  // namespace tandem
