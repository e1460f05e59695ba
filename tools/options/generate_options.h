// The options of `generate`. The base model is quantized only when --train-type qlora or hqq_lora asks
// for it.
#pragma once
#include <filesystem>

#include "tools/options/options.h"
#include "tools/session/settings/model_settings.h"

namespace tandem {

struct GenerateOptions : ModelRecipe {
    GenerateOptions() {
        model = "demo";
        train_type = TrainType::full;
    }

    std::optional<std::filesystem::path> adapter;
    std::optional<std::string> prompt, chat;  // one of these two or prompt_ids
    std::optional<std::vector<std::int64_t>> prompt_ids;
    double temperature = 0;                    // 0: greedy
    std::int64_t max_new_tokens = 128;
    bool ignore_eos = false;
    std::int64_t seed = 42;
    bool json = false;
};

void declare(OptionSet& set, GenerateOptions& options);
std::vector<Conflict> validate(const GenerateOptions& options, const OptionSet& set);

}  // namespace tandem
