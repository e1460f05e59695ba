#include "models/text/json_node.h"

#include <nlohmann/json.hpp>

#include "runtime/error.h"

namespace tandem {

using nlohmann::json;

JsonNode JsonNode::at(std::string_view key) const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    auto it = value_->find(key);
    if (it == value_->end()) fail("expected a member \"" + std::string(key) + "\", found none");
    return JsonNode(*it, *file_, path_ + "." + std::string(key));
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    auto it = value_->find(key);
    if (it == value_->end() || it->is_null()) return std::nullopt;
    return JsonNode(*it, *file_, path_ + "." + std::string(key));
}

std::vector<JsonNode> JsonNode::items() const {
    if (!value_->is_array()) fail("expected an array, got " + text());
    std::vector<JsonNode> out;
    for (std::size_t i = 0; i < value_->size(); i++)
        out.emplace_back((*value_)[i], *file_, path_ + "[" + std::to_string(i) + "]");
    return out;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    std::vector<std::pair<std::string, JsonNode>> out;
    for (auto& [key, value] : value_->items()) out.emplace_back(key, JsonNode(value, *file_, path_ + "." + key));
    return out;
}

bool JsonNode::is_null() const { return value_->is_null(); }
bool JsonNode::is_string() const { return value_->is_string(); }

std::string JsonNode::string() const {
    if (!value_->is_string()) fail("expected a string, got " + text());
    return value_->get<std::string>();
}

bool JsonNode::boolean() const {
    if (!value_->is_boolean()) fail("expected true or false, got " + text());
    return value_->get<bool>();
}

bool JsonNode::boolean(std::string_view key, bool otherwise) const {
    auto node = find(key);
    return node ? node->boolean() : otherwise;
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
    bool fits = value_->is_number_integer() &&
                !(value_->is_number_unsigned() && value_->get<std::uint64_t>() > std::uint64_t(INT64_MAX));
    std::int64_t v = fits ? value_->get<std::int64_t>() : 0;
    if (!fits || v < low || v > high)
        fail("expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", got " + text());
    return v;
}

void JsonNode::fail(const std::string& what) const {
    throw InputError("[" + *file_ + "] at " + (path_.empty() ? "the top level" : path_.substr(1)) + ": " + what);
}

std::string JsonNode::text() const {
    std::string s = value_->dump(-1, ' ', false, json::error_handler_t::replace);
    return s.size() > 80 ? s.substr(0, 77) + "…" : s;
}

}  // namespace tandem
