// The options of `tokenize`.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/options/options.h"

namespace tandem {

struct TokenizeOptions {
    std::string model = "demo";
    std::optional<std::string> text;             // one of text, lines and dataset
    std::optional<std::filesystem::path> lines;  // a text per line; lines end at \n alone
    std::optional<std::string> dataset;
    std::optional<std::int64_t> dataset_samples;  // none: all
    bool add_special_tokens = false;
    std::optional<std::string> chat_template;  // none: the checkpoint's own
    bool json = false;
};

void declare(OptionSet& set, TokenizeOptions& options);
std::vector<Conflict> validate(const TokenizeOptions& options, const OptionSet& set);

}  // namespace tandem
