// Which modules of a model have an adapter, as PEFT's LoraConfig says it and PEFT decides it (its
// check_target_module_exists and _maybe_include_all_linear_layers).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapt/path_pattern.h"
#include "runtime/json.h"

namespace tandem {

class JsonFields;

class ModuleSelection {
  public:
    ModuleSelection() = default;  // no module
    // Whole paths or their ends behind a dot, such as "q_proj".
    ModuleSelection(std::vector<std::string> targets);
    // From the keys of an adapter_config.json, named `file` in an InputError.
    static ModuleSelection read(const JsonFields& config, const std::string& file);
    void write(Json& config) const;  // the same keys; null where they were not set

    // Whether the linear layer of this path is one. A pattern that hits its match limit is an InputError.
    bool selects(std::string_view path) const;

    // The targets of a list that name none of these paths, and the selection without some.
    std::vector<std::string> targets_beside(const std::vector<std::string>& paths) const;
    ModuleSelection without(const std::vector<std::string>& targets) const;

    std::string text() const { return targets_.json.text(); }  // the targets
    bool operator==(const ModuleSelection& other) const;

  private:
    struct Names {
        Json json;  // as it is written: a list, sorted and each name once; a string; null for none
        std::shared_ptr<const PathPattern> pattern;  // of whole paths, where json is a string
        bool contain(std::string_view path) const;
    };
    static Names names(const JsonFields& config, std::string_view key, const std::string& file);
    void read_layers(const JsonFields& config, const std::string& file);
    bool in_layers(std::string_view path) const;

    Names targets_, excluded_;                 // the string "all-linear" has no pattern
    Json layers_, layers_pattern_;             // as they are written
    std::vector<std::int64_t> layer_numbers_;  // empty: every layer
    std::vector<PathPattern> layer_patterns_;  // where a path says its layer; the first that matches decides
};

}  // namespace tandem
