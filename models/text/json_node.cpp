#include "models/text/json_node.h"

#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {

JsonNode JsonNode::at(std::string_view key) const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    const Json* value = value_->find(key);
    if (!value) fail("expected a member \"" + std::string(key) + "\", found none");
    return JsonNode(*value, *file_, path_ + "." + std::string(key));
}

std::optional<JsonNode> JsonNode::find(std::string_view key) const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    const Json* value = value_->find(key);
    if (!value || value->is_null()) return std::nullopt;
    return JsonNode(*value, *file_, path_ + "." + std::string(key));
}

std::vector<JsonNode> JsonNode::items() const {
    if (!value_->is_array()) fail("expected an array, got " + text());
    std::vector<JsonNode> out;
    const Json::Array& items = value_->array();
    for (std::size_t i = 0; i < items.size(); i++)
        out.emplace_back(items[i], *file_, path_ + "[" + std::to_string(i) + "]");
    return out;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
    if (!value_->is_object()) fail("expected an object, got " + text());
    std::vector<std::pair<std::string, JsonNode>> out;
    for (const auto& [key, value] : value_->object()) out.emplace_back(key, JsonNode(value, *file_, path_ + "." + key));
    return out;
}

bool JsonNode::is_null() const { return value_->is_null(); }
bool JsonNode::is_string() const { return value_->is_string(); }

std::string JsonNode::string() const {
    if (!value_->is_string()) fail("expected a string, got " + text());
    return value_->string();
}

bool JsonNode::boolean() const {
    if (value_->kind() != Json::Kind::boolean) fail("expected true or false, got " + text());
    return value_->boolean();
}

bool JsonNode::boolean(std::string_view key, bool otherwise) const {
    auto node = find(key);
    return node ? node->boolean() : otherwise;
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
    bool fits = value_->kind() == Json::Kind::integer;
    std::int64_t v = fits ? value_->integer() : 0;
    if (!fits || v < low || v > high)
        fail("expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", got " + text());
    return v;
}

double JsonNode::number() const {
    if (!value_->is_number()) fail("expected a number, got " + text());
    return value_->number();
}

void JsonNode::fail(const std::string& what) const {
    throw InputError("[" + *file_ + "] at " + (path_.empty() ? "the top level" : path_.substr(1)) + ": " + what);
}

std::string JsonNode::text() const {
    return excerpt(value_->text());
}

}  // namespace tandem
