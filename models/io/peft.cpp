#include "models/io/peft.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "models/io/peft_config.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr const char* config_name = "adapter_config.json";
constexpr const char* weights_name = "adapter_model.safetensors";
constexpr std::string_view prefix = "base_model.model.";
constexpr std::string_view part_a = ".lora_A.weight", part_b = ".lora_B.weight";
constexpr std::string_view part_magnitude = ".lora_magnitude_vector";

std::string tensor_name(std::string_view module, std::string_view part) {
    return fmt::format("{}{}{}", prefix, module, part);
}

bool matches(std::string_view path, std::string_view target) {
    return path == target || (path.ends_with(target) && path[path.size() - target.size() - 1] == '.');
}

}  // namespace

Adapter Adapter::open(const fs::path& folder) {
    if (!fs::exists(folder / weights_name) && fs::exists(folder / "adapter_model.bin"))
        throw InputError(
            fmt::format("[adapter] {} has adapter_model.bin; save it as safetensors first", folder.string()));
    Adapter adapter(read_adapter_config(folder / config_name), SafetensorsFile::open(folder / weights_name));
    adapter.find_modules();
    adapter.match_targets();
    return adapter;
}

void Adapter::find_modules() {
    std::set<std::string> paths;
    for (const TensorInfo& t : file_.tensors()) {
        std::string_view name = t.name, module;
        for (std::string_view part : {part_a, part_b, part_magnitude})
            if (name.starts_with(prefix) && name.ends_with(part) && name.size() > prefix.size() + part.size())
                module = name.substr(prefix.size(), name.size() - prefix.size() - part.size());
        if (module.empty() || (!config_.dora && name.ends_with(part_magnitude)))
            throw InputError(fmt::format("[adapter] {}: tensor '{}' is no part of {} adapter", file_.path().string(),
                                         name, config_.dora ? "a DoRA" : "a LoRA"));
        paths.emplace(module);
    }
    for (const std::string& path : paths) modules_.push_back(checked_module(path));
    if (modules_.empty()) throw InputError(fmt::format("[adapter] {} holds no tensor", file_.path().string()));
}

AdapterModule Adapter::checked_module(const std::string& path) const {
    AdapterModule m{path};
    auto part = [&](std::string_view suffix) -> const TensorInfo& {
        std::string name = tensor_name(path, suffix);
        const TensorInfo* t = file_.find(name);
        if (!t) throw InputError(fmt::format("[adapter] {} lacks tensor '{}'", file_.path().string(), name));
        if (t->dtype != DType::f32 && t->dtype != DType::bf16 && t->dtype != DType::f16 && t->dtype != DType::f64)
            throw InputError(fmt::format("[adapter] {}: tensor '{}' is {}, expected a float type",
                                         file_.path().string(), name, name_of(t->dtype)));
        return *t;
    };
    auto expect = [&](const TensorInfo& t, const std::vector<std::int64_t>& dims) {
        if (t.dims != dims)
            throw InputError(fmt::format("[adapter] {}: tensor '{}' is {}, expected {} for rank {}",
                                         file_.path().string(), t.name, text_of(t.dims), text_of(dims),
                                         config_.lora.rank));
    };
    const TensorInfo &a = part(part_a), &b = part(part_b);
    m.in = a.dims.empty() ? 0 : a.dims.back();
    m.out = b.dims.empty() ? 0 : b.dims.front();
    expect(a, {config_.lora.rank, m.in});
    expect(b, {m.out, config_.lora.rank});
    if (config_.dora) expect(part(part_magnitude), {m.out});
    return m;
}

void Adapter::match_targets() {
    if (config_.lora.targets.empty()) {
        std::set<std::string> names;
        for (const AdapterModule& m : modules_) names.insert(m.path.substr(m.path.rfind('.') + 1));
        config_.lora.targets.assign(names.begin(), names.end());
    }
    for (const std::string& target : config_.lora.targets) {
        if (std::ranges::none_of(modules_, [&](const AdapterModule& m) { return matches(m.path, target); }))
            throw InputError(fmt::format("[adapter] {} has nothing for the target module '{}' of {}",
                                         file_.path().string(), target, config_name));
    }
    for (const AdapterModule& m : modules_) {
        if (std::ranges::none_of(config_.lora.targets, [&](const std::string& t) { return matches(m.path, t); }))
            throw InputError(fmt::format("[adapter] {}: '{}' is no target module of {}", file_.path().string(), m.path,
                                         config_name));
    }
}

const AdapterModule* Adapter::find(std::string_view path) const {
    auto at =
        std::ranges::lower_bound(modules_, path, {}, [](const AdapterModule& m) -> std::string_view { return m.path; });
    return at == modules_.end() || at->path != path ? nullptr : &*at;
}

std::vector<float> Adapter::values(const AdapterModule& module, std::string_view part) const {
    const TensorInfo* t = file_.find(tensor_name(module.path, part));
    if (!t) throw Error(fmt::format("[adapter] {} has no '{}'", file_.path().string(), tensor_name(module.path, part)));
    std::vector<float> values(std::size_t(t->elements()));
    to_float(t->dtype, file_.bytes(*t), values);
    return values;
}

std::vector<float> Adapter::a(const AdapterModule& module) const { return values(module, part_a); }
std::vector<float> Adapter::b(const AdapterModule& module) const { return values(module, part_b); }
std::vector<float> Adapter::magnitude(const AdapterModule& module) const { return values(module, part_magnitude); }

}  // namespace tandem
