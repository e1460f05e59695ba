#include "models/io/json_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/io/files.h"

namespace tandem {

using nlohmann::json;

json parse_json(std::string_view text, const std::string& where) {
    // The parser would take a NUL byte for the end of the text.
    if (std::size_t at = text.find('\0'); at != std::string_view::npos)
        throw InputError(fmt::format("[json] {} is not valid JSON: a NUL byte at byte {}", where, at));
    try {
        return json::parse(text);
    } catch (const json::exception& e) {
        std::string_view what = e.what();
        what.remove_prefix(std::min(what.size(), what.find("] ") + 2));
        throw InputError(fmt::format("[json] {} is not valid JSON: {}", where, what));
    }
}

json parse_json_file(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

JsonFields::JsonFields(const json& value, std::string where) : value_(&value), where_(std::move(where)) {
    if (!value.is_object())
        throw InputError(fmt::format("[json] {}: expected an object, got {}", where_, value.type_name()));
}

const json* JsonFields::find(std::string_view key) const {
    auto at = value_->find(key);
    return at == value_->end() || at->is_null() ? nullptr : &*at;
}

void JsonFields::fail(std::string_view key, const std::string& what) const {
    throw InputError(fmt::format("[json] {}: \"{}\" {}", where_, key, what));
}

std::int64_t JsonFields::checked(std::string_view key, const json& value, IntegerRange range) const {
    if (!value.is_number_integer()) fail(key, fmt::format("must be an integer, got {}", value.type_name()));
    bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(range.max);
    std::int64_t n = huge ? 0 : value.get<std::int64_t>();
    if (huge || n < range.min || n > range.max)
        fail(key, fmt::format("must be from {} to {}, got {}", range.min, range.max, value.dump()));
    return n;
}

std::optional<std::int64_t> JsonFields::integer(std::string_view key, IntegerRange range) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    return checked(key, *value, range);
}

std::optional<double> JsonFields::number(std::string_view key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number()) fail(key, fmt::format("must be a number, got {}", value->type_name()));
    double number = value->get<double>();
    if (!std::isfinite(number)) fail(key, "must be finite");
    return number;
}

std::optional<double> JsonFields::positive_number(std::string_view key) const {
    std::optional<double> value = number(key);
    if (value && !(*value > 0)) fail(key, fmt::format("must be positive, got {}", *value));
    return value;
}

std::optional<bool> JsonFields::boolean(std::string_view key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) fail(key, fmt::format("must be true or false, got {}", value->type_name()));
    return value->get<bool>();
}

std::optional<std::string> JsonFields::text(std::string_view key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_string()) fail(key, fmt::format("must be a string, got {}", value->type_name()));
    return value->get<std::string>();
}

std::optional<JsonFields> JsonFields::object(std::string_view key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_object()) fail(key, fmt::format("must be an object, got {}", value->type_name()));
    return JsonFields(*value, fmt::format("{}: {}", where_, key));
}

std::optional<std::vector<std::int64_t>> JsonFields::integers(std::string_view key, IntegerRange range) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_array()) return std::vector{checked(key, *value, range)};
    std::vector<std::int64_t> all;
    for (const json& item : *value) all.push_back(checked(key, item, range));
    return all;
}

std::optional<std::vector<std::string>> JsonFields::texts(std::string_view key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_array()) return std::vector{*text(key)};
    std::vector<std::string> all;
    for (const json& item : *value) {
        if (!item.is_string()) fail(key, fmt::format("must hold strings, got {}", item.type_name()));
        all.push_back(item.get<std::string>());
    }
    return all;
}

bool JsonFields::present(std::string_view key) const { return value_->contains(key); }

bool JsonFields::is_set(std::string_view key) const {
    const json* value = find(key);
    if (!value || (value->is_boolean() && !value->get<bool>())) return false;
    if (value->is_string()) return !value->get_ref<const std::string&>().empty();
    return !value->is_structured() || !value->empty();
}

bool JsonFields::is_list(std::string_view key) const {
    const json* value = find(key);
    return value && value->is_array();
}

bool JsonFields::is_text(std::string_view key) const {
    const json* value = find(key);
    return value && value->is_string();
}

std::vector<std::string> JsonFields::keys() const {
    std::vector<std::string> all;
    for (const auto& item : value_->items()) all.push_back(item.key());
    return all;
}

}  // namespace tandem
