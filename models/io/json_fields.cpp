#include "models/io/json_fields.h"

#include <fmt/core.h>

#include <cmath>

#include "models/io/file_kind.h"
#include "models/io/files.h"

namespace tandem {

Json parse_json(std::string_view text, const std::string& where) {
    auto parsed = Json::parse(text);
    if (auto* problem = std::get_if<Json::Problem>(&parsed))
        throw InputError(fmt::format("[json] {} is not valid JSON: {}", where,
                                     file_kind_or(text.substr(0, file_kind_bytes), problem->what)));
    return std::get<Json>(std::move(parsed));
}

Json parse_json_file(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

JsonFields::JsonFields(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {
    if (!value.is_object())
        throw InputError(fmt::format("[json] {}: expected an object, got {}", where_, value.kind_name()));
}

const Json* JsonFields::find(std::string_view key) const {
    const Json* value = value_->find(key);
    return value && !value->is_null() ? value : nullptr;
}

void JsonFields::fail(std::string_view key, const std::string& what) const {
    throw InputError(fmt::format("[json] {}: \"{}\" {}", where_, key, what));
}

std::int64_t JsonFields::checked(std::string_view key, const Json& value, IntegerRange range) const {
    if (value.kind() != Json::Kind::integer)
        fail(key, fmt::format("must be an integer, got {}",
                              value.is_number() ? value.text() : std::string(value.kind_name())));
    std::int64_t n = value.integer();
    if (n < range.min || n > range.max)
        fail(key, fmt::format("must be from {} to {}, got {}", range.min, range.max, n));
    return n;
}

std::optional<std::int64_t> JsonFields::integer(std::string_view key, IntegerRange range) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    return checked(key, *value, range);
}

std::optional<double> JsonFields::number(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number()) fail(key, fmt::format("must be a number, got {}", value->kind_name()));
    double number = value->number();
    if (!std::isfinite(number)) fail(key, "must be finite");
    return number;
}

std::optional<double> JsonFields::positive_number(std::string_view key) const {
    std::optional<double> value = number(key);
    if (value && !(*value > 0)) fail(key, fmt::format("must be positive, got {}", *value));
    return value;
}

std::optional<bool> JsonFields::boolean(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (value->kind() != Json::Kind::boolean)
        fail(key, fmt::format("must be true or false, got {}", value->kind_name()));
    return value->boolean();
}

std::optional<std::string> JsonFields::text(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_string()) fail(key, fmt::format("must be a string, got {}", value->kind_name()));
    return value->string();
}

std::optional<JsonFields> JsonFields::object(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_object()) fail(key, fmt::format("must be an object, got {}", value->kind_name()));
    return JsonFields(*value, fmt::format("{}: {}", where_, key));
}

std::optional<std::vector<std::int64_t>> JsonFields::integers(std::string_view key, IntegerRange range) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_array()) return std::vector{checked(key, *value, range)};
    std::vector<std::int64_t> all;
    for (const Json& item : value->array()) all.push_back(checked(key, item, range));
    return all;
}

std::optional<std::vector<std::string>> JsonFields::texts(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_array()) return std::vector{*text(key)};
    std::vector<std::string> all;
    for (const Json& item : value->array()) {
        if (!item.is_string()) fail(key, fmt::format("must hold strings, got {}", item.kind_name()));
        all.push_back(item.string());
    }
    return all;
}

bool JsonFields::present(std::string_view key) const { return value_->find(key) != nullptr; }

bool JsonFields::is_set(std::string_view key) const {
    const Json* value = find(key);
    if (!value) return false;
    switch (value->kind()) {
        case Json::Kind::boolean: return value->boolean();
        case Json::Kind::string: return !value->string().empty();
        case Json::Kind::array: return !value->array().empty();
        case Json::Kind::object: return !value->object().empty();
        default: return true;
    }
}

bool JsonFields::is_list(std::string_view key) const {
    const Json* value = find(key);
    return value && value->is_array();
}

bool JsonFields::is_text(std::string_view key) const {
    const Json* value = find(key);
    return value && value->is_string();
}

}  // namespace tandem
