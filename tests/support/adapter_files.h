// Adapters made out of another one.
#pragma once
#include <algorithm>

#include "models/io/json_fields.h"
#include "models/io/peft.h"
#include "tests/support/scratch.h"

namespace tandem::test {

// Of the keys of adapter_config.json, without the braces.
inline ModuleSelection selection(const std::string& keys) {
    Json json = parse_json("{" + keys + "}", "test");
    return ModuleSelection::read(JsonFields(json, "test"), "test");
}

// The adapter as one of the modules that `selected` has: the tensors of the others are gone, or their B is zero.
enum class Others { gone, zero };
inline void write_adapter_part(const Adapter& whole, const std::filesystem::path& folder,
                               const ModuleSelection& selected, Others others) {
    AdapterConfig config = whole.config();
    if (others == Others::gone) config.lora.modules = selected;
    std::vector<AdapterModule> modules;
    std::vector<std::vector<float>> a, b;
    for (const AdapterModule& m : whole.modules()) {
        const bool keep = selected.selects(m.path);
        if (!keep && others == Others::gone) continue;
        modules.push_back(m);
        a.push_back(whole.a(m));
        b.push_back(whole.b(m));
        if (!keep) std::ranges::fill(b.back(), 0.0f);
    }
    write_adapter(folder, config, modules, [&](std::size_t i) { return AdapterValues{a[i], b[i], {}}; });
}

// One module more, with its A and B all of `value`.
inline void write_adapter_with(const Adapter& whole, const std::filesystem::path& folder, AdapterConfig config,
                               const AdapterModule& more, float value) {
    std::vector<AdapterModule> modules = whole.modules();
    std::vector<std::vector<float>> a, b;
    for (const AdapterModule& m : modules) {
        a.push_back(whole.a(m));
        b.push_back(whole.b(m));
    }
    modules.push_back(more);
    a.emplace_back(std::size_t(config.lora.rank * more.in), value);
    b.emplace_back(std::size_t(config.lora.rank * more.out), value);
    write_adapter(folder, config, modules, [&](std::size_t i) { return AdapterValues{a[i], b[i], {}}; });
}

}  // namespace tandem::test
