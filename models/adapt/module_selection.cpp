#include "models/adapt/module_selection.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "models/io/json_fields.h"
#include "runtime/error.h"

namespace tandem {

namespace {

constexpr std::string_view all_linear = "all-linear", head = "lm_head";

// What PEFT takes for a layer's number unless layers_pattern says where to look: the first one after a named part.
constexpr std::string_view numbered_part = R"(.*?\.[^.]*\.(?P<idx>\d+)\.)";

bool is_or_ends_with(std::string_view path, std::string_view name) {
    return path == name || (path.ends_with(name) && path[path.size() - name.size() - 1] == '.');
}

Json sorted_list(std::vector<std::string> names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return Json(names);
}

bool means_all_linear(std::string text) {
    for (char& c : text) c = char(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return text == all_linear;
}

std::string key_of(const std::string& file, std::string_view key) {
    return fmt::format("[json] {}: \"{}\"", file, key);
}

}  // namespace

ModuleSelection::ModuleSelection(std::vector<std::string> targets) { targets_.json = sorted_list(std::move(targets)); }

bool ModuleSelection::Names::contain(std::string_view path) const {
    if (pattern) return pattern->matches_whole(path);
    return json.is_array() &&
           std::ranges::any_of(json.array(), [&](const Json& n) { return is_or_ends_with(path, n.string()); });
}

ModuleSelection::Names ModuleSelection::names(const JsonFields& config, std::string_view key, const std::string& file) {
    Names n;
    if (!config.is_set(key)) return n;
    std::vector<std::string> all = config.required(key, config.texts(key));
    if (std::ranges::count(all, "") > 0) config.fail(key, "must hold names of modules, got an empty one");
    n.json = config.is_list(key) ? sorted_list(all) : Json(all.front());
    if (n.json.is_string()) n.pattern = std::make_shared<PathPattern>(all.front(), key_of(file, key));
    return n;
}

ModuleSelection ModuleSelection::read(const JsonFields& config, const std::string& file) {
    ModuleSelection s;
    s.targets_ = names(config, "target_modules", file);
    if (s.targets_.json.is_null())
        config.fail("target_modules", "is missing; it must be a list of names, a pattern, or all-linear");
    if (s.targets_.json.is_string() && means_all_linear(s.targets_.json.string())) s.targets_.pattern.reset();
    s.excluded_ = names(config, "exclude_modules", file);
    s.read_layers(config, file);
    return s;
}

void ModuleSelection::read_layers(const JsonFields& config, const std::string& file) {
    constexpr const char *numbers = "layers_to_transform", *pattern = "layers_pattern";
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    for (const char* key : {numbers, pattern})
        if (config.is_set(key) && targets_.json.is_string())
            config.fail(key, "needs a list of target_modules, as in PEFT; say the layers in the pattern instead");
    std::optional<std::vector<std::int64_t>> layers = config.integers(numbers, {-most, most});
    if (layers) {
        layer_numbers_ = *layers;
        layers_ = config.is_list(numbers) ? Json(*layers) : Json(layers->front());
    }
    if (!config.is_set(pattern)) {
        if (!layer_numbers_.empty()) layer_patterns_.emplace_back(numbered_part, key_of(file, numbers));
        return;
    }
    if (!layers) config.fail(pattern, "needs layers_to_transform beside it, as in PEFT");
    std::vector<std::string> all = config.required(pattern, config.texts(pattern));
    layers_pattern_ = config.is_list(pattern) ? Json(all) : Json(all.front());
    for (const std::string& p : all)
        layer_patterns_.emplace_back(fmt::format(R"((?:^|.*?\.){}\.(?P<idx>\d+)\.)", p), key_of(file, pattern));
}

void ModuleSelection::write(Json& config) const {
    config["exclude_modules"] = excluded_.json;
    config["layers_pattern"] = layers_pattern_;
    config["layers_to_transform"] = layers_;
    config["target_modules"] = targets_.json;
}

bool ModuleSelection::in_layers(std::string_view path) const {
    if (layer_numbers_.empty()) return true;
    for (const PathPattern& p : layer_patterns_)
        if (std::optional<PathPattern::Start> start = p.matches_start(path)) {
            std::int64_t layer = -1;
            auto [end, error] = std::from_chars(start->index.data(), start->index.data() + start->index.size(), layer);
            return error == std::errc() && std::ranges::count(layer_numbers_, layer) > 0;
        }
    return false;
}

bool ModuleSelection::selects(std::string_view path) const {
    if (excluded_.contain(path)) return false;
    if (targets_.pattern) return targets_.contain(path);
    if (targets_.json.is_string()) return path != head;
    if (!targets_.contain(path)) return false;
    // A whole path stands for itself, whatever its layer.
    return std::ranges::count(targets_.json.array(), Json(path)) > 0 || in_layers(path);
}

std::vector<std::string> ModuleSelection::targets_beside(const std::vector<std::string>& paths) const {
    std::vector<std::string> beside;
    if (!targets_.json.is_array()) return beside;
    for (const Json& target : targets_.json.array())
        if (std::ranges::none_of(paths, [&](const std::string& p) { return is_or_ends_with(p, target.string()); }))
            beside.push_back(target.string());
    return beside;
}

ModuleSelection ModuleSelection::without(const std::vector<std::string>& targets) const {
    ModuleSelection s = *this;
    if (!s.targets_.json.is_array()) return s;
    std::vector<std::string> rest;
    for (const Json& target : targets_.json.array())
        if (std::ranges::count(targets, target.string()) == 0) rest.push_back(target.string());
    s.targets_.json = Json(rest);
    return s;
}

bool ModuleSelection::operator==(const ModuleSelection& other) const {
    return targets_.json == other.targets_.json && excluded_.json == other.excluded_.json && layers_ == other.layers_ &&
           layers_pattern_ == other.layers_pattern_;
}

}  // namespace tandem
