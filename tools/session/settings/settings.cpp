#include "tools/session/settings/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "models/io/json_fields.h"
#include "runtime/joined.h"

namespace tandem {
namespace {

bool goes_on(Resumed resumed, const Json& was, const Json& is) {
    if (resumed == Resumed::any || resumed == Resumed::by_content || was == is) return true;
    if (resumed != Resumed::or_more || was.kind() != Json::Kind::integer) return false;
    auto end = [](std::int64_t n) { return n < 0 ? std::numeric_limits<std::int64_t>::max() : n; };
    return end(is.integer()) >= end(was.integer());
}

// "model, model_name"
std::vector<std::string> names_of(std::string_view list) {
    std::vector<std::string> names;
    while (true) {
        const std::size_t comma = list.find(',');
        std::string_view name = list.substr(0, comma);
        name.remove_prefix(std::min(name.size(), name.find_first_not_of(' ')));
        names.push_back(setting_name(name));
        if (comma == list.npos) return names;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace

std::string setting_name(std::string_view name) {
    std::string text(name);
    std::replace(text.begin(), text.end(), '-', '_');
    return text;
}

std::string SettingRange::text() const {
    std::string all;
    auto part = [&](const char* sign, double limit) {
        if (limit > -inf && limit < inf) all += fmt::format("{} {} {}", all.empty() ? "" : " and", sign, limit);
    };
    part(">=", min);
    part(">", above);
    part("<=", max);
    part("<", below);
    return all;
}

void Settings::declare(std::string_view names, std::string help, Field field, Resumed resumed) {
    std::vector<std::string> list = names_of(names);
    for (const std::string& name : list)
        if (find(name)) throw Error(fmt::format("[settings] {} is declared twice", name));
    std::string initial = field.json();
    settings_.push_back({std::move(list), std::move(help), group_, std::move(field), initial, resumed});
}

Settings::Setting* Settings::find(std::string_view name) {
    const std::string wanted = setting_name(name);
    for (Setting& s : settings_)
        if (std::find(s.names.begin(), s.names.end(), wanted) != s.names.end()) return &s;
    return nullptr;
}

const Settings::Setting* Settings::find(std::string_view name) const {
    return const_cast<Settings*>(this)->find(name);
}

bool Settings::given(std::string_view name) const {
    const Setting* s = find(name);
    if (!s) throw Error(fmt::format("[settings] {} is not declared", name));
    return s->given || s->field.json() != s->default_json;
}

void Settings::set(std::string_view name, const std::string& text) {
    Setting* s = find(name);
    if (!s) throw InputError(fmt::format("there is no setting {}", name));
    if (!s->field.read(text))
        throw InputError(fmt::format("{} expected {}, got '{}'", setting(s->names[0]), s->field.expected, text));
    s->given = true;
}

void Settings::check(const Check& check) const {
    std::vector<std::string> errors;
    for (const Setting& s : settings_)
        if (!s.field.holds())
            errors.push_back(
                fmt::format("{} expected {}, got {}", setting(s.names[0]), s.field.expected, s.field.json()));
    if (errors.empty()) add_conflicts(check, errors);
    if (!errors.empty()) throw InputError(joined(errors, "\n"));
}

void Settings::add_conflicts(const Check& check, std::vector<std::string>& errors) const {
    auto failed = [&](const std::string& name) { return find(name)->failed; };
    for (Conflict& conflict : check ? check() : std::vector<Conflict>{})
        if (std::none_of(conflict.settings.begin(), conflict.settings.end(), failed))
            errors.push_back(std::move(conflict.sentence));
}

std::string Settings::json() const {
    std::string all;
    for (const Setting& s : settings_)
        all += fmt::format("{}    \"{}\": {}", all.empty() ? "" : ",\n", s.names[0], s.field.json());
    return "{\n" + all + "\n}\n";
}

std::vector<std::string> Settings::differences(const std::string& json) const {
    const Json other = parse_json(json, "the settings of an earlier run");
    std::vector<std::string> names;
    for (const Setting& s : settings_) {
        const Json* there = other.find(s.names[0]);
        const Json was = there ? *there : parse_json(s.default_json, s.names[0]);
        if (!goes_on(s.resumed, was, parse_json(s.field.json(), s.names[0]))) names.push_back(s.names[0]);
    }
    for (const auto& [key, value] : JsonFields(other, "the settings of an earlier run").members())
        if (!find(key)) names.push_back(key);
    return names;
}

}  // namespace tandem
