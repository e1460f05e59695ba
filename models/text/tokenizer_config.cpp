#include "models/text/tokenizer_config.h"


#include "models/io/files.h"
#include "models/io/json_fields.h"
#include "models/text/json_node.h"

namespace tandem {
namespace {

// A token is a string or an AddedToken object.
std::string token(const JsonNode& root, std::string_view key) {
    auto node = root.find(key);
    if (!node) return "";
    return node->is_string() ? node->string() : node->at("content").string();
}

// One template, or a list of named ones of which "default" is meant.
std::optional<std::string> chat_template(const JsonNode& root) {
    auto node = root.find("chat_template");
    if (!node) return std::nullopt;
    if (node->is_string()) return node->string();
    for (const JsonNode& entry : node->items())
        if (entry.at("name").string() == "default") return entry.at("template").string();
    return std::nullopt;
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
    TokenizerConfig config;
    auto file = folder / "tokenizer_config.json";
    if (is_there(file)) {
        std::string name = file.string();
        Json json = parse_json_file(file);
        JsonNode root(json, name, "");
        config.special = {.bos = token(root, "bos_token"), .eos = token(root, "eos_token")};
        config.chat_template = chat_template(root);
    }
    if (auto jinja = folder / "chat_template.jinja"; is_there(jinja))
        config.chat_template = read_file(jinja);
    return config;
}

}  // namespace tandem
