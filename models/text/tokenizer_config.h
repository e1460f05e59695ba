// What a checkpoint says about its special tokens and its chat template, beside tokenizer.json.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "models/text/chat_template.h"

namespace tandem {

struct TokenizerConfig {
    SpecialStrings special;
    std::optional<std::string> chat_template;  // Jinja; chat_template.jinja comes before the one in the JSON
};

// tokenizer_config.json and chat_template.jinja of a model's folder; either may be missing.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace tandem
