// The options of `eval`. The base model is quantized only when --train-type qlora asks for it.
#pragma once
#include <filesystem>

#include "tools/options/model_options.h"

namespace tandem {

struct EvalOptions : ModelOptions {
    EvalOptions() { train_type = TrainType::full; }

    std::optional<std::filesystem::path> adapter;
    std::string dataset = "demo";
    std::optional<std::int64_t> dataset_samples;  // none: all
    bool truncate = false;
    std::optional<std::string> chat_template;  // none: the checkpoint's own
    bool json = false;
};

void declare(OptionSet& set, EvalOptions& options);
std::vector<OptionConflict> validate(const EvalOptions& options, const OptionSet& set);

}  // namespace tandem
